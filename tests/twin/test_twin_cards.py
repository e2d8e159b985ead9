"""The card desk of the twin by hand: check digits, ranges, fees, what a return takes, and its table of the life."""

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.lifecycle import ENDED, TRANSITIONS
from switch.protocol.messages import (
    CardFlag,
    CardOperation,
    CardStatus,
    FeeKind,
    FeeTender,
    OperateCardRequest,
    OperationFlag,
    RangeResult,
    TypeState,
    decode_rows,
)
from switch.protocol.records import RecordKind

from . import card_life
from .accounts import POINTS_PURSE
from .card_job import charges
from .cards import decide_operate_card, has_check_digit, luhn_digit, range_numbers
from .state import Answers, Ask, Decision, State, Tables

TODAY = 20_000
A = 60_000_065
OP = CardOperation


@pytest.fixture
def state():
    return State(Tables(), Answers(1000))


def fees(**amounts):
    return b"".join(amounts.get(kind.name, 0).to_bytes(4, "little") for kind in FeeKind)


def put_type(state, code=1, **fields):
    fields = {"key": code << 32, **fields}
    state.tables.make(RecordKind.TYPE_STATE, state=TypeState.APPROVED, code=code)
    return state.tables.make(RecordKind.CARD_TYPE, code=code, **fields)


def operate(state, operation, card_number=A, **fields):
    """(code, decision, results)."""
    form = OperateCardRequest(
        trace_number=1,
        business_date=TODAY,
        stamp_ms=0,
        card_number=card_number,
        operation=operation,
        **({"operator_id": 7} | fields),
    )
    decision = Decision()
    ask = Ask(terminal_id=1, rights=16, sequence=1, now_ms=0, today=TODAY, local_date=TODAY, minute=0)
    code = decide_operate_card(state, ask, form, decision)
    state.tables.drop_gone(list(decision.touched))
    return code, decision, [(row.code, row.detail) for row in decode_rows(RangeResult, decision.more)]


# --------------------------------------------------------------------------- the life of a card


def test_the_table_written_by_hand_is_the_products():
    assert {operation: set(row.froms) for operation, row in TRANSITIONS.items()} == card_life.FROM
    assert {operation: row.to for operation, row in TRANSITIONS.items()} == card_life.TARGET
    assert card_life.ENDED == ENDED
    assert set(CardStatus) - ENDED == card_life.NOT_ENDED


# --------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("payload", "digit"),
    [
        (7992739871, 3),  # the example of ISO/IEC 7812-1
        (411111111111111, 1),
        (0, 0),
        (1, 8),
        (10**18 - 1, 8),  # eighteen nines: nine doubled ones give 9 each, nine others 9 each: 162
    ],
)
def test_check_digits(payload, digit):
    assert luhn_digit(payload) == digit
    assert has_check_digit(payload * 10 + digit)
    assert not has_check_digit(payload * 10 + (digit + 1) % 10)


def test_a_range_goes_on_with_or_without_check_digits():
    assert list(range_numbers(99, 3, with_check_digit=False)) == [99, 100, 101]
    assert list(range_numbers(79927398713, 3, with_check_digit=True)) == [79927398713, 79927398721, 79927398739]


# --------------------------------------------------------------------------- ranges


def test_each_card_of_a_range_has_its_own_result(state):
    put_type(state)
    for number, status in ((A, CardStatus.RESERVED), (A + 2, CardStatus.MADE), (A + 3, CardStatus.LOST)):
        state.tables.make(RecordKind.CARD, card_number=number, card_type=1, status=status)

    code, decision, results = operate(state, OP.MAKE, card_type=1, count=5)

    assert code == ResponseCode.APPROVED
    assert results == [
        (ResponseCode.RESERVED_SKIPPED, 0),
        (ResponseCode.APPROVED, 0),
        (ResponseCode.DONE_BEFORE, 0),
        (ResponseCode.CARD_EXISTS, 0),
        (ResponseCode.APPROVED, 0),
    ]
    assert sorted(decision.touched) == [(RecordKind.CARD, (A + 1,)), (RecordKind.CARD, (A + 4,))]


def test_a_range_that_leaves_the_numbers_is_refused_card_by_card(state):
    put_type(state)

    code, _, results = operate(state, OP.MAKE, 10**19 - 2, card_type=1, count=3)

    assert code == ResponseCode.APPROVED
    assert results == [(ResponseCode.APPROVED, 0)] * 2 + [(ResponseCode.FIELD_INVALID, 16)]


def test_a_range_with_too_many_images_is_cut(state):
    # A return of an account with 30 purses has 32 images: after 19 cards there are 608.
    put_type(state)
    for number in range(A, A + 25):
        state.tables.make(RecordKind.ACCOUNT, account_number=number, balance_minor=10)
        state.tables.make(
            RecordKind.CARD, card_number=number, account_number=number, card_type=1, status=CardStatus.ACTIVE
        )
        for category in range(1, 31):
            state.tables.make(RecordKind.PURSE, account_number=number, purse=POINTS_PURSE | category, amount=1)

    _, decision, results = operate(state, OP.RETURN, count=25)

    assert results == [(ResponseCode.APPROVED, 0)] * 19 + [(ResponseCode.RANGE_CUT, 0)] * 6
    assert len(decision.touched) == 19 * 32
    assert decision.amount_minor == 190


# --------------------------------------------------------------------------- fees


@pytest.mark.parametrize(
    ("kinds", "tender", "at_hand", "expected"),
    [
        ([FeeKind.ISSUE], FeeTender.CASH, 0, (10, 0)),
        ([FeeKind.ISSUE], FeeTender.BALANCE, 10, (10, 10)),
        ([FeeKind.ISSUE], FeeTender.BALANCE, 9, None),
        ([FeeKind.ISSUE], FeeTender.WAIVED, 0, None),
        ([FeeKind.JOINING], FeeTender.WAIVED, 0, (0, 0)),
        ([FeeKind.JOINING], FeeTender.BALANCE, 99, None),
        ([FeeKind.ISSUE, FeeKind.JOINING], FeeTender.CASH, 0, (35, 0)),
        ([FeeKind.RENEW], FeeTender.WAIVED, 0, (0, 0)),  # there is none to pay
        ([FeeKind.RENEW], FeeTender.BALANCE, 0, (0, 0)),
        ([FeeKind.SWAP, FeeKind.ISSUE], FeeTender.BALANCE, 29, None),
        ([FeeKind.SWAP, FeeKind.ISSUE], FeeTender.BALANCE, 30, (30, 30)),
    ],
)
def test_fees_and_how_they_are_paid(state, kinds, tender, at_hand, expected):
    card_type = put_type(
        state,
        fees_minor=fees(ISSUE=10, JOINING=25, SWAP=20),
        fees_from_balance=1 << FeeKind.ISSUE | 1 << FeeKind.SWAP,
        fees_waivable=1 << FeeKind.JOINING,
    )

    assert charges(card_type, kinds, tender, at_hand) == expected


# --------------------------------------------------------------------------- ends


def test_a_return_takes_all_that_is_not_money(state):
    put_type(state, fees_minor=fees(RETURN=30))
    state.tables.make(
        RecordKind.ACCOUNT,
        account_number=A,
        balance_minor=100,
        points_hundredths=-5,
        pending_categories=2,
        pending_from_date=TODAY + 3,
        pending_count=1,
        day_debit_minor=77,
    )
    state.tables.make(RecordKind.CARD, card_number=A, account_number=A, card_type=1, status=CardStatus.EXPIRED)
    state.tables.make(RecordKind.PURSE, account_number=A, purse=POINTS_PURSE | 1, amount=500)
    state.tables.make(
        RecordKind.PENDING_POINTS, account_number=A, category=1, booking_date=TODAY + 3, amount_hundredths=9
    )

    code, decision, _ = operate(state, OP.RETURN)

    account = state.tables.get(RecordKind.ACCOUNT, A)
    assert (code, decision.amount_minor, decision.change_minor) == (ResponseCode.APPROVED, 70, 30)
    assert (account.balance_minor, account.points_hundredths, account.pending_count) == (0, 0, 0)
    assert (account.pending_categories, account.pending_from_date, account.day_debit_minor) == (0, 0, 77)
    assert state.tables.all(RecordKind.PURSE) == state.tables.all(RecordKind.PENDING_POINTS) == []
    assert [kind for kind, _ in sorted(decision.touched)] == [
        RecordKind.ACCOUNT,
        RecordKind.CARD,
        RecordKind.PURSE,
        RecordKind.PENDING_POINTS,
    ]


