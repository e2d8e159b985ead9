"""What the operations of the card desk check and move besides the status: docs/decision.md, section 15."""

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
    OperationFlag,
    Relation,
    TypeState,
)
from switch.protocol.records import GONE, RecordKind
from tests.support.card_desk import FIRST_DAY, CardDesk

ACTIVATED, PLAIN, NAMED, EXTRA, ANONYMOUS, ONE_TIME, RULED = 1, 2, 3, 4, 5, 6, 7
CARD, OTHER, SPARE = 70_000_001, 70_000_002, 70_000_003
VALIDITY_DAYS = 10


def fees(**amounts):
    """The fee table with some amounts."""
    return b"".join(amounts.get(kind.name, 0).to_bytes(4, "little") for kind in FeeKind)


@pytest.fixture
def desk(decider):
    desk = CardDesk(decider(timezone="UTC", replay=False, cards_max=200))
    types = {
        ACTIVATED: {"flags": CardTypeFlag.ACTIVATION_REQUIRED, "validity_days": VALIDITY_DAYS},
        PLAIN: {
            "validity_days": VALIDITY_DAYS,
            "fees_minor": fees(ISSUE=500, JOINING=200, REPORT_LOSS=300, RESTORE=100, RETURN=50, RENEW=70, REPLACE=900),
            "fees_from_balance": 0b1111_1111_1111,
            "fees_waivable": 1 << FeeKind.ISSUE | 1 << FeeKind.JOINING,
        },
        NAMED: {"flags": CardTypeFlag.NAMED},
        EXTRA: {"relation": Relation.SUPPLEMENTARY},
        ANONYMOUS: {"flags": CardTypeFlag.NO_RESTORE},
        ONE_TIME: {"flags": CardTypeFlag.ONE_TIME, "face_minor_min": 100, "face_minor_max": 1000},
        RULED: {"number_digits": 9, "number_prefix": 622},
    }
    for code, fields in types.items():
        desk.do(MessageType.PUT_CARD_TYPE, code=code, state=TypeState.APPROVED, **fields)
    desk.do(MessageType.PUT_ORGANISATION, organisation_id=30, node=3)
    desk.do(MessageType.PUT_STORE, store_id=7, organisation_id=30)
    desk.do(MessageType.PUT_STORE, store_id=8)
    for terminal_id, store_id in ((107, 7), (108, 8)):
        desk.do(MessageType.PUT_TERMINAL, terminal_id=terminal_id, store_id=store_id, rights=31, key=bytes(range(40)))
    return desk


# --------------------------------------------------------------------------- ranges


def test_each_card_of_a_range_has_a_result_and_a_refused_one_stops_nothing(desk):
    desk.done(CardOperation.RESERVE, CARD + 1, card_type=PLAIN)
    desk.done(CardOperation.MAKE, CARD + 2, card_type=PLAIN)
    desk.done(CardOperation.MAKE, CARD + 3, card_type=NAMED)

    answer = desk.operate(CardOperation.MAKE, CARD, card_type=PLAIN, count=5)

    assert answer.results == [
        (ResponseCode.APPROVED, 0),
        (ResponseCode.RESERVED_SKIPPED, 0),
        (ResponseCode.DONE_BEFORE, 0),
        (ResponseCode.CARD_EXISTS, 0),
        (ResponseCode.APPROVED, 0),
    ]
    assert answer.said == (ResponseCode.APPROVED, 0)
    assert sorted(answer.images) == [(RecordKind.CARD, CARD), (RecordKind.CARD, CARD + 4)]


def test_numbers_of_a_range_count_without_their_check_digit(desk):
    # 7992739871 with the digit 3 is the textbook example of the Luhn algorithm.
    answer = desk.done(CardOperation.MAKE, 79927398713, card_type=PLAIN, count=3, flags=OperationFlag.CHECK_DIGIT)

    assert sorted(key for _, key in answer.images) == [79927398713, 79927398721, 79927398739]


def test_a_range_that_leaves_the_numbers_is_refused_card_by_card(desk):
    answer = desk.operate(CardOperation.MAKE, 10**19 - 1, card_type=PLAIN, count=2)

    assert answer.results == [(ResponseCode.APPROVED, 0), (ResponseCode.FIELD_INVALID, 16)]


@pytest.mark.parametrize(
    ("fields", "offset"),
    [
        ({"operation": 0}, 40),
        ({"operation": 23}, 40),
        ({"fee_tender": 3}, 41),
        ({"flags": 16}, 42),
        ({"count": 0}, 46),
        ({"count": 65}, 46),
        ({"amount_minor": -1, "operation": CardOperation.ISSUE}, 32),
        ({"amount_minor": 10**12 + 1, "operation": CardOperation.ISSUE}, 32),
        ({"amount_minor": 1}, 32),
        ({"related_number": OTHER}, 24),
        ({"operation": CardOperation.REPLACE, "count": 2}, 46),
        ({"operation": CardOperation.CORRECT, "count": 2}, 46),
        ({"flags": OperationFlag.CHECK_DIGIT}, 16),
        ({"operation": CardOperation.FREEZE, "operator_id": 0}, 48),
        ({"operation": CardOperation.UNFREEZE, "operator_id": 0}, 48),
        ({"operation": CardOperation.CHARGE_FEE, "reason": 12}, 43),
    ],
)
def test_a_request_that_fits_no_card_has_no_results(desk, fields, offset):
    fields = {"operation": CardOperation.DRAW, "operator_id": 1, **fields}
    answer = desk.ask(MessageType.OPERATE_CARD, card_number=70_000_000, **fields)

    assert (answer.said, answer.results, answer.images) == ((ResponseCode.FIELD_INVALID, offset), [], {})


# --------------------------------------------------------------------------- making


def test_cards_are_made_of_approved_types_only(desk):
    desk.do(MessageType.PUT_CARD_TYPE, code=20, state=TypeState.DRAFT)

    assert desk.operate(CardOperation.MAKE, CARD, card_type=20).said == (ResponseCode.TYPE_STATE, TypeState.DRAFT)
    assert desk.operate(CardOperation.MAKE, CARD, card_type=21).code == ResponseCode.CARD_TYPE_UNKNOWN
    assert desk.operate(CardOperation.RESERVE, CARD, card_type=21).code == ResponseCode.CARD_TYPE_UNKNOWN
    assert desk.operate(CardOperation.RESERVE, CARD, card_type=20).code == ResponseCode.APPROVED


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (622_000_001, ResponseCode.APPROVED),
        (6_220_000_001, ResponseCode.NUMBER_RULE),
        (62_200_001, ResponseCode.NUMBER_RULE),
        (612_000_001, ResponseCode.NUMBER_RULE),
    ],
)
def test_numbers_follow_the_rule_of_the_type(desk, number, code):
    assert desk.operate(CardOperation.MAKE, number, card_type=RULED).code == code


def test_a_full_table_says_so(desk):
    made = [desk.operate(CardOperation.MAKE, 80_000_000 + 64 * n, card_type=PLAIN, count=64) for n in range(4)]

    codes = [code for answer in made for code, _ in answer.results]
    assert codes == [ResponseCode.APPROVED] * 200 + [ResponseCode.TABLE_FULL] * 56
    assert desk.operate(CardOperation.CORRECT, 80_000_000, related_number=SPARE, approver_id=2).code == (
        ResponseCode.TABLE_FULL
    )


# --------------------------------------------------------------------------- issue


