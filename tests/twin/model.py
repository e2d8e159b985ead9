"""The twin: docs/decision.md as plain Python, the executable specification of every rule.

It shares the layouts, message numbers and codes with the product and no line
of its decision.  It is slow and that is no fault: whoever changes a rule
changes it here first, and the fast path follows until replies, entries and
records are equal again.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    RIGHT_NEEDED,
    BalanceRequest,
    ChangeCardStatusRequest,
    CreditRequest,
    DebitRequest,
    MessageType,
    OpenCardRequest,
    PutCardTypeRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Reply,
    ReversalRequest,
)
from switch.protocol.records import RecordKind

from . import debit, operators, reversal, wire
from .state import Answer, Answers, Decision, Key, Tables

STAMP_MS_MAX = 4_102_444_800_000
"""2100-01-01: in replay mode a later stamp is taken for a broken clock, and the switch's own time counts."""
WINDOW_FULL_RETRY_MS = 1000


class Outcome(NamedTuple):
    """What comes out of one message."""

    reply: bytes
    """The whole plaintext reply: header and body."""
    entry: bytes | None
    """The journal entry; None when nothing is journaled."""


def local_date(now_ms: int, zone: ZoneInfo) -> int:
    """Days from 1970-01-01 to the local date of a moment."""
    return datetime.fromtimestamp(now_ms // 1000, zone).toordinal() - date(1970, 1, 1).toordinal()


class Twin:
    """The state of one switch, and `decide`, which alone changes it."""

    def __init__(
        self,
        *,
        timezone: str,
        replay: bool,
        accounts_max: int = 1_000_000,
        cards_max: int = 1_000_000,
        terminals_max: int = 100_000,
        stores_max: int = 10_000,
        answers_per_date_max: int = 1_000_000,
        next_sequence: int = 1,
    ) -> None:
        self.zone = ZoneInfo(timezone)
        self.replay = replay
        self.next_sequence = next_sequence
        self.today = 0
        """Last business date seen; never goes back."""
        self.tables = Tables(accounts_max, cards_max, terminals_max, stores_max)
        self.answers = Answers(answers_per_date_max)
        self.moved_minor = 0
        """Credits − debits + reversals, as the replies told them; see `check`."""
        self.moved_points_hundredths = 0

    # ----------------------------------------------------------------------- the road of a message

    def decide(self, terminal_id: int, rights: int, message: bytes, now_ms: int) -> Outcome:
        """Decide one message; the order of the checks is that of docs/decision.md."""
        header = wire.read_header(message)
        error = wire.form_error(message, header)
        if error is not None:
            return Outcome(wire.error_message(header, error), None)
        asked = wire.read_request(message, header)
        if self.replay and 0 <= asked.form.stamp_ms <= STAMP_MS_MAX:
            now_ms = asked.form.stamp_ms
        today = max(self.today, local_date(now_ms, self.zone))

        if not rights & RIGHT_NEEDED[asked.type]:
            trace_number = 0 if isinstance(asked.form, BalanceRequest) else asked.form.trace_number
            reply = Reply(code=ResponseCode.NOT_PERMITTED, trace_number=trace_number, business_date=today)
            return Outcome(wire.reply_message(header, reply.encode()), None)
        self._see_date(today)
        if isinstance(asked.form, BalanceRequest):
            return Outcome(wire.reply_message(header, self._balance_reply(asked.form).encode()), None)
        reply, entry = self._decide_keyed(terminal_id, asked, asked.form, now_ms)
        return Outcome(wire.reply_message(header, reply.encode()), entry)

    def _see_date(self, today: int) -> None:
        """Go to a new business date; the answers of the one before stay, older ones are dropped."""
        if today > self.today:
            self.today = today
            self.answers.forget_before(today - 1)

    def _balance_reply(self, form: BalanceRequest) -> Reply:
        code, account = debit.balance_of(self.tables, form.card_number)
        if account is None:
            return Reply(code=code, business_date=self.today)
        return Reply(
            code=code,
            business_date=self.today,
            balance_minor=account.balance_minor,
            points_balance_hundredths=account.points_hundredths,
            journal_sequence=account.last_sequence,
        )

    def _decide_keyed(
        self, terminal_id: int, asked: wire.Asked, form: wire.KeyedForm, now_ms: int
    ) -> tuple[Reply, bytes | None]:
        """Check 6 and section 2: what is known under the key decides what happens."""
        if form.business_date not in (self.today, self.today - 1):
            return self._not_journaled(ResponseCode.BUSINESS_DATE, form), None
        key = (terminal_id, form.business_date, form.trace_number)
        known = self.answers.find(key)
        if known is not None and known.reply is not None:
            if known.is_repeat(asked):
                return known.reply, None
            return self._not_journaled(ResponseCode.TRACE_REUSED, form), None
        if known is not None:
            decision = self._reversed_before(form)
        elif not self.answers.has_room(form.business_date):
            decision = Decision(ResponseCode.WINDOW_FULL)
        else:
            decision = self._evaluate(terminal_id, asked, form)
        if decision.code == ResponseCode.WINDOW_FULL:
            return self._not_journaled(ResponseCode.WINDOW_FULL, form, WINDOW_FULL_RETRY_MS), None
        return self._record(key, asked, form, decision, now_ms)

    def _not_journaled(self, code: ResponseCode, form: wire.KeyedForm, retry_after_ms: int = 0) -> Reply:
        """Section 8: a reply that leaves no trace."""
        return Reply(code=code, trace_number=form.trace_number, business_date=self.today, retry_after_ms=retry_after_ms)

    def _reversed_before(self, form: wire.KeyedForm) -> Decision:
        """The late original of a reversal's note."""
        if isinstance(form, DebitRequest | ReversalRequest | CreditRequest):
            return Decision(ResponseCode.REVERSED_BEFORE, account=self.tables.account_of(form.card_number))
        return Decision(ResponseCode.REVERSED_BEFORE)

    def _evaluate(self, terminal_id: int, asked: wire.Asked, form: wire.KeyedForm) -> Decision:
        match form:
            case DebitRequest():
                return debit.decide_debit(self.tables, form, asked.line_amounts, self.today)
            case ReversalRequest():
                return reversal.decide_reversal(self.tables, self.answers, terminal_id, form, self.today)
            case CreditRequest():
                return debit.decide_credit(self.tables, form)
            case PutCardTypeRequest():
                return operators.decide_put_card_type(self.tables, form)
            case PutStoreRequest():
                return operators.decide_put_store(self.tables, form)
            case PutTerminalRequest():
                return operators.decide_put_terminal(self.tables, form)
            case OpenCardRequest():
                return operators.decide_open_card(self.tables, form, self.today)
            case ChangeCardStatusRequest():
                return operators.decide_change_card_status(self.tables, form)

    def _record(
        self, key: Key, asked: wire.Asked, form: wire.KeyedForm, decision: Decision, now_ms: int
    ) -> tuple[Reply, bytes]:
        """Write the entry, remember the answer under its key."""
        sequence = self.next_sequence
        self.next_sequence += 1
        for record in decision.changed:
            record.last_sequence = sequence
        account = decision.account
        reply = Reply(
            code=decision.code,
            detail=decision.detail,
            trace_number=form.trace_number,
            business_date=self.today,
            amount_minor=decision.amount_minor,
            balance_minor=account.balance_minor if account else 0,
            points_hundredths=decision.points_hundredths,
            points_balance_hundredths=account.points_hundredths if account else 0,
            journal_sequence=sequence,
        )
        self._count_moved(asked.type, reply)
        known = self.answers.find(key)
        if known is None:
            self.answers.keep(key, Answer(asked, reply))
        else:
            known.asked, known.reply = asked, reply
        entry = wire.journal_entry(
            sequence=sequence,
            time_ms=now_ms,
            terminal_id=key[0],
            business_date=self.today,
            asked=asked,
            reply=reply,
            images=[record.image() for record in decision.changed],
        )
        return reply, entry

    # ----------------------------------------------------------------------- inspection

    def state_records(self) -> dict[RecordKind, dict[int, bytes]]:
        """Every record as its 64 bytes, by kind and key (the switch record belongs to `init`, not to the decision)."""
        return self.tables.images()

    def _count_moved(self, message_type: MessageType, reply: Reply) -> None:
        """Keep the sum of all entries beside the balances, told by the replies alone."""
        sign = -1 if message_type == MessageType.DEBIT else 1
        self.moved_minor += sign * reply.amount_minor
        self.moved_points_hundredths += reply.points_hundredths

    def check(self) -> None:
        """Assert that money and points are conserved and that nothing is below zero."""
        accounts = self.tables.accounts.values()
        assert sum(account.balance_minor for account in accounts) == self.moved_minor
        assert sum(account.points_hundredths for account in accounts) == self.moved_points_hundredths
        for account in accounts:
            day_counters = (account.day_debit_minor, account.day_debit_count, account.day_points_hundredths)
            lowest = min(account.balance_minor, account.points_hundredths, *day_counters)
            assert lowest >= 0, account
            assert account.counters_date <= self.today, account
        assert all(key[1] in (self.today, self.today - 1) for key in self.answers.by_key)
