"""Any sequence of business, restarts and repeats included: the switch never says or keeps what the books do not."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from switch.protocol.layout import Packed
from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    NO_LIMIT,
    REQUESTS,
    BillLine,
    CardOperation,
    CardStatus,
    DebitFlag,
    LineFlag,
    MessageType,
    RefundLine,
    Reply,
    Tender,
    TenderKind,
)
from tests.properties import audit
from tests.properties.auditor import CATEGORIES, Ask, Auditor, amount_at_24
from tests.properties.books import Original
from tests.properties.shop import (
    DAY_MS,
    DESK,
    FIRST_MS,
    FURTHER,
    GIFT,
    GUARDED,
    HOUR_MS,
    ONE_TIME,
    PLAIN,
    TILLS,
    TOPPED_UP,
    TYPES,
    Switch,
    build,
    date_of,
)

CARDS = tuple(9_000_0000 + n for n in range(1, 13))
CARDS_MAX = 9
PIN, WRONG_PIN, NO_PIN = b"1234".ljust(16, b"\0"), b"4321".ljust(16, b"\0"), bytes(16)
TRACE_REUSED, BUSINESS_DATE = 201, 202

amounts = st.one_of(st.sampled_from([1, 99, 100, 1_000, 2_550, 5_000, 15_001, 20_000]), st.integers(1, 25_000))
credits = st.one_of(st.sampled_from([1, 999, 5_000, 20_000, 30_000]), st.integers(1, 65_000))
points = st.one_of(st.sampled_from([1, 100, 5_000]), st.integers(1, 30_000))
lines = st.lists(
    st.builds(
        BillLine,
        item=st.integers(0, 4),
        amount_minor=st.one_of(st.integers(1, 9_000), st.sampled_from([-100, 0, 3_333])),
        flags=st.sampled_from([0, 0, LineFlag.NO_DISCOUNT, LineFlag.NO_POINTS]),
    ),
    max_size=4,
)
pins = st.sampled_from([PIN, PIN, PIN, WRONG_PIN, NO_PIN])


class Sent:
    """A request as it was sent, and its first answer."""

    def __init__(self, ask: Ask, body: bytes, reply: bytes) -> None:
        self.ask, self.body, self.reply = ask, body, reply


class Business(RuleBasedStateMachine):
    """Two tills and a card desk at one switch."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="cardswitch-business-"))
        shutil.copytree(self.template, self.home / "switch")
        self.switch = Switch(self.home / "switch")
        self.books = Auditor()
        self.now_ms = FIRST_MS
        self.trace_number = 1_000
        self.flow_minor = 0
        self.sent: list[Sent] = []
        self.late: list[tuple[int, MessageType, dict[str, Any]]] = []

    def teardown(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    # ----------------------------------------------------------------------- how one asks

    @property
    def today(self) -> int:
        return date_of(self.now_ms)

    def key(self) -> dict[str, Any]:
        """The first fields of a new request."""
        self.trace_number += 1
        return {"trace_number": self.trace_number, "business_date": self.today, "stamp_ms": self.now_ms}

    def ask(self, terminal_id: int, type_: MessageType, **fields: Any) -> Ask:
        """One new request, audited."""
        return self.play(terminal_id, type_, REQUESTS[type_](**(self.key() | fields)))

    def play(self, terminal_id: int, type_: MessageType, form: Packed) -> Ask:
        """One request, audited before and after."""
        body, before = form.encode(), self.switch.records()
        answer = self.switch.send(terminal_id, type_, body, self.now_ms)
        ask = Ask(terminal_id, type_, form, Reply.decode(answer), self.now_ms, self.today)
        after = self.switch.records()
        known = self.books.account_of(getattr(form, "card_number", 0))
        original = self.original_of(ask)
        balance_minor = known.balance_minor if known else 0
        had_tries = self.tries(form)
        self.books.take(ask)
        may_change = ask.is_settled or bool(ask.reply.recharged_minor) or ask.reply.code in (0, 10)
        audit.check_change(ask, before, after, may_change=may_change or had_tries != self.tries(form))
        audit.check_limits_kept(self.books, ask, after)
        self.flow_minor += audit.flow_of(ask, original, balance_minor)
        audit.check_records(self.books, after, self.flow_minor)
        audit.check_shown(self.books, self.switch, self.now_ms)
        self.sent.append(Sent(ask, body, answer))
        return ask

    def tries(self, form: Any) -> int:
        card = self.books.cards.get(form.card_number)
        return card.pin_tries if card else 0

    def original_of(self, ask: Ask) -> Original | None:
        if ask.type != MessageType.REVERSAL:
            return None
        form = ask.form
        key = (ask.terminal_id, form.original_business_date, form.original_trace_number)
        return self.books.originals.get(key)

    def cards(self, *statuses: CardStatus) -> list[int]:
        """Cards in some statuses; all of them when none is named or none is there."""
        found = [card.number for card in self.books.cards.values() if card.status in statuses]
        return found or list(self.books.cards)

    def card(self, data: st.DataObject, *, often: tuple[CardStatus, ...] = (CardStatus.ACTIVE,)) -> int:
        """A card, mostly one that may be used."""
        return data.draw(st.one_of(st.sampled_from(self.cards(*often)), st.sampled_from(self.cards())), label="card")

    def originals(self, *types: MessageType) -> list[tuple[int, Original]]:
        """Requests of some types with their terminals, approved ones first."""
        found = [
            (key[0], original)
            for key, original in self.books.originals.items()
            if original is not None and original.type in types
        ]
        return sorted(found, key=lambda pair: not pair[1].is_approved)

    # ----------------------------------------------------------------------- cards

    @initialize(others=st.lists(st.sampled_from([PLAIN, TOPPED_UP, ONE_TIME, GUARDED]), min_size=1, max_size=3))
    def begin(self, others: list[int]) -> None:
        """Some cards with value, one of them supplementary."""
        for number, card_type in enumerate([PLAIN, *others]):
            self.issue(CARDS[number], card_type, 8_000)
        self.issue(CARDS[len(others) + 1], FURTHER, 0, related_number=CARDS[0])

    def issue(self, number: int, card_type: int, amount_minor: int, **fields: Any) -> None:
        self.operate(
            CardOperation.MAKE_AND_ISSUE, number, card_type=card_type, amount_minor=amount_minor, **fields
        )
        if card_type == GUARDED:
            self.ask(DESK, MessageType.SET_PIN, card_number=number, mode=2, old_pin=NO_PIN, new_pin=PIN)

    def operate(self, operation: CardOperation, card_number: int, **fields: Any) -> Ask:
        fields = {"operator_id": 1, "fee_tender": 0} | fields
        return self.ask(DESK, MessageType.OPERATE_CARD, operation=operation, card_number=card_number, **fields)

    @precondition(lambda self: len(self.books.cards) < CARDS_MAX)
    @rule(data=st.data(), card_type=st.sampled_from(sorted(TYPES)), amount_minor=st.sampled_from([0, 5_000, 30_000]))
    def issue_card(self, data: st.DataObject, card_type: int, amount_minor: int) -> None:
        """A card of its own account, a further one, or a blank one."""
        number = CARDS[len(self.books.cards)]
        how = data.draw(st.sampled_from(["own", "joins", "opened", "blank"]))
        related = self.card(data) if how != "own" else 0
        if how == "blank":
            self.operate(CardOperation.MAKE, number, card_type=card_type)
        elif how == "opened":
            card = self.books.cards[related]
            self.ask(
                DESK, MessageType.OPEN_CARD, card_number=number, account_number=card.account, card_type=card_type
            )
        else:
            self.issue(number, card_type, 0 if related else amount_minor, related_number=related)

    @rule(
        data=st.data(),
        operation=st.sampled_from(
            [
                CardOperation.FREEZE,
                CardOperation.UNFREEZE,
                CardOperation.REPORT_LOSS,
                CardOperation.RESTORE,
                CardOperation.MARK_BAD,
                CardOperation.RETURN,
                CardOperation.VOID,
                CardOperation.BLACKLIST,
                CardOperation.UNBLACKLIST,
            ]
        ),
        operator_id=st.sampled_from([1, 2]),
        fee_tender=st.integers(0, 2),
        writes_off=st.booleans(),
    )
    def card_desk(
        self, data: st.DataObject, operation: CardOperation, operator_id: int, fee_tender: int, writes_off: bool
    ) -> None:
        """One step in a card's life."""
        often = {
            CardOperation.UNFREEZE: (CardStatus.FROZEN,),
            CardOperation.RESTORE: (CardStatus.LOST,),
        }.get(operation, (CardStatus.ACTIVE, CardStatus.FROZEN))
        flags, document = (8, 77) if writes_off and operation == CardOperation.VOID else (0, 0)
        self.operate(
            operation,
            self.card(data, often=often),
            operator_id=operator_id,
            approver_id=2,
            fee_tender=fee_tender,
            flags=flags,
            document=document,
        )

    @precondition(lambda self: len(self.books.cards) < len(CARDS))
    @rule(data=st.data(), first=st.sampled_from([None, *[CardOperation.REPORT_LOSS] * 2, CardOperation.MARK_BAD]),
          is_frozen=st.booleans(), fee_tender=st.integers(0, 2))
    def replace_card(
        self, data: st.DataObject, first: CardOperation | None, is_frozen: bool, fee_tender: int
    ) -> None:
        """A blank card goes on for a lost, an unreadable or a swapped one."""
        number, old = CARDS[len(self.books.cards)], self.card(data, often=(CardStatus.ACTIVE, CardStatus.LOST))
        self.operate(CardOperation.MAKE, number, card_type=self.books.cards[old].type)
        if is_frozen:
            self.operate(CardOperation.FREEZE, old)
        if first is not None:
            self.operate(first, old)
        kept = Reply.decode(self.switch.query(old, self.now_ms))
        limits = self.switch.records()[audit.RecordKind.CARD_LIMIT].get((old, 0, 0))
        was_frozen = CardStatus.FROZEN in (self.books.cards[old].kept, self.books.cards[old].status)
        ask = self.operate(CardOperation.REPLACE, old, related_number=number, fee_tender=fee_tender)
        if ask.reply.code:
            return
        new = Reply.decode(self.switch.query(number, self.now_ms))
        fee_minor = ask.reply.change_minor if fee_tender == 2 else 0
        assert new.balance_minor == kept.balance_minor - fee_minor and new.purses == kept.purses
        assert new.facts.pending_hundredths == kept.facts.pending_hundredths
        assert new.facts.status == (CardStatus.FROZEN if was_frozen else CardStatus.ACTIVE)
        moved = self.switch.records()[audit.RecordKind.CARD_LIMIT].get((number, 0, 0))
        assert (limits is None) == (moved is None)
        assert limits is None or moved is None or limits[32:-8] == moved[32:-8], "limits and what was used of them"

    @rule(data=st.data(), single=st.sampled_from([NO_LIMIT, 3_000]), daily=st.sampled_from([NO_LIMIT, 6_000]),
          daily_count=st.sampled_from([NO_COUNT_LIMIT, 2]), recharge=st.sampled_from([NO_LIMIT, 10_000]),
          recharge_count=st.sampled_from([NO_COUNT_LIMIT, 1]), ceiling=st.sampled_from([NO_LIMIT, 40_000]))
    def set_limits(self, data: st.DataObject, single: int, daily: int, daily_count: int, recharge: int,
                   recharge_count: int, ceiling: int) -> None:
        """Limits of one card."""
        self.ask(
            DESK,
            MessageType.SET_CARD,
            card_number=self.card(data),
            sets=1,
            single_minor_max=single,
            daily_minor_max=daily,
            daily_count_max=daily_count,
            recharge_day_minor_max=recharge,
            recharge_count_max=recharge_count,
            ceiling_minor=ceiling,
        )

    @rule(data=st.data())
    def reset_pin(self, data: st.DataObject) -> None:
        """A PIN, or a new one."""
        self.ask(DESK, MessageType.SET_PIN, card_number=self.card(data), mode=2, old_pin=NO_PIN, new_pin=PIN)

    # ----------------------------------------------------------------------- money

    def payment(self, data: st.DataObject) -> tuple[MessageType, dict[str, Any]]:
        """Any request of a till."""
        ways: list[Callable[[st.DataObject], tuple[MessageType, dict[str, Any]]]] = [
            self.bill,
            self.bill,
            self.a_hold,
            self.recharge,
            self.of_points,
        ]
        return data.draw(st.sampled_from(ways))(data)

    def bill(self, data: st.DataObject) -> tuple[MessageType, dict[str, Any]]:
        """A debit: flat, of lines, with tenders."""
        number, of_lines = self.card(data), tuple(data.draw(lines))
        amount = sum(line.amount_minor for line in of_lines) if of_lines else data.draw(amounts)
        flags = data.draw(st.sampled_from([0, 0, DebitFlag.PARTIAL]))
        fields: dict[str, Any] = {"card_number": number, "amount_minor": amount, "lines": of_lines}
        card = self.books.cards[number]
        if card.type == GUARDED or data.draw(st.integers(0, 9)) == 0:
            flags |= DebitFlag.PIN
            fields["pin"] = data.draw(pins)
        if data.draw(st.integers(0, 2)) == 0:
            fields["tenders"] = self.tenders(data, number, fields)
        return MessageType.DEBIT, fields | {"flags": flags}

    def tenders(self, data: st.DataObject, number: int, fields: dict[str, Any]) -> tuple[Tender, ...]:
        """Tenders that add up, most of the time."""
        quoted = self.switch.send(
            TILLS[0], MessageType.QUOTE, REQUESTS[MessageType.QUOTE](**(self.key() | fields)), self.now_ms
        )
        rest, account, found = Reply.decode(quoted).due_minor, self.books.account_of(number), []
        for kind in data.draw(st.lists(st.sampled_from(list(TenderKind)), min_size=1, max_size=4, unique=True)):
            part = data.draw(st.sampled_from([0, rest // 3, rest, data.draw(amounts)]), label="part")
            if kind == TenderKind.POINTS:
                category = data.draw(st.sampled_from(CATEGORIES))
                part = min(part, max(0, account.points[category] // 2)) if account else part
                found.append(Tender(kind=kind, purse=category, amount_minor=max(0, part)))
            elif kind == TenderKind.VISITS:
                count = data.draw(st.integers(1, 3))
                found.append(Tender(kind=kind, purse=1, count=count, amount_minor=max(0, part)))
            elif kind != TenderKind.CASH:
                found.append(Tender(kind=kind, amount_minor=max(0, part)))
            rest -= found[-1].amount_minor if found and found[-1].kind == kind else 0
        kinds = {tender.kind for tender in found}
        if rest > 0 and TenderKind.CARD not in kinds and data.draw(st.booleans()):
            found.append(Tender(kind=TenderKind.CARD, amount_minor=rest))
            rest = 0
        if rest > 0 and data.draw(st.integers(0, 5)):
            found.append(Tender(kind=TenderKind.CASH, amount_minor=rest + data.draw(st.sampled_from([0, 0, 45, 5_000]))))
        return tuple(found)

    def a_hold(self, data: st.DataObject) -> tuple[MessageType, dict[str, Any]]:
        """A hold for a while."""
        return MessageType.HOLD, {
            "card_number": self.card(data),
            "amount_minor": data.draw(amounts),
            "expires_in_s": data.draw(st.sampled_from([0, 60, 3_600, 86_400])),
            "pin": data.draw(pins),
        }

    def recharge(self, data: st.DataObject) -> tuple[MessageType, dict[str, Any]]:
        """A recharge, with a reference or without."""
        return MessageType.CREDIT, {
            "card_number": self.card(data),
            "amount_minor": data.draw(credits),
            "channel": data.draw(st.sampled_from([0, 1, 1, 7])),
            "reference": data.draw(st.sampled_from([b"", b"", b"A-1", b"A-2"])).ljust(16, b"\0"),
        }

    def of_points(self, data: st.DataObject) -> tuple[MessageType, dict[str, Any]]:
        """Something with points or visits."""
        number, category = self.card(data), data.draw(st.sampled_from([*CATEGORIES, 1]))
        kind = data.draw(st.sampled_from(["redeem", "gift", "convert", "adjust", "void", "visits", "transfer"]))
        count = data.draw(points)
        if kind == "redeem":
            return MessageType.REDEEM, {"card_number": number, "points_hundredths": count, "category": category}
        if kind == "gift":
            pieces = data.draw(st.integers(1, 3))
            fields = {"card_number": number, "points_hundredths": 0, "gift_id": GIFT, "pieces": pieces}
            return MessageType.REDEEM, fields
        if kind == "convert":
            return MessageType.CONVERT, {"card_number": number, "amount_minor": count * 10 // 10, "category": category}
        if kind == "visits":
            last_date = data.draw(st.sampled_from([0, self.today]))
            fields = {"card_number": number, "service": 1, "count": data.draw(st.integers(1, 5))}
            return MessageType.LOAD_VISITS, fields | {"expiry_date": last_date}
        if kind == "transfer":
            fields = {"card_number": number, "to_card_number": self.card(data), "category": category}
            return MessageType.TRANSFER_POINTS, fields | {"points_hundredths": count}
        by_hand = {"void_all": 1} if kind == "void" else {"points_hundredths": count * data.draw(st.sampled_from([1, 1, -1]))}
        reference = data.draw(st.sampled_from([b"", b"B-1"])).ljust(16, b"\0")
        fields = {"card_number": number, "category": category, "reference": reference, "points_hundredths": 0}
        return MessageType.ADJUST_POINTS, fields | by_hand

    @rule(data=st.data(), till=st.sampled_from(TILLS))
    def pay(self, data: st.DataObject, till: int) -> None:
        """Pay a bill."""
        type_, fields = self.bill(data)
        self.ask(till, type_, **fields)

    @rule(data=st.data(), till=st.sampled_from(TILLS))
    def anything(self, data: st.DataObject, till: int) -> None:
        """A hold, a recharge, something with points."""
        type_, fields = self.payment(data)
        self.ask(till, type_, **fields)

    @rule(data=st.data(), till=st.sampled_from(TILLS))
    def put_on(self, data: st.DataObject, till: int) -> None:
        """Recharge."""
        type_, fields = self.recharge(data)
        self.ask(till, type_, **fields)

    @rule(data=st.data(), till=st.sampled_from(TILLS))
    def points_and_visits(self, data: st.DataObject, till: int) -> None:
        """Points or visits."""
        type_, fields = self.of_points(data)
        self.ask(till, type_, **fields)

    @rule(data=st.data(), till=st.sampled_from(TILLS))
    def quote_then_pay(self, data: st.DataObject, till: int) -> None:
        """A quote changes nothing, and the same debit right after it does what it said."""
        type_, fields = self.bill(data)
        form = REQUESTS[type_](**(self.key() | fields))
        before = self.switch.records()
        quoted = Reply.decode(self.switch.send(till, MessageType.QUOTE, form, self.now_ms))
        assert self.switch.records() == before
        deepcopy(self.books).quote(Ask(till, MessageType.QUOTE, form, quoted, self.now_ms, self.today))
        charged = self.play(till, type_, form).reply
        if charged.code in (55, 56, 75):
            return
        names = ("code", "amount_minor", "points_hundredths", "due_minor", "discount_minor", "recharged_minor",
                 "round_off_minor", "change_minor", "more")
        for name in names:
            assert getattr(charged, name) == getattr(quoted, name), (name, quoted, charged)

    @rule(data=st.data(), amount_minor=amounts)
    def transfer(self, data: st.DataObject, amount_minor: int) -> None:
        """Value from one card to another."""
        giver, getter = self.card(data), self.card(data)
        self.ask(TILLS[0], MessageType.TRANSFER, card_number=giver, to_card_number=getter, amount_minor=amount_minor)

    @rule(data=st.data(), till=st.sampled_from(TILLS), releases=st.booleans(), keep_rest=st.integers(0, 1))
    def end_hold(self, data: st.DataObject, till: int, releases: bool, keep_rest: int) -> None:
        """Capture a part or all of a hold, or release it; it may have ended already."""
        holds = [hold for account in self.books.accounts.values() for hold in account.holds.values()]
        if holds and data.draw(st.integers(0, 9)):
            hold = data.draw(st.sampled_from(holds))
            sequence, number, left = hold.sequence, hold.card_number, hold.left_minor
        else:
            ended = [(o.sequence, o.form.card_number, o.moved_minor or 1) for _, o in self.originals(MessageType.HOLD)]
            sequence, number, left = data.draw(st.sampled_from([*ended, (999_999, self.card(data), 1)]))
        if releases:
            self.ask(till, MessageType.RELEASE, card_number=number, hold_sequence=sequence)
            return
        amount = data.draw(st.one_of(st.just(left), st.integers(1, left + 1)))
        self.ask(till, MessageType.CAPTURE, card_number=number, amount_minor=amount, hold_sequence=sequence,
                 keep_rest=keep_rest)

    # ----------------------------------------------------------------------- undoing

    @precondition(lambda self: self.originals(*REVERSIBLE))
    @rule(data=st.data(), is_wrong=st.sampled_from([False] * 9 + [True]), twice=st.booleans())
    def reverse(self, data: st.DataObject, is_wrong: bool, twice: bool) -> None:
        """Undo any earlier request; the second time nothing comes of it."""
        till, original = data.draw(st.sampled_from(self.originals(*REVERSIBLE)[-12:]))
        form = original.form
        self.undo(till, form, is_wrong=is_wrong)
        if twice:
            before = self.switch.records()
            again = self.undo(till, form, is_wrong=is_wrong)
            assert again.reply.amount_minor == again.reply.change_minor == 0
            assert self.switch.records() == before

    def undo(self, till: int, form: Any, *, is_wrong: bool = False) -> Ask:
        return self.ask(
            till,
            MessageType.REVERSAL,
            card_number=form.card_number,
            amount_minor=amount_at_24(form) + is_wrong,
            original_trace_number=form.trace_number,
            original_business_date=form.business_date,
        )

    @rule(data=st.data(), till=st.sampled_from(TILLS))
    def reverse_first(self, data: st.DataObject, till: int) -> None:
        """The reversal overtakes its original."""
        type_, fields = self.payment(data)
        form = REQUESTS[type_](**(self.key() | fields))
        self.undo(till, form)
        self.late.append((till, type_, {"trace_number": form.trace_number, "business_date": self.today} | fields))

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def late_original(self, data: st.DataObject) -> None:
        """The original arrives behind its reversal."""
        till, type_, fields = self.late.pop(data.draw(st.integers(0, len(self.late) - 1)))
        if fields["business_date"] < self.today - 1:
            return
        before = self.switch.records()
        assert self.ask(till, type_, **fields).reply.code == 100
        assert self.switch.records() == before

    @precondition(lambda self: self.originals(MessageType.DEBIT, MessageType.CAPTURE))
    @rule(data=st.data(), by_lines=st.booleans(), till=st.sampled_from(TILLS))
    def refund(self, data: st.DataObject, by_lines: bool, till: int) -> None:
        """Give back a part or all of a debit or capture, of any day."""
        paid = self.originals(MessageType.DEBIT, MessageType.CAPTURE)
        _, original = data.draw(st.sampled_from(paid))
        number = original.form.card_number
        while self.books.cards[number].successor and data.draw(st.integers(0, 3)):
            number = self.books.cards[number].successor
        left = max(1, original.moved_minor - original.refunded_minor)
        fields: dict[str, Any] = {"amount_minor": data.draw(st.one_of(st.just(left), st.integers(1, left + 1)))}
        if by_lines and original.form.__class__ is REQUESTS[MessageType.DEBIT]:
            places = data.draw(st.lists(st.integers(0, max(1, len(original.lines))), min_size=1, max_size=3, unique=True))
            nets = [max(1, line.net_minor - line.refunded_minor) for line in original.lines] + [1, 1]
            fields["lines"] = tuple(
                RefundLine(line=place, amount_minor=data.draw(st.one_of(st.just(nets[place]), st.integers(1, nets[place] + 1))))
                for place in places
            )
            fields["amount_minor"] = sum(line.amount_minor for line in fields["lines"])
        self.ask(till, MessageType.REFUND, card_number=number, original_sequence=original.sequence, **fields)

    # ----------------------------------------------------------------------- time, repeats, restarts, two tills

    @rule(later_ms=st.sampled_from([1, 59_999, 60_000, HOUR_MS, 5 * HOUR_MS]))
    def wait(self, later_ms: int) -> None:
        """Time passes."""
        self.now_ms += later_ms
        audit.check_shown(self.books, self.switch, self.now_ms)

    @rule(days=st.sampled_from([1, 1, 1, 2, 8]))
    def midnight(self, days: int) -> None:
        """A business date ends."""
        self.now_ms += days * DAY_MS
        audit.check_shown(self.books, self.switch, self.now_ms)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A repeat of anything hears the first answer, byte for byte."""
        sent = data.draw(st.sampled_from(self.sent))
        self.repeat_of(sent)

    def repeat_of(self, sent: Sent) -> None:
        before = self.switch.records()
        again = self.switch.send(sent.ask.terminal_id, sent.ask.type, sent.body, self.now_ms)
        if sent.ask.form.business_date >= self.today - 1:
            assert again == sent.reply, sent.ask
        else:
            assert Reply.decode(again).code == BUSINESS_DATE
        assert self.switch.records() == before

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), type_=st.sampled_from([None, MessageType.RELEASE]))
    def reuse(self, data: st.DataObject, type_: MessageType | None) -> None:
        """The same trace number with other content is refused, and nothing comes of it."""
        sent = data.draw(st.sampled_from(self.sent))
        body = bytearray(sent.body)
        body[16] ^= 1
        before = self.switch.records()
        if type_ is None:
            answer = self.switch.send(sent.ask.terminal_id, sent.ask.type, bytes(body), self.now_ms)
        else:
            answer = self.switch.send(sent.ask.terminal_id, type_, bytes(sent.body[:24]) + bytes(8), self.now_ms)
        is_known = sent.ask.form.business_date >= self.today - 1
        assert Reply.decode(answer).code == (TRACE_REUSED if is_known else BUSINESS_DATE)
        assert self.switch.records() == before

    @rule(bring_up=st.booleans())
    def restart(self, bring_up: bool) -> None:
        """A restart changes nothing that can be asked."""
        asked = [self.switch.query(number, self.now_ms) for number in self.books.cards]
        self.switch.desk.commit()
        state = self.switch.desk.state()
        self.switch.restart(bring_up=bring_up)
        assert self.switch.desk.state() == state
        assert [self.switch.query(number, self.now_ms) for number in self.books.cards] == asked

    @rule(data=st.data(), order=st.permutations(["a", "A", "b", "B"]))
    def two_tills(self, data: st.DataObject, order: list[str]) -> None:
        """Two tills ask at once, and each asks again: what comes of it is what one of the two orders would give."""
        asks: dict[str, tuple[int, MessageType, Packed]] = {}
        for name, till in zip("ab", TILLS, strict=True):
            type_, fields = self.payment(data)
            asks[name] = (till, type_, REQUESTS[type_](**(self.key() | fields)))
        same_card: Any = asks["b"][2]
        asks["b"] = (*asks["b"][:2], type(same_card)(**_fields(same_card) | {"card_number": asks["a"][2].card_number}))

        outcomes = []
        for names in ("ab", "ba"):
            fork = self.switch.fork(self.home / "fork")
            books = deepcopy(self.books)
            for name in names:
                till, type_, form = asks[name]
                reply = Reply.decode(fork.send(till, type_, form, self.now_ms))
                books.take(Ask(till, type_, form, reply, self.now_ms, self.today))
            audit.check_shown(books, fork, self.now_ms)
            outcomes.append(without_names(fork))
        for name in order:
            known = [sent for sent in self.sent if sent.ask.form is asks[name.lower()][2]]
            if known:
                self.repeat_of(known[0])
            else:
                self.play(*asks[name.lower()])
        assert without_names(self.switch) in outcomes


def _fields(form: Any) -> dict[str, Any]:
    return {name: getattr(form, name) for name in form.__struct_fields__}


def without_names(switch: Switch) -> dict[Any, Any]:
    """All records but for the sequences that entries have: they name entries, and are the order."""
    return {
        kind: {
            key: record[:-8] if kind != audit.RecordKind.HOLD else record[32:-8] for key, record in records.items()
        }
        for kind, records in switch.records().items()
    }


REVERSIBLE = (
    MessageType.DEBIT,
    MessageType.HOLD,
    MessageType.CREDIT,
    MessageType.REDEEM,
    MessageType.LOAD_VISITS,
    MessageType.CAPTURE,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return build(tmp_path_factory.mktemp("business") / "shop")


def test_whatever_happens_the_switch_and_an_auditor_agree(template):
    Business.template = template
    run_state_machine_as_test(
        Business,
        settings=settings(
            max_examples=max(1, settings().max_examples * 2 // 5) if settings().max_examples <= 100 else 2_000,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )
