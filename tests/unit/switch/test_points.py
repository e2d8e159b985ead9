"""Points and visits by message: what each check refuses, what an approval moves, what undoes it."""

import pytest

from switch.protocol.codes import ResponseCode as Code
from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    AdjustPointsRequest,
    BackfillRequest,
    BillLine,
    CardFlag,
    CardStatus,
    ConvertRequest,
    Function,
    LoadVisitsRequest,
    RedeemRequest,
    TransferPointsRequest,
)
from switch.protocol.records import (
    AccountRecord,
    CardTypeRecord,
    GiftRecord,
    MarkKind,
    MarkRecord,
    PendingPointsRecord,
    PurseRecord,
    RecordKind,
)
from tests.support.points_shop import (
    BARE_TYPE,
    CARD,
    DEAR_GIFT,
    DISABLED,
    ENABLED,
    FREE_GIFT,
    GIFT,
    MARKS_MAX,
    NONE,
    ONE_TIME_TYPE,
    OTHER_CARD,
    POINTS_MAX,
    PURSES_MAX,
    RATELESS,
    SISTER,
    STORE,
    TODAY,
    UNKNOWN,
    VISITS_KIND,
    Shop,
)


@pytest.fixture
def shop():
    return Shop()


# ------------------------------------------------------------------------- the card

ANY_REQUEST = {
    ConvertRequest: {"amount_minor": 10, "category": ENABLED},
    RedeemRequest: {"points_hundredths": 1},
    LoadVisitsRequest: {"service": 1, "count": 1},
    TransferPointsRequest: {"points_hundredths": 1, "to_card_number": OTHER_CARD},
    BackfillRequest: {"amount_minor": 100, "receipt": 1, "store_id": STORE, "sale_date": TODAY},
}


@pytest.mark.parametrize("form", ANY_REQUEST)
@pytest.mark.parametrize(
    ("card_fields", "code", "detail"),
    [
        ({"status": CardStatus.FROZEN}, Code.CARD_STATUS, CardStatus.FROZEN),
        ({"expiry_date": TODAY - 1}, Code.EXPIRED, 0),
        ({"flags": CardFlag.BLACKLISTED}, Code.BLACKLISTED, 0),
        ({"card_type": BARE_TYPE}, Code.FUNCTION_OFF, 0),
    ],
    ids=["frozen", "expired", "blacklisted", "without the function"],
)
def test_a_card_must_be_usable(shop, form, card_fields, code, detail):
    shop.open(CARD, **card_fields)
    shop.points(ENABLED, 1_000)
    before = shop.engine.tables.get(RecordKind.ACCOUNT, CARD)
    reply = shop.ask(form, **ANY_REQUEST[form])
    assert (reply.code, reply.detail, reply.balance_minor, reply.points_balance_hundredths) == (
        code,
        detail,
        1_000,
        5_000,
    )
    assert shop.engine.tables.get(RecordKind.ACCOUNT, CARD) == before


@pytest.mark.parametrize("form", [*ANY_REQUEST, AdjustPointsRequest])
def test_an_unknown_card_shows_nothing(shop, form):
    reply = shop.ask(form, UNKNOWN, **ANY_REQUEST.get(form, {"points_hundredths": 1}))
    assert (reply.code, reply.balance_minor, reply.available_minor) == (Code.CARD_UNKNOWN, 0, 0)


# ------------------------------------------------------------------------- what is due, and where there is no room


def pending_points(shop):
    shop.put(
        AccountRecord(
            account_number=CARD,
            points_hundredths=5_000,
            pending_count=1,
            pending_categories=1,
            pending_from_date=TODAY,
        )
    )
    shop.put(PendingPointsRecord(account_number=CARD, category=0, booking_date=TODAY, amount_hundredths=70))


@pytest.mark.parametrize("form", [*ANY_REQUEST, AdjustPointsRequest])
def test_the_account_is_settled_though_the_request_is_declined(shop, form):
    shop.open(CARD, status=CardStatus.VOID)
    pending_points(shop)
    reply = shop.ask(form, **ANY_REQUEST.get(form, {"points_hundredths": 1}))
    assert (reply.code, reply.points_balance_hundredths) == (Code.CARD_STATUS, 5_070)
    assert shop.account().last_sequence == reply.journal_sequence
    assert shop.record(RecordKind.PENDING_POINTS, (CARD, 0, TODAY), PendingPointsRecord) is None


