"""Evidence as the switch decides it, where that shows in more than one message: repeats, reversals, the journal."""

from __future__ import annotations

from typing import Any

import pytest

from switch._show import show
from switch._verify import shown, verify
from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    BillLine,
    CardStatus,
    ConfirmWriteRequest,
    DayTotalsRequest,
    DebitRequest,
    Evidence,
    EvidenceFlag,
    EvidenceOutcome,
    Header,
    HoldRequest,
    KeyPurpose,
    KeyState,
    MediumKind,
    MessageType,
    PutKeyRequest,
    PutMediumPolicyRequest,
    PutMediumRequest,
    RefundLine,
    RefundRequest,
    Reply,
    ReversalRequest,
    TerminalStatus,
)
from switch.protocol.records import (
    AlarmRecord,
    CardKeyRecord,
    CardRecord,
    MediumRecord,
    RecordKind,
    TerminalRecord,
)
from tests.support.desk import ALL_RIGHTS, CARD, CARD_TYPE, OTHER_CARD, TILL_ID, Desk, bring_up_store, make_shop

UID, TOKEN = 0x04A2B3C4D5E6F7, 12_345_678_901
STRIPE_CARD = CARD + 1_000
"""Has no chip: a stripe beside one is a fallback."""
IDS = {MediumKind.CHIP: UID, MediumKind.CODE: TOKEN, MediumKind.STRIPE: STRIPE_CARD, MediumKind.TAG: UID}
PURPOSES = {
    MediumKind.CHIP: KeyPurpose.CHIP,
    MediumKind.CODE: KeyPurpose.CODE,
    MediumKind.STRIPE: KeyPurpose.STRIPE,
    MediumKind.TAG: KeyPurpose.TAG,
}
OTHER_TILL_ID = 8
FIRST_CHAIN = 0x01020304


class Shop(Desk):
    """A desk whose CARD has a medium of each kind; what the examiner would have found is said by the test."""

    def __init__(self, path):
        super().__init__(path)
        people: dict[str, Any] = {"operator_id": 5, "approver_id": 6}
        for medium, purpose in PURPOSES.items():
            for state in (KeyState.NEW, KeyState.ACTIVE):
                request = PutKeyRequest(
                    **self.key(), purpose=purpose, key_version=1, state=state, check_value=b"12345\0\0\0", **people
                )
                self.approve(MessageType.PUT_KEY, request)
            if medium != MediumKind.STRIPE:
                self.enrol(medium)

    def enrol(self, medium: MediumKind, card: int = CARD) -> None:
        chain = FIRST_CHAIN if medium == MediumKind.CHIP else 0
        fields: dict[str, Any] = {"medium": medium, "medium_id": IDS[medium], "counter": 10, "chain": chain}
        self.approve(MessageType.PUT_MEDIUM, PutMediumRequest(**self.key(), card_number=card, operator_id=5, **fields))

    def send(self, request: Packed, terminal_id: int = TILL_ID) -> tuple[Reply, bytes]:
        """Reply, also as bytes, to a request whose evidence was examined."""
        type_ = {DebitRequest: MessageType.DEBIT, HoldRequest: MessageType.HOLD}[type(request)]
        message = Header(type=type_, sequence=1).encode() + request.encode()
        reply, _ = self.engine.decide(terminal_id, ALL_RIGHTS, message, self.now_ms)
        return Reply.decode(reply[Header.width_bytes() :]), reply

    def pay(self, evidence: Evidence | None, *, terminal_id: int = TILL_ID, card: int = CARD, **fields) -> Reply:
        request = DebitRequest(
            **self.key(), **{"card_number": card, "amount_minor": 1_000, "evidence": evidence} | fields
        )
        return self.send(request, terminal_id)[0]

    def medium(self, kind: MediumKind) -> MediumRecord:
        found = self.engine.tables.get(RecordKind.MEDIUM, (kind, IDS[kind], 0))
        assert found is not None
        return MediumRecord.decode(found)

    def alarms(self) -> list[AlarmRecord]:
        return [AlarmRecord.decode(record) for record in self.engine.tables.records(RecordKind.ALARM)]