def test_issue_gives_the_card_an_account_and_its_first_value(desk):
    desk.done(CardOperation.MAKE, CARD, card_type=ACTIVATED, document=9)

    answer = desk.done(CardOperation.ISSUE, CARD, amount_minor=700, member=5, document=10, operator_id=3, by=107)

    account, card = answer.image(RecordKind.ACCOUNT, CARD), answer.card(CARD)
    assert (account.balance_minor, account.member, account.last_sequence) == (700, 5, answer.reply.journal_sequence)
    assert (card.status, card.account_number, card.issued_date) == (CardStatus.ISSUED, CARD, FIRST_DAY)
    assert (card.issuing_organisation_id, card.document, card.issue_serial) == (30, 10, 1)
    assert (card.activated_date, card.expiry_date) == (0, 0)
    assert (answer.reply.balance_minor, answer.reply.available_minor) == (700, 700)

    card = desk.done(CardOperation.ACTIVATE, CARD).card(CARD)
    assert (card.activated_date, card.expiry_date) == (FIRST_DAY, FIRST_DAY + VALIDITY_DAYS)


def test_make_and_issue_does_both_or_nothing(desk):
    refused = desk.operate(CardOperation.MAKE_AND_ISSUE, CARD, card_type=NAMED)
    card = desk.done(CardOperation.MAKE_AND_ISSUE, CARD, card_type=NAMED, member=4, organisation_id=77).card(CARD)

    assert (refused.code, refused.images) == (ResponseCode.MEMBER_REQUIRED, {})
    assert (card.status, card.issue_serial, card.issuing_organisation_id) == (CardStatus.ACTIVE, 1, 77)


def test_a_drawn_card_is_issued_where_it_lies_or_at_headquarters(desk):
    for number in (CARD, OTHER):
        desk.done(CardOperation.MAKE, number, card_type=NAMED)
        assert desk.operate(CardOperation.DRAW, number, store_id=99).code == ResponseCode.STORE_UNKNOWN
        desk.done(CardOperation.DRAW, number, store_id=7)

    assert desk.operate(CardOperation.ISSUE, CARD, member=1, by=108).code == ResponseCode.CUSTODY
    desk.done(CardOperation.ISSUE, CARD, member=1, by=107)
    desk.done(CardOperation.ISSUE, OTHER, member=1, by=999)


@pytest.mark.parametrize(
    ("card_type", "value", "code"),
    [
        (ONE_TIME, 99, ResponseCode.AMOUNT),
        (ONE_TIME, 0, ResponseCode.AMOUNT),
        (ONE_TIME, 100, ResponseCode.APPROVED),
        (ONE_TIME, 1001, ResponseCode.AMOUNT),
        (ACTIVATED, 0, ResponseCode.APPROVED),
    ],
)
def test_the_first_value_fits_the_type(desk, card_type, value, code):
    answer = desk.operate(CardOperation.MAKE_AND_ISSUE, CARD, card_type=card_type, amount_minor=value)

    assert answer.code == code


def test_a_supplementary_card_joins_the_account_of_another_card(desk):
    desk.make_card(CARD, card_type=ACTIVATED, value_minor=500)

    def issue(**fields):
        return desk.operate(CardOperation.MAKE_AND_ISSUE, OTHER, card_type=EXTRA, **fields)

    assert issue().code == ResponseCode.ACCOUNT_UNKNOWN
    assert issue(related_number=SPARE).code == ResponseCode.ACCOUNT_UNKNOWN
    assert issue(related_number=CARD, amount_minor=1).code == ResponseCode.AMOUNT
    answer = issue(related_number=CARD)
    assert (answer.card(OTHER).account_number, answer.card(OTHER).relation) == (CARD, Relation.SUPPLEMENTARY)
    assert answer.reply.balance_minor == 500
    assert answer.image(RecordKind.ACCOUNT, CARD) is None


# --------------------------------------------------------------------------- fees