def test_a_wrong_field_settles_nothing(shop):
    pending_points(shop)
    reply = shop.ask(RedeemRequest, points_hundredths=0)
    assert (reply.code, reply.points_balance_hundredths) == (Code.FIELD_INVALID, 5_000)
    assert shop.account().last_sequence == 0


def test_a_preview_is_compared_with_the_account_before_settling(shop):
    pending_points(shop)
    shop.put(AccountRecord(**{**fields_of(shop.account()), "last_sequence": 3}))
    assert shop.ask(AdjustPointsRequest, points_hundredths=1, if_sequence=3).code == 0


def fields_of(record):
    return {name: getattr(record, name) for name in record.__struct_fields__}


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        (LoadVisitsRequest, {"service": 1, "count": 1}),
        (AdjustPointsRequest, {"points_hundredths": 1, "category": ENABLED}),
        (TransferPointsRequest, {"points_hundredths": 1, "category": ENABLED, "to_card_number": OTHER_CARD}),
    ],
)
def test_no_room_for_a_purse(shop, form, fields):
    shop.points(ENABLED, 1_000, CARD if form is TransferPointsRequest else OTHER_CARD)
    fill(shop, PurseRecord, PURSES_MAX)
    before = shop.engine.tables.get(RecordKind.ACCOUNT, CARD)
    assert shop.ask(form, **fields).code == Code.TABLE_FULL
    assert shop.engine.tables.get(RecordKind.ACCOUNT, CARD) == before


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        (RedeemRequest, {"points_hundredths": 0, "gift_id": GIFT, "pieces": 1, "category": ENABLED}),
        (AdjustPointsRequest, {"points_hundredths": 1, "reference": b"r" * 16}),
        (BackfillRequest, ANY_REQUEST[BackfillRequest]),
    ],
)
def test_no_room_for_a_mark(shop, form, fields):
    shop.points(ENABLED, 1_000)
    fill(shop, MarkRecord, MARKS_MAX)
    before = shop.engine.tables.get(RecordKind.ACCOUNT, CARD)
    assert shop.ask(form, **fields).code == Code.TABLE_FULL
    assert shop.engine.tables.get(RecordKind.ACCOUNT, CARD) == before
    assert (shop.purse(ENABLED), shop.gift().stock) == (1_000, 10)


def fill(shop, form, count_max):
    """Take all the room that is left in a table."""
    for number in range(count_max):
        key = (
            {"account_number": 1, "purse": number} if form is PurseRecord else {"key_a": 1, "key_b": number, "key_c": 0}
        )
        try:
            shop.put(form(**key))
        except ValueError:
            return


# ------------------------------------------------------------------------- convert


def test_points_become_value(shop):
    shop.points(ENABLED, 1_000)
    reply = shop.ask(ConvertRequest, amount_minor=20, category=ENABLED)
    assert (reply.code, reply.amount_minor, reply.points_hundredths) == (0, 20, -1_000)
    assert (reply.balance_minor, reply.available_minor) == (1_020, 1_020)
    assert shop.purse(ENABLED) == 0
    assert shop.account().last_sequence == reply.journal_sequence


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount_minor": 0}, Code.AMOUNT),
        ({"amount_minor": 10**12 + 1}, Code.AMOUNT),
        ({"amount_minor": 10, "category": DISABLED}, Code.CATEGORY_UNKNOWN),
        ({"amount_minor": 10, "category": RATELESS}, Code.CATEGORY_UNKNOWN),
        ({"amount_minor": 10, "category": NONE}, Code.CATEGORY_UNKNOWN),
        ({"amount_minor": 10, "category": 0}, Code.CATEGORY_UNKNOWN),
        ({"amount_minor": 15}, Code.AMOUNT),
        ({"amount_minor": 10**12}, Code.POINTS_FUNDS),
        ({"amount_minor": 99_010}, Code.OVER_CEILING),
    ],
)
def test_what_is_not_converted(shop, fields, code):
    shop.points(ENABLED, 10**8)
    assert shop.ask(ConvertRequest, **{"category": ENABLED, **fields}).code == code
    assert shop.purse(ENABLED) == 10**8
    assert shop.account().balance_minor == 1_000


