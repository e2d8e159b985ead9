"""Cards that go on for others, and cards that are opened at once: docs/decision.md, section 15."""

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    CardFlag,
    CardOperation,
    CardStatus,
    CardTypeFlag,
    FeeKind,
    FeeTender,
    MessageType,
    TypeState,
)
from switch.protocol.records import GONE, RecordKind
from tests.support.card_desk import FIRST_DAY, CardDesk

ACTIVATED, PLAIN = 1, 2
CARD, OTHER, SPARE = 70_000_001, 70_000_002, 70_000_003
VALIDITY_DAYS = 10
REPLACE_FEE_MINOR = 900


@pytest.fixture
def desk(decider):
    desk = CardDesk(decider(timezone="UTC", replay=False))
    fees_minor = b"".join((REPLACE_FEE_MINOR * (kind == FeeKind.REPLACE)).to_bytes(4, "little") for kind in FeeKind)
    flags = CardTypeFlag.ACTIVATION_REQUIRED
    desk.do(MessageType.PUT_CARD_TYPE, code=ACTIVATED, state=TypeState.APPROVED, flags=flags, validity_days=10)
    desk.do(MessageType.PUT_CARD_TYPE, code=PLAIN, state=TypeState.APPROVED, validity_days=10, fees_minor=fees_minor)
    desk.do(MessageType.PUT_ORGANISATION, organisation_id=30, node=3)
    desk.do(MessageType.PUT_STORE, store_id=7, organisation_id=30)
    desk.do(MessageType.PUT_STORE, store_id=8)
    for terminal_id, store_id in ((107, 7), (108, 8)):
        desk.do(MessageType.PUT_TERMINAL, terminal_id=terminal_id, store_id=store_id, rights=31, key=bytes(range(40)))
    return desk


# --------------------------------------------------------------------------- replacement and correction


def test_the_card_that_goes_on_has_what_the_old_one_had(desk):
    desk.make_card(CARD, card_type=PLAIN, value_minor=1000, organisation_id=77)
    desk.do(MessageType.SET_PIN, card_number=CARD, mode=2, old_pin=bytes(16), new_pin=b"7" * 16)
    desk.do(MessageType.SET_CARD, card_number=CARD, sets=1, single_minor_max=60)
    desk.done(CardOperation.BLACKLIST, CARD)
    desk.done(CardOperation.MAKE, SPARE, card_type=ACTIVATED)
    desk.today += 2

    answer = desk.done(CardOperation.REPLACE, CARD, related_number=SPARE, document=44)

    old, new = answer.card(CARD), answer.card(SPARE)
    assert (old.status, old.successor_number, old.flags) == (CardStatus.REPLACED, SPARE, CardFlag.BLACKLISTED)
    assert (new.status, new.account_number, new.flags) == (CardStatus.ACTIVE, CARD, CardFlag.BLACKLISTED)
    assert (new.issue_serial, new.pin_hash, new.issuing_organisation_id) == (2, old.pin_hash, 77)
    assert (new.issued_date, new.expiry_date, new.document) == (desk.today, FIRST_DAY + VALIDITY_DAYS, 44)
    assert answer.image(RecordKind.CARD_LIMIT, CARD).state == GONE
    assert answer.image(RecordKind.CARD_LIMIT, SPARE).single_minor_max == 60
    assert answer.reply.balance_minor == 1000
    returned = desk.done(CardOperation.RETURN, SPARE)
    assert returned.reply.amount_minor == 1000


@pytest.mark.parametrize(
    ("operations", "days_later", "status", "expiry"),
    [
        ((CardOperation.REPORT_LOSS,), 1, CardStatus.ACTIVE, VALIDITY_DAYS),
        ((CardOperation.FREEZE, CardOperation.REPORT_LOSS), 1, CardStatus.FROZEN, VALIDITY_DAYS),
        ((CardOperation.FREEZE, CardOperation.MARK_BAD), 1, CardStatus.FROZEN, VALIDITY_DAYS),
        ((CardOperation.MARK_BAD,), 11, CardStatus.ACTIVE, 11 + VALIDITY_DAYS),
        ((), 11, CardStatus.ACTIVE, 11 + VALIDITY_DAYS),
    ],
)
def test_the_card_that_goes_on_is_where_the_old_one_was(desk, operations, days_later, status, expiry):
    desk.make_card(CARD, card_type=PLAIN)
    desk.done(CardOperation.MAKE, SPARE, card_type=PLAIN)
    for operation in operations:
        desk.done(operation, CARD)
    desk.today += days_later
    tender = FeeTender.CASH if operations else FeeTender.WAIVED

    new = desk.done(CardOperation.REPLACE, CARD, related_number=SPARE, fee_tender=tender).card(SPARE)

    assert (new.status, new.expiry_date) == (status, FIRST_DAY + expiry)


