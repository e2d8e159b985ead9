"""Any sequence of business, restarts and repeats included: the switch never says or keeps what the books do not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    NO_LIMIT,
    REQUESTS,
    CardOperation,
    CardStatus,
    MessageType,
    RefundLine,
    Reply,
)
from switch.protocol.records import RecordKind
from tests.properties import audit
from tests.properties.books import CATEGORIES, Ask
from tests.properties.shop import (
    DAY_MS,
    DESK,
    FURTHER,
    GUARDED,
    HOUR_MS,
    ONE_TIME,
    PLAIN,
    TILLS,
    TOPPED_UP,
    TYPES,
    Switch,
    build,
)
from tests.properties.tills import (
    BUSINESS_DATE,
    CARDS,
    CARDS_MAX,
    NO_PIN,
    PIN,
    REVERSIBLE,
    TRACE_REUSED,
    Tills,
    amounts,
)


class Business(Tills):
    """What may happen, in any order."""

    # ----------------------------------------------------------------------- cards

    @initialize(others=st.lists(st.sampled_from([PLAIN, TOPPED_UP, ONE_TIME, GUARDED]), min_size=1, max_size=3))
    def begin(self, others: list[int]) -> None:
        """Some cards with value, one of them supplementary."""
        for number, card_type in enumerate([PLAIN, *others]):
            self.issue(CARDS[number], card_type, 8_000)
        self.issue(CARDS[len(others) + 1], FURTHER, 0, related_number=CARDS[0])
        for number in CARDS[: len(others) + 1]:
            for category in CATEGORIES:
                fields = {"card_number": number, "category": category, "points_hundredths": 20_000}
                self.ask(DESK, MessageType.ADJUST_POINTS, **fields)
        self.ask(TILLS[0], MessageType.LOAD_VISITS, card_number=CARDS[0], service=1, count=5)

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
            self.ask(DESK, MessageType.OPEN_CARD, card_number=number, account_number=card.account, card_type=card_type)
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
    @rule(
        data=st.data(),
        first=st.sampled_from([None, *[CardOperation.REPORT_LOSS] * 2, CardOperation.MARK_BAD]),
        is_frozen=st.booleans(),
        fee_tender=st.integers(0, 2),
    )
    def replace_card(self, data: st.DataObject, first: CardOperation | None, is_frozen: bool, fee_tender: int) -> None:
        """A blank card goes on for a lost, an unreadable or a swapped one."""
        number, old = CARDS[len(self.books.cards)], self.card(data, often=(CardStatus.ACTIVE, CardStatus.LOST))
        self.operate(CardOperation.MAKE, number, card_type=self.books.cards[old].type)
        if is_frozen:
            self.operate(CardOperation.FREEZE, old)
        if first is not None:
            self.operate(first, old)
        kept = Reply.decode(self.switch.query(old, self.now_ms))
        limits = self.switch.records()[RecordKind.CARD_LIMIT].get((old, 0, 0))
        was_frozen = CardStatus.FROZEN in (self.books.cards[old].kept, self.books.cards[old].status)
        ask = self.operate(CardOperation.REPLACE, old, related_number=number, fee_tender=fee_tender)
        if ask.reply.code:
            return
        new = Reply.decode(self.switch.query(number, self.now_ms))
        fee_minor = ask.reply.change_minor if fee_tender == 2 else 0
        assert new.balance_minor == kept.balance_minor - fee_minor and new.purses == kept.purses
        assert new.facts.pending_hundredths == kept.facts.pending_hundredths
        assert new.facts.status == (CardStatus.FROZEN if was_frozen else CardStatus.ACTIVE)
        moved = self.switch.records()[RecordKind.CARD_LIMIT].get((number, 0, 0))
        assert (limits is None) == (moved is None)
        assert limits is None or moved is None or limits[32:-8] == moved[32:-8], "limits and what was used of them"

    @rule(
        data=st.data(),
        single=st.sampled_from([NO_LIMIT, 3_000]),
        daily=st.sampled_from([NO_LIMIT, 6_000]),
        daily_count=st.sampled_from([NO_COUNT_LIMIT, 2]),
        recharge=st.sampled_from([NO_LIMIT, 10_000]),
        recharge_count=st.sampled_from([NO_COUNT_LIMIT, 1]),
        ceiling=st.sampled_from([NO_LIMIT, 40_000]),
    )
    def set_limits(
        self,
        data: st.DataObject,
        single: int,
        daily: int,
        daily_count: int,
        recharge: int,
        recharge_count: int,
        ceiling: int,
    ) -> None:
        """Limits of one card, at any time of the day."""
        number = self.card(data)
        self.ask(
            DESK,
            MessageType.SET_CARD,
            card_number=number,
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
        names = (
            "code",
            "amount_minor",
            "points_hundredths",
            "due_minor",
            "discount_minor",
            "recharged_minor",
            "round_off_minor",
            "change_minor",
            "more",
        )
        for name in names:
            assert getattr(charged, name) == getattr(quoted, name), (name, quoted, charged)

    @rule(data=st.data(), amount_minor=amounts)
    def transfer(self, data: st.DataObject, amount_minor: int) -> None:
        """Value from one card to another."""
        giver = self.card(data)
        others = [
            n for n in self.cards(CardStatus.ACTIVE) if self.books.cards[n].account != self.books.cards[giver].account
        ]
        is_other = bool(others) and data.draw(st.integers(0, 5)) > 0
        getter = data.draw(st.sampled_from(others)) if is_other else self.card(data)
        self.ask(TILLS[0], MessageType.TRANSFER, card_number=giver, to_card_number=getter, amount_minor=amount_minor)

    @rule(data=st.data(), till=st.sampled_from(TILLS), releases=st.booleans(), keep_rest=st.integers(0, 1))
    def end_hold(self, data: st.DataObject, till: int, releases: bool, keep_rest: int) -> None:
        """Capture a part or all of a hold, or release it; it may have ended already."""
        holds = [hold for account in self.books.accounts.values() for hold in account.holds.values()]
        if not holds:
            self.ask(till, MessageType.HOLD, **self.a_hold(data)[1])
            holds = [hold for account in self.books.accounts.values() for hold in account.holds.values()]
        is_open = bool(holds) and data.draw(st.integers(0, 9)) > 0
        if is_open:
            hold = data.draw(st.sampled_from(holds))
            sequence, number, left = hold.sequence, hold.card_number, hold.left_minor
        else:
            ended = [(o.sequence, o.form.card_number, o.moved_minor or 1) for _, o in self.originals(MessageType.HOLD)]
            sequence, number, left = data.draw(st.sampled_from([*ended, (999_999, self.card(data), 1)]))
        if releases:
            self.ask(till, MessageType.RELEASE, card_number=number, hold_sequence=sequence)
            return
        amount = data.draw(st.one_of(st.just(left), st.integers(1, left + 1)))
        self.ask(
            till,
            MessageType.CAPTURE,
            card_number=number,
            amount_minor=amount,
            hold_sequence=sequence,
            keep_rest=keep_rest,
        )

    # ----------------------------------------------------------------------- undoing

    @precondition(lambda self: self.originals(*REVERSIBLE))
    @rule(data=st.data(), is_wrong=st.sampled_from([False] * 9 + [True]), twice=st.booleans())
    def reverse(self, data: st.DataObject, is_wrong: bool, twice: bool) -> None:
        """Undo any earlier request; the second time nothing comes of it."""
        types = [type_ for type_ in REVERSIBLE if self.originals(type_)]
        type_ = data.draw(st.sampled_from(types))
        till, original = data.draw(st.sampled_from(self.originals(type_)[-6:]))
        form = original.form
        self.undo(till, form, is_wrong=is_wrong)
        if twice:
            before = self.switch.records()
            again = self.undo(till, form, is_wrong=is_wrong)
            assert again.reply.amount_minor == again.reply.change_minor == 0
            assert self.switch.records() == before

    @rule(data=st.data(), till=st.sampled_from(TILLS))
    def reverse_first(self, data: st.DataObject, till: int) -> None:
        """The reversal overtakes its original."""
        type_, fields = self.payment(data)
        form: Any = REQUESTS[type_](**(self.key() | fields))
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
        of_lines = [pair for pair in paid if pair[1].has_results]
        _, original = data.draw(st.sampled_from(of_lines if by_lines and of_lines else paid))
        number = original.form.card_number
        while self.books.cards[number].successor and data.draw(st.integers(0, 3)):
            number = self.books.cards[number].successor
        left = max(1, original.moved_minor - original.refunded_minor)
        fields: dict[str, Any] = {"amount_minor": data.draw(st.one_of(st.just(left), st.integers(1, left + 1)))}
        if by_lines and original.form.__class__ is REQUESTS[MessageType.DEBIT]:
            places = data.draw(
                st.lists(st.integers(0, max(1, len(original.lines))), min_size=1, max_size=3, unique=True)
            )
            nets = [max(1, line.net_minor - line.refunded_minor) for line in original.lines] + [1, 1]
            fields["lines"] = tuple(
                RefundLine(
                    line=place, amount_minor=data.draw(st.one_of(st.just(nets[place]), st.integers(1, nets[place] + 1)))
                )
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
        asks: dict[str, tuple[int, MessageType, Any]] = {}
        for name, till in zip("ab", TILLS, strict=True):
            type_, fields = self.payment(data)
            asks[name] = (till, type_, REQUESTS[type_](**(self.key() | fields)))
        first = asks["a"][2].card_number
        of_account = [n for n, card in self.books.cards.items() if card.account == self.books.cards[first].account]
        second = data.draw(st.sampled_from([first, *of_account]))
        asks["b"] = (*asks["b"][:2], replace(asks["b"][2], card_number=second))

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


def without_names(switch: Switch) -> dict[Any, Any]:
    """All records but for the sequences that entries have: they name entries, and are the order."""
    return {
        kind: {key: record[:-8] if kind != RecordKind.HOLD else record[40:-8] for key, record in records.items()}
        for kind, records in switch.records().items()
    }


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return build(tmp_path_factory.mktemp("business") / "shop")


def test_whatever_happens_the_switch_and_an_auditor_agree(template):
    Business.template = template
    run_state_machine_as_test(
        Business,
        settings=settings(
            max_examples=max(1, settings().max_examples * 4 // 5) if settings().max_examples <= 100 else 2_000,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )


def test_limits_set_in_the_middle_of_a_day_give_back_only_what_they_counted(template):
    Business.template = template
    business = Business()
    try:
        business.begin([PLAIN])
        morning = business.ask(TILLS[0], MessageType.DEBIT, card_number=CARDS[0], amount_minor=100)
        business.ask(DESK, MessageType.SET_CARD, card_number=CARDS[0], sets=1)
        hold = business.ask(TILLS[0], MessageType.HOLD, card_number=CARDS[0], amount_minor=1)
        sequence = hold.reply.journal_sequence
        business.ask(TILLS[0], MessageType.RELEASE, card_number=CARDS[0], hold_sequence=sequence)
        business.undo(TILLS[0], morning.form)
    finally:
        business.teardown()


def test_what_an_ended_card_brought_to_an_account_that_lives_on_can_be_taken_back(template):
    Business.template = template
    business = Business()
    try:
        business.begin([PLAIN])
        paid_in = business.ask(TILLS[0], MessageType.CREDIT, card_number=CARDS[0], amount_minor=500, channel=1)
        bought = business.ask(TILLS[0], MessageType.LOAD_VISITS, card_number=CARDS[0], service=1, count=2)
        assert business.operate(CardOperation.VOID, CARDS[0]).reply.code == 0
        assert business.undo(TILLS[0], paid_in.form).reply.amount_minor == -500
        assert business.undo(TILLS[0], bought.form).reply.code == 0
    finally:
        business.teardown()