def test_one_time_value_is_not_topped_up_by_points(shop):
    shop.open(CARD, card_type=ONE_TIME_TYPE)
    shop.points(ENABLED, 10**8)
    assert shop.ask(ConvertRequest, amount_minor=10, category=ENABLED).code == Code.NOT_RELOADABLE


# ------------------------------------------------------------------------- redeem


def test_points_are_used_without_a_gift_and_come_back(shop):
    reply = shop.ask(RedeemRequest, points_hundredths=2_000)
    assert (reply.code, reply.points_hundredths, reply.points_balance_hundredths) == (0, -2_000, 3_000)
    undone = shop.undo(2_000)
    assert (undone.code, undone.points_hundredths, undone.points_balance_hundredths) == (0, 2_000, 5_000)


def test_pieces_of_a_gift_are_taken_and_come_back(shop):
    shop.points(ENABLED, 1_000)
    reply = shop.ask(RedeemRequest, points_hundredths=900, gift_id=GIFT, pieces=3, category=ENABLED)
    assert (reply.code, reply.points_hundredths) == (0, -900)
    assert (shop.purse(ENABLED), shop.gift().stock, shop.mark(CARD, GIFT, MarkKind.GIFT).count) == (100, 7, 3)
    undone = shop.undo(900)
    assert (undone.code, undone.points_hundredths) == (0, 900)
    assert (shop.purse(ENABLED), shop.gift().stock, shop.mark(CARD, GIFT, MarkKind.GIFT).count) == (1_000, 10, 0)


@pytest.mark.parametrize(
    ("fields", "code", "detail"),
    [
        ({"gift_id": 0, "pieces": 1, "points_hundredths": 1}, Code.FIELD_INVALID, 36),
        ({"gift_id": 0, "pieces": 0}, Code.FIELD_INVALID, 24),
        ({"pieces": 0}, Code.FIELD_INVALID, 36),
        ({"pieces": 10_001}, Code.FIELD_INVALID, 36),
        ({"gift_id": 99}, Code.GIFT_UNKNOWN, 0),
        ({"category": 0}, Code.FIELD_INVALID, 38),
        ({"points_hundredths": 299}, Code.FIELD_INVALID, 24),
        ({"points_hundredths": -300}, Code.FIELD_INVALID, 24),
        ({"pieces": 4}, Code.GIFT_CONDITION, 0),
        ({"pieces": 3}, Code.POINTS_FUNDS, 0),
        ({"gift_id": DEAR_GIFT, "pieces": 10_000}, Code.POINTS_FUNDS, 0),
        ({"gift_id": 0, "pieces": 0, "points_hundredths": 1, "category": DISABLED}, Code.CATEGORY_UNKNOWN, 0),
    ],
)
def test_what_is_not_redeemed(shop, fields, code, detail):
    shop.points(ENABLED, 800)
    reply = shop.ask(
        RedeemRequest, **{"points_hundredths": 0, "gift_id": GIFT, "pieces": 1, "category": ENABLED, **fields}
    )
    assert (reply.code, reply.detail) == (code, detail)
    assert (shop.purse(ENABLED), shop.gift().stock) == (800, 10)


@pytest.mark.parametrize(
    ("gift_fields", "code"),
    [
        ({"level_min": 3}, Code.GIFT_CONDITION),
        ({"stock": 0}, Code.GIFT_STOCK),
        ({"from_date": TODAY + 1}, Code.GIFT_UNKNOWN),
        ({"until_date": TODAY - 1}, Code.GIFT_UNKNOWN),
        ({"category": DISABLED}, Code.CATEGORY_UNKNOWN),
    ],
)
def test_what_a_gift_asks_for(shop, gift_fields, code):
    gift = GiftRecord(**{"gift_id": GIFT, "category": ENABLED, "price_hundredths": 1, **gift_fields})
    shop.put(gift)
    shop.points(gift.category, 800)
    reply = shop.ask(RedeemRequest, points_hundredths=0, gift_id=GIFT, pieces=1, category=gift.category)
    assert reply.code == code