@pytest.fixture
def path(tmp_path):
    return make_shop(tmp_path / "data")


@pytest.fixture
def shop(path):
    return Shop(path)


def chip(counter=11, chain=FIRST_CHAIN, outcome=EvidenceOutcome.GENUINE, **fields):
    return Evidence(
        medium=MediumKind.CHIP,
        key_version=1,
        counter=counter,
        medium_id=UID,
        chain=chain,
        found_counter=counter,
        found_medium_id=UID,
        found_key_version=1,
        outcome=outcome,
        next=chain + 1,
        answer=b"mac of 8",
        **fields,
    )


def code(counter, outcome=EvidenceOutcome.GENUINE, **fields):
    return Evidence(
        medium=MediumKind.CODE,
        counter=counter % 100,
        medium_id=TOKEN,
        found_counter=counter,
        found_medium_id=TOKEN,
        found_key_version=1,
        outcome=outcome,
        **fields,
    )


def wrong(**fields):
    return chip(outcome=EvidenceOutcome.WRONG, **fields)


# ------------------------------------------------------------------------ what the reply carries


def test_a_repeat_hears_the_same_bytes_whatever_is_found_the_second_time(shop):
    key = shop.key()
    first = DebitRequest(**key, card_number=CARD, amount_minor=700, evidence=chip())
    again = DebitRequest(**key, card_number=CARD, amount_minor=700, evidence=wrong())
    other = DebitRequest(**key, card_number=CARD, amount_minor=700, evidence=chip(counter=12))

    reply, told = shop.send(first)

    assert reply.code == 0
    assert reply.issuer_answer.next == FIRST_CHAIN + 1
    assert reply.issuer_answer.mac == b"mac of 8"
    assert shop.send(again)[1] == told
    assert shop.send(other)[0].code == ResponseCode.TRACE_REUSED


def test_the_answer_to_the_chip_stands_behind_the_line_results_and_is_no_line_of_a_refund(shop):
    lines = tuple(BillLine(item=n + 1, amount_minor=500) for n in range(2))
    sold = shop.pay(chip(), lines=lines)
    assert (sold.code, len(sold.lines)) == (0, 2)
    assert sold.issuer_answer.next == FIRST_CHAIN + 1

    refund = RefundRequest(
        **shop.key(),
        card_number=CARD,
        amount_minor=200,
        original_sequence=sold.journal_sequence,
        lines=(RefundLine(line=1, amount_minor=200),),
    )
    refunded = shop.ask(MessageType.REFUND, refund)

    assert (refunded.code, refunded.points_hundredths) == (0, -200)
    undone = shop.pay(chip(counter=12, chain=FIRST_CHAIN + 1), lines=lines)
    reversed_ = shop.reverse(undone, 1_000)
    assert (reversed_.code, reversed_.points_hundredths) == (0, -undone.points_hundredths)


def test_a_refused_debit_still_answers_the_chip_and_a_quote_never_does(shop):
    poor = shop.pay(chip(), amount_minor=10**11)
    quote = DebitRequest(
        **shop.key(), card_number=CARD, amount_minor=100, evidence=chip(counter=12, chain=FIRST_CHAIN + 1)
    )
    medium = shop.medium(MediumKind.CHIP)

    quoted = shop.ask(MessageType.QUOTE, quote)

    assert (poor.code, poor.issuer_answer.next) == (ResponseCode.FUNDS, FIRST_CHAIN + 1)
    assert (medium.counter, medium.chain, medium.chain_previous) == (11, FIRST_CHAIN + 1, FIRST_CHAIN)
    assert (quoted.code, quoted.issuer_answer) == (0, None)
    assert shop.medium(MediumKind.CHIP) == medium


# ------------------------------------------------------------------------ clones, alarms, terminals