@pytest.mark.parametrize(
    ("tender", "flags", "value", "code", "balance", "fee"),
    [
        (FeeTender.CASH, 0, 0, ResponseCode.APPROVED, 0, 500),
        (FeeTender.CASH, OperationFlag.JOINING, 100, ResponseCode.APPROVED, 100, 700),
        (FeeTender.BALANCE, OperationFlag.JOINING, 700, ResponseCode.APPROVED, 0, 700),
        (FeeTender.BALANCE, OperationFlag.JOINING, 699, ResponseCode.FEE_REFUSED, 0, 0),
        (FeeTender.WAIVED, OperationFlag.JOINING, 100, ResponseCode.APPROVED, 100, 0),
    ],
)
def test_the_fee_of_an_issue_is_paid_waived_or_taken_from_its_value(desk, tender, flags, value, code, balance, fee):
    answer = desk.operate(
        CardOperation.MAKE_AND_ISSUE, CARD, card_type=PLAIN, amount_minor=value, fee_tender=tender, flags=flags
    )

    assert (answer.code, answer.reply.balance_minor, answer.reply.change_minor) == (code, balance, fee)


def test_fees_of_a_range_are_summed(desk):
    answer = desk.done(CardOperation.MAKE_AND_ISSUE, CARD, card_type=PLAIN, fee_tender=FeeTender.CASH, count=3)

    assert answer.reply.change_minor == 1500


def test_a_loss_is_never_refused_for_its_fee(desk):
    desk.make_card(CARD, card_type=PLAIN, value_minor=350)
    desk.make_card(OTHER, card_type=PLAIN, value_minor=299)

    paid = desk.done(CardOperation.REPORT_LOSS, CARD, fee_tender=FeeTender.BALANCE)
    due = desk.done(CardOperation.REPORT_LOSS, OTHER, fee_tender=FeeTender.BALANCE)

    assert (paid.reply.balance_minor, paid.reply.change_minor, paid.card(CARD).flags) == (50, 300, 0)
    assert (due.reply.balance_minor, due.reply.change_minor, due.card(OTHER).flags) == (299, 0, CardFlag.FEE_DUE)
    assert paid.card(CARD).kept_status == CardStatus.ACTIVE
    assert desk.operate(CardOperation.RESTORE, CARD, fee_tender=FeeTender.BALANCE).code == ResponseCode.FEE_REFUSED
    restored = desk.done(CardOperation.RESTORE, CARD, fee_tender=FeeTender.CASH)
    assert (restored.card(CARD).status, restored.card(CARD).kept_status) == (CardStatus.ACTIVE, 0)


def test_held_value_pays_no_fee(desk):
    desk.make_card(CARD, card_type=PLAIN, value_minor=100)
    desk.do(MessageType.HOLD, card_number=CARD, amount_minor=50, expires_in_s=1000)

    assert desk.operate(CardOperation.RENEW, CARD, fee_tender=FeeTender.BALANCE).code == ResponseCode.FEE_REFUSED


# --------------------------------------------------------------------------- stops and last dates


def test_somebody_else_unfreezes_unless_nobody_froze(desk):
    desk.make_card(CARD, card_type=ACTIVATED)
    desk.done(CardOperation.ACTIVATE, CARD)
    desk.do(MessageType.OPEN_CARD, card_number=OTHER, card_type=NAMED, status=CardStatus.FROZEN)

    assert desk.done(CardOperation.FREEZE, CARD, operator_id=3).card(CARD).frozen_by == 3
    assert desk.operate(CardOperation.UNFREEZE, CARD, operator_id=3).code == ResponseCode.SAME_PERSON
    assert desk.done(CardOperation.UNFREEZE, CARD, operator_id=4).card(CARD).frozen_by == 0
    desk.done(CardOperation.UNFREEZE, OTHER, operator_id=3)


@pytest.mark.parametrize(("days_later", "expiry"), [(3, 2 * VALIDITY_DAYS), (15, 15 + VALIDITY_DAYS)])
def test_renewal_counts_from_the_last_date_or_from_today(desk, days_later, expiry):
    desk.make_card(CARD, card_type=PLAIN)
    desk.today += days_later

    answer = desk.done(CardOperation.RENEW, CARD, fee_tender=FeeTender.CASH)

    assert (answer.card(CARD).expiry_date, answer.reply.change_minor) == (FIRST_DAY + expiry, 70)