def test_a_gift_that_only_requires_points_leaves_them(shop):
    shop.points(ENABLED, 300)
    reply = shop.ask(RedeemRequest, points_hundredths=0, gift_id=FREE_GIFT, pieces=1, category=ENABLED)
    assert (reply.code, reply.points_hundredths, shop.purse(ENABLED)) == (0, 0, 300)
    assert shop.mark(CARD, FREE_GIFT, MarkKind.GIFT) is None  # nothing to count
    assert shop.gift(FREE_GIFT).stock == NO_COUNT_LIMIT


def test_an_account_takes_so_many_pieces_and_no_more(shop):
    shop.points(ENABLED, 10_000)
    fields = {"points_hundredths": 0, "gift_id": GIFT, "category": ENABLED}
    assert shop.ask(RedeemRequest, pieces=2, **fields).code == 0
    assert shop.ask(RedeemRequest, pieces=2, **fields).code == Code.GIFT_CONDITION
    assert shop.ask(RedeemRequest, pieces=1, **fields).code == 0


# ------------------------------------------------------------------------- visits


def test_visits_are_loaded_and_taken_off_again(shop):
    assert shop.ask(LoadVisitsRequest, service=9, count=10, expiry_date=TODAY + 5).code == 0
    assert shop.ask(LoadVisitsRequest, service=9, count=5, expiry_date=TODAY + 9, received_minor=100).code == 0
    purse = shop.record(RecordKind.PURSE, (CARD, VISITS_KIND | 9, 0), PurseRecord)
    assert (purse.amount, purse.expiry_date) == (15, TODAY + 9)
    assert shop.undo(100).code == 0
    assert shop.purse(9, kind=VISITS_KIND) == 10


def test_visits_that_were_used_cannot_be_taken_off(shop):
    shop.ask(LoadVisitsRequest, service=9, count=10)
    shop.put(PurseRecord(account_number=CARD, purse=VISITS_KIND | 9, amount=9))
    assert shop.undo(0).code == Code.VISITS_FUNDS
    assert shop.purse(9, kind=VISITS_KIND) == 9


@pytest.mark.parametrize(
    ("fields", "code", "detail"),
    [
        ({"service": 0}, Code.FIELD_INVALID, 32),
        ({"service": 256}, Code.FIELD_INVALID, 32),
        ({"count": 0}, Code.FIELD_INVALID, 36),
        ({"count": 1_000_001}, Code.FIELD_INVALID, 36),
        ({"received_minor": -1}, Code.FIELD_INVALID, 24),
        ({"service": 8}, Code.AMOUNT, 0),
    ],
)
def test_what_is_not_loaded(shop, fields, code, detail):
    shop.put(PurseRecord(account_number=CARD, purse=VISITS_KIND | 8, amount=10**9))
    reply = shop.ask(LoadVisitsRequest, **{"service": 9, "count": 1, **fields})
    assert (reply.code, reply.detail, shop.purse(9, kind=VISITS_KIND)) == (code, detail, None)


# ------------------------------------------------------------------------- adjust


def test_points_are_adjusted_once_per_reference(shop):
    fields = {"points_hundredths": 150, "category": DISABLED, "reference": b"0123456789abcdef"}
    reply = shop.ask(AdjustPointsRequest, **fields)
    assert (reply.code, reply.points_hundredths, shop.purse(DISABLED)) == (0, 150, 150)
    low, high = (int.from_bytes(half, "little") for half in (b"01234567", b"89abcdef"))
    mark = shop.mark(low, high, MarkKind.REFERENCE, 255)
    assert (mark.points_hundredths, mark.subject, mark.last_sequence) == (150, CARD, reply.journal_sequence)
    assert shop.ask(AdjustPointsRequest, **fields).code == Code.CREDITED_BEFORE
    assert shop.purse(DISABLED) == 150


