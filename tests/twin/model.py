"""The twin: docs/decision.md as plain Python, the executable specification of every rule.

It shares the layouts, message numbers and codes with the product and no line
of its decision.  It is slow and that is no fault: whoever changes a rule
changes it here first, and the fast path follows until replies, entries and
records are equal again.

`DECIDERS` maps a message type to a function `decide_x(state, ask, form, decision)
-> ResponseCode`, which changes the state and fills in the decision.  The account of a card at offset 16 is shown, and
settled as soon as the card is found; operators' messages show what they say, and only when approved.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    RIGHT_NEEDED,
    CutOverRequest,
    DayReply,
    Header,
    MessageType,
    RechargeChannel,
    Reply,
    Right,
    TerminalStatus,
)
from switch.protocol.records import RecordKind

from . import (
    accounts,
    cards,
    catalogue,
    closing,
    credit,
    desk,
    holds,
    inquiry,
    operators,
    points,
    receipts,
    refund,
    reversal,
    sale,
    security,
    wire,
)
from .balance_sheet import BalanceSheet
from .calendar import date_number
from .receipts import MasterKeys
from .state import Answer, Answers, Ask, Decision, Key, Place, Record, State, Tables

STAMP_MS_MAX = 4_102_444_800_000
"""2100-01-01: in replay mode a later stamp is taken for a broken clock, and the switch's own time counts."""
WINDOW_FULL_RETRY_MS = 1000
FIRST_OPERATOR_TYPE = 0x40
APPROVALS = (ResponseCode.APPROVED, ResponseCode.PARTIAL)

Decide = Callable[[State, Ask, Any, Decision], ResponseCode]

DECIDERS: dict[MessageType, Decide] = {
    **sale.DECIDERS,
    **holds.DECIDERS,
    **credit.DECIDERS,
    **refund.DECIDERS,
    **reversal.DECIDERS,
    MessageType.REDEEM: points.decide_redeem,
    MessageType.CONVERT: points.decide_convert,
    MessageType.ADJUST_POINTS: points.decide_adjust_points,
    MessageType.TRANSFER_POINTS: points.decide_transfer_points,
    MessageType.BACKFILL: points.decide_backfill,
    MessageType.LOAD_VISITS: points.decide_load_visits,
    MessageType.DAY_TOTALS: closing.decide_day_totals,
    MessageType.PUT_CARD_TYPE: operators.decide_put_card_type,
    MessageType.SET_TYPE_STATE: operators.decide_set_type_state,
    MessageType.PUT_ALLOWED: operators.decide_put_allowed,
    MessageType.PUT_STORE: operators.decide_put_store,
    MessageType.PUT_TERMINAL: operators.decide_put_terminal,
    MessageType.PUT_ORGANISATION: operators.decide_put_organisation,
    MessageType.CUT_OVER: operators.decide_cut_over,
    MessageType.PUT_POINTS_CATEGORY: catalogue.decide_put_category,
    MessageType.PUT_GIFT: catalogue.decide_put_gift,
    MessageType.PUT_RULE: catalogue.decide_put_rule,
    MessageType.ACTIVATE_RULES: catalogue.decide_activate_rules,
    MessageType.PUT_PRICE: catalogue.decide_put_price,
    MessageType.OPERATE_CARD: cards.decide_operate_card,
    MessageType.OPEN_CARD: cards.decide_open_card,
    MessageType.SET_PIN: desk.decide_set_pin,
    MessageType.SET_CARD: desk.decide_set_card,
    **security.DECIDERS,
}
"""Every message that has a key."""

INQUIRIES: dict[MessageType, Callable[[State, Ask, Any], Reply | DayReply]] = {
    **inquiry.INQUIRIES,
    MessageType.DAY_DIGESTS: closing.digests_reply,
    MessageType.DAY_LIST: closing.list_reply,
}
"""Every message without a key: its whole answer; nothing is changed."""

OPEN_TO_QUARANTINED = frozenset({MessageType.REVERSAL, MessageType.DAY_TOTALS, MessageType.CHANGE_KEY})
"""All that a terminal may send that the switch has stopped."""

SETTLED_FIRST = frozenset({MessageType.REVERSAL, MessageType.REFUND})
"""The others settle as soon as they have found their card."""


class Outcome(NamedTuple):
    """What comes out of one message."""

    reply: bytes
    """The whole plaintext reply: header and body."""
    entry: bytes | None
    """The message's own journal entry; None when nothing is journaled."""
    before: tuple[bytes, ...] = ()
    """Entries that the switch wrote of itself before: a cut-over."""

    @property
    def written(self) -> bytes | None:
        """All entries, one behind the other; None when there are none."""
        return b"".join((*self.before, self.entry or b"")) or None