def test_a_clone_freezes_the_card_and_the_counts_of_its_type_stay_right(shop):
    assert shop.pay(chip()).code == 0
    counts = shop.engine.tables.cards_of_type(CARD_TYPE), shop.engine.tables.live_cards_of(CARD)

    reply = shop.pay(chip(chain=FIRST_CHAIN + 1), terminal_id=TILL_ID)

    card = CardRecord.decode(shop.engine.tables.get(RecordKind.CARD, CARD))
    assert (reply.code, card.status, card.frozen_by) == (ResponseCode.CLONE, CardStatus.FROZEN, 0)
    assert counts == (shop.engine.tables.cards_of_type(CARD_TYPE), shop.engine.tables.live_cards_of(CARD))
    [alarm] = shop.alarms()
    assert (alarm.sequence, alarm.card_number, alarm.medium_id) == (reply.journal_sequence, CARD, UID)
    assert (alarm.first_counter, alarm.second_counter) == (11, 11)


def test_a_full_table_keeps_the_refusal_and_loses_the_alarm(tmp_path):
    shop = Shop(make_shop(tmp_path / "small", alarms_max=1))
    shop.put_till(OTHER_TILL_ID, b"o" * 32)
    assert shop.pay(code(50)).code == 0
    replays = [shop.pay(code(50), terminal_id=OTHER_TILL_ID) for _ in range(2)]

    assert [reply.code for reply in replays] == [ResponseCode.CODE_USED] * 2
    assert [alarm.sequence for alarm in shop.alarms()] == [replays[0].journal_sequence]


def test_a_terminal_is_stopped_with_its_twentieth_wrong_proof_and_no_other_one_is(shop):
    shop.put_till(OTHER_TILL_ID, b"o" * 32)
    codes = [shop.pay(wrong(), card=OTHER_CARD if n % 2 else CARD).code for n in range(20)]
    assert set(codes) == {ResponseCode.PROOF_WRONG, ResponseCode.MEDIUM_UNKNOWN}

    refused = shop.pay(None, card=OTHER_CARD)
    elsewhere = shop.pay(None, card=OTHER_CARD, terminal_id=OTHER_TILL_ID)
    again = shop.pay(None, card=OTHER_CARD)

    assert (refused.code, refused.journal_sequence) == (ResponseCode.QUARANTINED, 0)
    assert (elsewhere.code, again.code) == (0, ResponseCode.QUARANTINED)
    record = TerminalRecord.decode(shop.engine.tables.get(RecordKind.TERMINAL, TILL_ID))
    assert (record.status, record.fails) == (TerminalStatus.QUARANTINED, 20)
    reversal = ReversalRequest(
        **shop.key(), card_number=CARD, amount_minor=1, original_trace_number=1, original_business_date=shop.today
    )
    totals = DayTotalsRequest(**shop.key(), closed_date=shop.today)
    assert shop.ask(MessageType.REVERSAL, reversal).code == 0
    assert shop.ask(MessageType.DAY_TOTALS, totals).code == ResponseCode.TOTALS_DIFFER
    shop.now_ms += 3_600_000
    assert shop.pay(None, card=OTHER_CARD).code == ResponseCode.QUARANTINED
    shop.put_till(TILL_ID, b"n" * 32)
    assert shop.pay(None, card=OTHER_CARD).code == 0


def test_an_unknown_code_counts_against_the_terminal_before_any_card_is_looked_for(shop):
    unknown = code(50, outcome=EvidenceOutcome.MEDIUM_UNKNOWN)

    reply = shop.pay(unknown, card=0)

    assert (reply.code, reply.balance_minor) == (ResponseCode.MEDIUM_UNKNOWN, 0)
    assert TerminalRecord.decode(shop.engine.tables.get(RecordKind.TERMINAL, TILL_ID)).fails == 1
    assert shop.pay(None, card=0).code == ResponseCode.CARD_UNKNOWN


# ------------------------------------------------------------------------ card numbers that the terminal does not know


def test_a_terminal_that_knew_no_number_reverses_by_none(shop):
    """The examiner put the card's number into the debit; the till sent 0, and may have heard no answer."""
    balance = shop.debit(1).balance_minor
    sold = shop.pay(code(50))
    by_chip = shop.pay(chip())

    reversed_ = shop.reverse(sold, 1_000, card=0)

    assert (reversed_.code, reversed_.amount_minor, reversed_.balance_minor) == (0, 1_000, balance - 1_000)
    assert shop.reverse(sold, 1_000, card=0).code == 0
    assert shop.reverse(by_chip, 1_000, card=0).code == ResponseCode.ORIGINAL_MISMATCH