def test_points_may_go_below_zero_by_hand(shop):
    reply = shop.ask(AdjustPointsRequest, points_hundredths=-6_000)
    assert (reply.code, reply.points_balance_hundredths) == (0, -1_000)


@pytest.mark.parametrize(("held", "taken"), [(700, -700), (0, 0), (-50, 0), (None, 0)])
def test_all_points_of_a_category_are_voided(shop, held, taken):
    if held is not None:
        shop.points(ENABLED, held)
    reply = shop.ask(AdjustPointsRequest, points_hundredths=0, void_all=1, category=ENABLED)
    assert (reply.code, reply.points_hundredths) == (0, taken)
    assert shop.purse(ENABLED) == (None if held is None else held + taken)


def test_an_adjustment_after_a_preview_finds_what_the_preview_saw(shop):
    first = shop.ask(AdjustPointsRequest, points_hundredths=1)
    fields = {"points_hundredths": 1, "if_sequence": first.journal_sequence}
    second = shop.ask(AdjustPointsRequest, **fields)
    assert second.code == 0
    assert shop.ask(AdjustPointsRequest, **fields).code == Code.CHANGED_SINCE


@pytest.mark.parametrize(
    ("fields", "code", "detail"),
    [
        ({"void_all": 2}, Code.FIELD_INVALID, 34),
        ({"void_all": 1}, Code.FIELD_INVALID, 24),
        ({"points_hundredths": 0}, Code.FIELD_INVALID, 24),
        ({"points_hundredths": 10**15 + 1}, Code.FIELD_INVALID, 24),
        ({"points_hundredths": -(10**15) - 1}, Code.FIELD_INVALID, 24),
        ({"category": NONE}, Code.CATEGORY_UNKNOWN, 0),
        ({"category": 200}, Code.CATEGORY_UNKNOWN, 0),
        ({"category": RATELESS}, Code.AMOUNT, 0),
    ],
)
def test_what_is_not_adjusted(shop, fields, code, detail):
    shop.points(RATELESS, POINTS_MAX)
    reply = shop.ask(AdjustPointsRequest, **{"points_hundredths": 1, **fields})
    assert (reply.code, reply.detail, shop.account().points_hundredths) == (code, detail, 5_000)


@pytest.mark.parametrize("status", [CardStatus.FROZEN, CardStatus.LOST, CardStatus.RETURNED, CardStatus.VOID])
def test_points_are_adjusted_until_the_card_has_ended(shop, status):
    shop.open(CARD, status=status)
    reply = shop.ask(AdjustPointsRequest, points_hundredths=1)
    ended = status in (CardStatus.RETURNED, CardStatus.VOID)
    assert (reply.code, reply.detail) == ((Code.CARD_STATUS, status) if ended else (0, 0))


# ------------------------------------------------------------------------- transfer


def test_points_move_between_accounts(shop):
    reply = shop.ask(TransferPointsRequest, points_hundredths=2_000, to_card_number=OTHER_CARD)
    assert (reply.code, reply.points_hundredths, reply.points_balance_hundredths) == (0, -2_000, 3_000)
    assert shop.account(OTHER_CARD).points_hundredths == 7_000


def test_a_purse_is_made_for_who_gets_points(shop):
    shop.points(ENABLED, 30)
    assert shop.ask(TransferPointsRequest, points_hundredths=20, to_card_number=OTHER_CARD, category=ENABLED).code == 0
    assert (shop.purse(ENABLED), shop.purse(ENABLED, OTHER_CARD)) == (10, 20)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"points_hundredths": 0}, Code.AMOUNT),
        ({"points_hundredths": 10**15 + 1}, Code.AMOUNT),
        ({"to_card_number": UNKNOWN}, Code.CARD_UNKNOWN),
        ({"to_card_number": CARD}, Code.ORIGINAL_MISMATCH),
        ({"to_card_number": SISTER}, Code.ORIGINAL_MISMATCH),
        ({"category": DISABLED}, Code.CATEGORY_UNKNOWN),
        ({"category": NONE}, Code.CATEGORY_UNKNOWN),
        ({"points_hundredths": 5_001}, Code.POINTS_FUNDS),
        ({"category": RATELESS}, Code.AMOUNT),
    ],
)
def test_what_does_not_move(shop, fields, code):
    shop.open(SISTER, account_number=CARD)
    shop.points(RATELESS, 100)
    shop.points(RATELESS, POINTS_MAX, OTHER_CARD)
    reply = shop.ask(TransferPointsRequest, **{"points_hundredths": 1, "to_card_number": OTHER_CARD, **fields})
    assert (reply.code, shop.account().points_hundredths) == (code, 5_000)