def test_a_lost_card_that_was_only_issued_goes_on_as_issued(desk):
    desk.make_card(CARD, card_type=ACTIVATED)
    desk.done(CardOperation.MAKE, SPARE, card_type=ACTIVATED)
    desk.done(CardOperation.REPORT_LOSS, CARD)

    new = desk.done(CardOperation.REPLACE, CARD, related_number=SPARE).card(SPARE)

    assert (new.status, new.expiry_date) == (CardStatus.ISSUED, 0)


def test_only_a_made_card_in_the_right_hands_goes_on(desk):
    desk.make_card(CARD, card_type=PLAIN)
    desk.make_card(OTHER, card_type=PLAIN)
    desk.done(CardOperation.REPORT_LOSS, CARD)
    desk.done(CardOperation.MAKE, SPARE, card_type=PLAIN)
    desk.done(CardOperation.DRAW, SPARE, store_id=7)

    def replace(**fields):
        return desk.operate(CardOperation.REPLACE, CARD, **fields).said

    assert replace(related_number=SPARE + 1) == (ResponseCode.CARD_UNKNOWN, 0)
    assert replace(related_number=OTHER) == (ResponseCode.CARD_STATUS, CardStatus.ACTIVE)
    assert replace(related_number=SPARE, by=108) == (ResponseCode.CUSTODY, 0)
    assert replace(related_number=SPARE, by=107) == (ResponseCode.FEE_REFUSED, 0)
    assert replace(related_number=SPARE, by=107, fee_tender=FeeTender.CASH) == (ResponseCode.APPROVED, 0)


def test_a_wrong_number_is_corrected_by_two_people(desk):
    desk.make_card(CARD, card_type=ACTIVATED, value_minor=900)
    desk.do(MessageType.SET_CARD, card_number=CARD, sets=1, single_minor_max=60)
    desk.make_card(OTHER, card_type=ACTIVATED)

    def correct(**fields):
        return desk.operate(CardOperation.CORRECT, CARD, operator_id=3, **fields)

    assert correct(related_number=SPARE).code == ResponseCode.SAME_PERSON
    assert correct(related_number=SPARE, approver_id=3).code == ResponseCode.SAME_PERSON
    assert correct(related_number=12, approver_id=4).said == (ResponseCode.FIELD_INVALID, 24)
    assert correct(related_number=OTHER, approver_id=4).code == ResponseCode.CARD_EXISTS
    answer = correct(related_number=SPARE, approver_id=4)

    old, new = answer.card(CARD), answer.card(SPARE)
    assert (old.status, old.successor_number) == (CardStatus.CORRECTED, SPARE)
    assert (new.status, new.account_number, new.issue_serial) == (CardStatus.ISSUED, CARD, 2)
    assert answer.image(RecordKind.CARD_LIMIT, SPARE).single_minor_max == 60
    assert desk.done(CardOperation.ACTIVATE, SPARE).reply.balance_minor == 900


# --------------------------------------------------------------------------- open card


def test_open_card_makes_issues_and_activates(desk):
    answer = desk.do(MessageType.OPEN_CARD, card_number=CARD, card_type=PLAIN, by=107)
    shared = desk.do(MessageType.OPEN_CARD, card_number=OTHER, card_type=PLAIN, account_number=CARD)

    card = answer.card(CARD)
    assert (card.status, card.account_number, card.issue_serial) == (CardStatus.ACTIVE, CARD, 1)
    assert (card.activated_date, card.expiry_date) == (FIRST_DAY, FIRST_DAY + VALIDITY_DAYS)
    assert card.issuing_organisation_id == 30
    assert list(shared.images) == [(RecordKind.CARD, OTHER)]
    assert shared.card(OTHER).account_number == CARD


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"card_number": 10**7 - 1}, (ResponseCode.FIELD_INVALID, 16)),
        ({"status": CardStatus.LOST}, (ResponseCode.FIELD_INVALID, 34)),
        ({"card_number": OTHER}, (ResponseCode.CARD_EXISTS, 0)),
        ({"card_type": 50}, (ResponseCode.CARD_TYPE_UNKNOWN, 0)),
        ({"card_type": 20}, (ResponseCode.TYPE_STATE, TypeState.DRAFT)),
        ({"account_number": SPARE}, (ResponseCode.ACCOUNT_UNKNOWN, 0)),
        ({"card_number": SPARE}, (ResponseCode.APPROVED, 0)),
    ],
)
def test_what_open_card_refuses(desk, fields, said):
    desk.do(MessageType.PUT_CARD_TYPE, code=20, state=TypeState.DRAFT)
    desk.done(CardOperation.MAKE, OTHER, card_type=PLAIN)
    desk.bring_to(CardStatus.RELEASED, SPARE)

    answer = desk.ask(MessageType.OPEN_CARD, **{"card_number": CARD, "card_type": PLAIN, **fields})

    assert answer.said == said