# ------------------------------------------------------------------------ policies without evidence


def test_what_a_policy_asks_of_a_number_alone_holds_for_every_way_to_spend(shop):
    limits = {"number_minor_max": 500, "number_pin_minor": 300}
    policy = PutMediumPolicyRequest(**shop.key(), code=CARD_TYPE, operator_id=5, approver_id=6, **limits)
    shop.approve(MessageType.PUT_MEDIUM_POLICY, policy)

    codes = [(shop.pay(None, amount_minor=amount).code, hold(shop, amount).code) for amount in (300, 301, 501)]

    assert codes == [(0, 0), (ResponseCode.REFER,) * 2, (ResponseCode.MEDIUM_AMOUNT,) * 2]


def hold(shop, amount_minor):
    return shop.send(HoldRequest(**shop.key(), card_number=CARD, amount_minor=amount_minor))[0]


# ------------------------------------------------------------------------ journal


def test_a_journal_with_evidence_is_decided_again_alike_and_shown_without_numbers(path, capsys):
    shop = Shop(path)
    shop.put_till(OTHER_TILL_ID, b"o" * 32)
    assert shop.pay(chip()).code == 0
    assert shop.pay(chip(counter=100, chain=FIRST_CHAIN + 1)).code == ResponseCode.REFER
    assert shop.pay(code(50)).code == 0
    assert shop.pay(code(50), terminal_id=OTHER_TILL_ID).code == ResponseCode.CODE_USED
    for _ in range(20):
        shop.pay(wrong(), terminal_id=OTHER_TILL_ID)
    assert shop.pay(None, terminal_id=OTHER_TILL_ID).code == ResponseCode.QUARANTINED
    assert shop.pay(chip(chain=7)).code == ResponseCode.CLONE
    shop.commit()
    bring_up_store(path)

    assert verify(path) == 0
    capsys.readouterr()
    show(path, 1, 1_000, None)
    text = capsys.readouterr().out
    assert "medium 1 outcome 1 counter 11" in text
    assert "put_medium " in text
    for number in (CARD, UID, TOKEN):
        assert str(number) not in text


def test_a_stripe_is_written_once_a_day_until_that_is_confirmed(shop):
    shop.open_card(STRIPE_CARD)
    assert shop.credit(10_000, card=STRIPE_CARD).code == 0
    shop.enrol(MediumKind.STRIPE, STRIPE_CARD)

    def swipe(counter, next_=0, flags=EvidenceFlag.CAN_WRITE):
        evidence = Evidence(
            medium=MediumKind.STRIPE,
            flags=flags,
            counter=counter,
            found_counter=counter,
            found_medium_id=STRIPE_CARD,
            found_key_version=1,
            outcome=EvidenceOutcome.GENUINE,
            next=next_,
        )
        return shop.pay(evidence, card=STRIPE_CARD, amount_minor=10)

    def confirm(counter):
        request = ConfirmWriteRequest(**shop.key(), card_number=STRIPE_CARD, counter=counter)
        return shop.ask(MessageType.CONFIRM_WRITE, request)

    assert swipe(10, 11, EvidenceFlag(0)).issuer_answer is None
    assert swipe(10, 11).issuer_answer.next == 11
    assert swipe(10, 11).issuer_answer.next == 11  # nobody knows whether it was written
    assert (confirm(12).code, confirm(12).detail) == (ResponseCode.FIELD_INVALID, 24)
    assert (confirm(11).code, confirm(11).code) == (0, 0)
    assert swipe(11, 12).issuer_answer is None  # written today
    assert swipe(10).code == ResponseCode.CLONE


def test_records_of_media_are_named_without_the_number_of_a_card():
    for record in (
        MediumRecord(state=1, key_version=1, medium=3, medium_id=CARD, card_number=CARD),
        CardKeyRecord(storage_version=1, medium=3, medium_id=CARD, key_version=1, wrapped_key=bytes(24)),
    ):
        text = shown(record.encode())
        assert str(CARD) not in text
        assert text.startswith(("medium 3/622202", "card_key 3/622202"))