def test_a_correction_moves_everything_and_raises_the_serial(state):
    put_type(state)
    state.tables.make(
        RecordKind.CARD,
        card_number=A,
        card_type=1,
        status=CardStatus.LOST,
        kept_status=CardStatus.FROZEN,
        frozen_by=3,
        issue_serial=4,
        pin_tries=2,
        custody_store_id=5,
    )
    state.tables.make(RecordKind.CARD_LIMIT, card_number=A, single_minor_max=50, day_debit_minor=20)

    code, decision, _ = operate(state, OP.CORRECT, related_number=A + 9, approver_id=8, document=6)

    old, new = state.tables.get(RecordKind.CARD, A), state.tables.get(RecordKind.CARD, A + 9)
    limits = state.tables.get(RecordKind.CARD_LIMIT, A + 9)
    assert code == ResponseCode.APPROVED
    assert (old.status, old.successor_number, old.issue_serial) == (CardStatus.CORRECTED, A + 9, 4)
    assert (new.status, new.kept_status, new.frozen_by, new.issue_serial) == (CardStatus.LOST, CardStatus.FROZEN, 3, 5)
    assert (new.pin_tries, new.custody_store_id, new.document, new.successor_number) == (2, 5, 6, 0)
    assert (limits.single_minor_max, limits.day_debit_minor) == (50, 20)
    assert state.tables.find(RecordKind.CARD_LIMIT, A) is None
    assert len(decision.touched) == 4


@pytest.mark.parametrize(
    ("kind", "tender", "charged", "balance", "flags"),
    [
        (FeeKind.ANNUAL, FeeTender.BALANCE, 40, 9, 0),
        (FeeKind.ANNUAL, FeeTender.CASH, 40, 49, 0),
        (FeeKind.ANNUAL, FeeTender.WAIVED, 0, 49, CardFlag.FEE_DUE),
        (FeeKind.SERVICE, FeeTender.BALANCE, 0, 49, CardFlag.FEE_DUE),
        (FeeKind.SERVICE, FeeTender.WAIVED, 0, 49, 0),
        (FeeKind.OTHER, FeeTender.BALANCE, 0, 49, 0),
    ],
)
def test_a_fee_by_itself_is_paid_or_due_and_never_refused(state, kind, tender, charged, balance, flags):
    put_type(
        state,
        fees_minor=fees(ANNUAL=40, SERVICE=50),
        fees_from_balance=1 << FeeKind.ANNUAL | 1 << FeeKind.SERVICE,
        fees_waivable=1 << FeeKind.SERVICE,
    )
    account = state.tables.make(RecordKind.ACCOUNT, account_number=A, balance_minor=49)
    fields = {"card_number": A, "account_number": A, "card_type": 1, "status": CardStatus.BAD}
    card = state.tables.make(RecordKind.CARD, **fields, flags=CardFlag.FEE_DUE | CardFlag.BLACKLISTED)

    code, decision, _ = operate(state, OP.CHARGE_FEE, fee_tender=tender, reason=kind)

    assert (code, decision.change_minor, account.balance_minor) == (ResponseCode.APPROVED, charged, balance)
    assert (card.status, card.flags) == (CardStatus.BAD, CardFlag.BLACKLISTED | flags)


def test_a_refused_card_changes_nothing(state):
    put_type(state, fees_minor=fees(RENEW=50), fees_from_balance=1 << FeeKind.RENEW)
    state.tables.make(RecordKind.ACCOUNT, account_number=A, balance_minor=49)
    state.tables.make(RecordKind.CARD, card_number=A, account_number=A, card_type=1, status=CardStatus.ACTIVE)
    before = state.tables.images()

    code, decision, results = operate(state, OP.RENEW, fee_tender=FeeTender.BALANCE, flags=OperationFlag.WRITE_OFF)

    assert (code, results) == (ResponseCode.FEE_REFUSED, [(ResponseCode.FEE_REFUSED, 0)])
    assert (state.tables.images(), decision.touched) == (before, {})