def test_the_getter_must_be_usable_too(shop):
    shop.open(OTHER_CARD, status=CardStatus.LOST)
    reply = shop.ask(TransferPointsRequest, points_hundredths=1, to_card_number=OTHER_CARD)
    assert (reply.code, reply.detail, reply.points_balance_hundredths) == (Code.CARD_STATUS, CardStatus.LOST, 5_000)


# ------------------------------------------------------------------------- backfill

SALE = {"receipt": 4711, "store_id": STORE, "sale_date": TODAY - 92, "sale_minute": 1439, "settlement": 6}


def test_a_missed_sale_earns_its_points_once(shop):
    reply = shop.ask(BackfillRequest, amount_minor=1_200, **SALE)
    assert (reply.code, reply.points_hundredths, reply.amount_minor, reply.more) == (0, 1_200, 0, b"")
    account = shop.account()
    assert (account.points_hundredths, account.day_points_hundredths, account.business_date) == (6_200, 1_200, TODAY)
    mark = shop.mark(STORE, 4711, MarkKind.RECEIPT, TODAY - 92)
    assert (mark.count, mark.points_hundredths, mark.subject) == (1, 1_200, CARD)
    assert shop.ask(BackfillRequest, OTHER_CARD, amount_minor=1_200, **SALE).code == Code.RECEIPT_CREDITED


def test_a_missed_sale_has_line_results_and_todays_cap(shop):
    lines = (BillLine(amount_minor=4_000), BillLine(amount_minor=2_000))
    reply = shop.ask(BackfillRequest, amount_minor=6_000, lines=lines, **SALE)
    assert [line.points_hundredths for line in reply.lines] == [4_000, 1_000]
    assert [line.booking_days for line in reply.lines] == [0, 0]
    reply = shop.ask(BackfillRequest, amount_minor=6_000, **{**SALE, "receipt": 4712})
    assert (reply.code, reply.points_hundredths) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "code", "detail"),
    [
        ({"sale_date": TODAY - 93}, Code.RECEIPT_TOO_OLD, 0),
        ({"sale_date": TODAY + 1}, Code.RECEIPT_TOO_OLD, 0),
        ({"sale_minute": 1440}, Code.FIELD_INVALID, 48),
        ({"settlement": 7}, Code.FIELD_INVALID, 50),
        ({"amount_minor": 0}, Code.AMOUNT, 0),
        ({"amount_minor": 10**12 + 1}, Code.AMOUNT, 0),
        ({"lines": (BillLine(amount_minor=-(10**12)), BillLine(amount_minor=1))}, Code.AMOUNT, 0),
        ({"lines": (BillLine(amount_minor=-(2**63)),)}, Code.AMOUNT, 0),
        ({"store_id": 99}, Code.STORE_UNKNOWN, 0),
    ],
)
def test_what_is_not_credited_late(shop, fields, code, detail):
    reply = shop.ask(BackfillRequest, **{"amount_minor": 1_200, **SALE, **fields})
    assert (reply.code, reply.detail, shop.account().points_hundredths) == (code, detail, 5_000)


def test_a_type_that_came_after_the_sale_earns_nothing(shop):
    shop.put(CardTypeRecord(code=9, key=9 << 32 | TODAY - 10, from_date=TODAY - 10, functions=Function.POINTS))
    shop.open(CARD, card_type=9)
    assert shop.ask(BackfillRequest, amount_minor=1_200, **SALE).code == Code.CARD_UNKNOWN