def local_time(now_ms: int, zone: ZoneInfo) -> datetime:
    """Local date and time of a moment."""
    return datetime.fromtimestamp(now_ms // 1000, zone)


class Twin:
    """The state of one switch, and `decide`, which alone changes it."""

    def __init__(
        self,
        *,
        timezone: str,
        replay: bool,
        cut_over_minutes: int = 0,
        maxima: dict[RecordKind, int] | None = None,
        answers_per_date_max: int = 1_000_000,
        next_sequence: int = 1,
        switch_record: bytes | None = None,
        master_keys: MasterKeys | None = None,
    ) -> None:
        self.zone = ZoneInfo(timezone)
        self.replay = replay
        self.cut_over_minutes = cut_over_minutes
        self.next_sequence = next_sequence
        self.state = State(Tables(maxima), Answers(answers_per_date_max))
        self.sheet = BalanceSheet()
        self.master_keys = master_keys or {}
        self.today = 0
        """Last business date begun; never goes back."""
        if switch_record is not None:
            self.today = self.state.tables.load(RecordKind.SWITCH, switch_record).business_date

    @property
    def tables(self) -> Tables:
        """All records."""
        return self.state.tables

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
        today = max(self.today, self._date_by_the_clock(now_ms))

        if not self._is_permitted(asked, rights):
            refusal = self._refused(ResponseCode.NOT_PERMITTED, asked, today)
            return Outcome(wire.reply_message(header, refusal), None)
        if asked.type not in OPEN_TO_QUARANTINED and self._is_quarantined(terminal_id):
            refusal = self._refused(ResponseCode.QUARANTINED, asked, today)
            return Outcome(wire.reply_message(header, refusal), None)
        before = () if today == self.today else (self._cut_over(today, now_ms),)
        ask = self._ask(terminal_id, rights, now_ms)
        if asked.type in INQUIRIES:
            inquired = INQUIRIES[asked.type](self.state, ask, asked.form)
            return Outcome(wire.reply_message(header, inquired.encode()), None, before)
        reply, entry = self._decide_keyed(ask, asked)
        return Outcome(wire.reply_message(header, reply.encode()), entry, before)

    def _date_by_the_clock(self, now_ms: int) -> int:
        """By the clock on the wall: a date begins at the cut-over even in the night in which the clocks change."""
        wall_clock = local_time(now_ms, self.zone).replace(tzinfo=None)
        return date_number(wall_clock - timedelta(minutes=self.cut_over_minutes))

    def _is_permitted(self, asked: wire.Asked, rights: int) -> bool:
        needed = Right(RIGHT_NEEDED[asked.type])
        if asked.type == MessageType.CREDIT and asked.form.channel == RechargeChannel.OPENING:
            needed |= Right.CONFIGURE
        return rights & needed == needed

    def _is_quarantined(self, terminal_id: int) -> bool:
        terminal = self.tables.find(RecordKind.TERMINAL, terminal_id)
        return terminal is not None and terminal.status == TerminalStatus.QUARANTINED

    def _refused(self, code: ResponseCode, asked: wire.Asked, today: int) -> bytes:
        """The terminal may not; section 17."""
        if asked.type in (MessageType.DAY_DIGESTS, MessageType.DAY_LIST):
            return DayReply(code=code).encode()
        trace_number = 0 if asked.type in INQUIRIES else asked.form.trace_number
        return Reply(code=code, trace_number=trace_number, business_date=today).encode()

    def _ask(self, terminal_id: int, rights: int, now_ms: int) -> Ask:
        moment = local_time(now_ms, self.zone)
        terminal = self.tables.find(RecordKind.TERMINAL, terminal_id)
        store = self.tables.find(RecordKind.STORE, terminal.store_id) if terminal else None
        return Ask(
            terminal_id=terminal_id,
            rights=rights,
            sequence=self.next_sequence,
            now_ms=now_ms,
            today=self.today,
            local_date=self._date_by_the_clock(now_ms),
            minute=moment.hour * 60 + moment.minute,
            store_id=store.store_id if store else 0,
            organisation_id=store.organisation_id if store else 0,
            round_off_minor=store.round_off_minor if store else 0,
        )

    # ----------------------------------------------------------------------- business dates

    def _cut_over(self, next_date: int, now_ms: int) -> bytes:
        """The switch's own entry that begins a business date."""
        request = CutOverRequest(trace_number=next_date, business_date=next_date, stamp_ms=now_ms, next_date=next_date)
        switches = self.tables.all(RecordKind.SWITCH)
        for record in switches:
            record.business_date = next_date
        self._begin(next_date)
        asked = wire.Asked(MessageType.CUT_OVER, request.encode(), request)
        decision = Decision()
        decision.touch(*switches)
        ask = Ask(0, 0, self.next_sequence, now_ms, next_date, 0, 0)
        reply, entry = self._write(ask, asked, ResponseCode.APPROVED, decision)
        self._remember((ask.terminal_id, next_date, next_date), asked, reply)
        return entry

    def _begin(self, today: int) -> None:
        """Go to a new business date; the answers of the one before stay, older ones are dropped."""
        self.today = today
        self.state.answers.forget_before(today - 1)

    # ----------------------------------------------------------------------- keyed requests

    def _decide_keyed(self, ask: Ask, asked: wire.Asked) -> tuple[Reply, bytes | None]:
        """Check 6 and section 2: what is known under the key decides what happens."""
        form, answers = asked.form, self.state.answers
        if form.business_date not in (self.today, self.today - 1):
            return self._not_journaled(ResponseCode.BUSINESS_DATE, asked), None
        key = (ask.terminal_id, form.business_date, form.trace_number)
        known = answers.find(key)
        if known is not None and known.reply is not None:
            if known.is_repeat(asked):
                return known.reply, None
            return self._not_journaled(ResponseCode.TRACE_REUSED, asked), None

        decision = Decision()
        if known is None and not answers.has_room(form.business_date):
            return self._not_journaled(ResponseCode.WINDOW_FULL, asked, WINDOW_FULL_RETRY_MS), None
        names_card = asked.type < FIRST_OPERATOR_TYPE and hasattr(form, "card_number")
        card_number = form.card_number if names_card else 0
        if asked.type == MessageType.REVERSAL:
            card_number = reversal.card_number_of(self.state, ask, form)
        if names_card:
            decision.show(self.tables.account_of(card_number))
        if known is not None:
            code = ResponseCode.REVERSED_BEFORE
        elif asked.type == MessageType.REVERSAL and not reversal.has_room(self.state, ask, form):
            return self._not_journaled(ResponseCode.WINDOW_FULL, asked, WINDOW_FULL_RETRY_MS), None
        else:
            if asked.type in SETTLED_FIRST and accounts.known_card(self.state, ask, card_number):
                accounts.settle_card(self.state, ask, card_number, decision)
            code = DECIDERS[asked.type](self.state, ask, form, decision)
        if asked.type >= FIRST_OPERATOR_TYPE and code != ResponseCode.APPROVED:
            decision.show(None)
        reply, entry = self._write(ask, asked, code, decision)
        self._remember(key, asked, reply)
        if asked.type == MessageType.CUT_OVER and code == ResponseCode.APPROVED:
            self._begin(form.next_date)
        return reply, entry

    def _not_journaled(self, code: ResponseCode, asked: wire.Asked, retry_after_ms: int = 0) -> Reply:
        """Section 17: a reply that leaves no trace."""
        trace_number = asked.form.trace_number
        return Reply(code=code, trace_number=trace_number, business_date=self.today, retry_after_ms=retry_after_ms)

    def _remember(self, key: Key, asked: wire.Asked, reply: Reply) -> None:
        known = self.state.answers.find(key)
        if known is None:
            known = Answer(asked, reply)
            self.state.answers.keep(key, known)
        else:
            known.asked, known.reply = asked, reply
        self.state.journal[reply.journal_sequence] = known

    def _write(self, ask: Ask, asked: wire.Asked, code: ResponseCode, decision: Decision) -> tuple[Reply, bytes]:
        """Reply and entry of a decision."""
        assert ask.sequence == self.next_sequence
        self.next_sequence += 1
        touched: dict[Place, Record] = dict(sorted(decision.touched.items()))
        for record in touched.values():
            record.last_sequence = ask.sequence
        reply = accounts.reply_of(ask, code, decision, asked.form.trace_number)
        if code in APPROVALS and asked.type < FIRST_OPERATOR_TYPE:
            receipt_code = receipts.receipt_code(self.state, self.master_keys, reply)
            reply = msgspec.structs.replace(reply, receipt_code=receipt_code)
        card = self.tables.card(asked.form.card_number) if hasattr(asked.form, "card_number") else None
        entry = wire.journal_entry(
            sequence=ask.sequence,
            time_ms=ask.now_ms,
            terminal_id=ask.terminal_id,
            business_date=ask.today,
            asked=asked,
            reply=reply,
            images=[record.image() for record in touched.values()],
            issuing_organisation_id=card.issuing_organisation_id if card else 0,
            accepting_organisation_id=ask.organisation_id,
        )
        self.tables.drop_gone(list(touched))
        self.sheet.count(self.state, asked, reply, decision.undone)
        return reply, entry

    # ----------------------------------------------------------------------- inspection

    def state_records(self) -> dict[RecordKind, dict[tuple[int, ...], bytes]]:
        """Every record as its bytes, by kind and key."""
        return self.tables.images()

    def check(self) -> None:
        """Assert that money and points are conserved and that nothing is below zero that may not be."""
        self.sheet.check(self.state, self.today)
        assert all(key[1] in (self.today, self.today - 1) for key in self.state.answers.by_key)


def message_of(request_type: MessageType, body: bytes, sequence: int = 0) -> bytes:
    """A whole message from its body."""
    return Header(type=request_type, sequence=sequence).encode() + body
