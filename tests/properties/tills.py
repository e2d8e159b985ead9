"""Two tills and a card desk at one switch: how they ask, and what they may ask for. Every answer is audited."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from switch.protocol.layout import Packed
from switch.protocol.messages import (
    REQUESTS,
    BillLine,
    CardOperation,
    CardStatus,
    DebitFlag,
    LineFlag,
    MessageType,
    Reply,
    Tender,
    TenderKind,
)
from tests.properties import audit
from tests.properties.auditor import Auditor
from tests.properties.books import CATEGORIES, Ask, Original
from tests.properties.shop import (
    DESK,
    FIRST_MS,
    GIFT,
    GUARDED,
    TILLS,
    Switch,
    date_of,
)
from tests.properties.undoing import amount_at_24

CARDS = tuple(9_000_0000 + n for n in range(1, 13))
CARDS_MAX = 9
PIN, WRONG_PIN, NO_PIN = b"1234".ljust(16, b"\0"), b"4321".ljust(16, b"\0"), bytes(16)
TRACE_REUSED, BUSINESS_DATE = 201, 202

amounts = st.one_of(
    st.sampled_from([1, 99, 100, 1_000, 2_550, 5_000, 20_000]), st.integers(1, 4_000), st.integers(1, 21_000)
)
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
pins = st.sampled_from([PIN] * 8 + [WRONG_PIN, NO_PIN])

REVERSIBLE = (
    *[MessageType.DEBIT] * 4,
    *[MessageType.HOLD, MessageType.CREDIT, MessageType.REDEEM] * 2,
    MessageType.LOAD_VISITS,
    MessageType.CAPTURE,
)
"""What may be undone, and a capture, which may not; as often as it is tried."""


class Sent:
    """A request as it was sent, and its first answer."""

    def __init__(self, ask: Ask, body: bytes, reply: bytes) -> None:
        self.ask, self.body, self.reply = ask, body, reply


class Tills(RuleBasedStateMachine):
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
        numbers = self.cards(*often) if data.draw(st.integers(0, 7)) else self.cards()
        return data.draw(st.sampled_from(numbers), label="card")

    def originals(self, *types: MessageType) -> list[tuple[int, Original]]:
        """Requests of some types with their terminals; only approved ones, if there are any."""
        found = [
            (key[0], original)
            for key, original in self.books.originals.items()
            if original is not None and original.type in types
        ]
        return [(till, original) for till, original in found if original.is_approved] or found

    def issue(self, number: int, card_type: int, amount_minor: int, **fields: Any) -> None:
        self.operate(CardOperation.MAKE_AND_ISSUE, number, card_type=card_type, amount_minor=amount_minor, **fields)
        if card_type == GUARDED:
            self.ask(DESK, MessageType.SET_PIN, card_number=number, mode=2, old_pin=NO_PIN, new_pin=PIN)

    def operate(self, operation: CardOperation, card_number: int, **fields: Any) -> Ask:
        fields = {"operator_id": 1, "fee_tender": 0} | fields
        return self.ask(DESK, MessageType.OPERATE_CARD, operation=operation, card_number=card_number, **fields)

    def undo(self, till: int, form: Any, *, is_wrong: bool = False) -> Ask:
        return self.ask(
            till,
            MessageType.REVERSAL,
            card_number=form.card_number,
            amount_minor=amount_at_24(form) + is_wrong,
            original_trace_number=form.trace_number,
            original_business_date=form.business_date,
        )

    def repeat_of(self, sent: Sent) -> None:
        before = self.switch.records()
        again = self.switch.send(sent.ask.terminal_id, sent.ask.type, sent.body, self.now_ms)
        if sent.ask.form.business_date >= self.today - 1:
            assert again == sent.reply, sent.ask
        else:
            assert Reply.decode(again).code == BUSINESS_DATE
        assert self.switch.records() == before

    # ----------------------------------------------------------------------- what tills send

    def payment(self, data: st.DataObject) -> tuple[MessageType, dict[str, Any]]:
        """Any request of a till."""
        ways: list[Callable[[st.DataObject], tuple[MessageType, dict[str, Any]]]] = [
            self.bill,
            self.bill,
            self.a_hold,
            self.recharge,
            self.of_points,
        ]
        way: Callable[[st.DataObject], tuple[MessageType, dict[str, Any]]] = data.draw(st.sampled_from(ways))
        return way(data)

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
        for kind in data.draw(st.lists(st.sampled_from(list(TenderKind)), min_size=1, max_size=3, unique=True)):
            part = data.draw(st.sampled_from([0, rest // 3, rest // 2, rest]), label="part")
            if kind == TenderKind.POINTS:
                category = data.draw(st.sampled_from(CATEGORIES))
                part = (
                    min(part, max(0, account.points[category] // 2) + data.draw(st.sampled_from([0, 0, 0, 9_999])))
                    if account
                    else part
                )
                found.append(Tender(kind=kind, purse=category, amount_minor=max(0, part)))
            elif kind == TenderKind.VISITS:
                count = data.draw(st.integers(1, 3))
                found.append(Tender(kind=kind, purse=1, count=count, amount_minor=max(0, part)))
            elif kind != TenderKind.CASH:
                found.append(Tender(kind=kind, amount_minor=max(0, part)))
            rest -= found[-1].amount_minor if found and found[-1].kind == kind else 0
        kinds = {tender.kind for tender in found}
        if rest > 0 and TenderKind.CARD not in kinds and data.draw(st.integers(0, 2)):
            found.append(Tender(kind=TenderKind.CARD, amount_minor=rest))
            rest = 0
        if rest > 0 and data.draw(st.integers(0, 5)):
            found.append(
                Tender(kind=TenderKind.CASH, amount_minor=rest + data.draw(st.sampled_from([0, 0, 45, 5_000])))
            )
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
        fields: dict[str, Any]
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
            return MessageType.CONVERT, {
                "card_number": number,
                "amount_minor": count // 40 * 10 or 5,
                "category": 1 if count % 5 else category,
            }
        if kind == "visits":
            last_date = data.draw(st.sampled_from([0, self.today]))
            fields = {"card_number": number, "service": 1, "count": data.draw(st.integers(1, 5))}
            return MessageType.LOAD_VISITS, fields | {"expiry_date": last_date}
        if kind == "transfer":
            fields = {"card_number": number, "to_card_number": self.card(data), "category": category}
            return MessageType.TRANSFER_POINTS, fields | {"points_hundredths": count}
        by_hand = (
            {"void_all": 1} if kind == "void" else {"points_hundredths": count * data.draw(st.sampled_from([1, 1, -1]))}
        )
        reference = data.draw(st.sampled_from([b"", b"B-1"])).ljust(16, b"\0")
        fields = {"card_number": number, "category": category, "reference": reference, "points_hundredths": 0}
        return MessageType.ADJUST_POINTS, fields | by_hand