def test_lost_anonymous_cards_are_neither_restored_nor_replaced(desk):
    desk.make_card(CARD, card_type=ANONYMOUS)
    desk.done(CardOperation.MAKE, SPARE, card_type=ANONYMOUS)
    desk.done(CardOperation.REPORT_LOSS, CARD)

    restored = desk.operate(CardOperation.RESTORE, CARD)
    replaced = desk.operate(CardOperation.REPLACE, CARD, related_number=SPARE)

    assert [restored.code, replaced.code] == [ResponseCode.RESTORE_FORBIDDEN] * 2


# --------------------------------------------------------------------------- ends


def test_a_return_pays_out_what_the_fee_leaves(desk):
    desk.make_card(CARD, card_type=PLAIN, value_minor=1000)
    desk.make_card(OTHER, card_type=PLAIN, value_minor=30)

    whole = desk.done(CardOperation.RETURN, CARD)
    little = desk.done(CardOperation.RETURN, OTHER)

    assert [(a.reply.amount_minor, a.reply.change_minor, a.reply.balance_minor) for a in (whole, little)] == [
        (950, 50, 0),
        (0, 30, 0),
    ]
    assert whole.image(RecordKind.ACCOUNT, CARD).balance_minor == 0


def test_a_return_ends_points_and_visits(desk):
    desk.do(MessageType.PUT_POINTS_CATEGORY, category=5)
    desk.make_card(CARD, card_type=PLAIN)
    desk.do(MessageType.ADJUST_POINTS, card_number=CARD, points_hundredths=500, category=0)
    desk.do(MessageType.ADJUST_POINTS, card_number=CARD, points_hundredths=700, category=5)

    answer = desk.done(CardOperation.RETURN, CARD)

    assert answer.image(RecordKind.ACCOUNT, CARD).points_hundredths == 0
    assert answer.image(RecordKind.PURSE, CARD, 1 << 32 | 5, 0).state == GONE


def test_the_main_card_is_returned_last(desk):
    desk.make_card(CARD, card_type=PLAIN, value_minor=500)
    desk.make_card(OTHER, card_type=EXTRA, related_number=CARD)

    first = desk.operate(CardOperation.RETURN, CARD)
    extra = desk.done(CardOperation.RETURN, OTHER)
    last = desk.done(CardOperation.RETURN, CARD)

    assert first.code == ResponseCode.OTHER_CARDS
    assert (extra.reply.amount_minor, extra.image(RecordKind.ACCOUNT, CARD)) == (0, None)
    assert last.reply.amount_minor == 450


def test_value_is_voided_by_a_document_or_with_another_card_alive(desk):
    desk.make_card(CARD, card_type=PLAIN, value_minor=500)
    desk.make_card(OTHER, card_type=EXTRA, related_number=CARD)

    extra = desk.done(CardOperation.VOID, OTHER)
    refused = [
        desk.operate(CardOperation.VOID, CARD),
        desk.operate(CardOperation.VOID, CARD, flags=OperationFlag.WRITE_OFF),
        desk.operate(CardOperation.VOID, CARD, document=8),
    ]
    written_off = desk.done(CardOperation.VOID, CARD, flags=OperationFlag.WRITE_OFF, document=8)

    assert extra.image(RecordKind.ACCOUNT, CARD) is None
    assert [answer.code for answer in refused] == [ResponseCode.VALUE_LEFT] * 3
    assert (written_off.reply.balance_minor, written_off.reply.amount_minor) == (0, 0)
    assert written_off.image(RecordKind.ACCOUNT, CARD).balance_minor == 0


def test_open_holds_stop_return_and_void(desk):
    desk.make_card(CARD, card_type=PLAIN, value_minor=500)
    desk.do(MessageType.HOLD, card_number=CARD, amount_minor=50, expires_in_s=1000)

    assert desk.operate(CardOperation.RETURN, CARD).code == ResponseCode.HOLDS_OPEN
    assert desk.operate(CardOperation.VOID, CARD, flags=8, document=1).code == ResponseCode.HOLDS_OPEN
