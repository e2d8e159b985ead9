"""What the group's people do with cards, through the terminal kit and a real switch: desk, till, recharge, points."""

import asyncio
import struct
from functools import wraps

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AllowedList,
    BillLine,
    CardOperation,
    CardStatus,
    CardTypeFlag,
    FeeKind,
    FeeTender,
    Function,
    LineFlag,
    RechargeChannel,
    RuleAction,
    RuleLayer,
    Settlement,
    Tender,
    TenderKind,
)
from tests.support.terminal_shop import CARD, DAY_MS, PLATINUM, codes, shop

NEW_CARD, SPARE_CARD = 9999_0300_0000_1000, 9999_0300_0000_2000
GOOD, OTHER_GOOD, GIVEN_AWAY = (BillLine(item=n, category=n, amount_minor=10_00) for n in (1, 2, 3))
APPROVED = ResponseCode.APPROVED
DISPOSING = (CardOperation.VOID, CardOperation.BLACKLIST, CardOperation.UNBLACKLIST, CardOperation.CLEAR)
"""Operations that leave a void card without use: its plastic may be cleared, its number listed."""
ALL_FUNCTIONS = Function.IDENTIFY | Function.PAY | Function.POINTS | Function.DISCOUNT | Function.VISITS


def in_shop(scenario):
    """The test as a scenario in a shop of its own."""

    @wraps(scenario)
    def run(tmp_path):
        async def play():
            async with shop(tmp_path) as s:
                await scenario(s)

        asyncio.run(play())

    del run.__wrapped__  # pytest reads the arguments of what is there
    return run


async def done(call):
    """The outcome of a call that must be approved, a range of cards to the last."""
    outcome = await call
    assert outcome.approved, outcome
    return outcome


async def operate(s, operation, card_number=NEW_CARD, **fields):
    outcome = await done(s.operator.operate_card(card_number, operation, **{"operator_id": 71, **fields}))
    assert {result.code for result in outcome.reply.results} == {0}
    return outcome


async def status_of(s, card_number):
    return CardStatus((await s.till.card_query(card_number)).facts.status)


async def put_rules(s, *rules):
    """A set of rules that is in force at once."""
    for number, (layer, action, fields) in enumerate(rules, start=1):
        await done(s.operator.put_rule(1, number, layer, action, **fields))
    today = (await s.operator.echo()).business_date
    await done(s.operator.activate_rules(1, today, len(rules)))


# ------------------------------------------------------------------------ the card desk


@pytest.mark.feature("HD-054", "HD-056", "HD-141", "K3-092", "GJ-024", "GJ-025", "GJ-026", "GJ-027")
@in_shop
async def test_a_lost_or_frozen_card_pays_nowhere_from_the_next_request_on_and_comes_back(s):
    await operate(s, CardOperation.REPORT_LOSS, CARD)
    lost = [await s.till.debit(CARD, 1), await s.other_till.debit(CARD, 1)]
    await operate(s, CardOperation.RESTORE, CARD)
    restored = await s.till.debit(CARD, 1)
    await done(s.operator.freeze_card(CARD, 71))
    frozen = await s.other_till.debit(CARD, 1)
    by_the_same = await s.operator.unfreeze_card(CARD, 71)
    await done(s.operator.unfreeze_card(CARD, 72))

    assert [(outcome.code, outcome.reply.detail) for outcome in [*lost, frozen]] == [
        (ResponseCode.CARD_STATUS, CardStatus.LOST),
        (ResponseCode.CARD_STATUS, CardStatus.LOST),
        (ResponseCode.CARD_STATUS, CardStatus.FROZEN),
    ]
    assert codes(restored, by_the_same) == [APPROVED, ResponseCode.SAME_PERSON]
    assert (await s.other_till.debit(CARD, 1)).balance_minor == 100_00 - 2


@pytest.mark.feature("HD-049", "HD-050", "HD-051", "HD-082")
@in_shop
async def test_cards_are_made_and_issued_in_ranges_and_pay_only_when_they_are_active(s):
    flags = CardTypeFlag.ACTIVATION_REQUIRED
    fees = struct.pack("<12I", *(5_00 if kind == FeeKind.ISSUE else 0 for kind in FeeKind))
    await done(s.operator.put_card_type(3, flags=flags, fees_minor=fees))
    made = await operate(s, CardOperation.MAKE, count=5, card_type=3)
    await done(s.operator.operate_card(NEW_CARD + 3, CardOperation.MAKE_AND_ISSUE, card_type=3, count=3, fee_tender=1))
    as_stolen = await s.till.debit(NEW_CARD, 1)
    paid = {"amount_minor": 50_00, "fee_tender": FeeTender.CASH, "member": 5}
    issued = await operate(s, CardOperation.ISSUE, count=2, **paid)
    not_active = await s.till.debit(NEW_CARD, 1)
    await operate(s, CardOperation.ACTIVATE, count=2)

    assert len(made.reply.results) == 5
    assert issued.reply.change_minor == 2 * 5_00
    assert [outcome.reply.detail for outcome in (as_stolen, not_active)] == [CardStatus.MADE, CardStatus.ISSUED]
    assert [(await s.till.debit(NEW_CARD + n, 20_00)).balance_minor for n in (0, 1)] == [30_00, 30_00]
    # A range that meets cards that are there already says so for each of them, and makes the others.
    assert [await status_of(s, NEW_CARD + n) for n in (2, 5)] == [CardStatus.MADE, CardStatus.ISSUED]


@pytest.mark.feature("HD-055", "HD-057")
@in_shop
async def test_a_returned_card_is_paid_out_less_its_fee_and_a_void_card_never_comes_back(s):
    fees = struct.pack("<12I", *(3_00 if kind == FeeKind.RETURN else 0 for kind in FeeKind))
    await done(s.operator.put_card_type(3, fees_minor=fees))
    await operate(s, CardOperation.MAKE_AND_ISSUE, count=2, card_type=3, amount_minor=40_00)

    returned = await operate(s, CardOperation.RETURN)
    refused = await s.operator.operate_card(NEW_CARD + 1, CardOperation.VOID, operator_id=71)
    await operate(s, CardOperation.VOID, NEW_CARD + 1, flags=8, document=9)
    later = [
        await s.operator.operate_card(NEW_CARD + 1, operation, operator_id=72, card_type=3)
        for operation in CardOperation
        if operation not in DISPOSING
    ]

    assert (returned.amount_minor, returned.reply.change_minor, returned.balance_minor) == (37_00, 3_00, 0)
    assert codes(refused) == [ResponseCode.VALUE_LEFT]
    assert not any(outcome.approved and outcome.reply.results[0].code == 0 for outcome in later)
    assert await status_of(s, NEW_CARD + 1) == CardStatus.VOID
    assert codes(await s.till.debit(NEW_CARD, 1), await s.till.debit(NEW_CARD + 1, 1)) == [ResponseCode.CARD_STATUS] * 2


@pytest.mark.feature("HD-033", "HD-053", "HD-059", "HD-060", "K3-095")
@in_shop
async def test_renewal_replacement_and_correction_keep_value_points_and_member(s):
    await done(s.operator.put_card_type(3, points_percent=100, validity_days=10))
    await operate(s, CardOperation.MAKE_AND_ISSUE, card_type=3, amount_minor=40_00, member=5)
    assert (await s.till.debit(NEW_CARD, 10_00)).points_hundredths == 10_00
    s.clock.now_ms += 11 * DAY_MS
    expired = await s.till.debit(NEW_CARD, 1)
    await operate(s, CardOperation.RENEW)
    renewed = await s.till.card_query(NEW_CARD)

    await operate(s, CardOperation.REPORT_LOSS)
    await operate(s, CardOperation.MAKE, SPARE_CARD, card_type=3)
    await operate(s, CardOperation.REPLACE, related_number=SPARE_CARD)
    await operate(s, CardOperation.CORRECT, SPARE_CARD, related_number=SPARE_CARD + 1, approver_id=72)
    old, goes_on = await s.till.card_query(NEW_CARD), await s.till.card_query(SPARE_CARD + 1)

    assert codes(expired) == [ResponseCode.EXPIRED]
    assert (renewed.facts.status, renewed.facts.expiry_date) == (CardStatus.ACTIVE, renewed.business_date + 10)
    assert (old.facts.status, old.facts.successor_number) == (CardStatus.REPLACED, SPARE_CARD)
    assert (goes_on.balance_minor, goes_on.points_balance_hundredths) == (30_00, 10_00)
    assert (goes_on.facts.member, goes_on.facts.expiry_date) == (5, renewed.facts.expiry_date)
    assert (await s.till.debit(SPARE_CARD + 1, 30_00)).balance_minor == 0
    assert codes(await s.till.debit(NEW_CARD, 1), await s.till.debit(SPARE_CARD, 1)) == [ResponseCode.CARD_STATUS] * 2


@pytest.mark.feature("K3-094")
@in_shop
async def test_a_holder_changes_the_pin_by_the_old_one_and_the_desk_resets_it(s):
    await done(s.operator.put_card_type(3, flags=CardTypeFlag.PIN_REQUIRED))
    await operate(s, CardOperation.MAKE_AND_ISSUE, card_type=3, amount_minor=40_00)
    await done(s.operator.reset_pin(NEW_CARD, b"1111", 71))
    by_a_stranger = await s.operator.change_pin(NEW_CARD, b"9999", b"2222")
    await done(s.operator.change_pin(NEW_CARD, b"1111", b"2222"))
    paid = [await s.till.debit(NEW_CARD, 1, pin=digits) for digits in (b"", b"1111", b"2222")]

    assert codes(by_a_stranger, *paid) == [
        ResponseCode.PIN_WRONG,
        ResponseCode.PIN_REQUIRED,
        ResponseCode.PIN_WRONG,
        APPROVED,
    ]


# ------------------------------------------------------------------------ recharge


@pytest.mark.feature("GJ-035", "GJ-036", "GJ-039", "GJ-040", "GJ-041", "GJ-096", "HD-086", "HD-087")
@in_shop
async def test_who_may_recharge_what_and_where_is_a_matter_of_the_type(s):
    listed = CardTypeFlag.OUTLETS_LISTED | CardTypeFlag.OPERATORS_LISTED
    await done(s.operator.put_card_type(3, flags=listed))
    await done(s.operator.put_card_type(4, flags=CardTypeFlag.ONE_TIME))
    await done(s.operator.put_allowed(3, AllowedList.OUTLETS, 367))
    await done(s.operator.put_allowed(3, AllowedList.OPERATORS, 71))
    await done(s.operator.open_card(NEW_CARD, 3))
    await operate(s, CardOperation.MAKE_AND_ISSUE, SPARE_CARD, card_type=4, amount_minor=10_00)

    elsewhere = await s.other_till.credit(NEW_CARD, 1, operator_id=71)
    somebody = await s.till.credit(NEW_CARD, 1, operator_id=70)
    channels = [RechargeChannel.BANK_CARD, RechargeChannel.RETAILER_CARD, RechargeChannel.TELECOM_CARD]
    paid = [await s.till.credit(NEW_CARD, 10_00, operator_id=71, channel=c, reference=b"slip 1") for c in channels]
    twice = await s.till.credit(NEW_CARD, 10_00, operator_id=71, channel=channels[0], reference=b"slip 1")
    one_time = await s.till.credit(SPARE_CARD, 1)

    assert codes(elsewhere, somebody, *paid, twice, one_time) == [
        ResponseCode.OUTLET_FORBIDDEN,
        ResponseCode.OPERATOR_FORBIDDEN,
        *[APPROVED] * 3,
        ResponseCode.CREDITED_BEFORE,
        ResponseCode.NOT_RELOADABLE,
    ]
    assert [outcome.balance_minor for outcome in paid] == [10_00, 20_00, 30_00]


@pytest.mark.feature("HD-070", "HD-071", "HD-099")
@in_shop
async def test_recharges_of_a_day_and_the_value_on_a_card_have_their_limits(s):
    limits = {"recharge_count_max": 2, "recharge_day_minor_max": 50_00, "ceiling_minor": 70_00}
    await done(s.operator.put_card_type(3, **limits))
    await done(s.operator.open_card(NEW_CARD, 3))

    today = [await s.till.credit(NEW_CARD, amount) for amount in (50_01, 30_00, 20_01, 10_00, 1)]
    s.clock.now_ms += DAY_MS
    tomorrow = [await s.till.credit(NEW_CARD, amount) for amount in (30_01, 30_00)]

    assert codes(*today, *tomorrow) == [
        ResponseCode.RECHARGE_AMOUNT,
        APPROVED,
        ResponseCode.RECHARGE_AMOUNT,
        APPROVED,
        ResponseCode.RECHARGE_COUNT,
        ResponseCode.OVER_CEILING,
        APPROVED,
    ]
    assert [outcome.balance_minor for outcome in tomorrow] == [40_00, 70_00]


# ------------------------------------------------------------------------ points


@pytest.mark.feature("HD-118", "HD-119", "HD-120", "HD-126", "HD-127", "VC-101", "VC-108")
@in_shop
async def test_each_line_earns_by_its_goods_and_by_the_card_type_and_some_lines_earn_nothing(s):
    item, multiply = RuleLayer.POINTS_ITEM, RuleAction.MULTIPLY
    await put_rules(
        s,
        (item, multiply, {"category": 1, "rate": 200}),
        (item, RuleAction.EXCLUDE, {"category": 3}),
        (item, multiply, {"card_type": 2, "rate": 300}),
        (item, multiply, {"card_type": 2, "item": 2, "rate": 500}),
    )
    promotion = BillLine(item=1, category=1, amount_minor=10_00, flags=LineFlag.NO_POINTS)
    bill = [GOOD, OTHER_GOOD, GIVEN_AWAY, promotion]

    plain, better = await s.till.debit(CARD, 40_00, bill), await s.till.debit(PLATINUM, 40_00, bill)

    assert [result.points_hundredths for result in plain.reply.lines] == [20_00, 10_00, 0, 0]
    # Its type gives one and a half points a unit; by the goods too beats by the type alone.
    assert [result.points_hundredths for result in better.reply.lines] == [45_00, 75_00, 0, 0]


@pytest.mark.feature("HD-128", "GJ-053", "GJ-054", "GJ-100", "HD-111", "HD-116", "HD-129")
@in_shop
async def test_rules_ask_for_terminal_time_and_amount_and_say_when_points_are_booked(s):
    item, multiply = RuleLayer.POINTS_ITEM, RuleAction.MULTIPLY
    sunday = 1 << 6
    await put_rules(
        s,
        (item, multiply, {"category": 2, "rate": 100, "booking_days": 2}),
        (RuleLayer.POINTS_PERIOD, multiply, {"weekdays": sunday, "card_type": 1, "rate": 200}),
        (RuleLayer.POINTS_CAMPAIGN, multiply, {"terminal_id": 406_002, "bill_minor_min": 10_00, "rate": 300}),
        (RuleLayer.POINTS_RECHARGE, multiply, {"card_type": 1, "rate": 10}),
    )

    on_sunday = await s.till.debit(CARD, 10_00)
    campaign = [await s.other_till.debit(CARD, amount) for amount in (10_00, 9_00)]
    recharged = [await s.till.credit(card, 50_00) for card in (CARD, PLATINUM)]
    waiting = await s.till.debit(CARD, 10_00, [OTHER_GOOD])
    s.clock.now_ms += DAY_MS
    on_monday = await s.till.debit(CARD, 10_00)
    before = await s.till.card_query(CARD)
    s.clock.now_ms += DAY_MS
    after = await s.till.card_query(CARD)

    earned = [outcome.points_hundredths for outcome in (on_sunday, *campaign, *recharged, waiting, on_monday)]
    assert earned == [20_00, 60_00, 18_00, 5_00, 0, 20_00, 10_00]
    assert (before.facts.pending_hundredths, after.facts.pending_hundredths) == (20_00, 0)
    assert after.points_balance_hundredths == before.points_balance_hundredths + 20_00 == sum(earned)


@pytest.mark.feature("GJ-052", "K3-090", "HD-088", "HD-112", "HD-130", "HD-062", "HD-122", "HD-063")
@in_shop
async def test_points_pay_are_converted_moved_and_granted_afterwards_once(s):
    await done(s.operator.put_points_category(0, tender_rate=100, convert_rate=200, convert_lot_minor=50))
    await done(s.operator.adjust_points(CARD, 500_00, operator_id=71))

    tenders = [
        Tender(kind=TenderKind.POINTS, amount_minor=2_00),
        Tender(kind=TenderKind.CARD, amount_minor=8_00),
    ]
    paid = await done(s.till.debit(CARD, 10_00, tenders=tenders))
    odd = await s.till.convert(CARD, 75)
    converted = await done(s.till.convert(CARD, 50))
    moved = await done(s.operator.transfer_points(CARD, 30_00, PLATINUM))
    sale = {"receipt": 1, "store_id": 367, "sale_date": paid.business_date, "operator_id": 71}
    granted = await done(s.operator.backfill(CARD, 20_00, **sale))
    again = await s.operator.backfill(CARD, 20_00, **sale)

    # What points have paid earns no points.
    assert (paid.amount_minor, paid.points_hundredths, paid.points_balance_hundredths) == (8_00, 8_00, 308_00)
    assert (converted.amount_minor, converted.points_hundredths) == (50, -100_00)
    assert (moved.points_balance_hundredths, granted.points_hundredths) == (178_00, 20_00)
    assert codes(odd, again) == [ResponseCode.AMOUNT, ResponseCode.RECEIPT_CREDITED]
    seen = [await s.till.balance(card) for card in (CARD, PLATINUM)]
    assert [(one.balance_minor, one.points_balance_hundredths) for one in seen] == [(92_50, 198_00), (100_00, 30_00)]


# ------------------------------------------------------------------------ discount and settlement


@pytest.mark.feature("GJ-045", "GJ-097", "K3-082", "K3-100", "K3-101", "VC-062", "VC-063", "VC-102", "VC-113")
@in_shop
async def test_the_switch_takes_off_what_type_level_goods_period_and_settlement_give(s):
    await done(s.operator.put_card_type(3, functions=ALL_FUNCTIONS, discount_bp=500))
    await done(s.operator.open_card(NEW_CARD, 3))
    await done(s.till.credit(NEW_CARD, 500_00))
    off = (RuleLayer.DISCOUNT, RuleAction.MULTIPLY)
    today = (await s.operator.echo()).business_date
    await put_rules(
        s,
        (*off, {"category": 2, "rate": 1_000, "card_type": 3, "from_date": today, "until_date": today}),
        (*off, {"level": 2, "rate": 2_000}),
        (*off, {"settlements": 1 << Settlement.CASH, "rate": 800}),
        (RuleLayer.DISCOUNT, RuleAction.EXCLUDE, {"category": 3}),
    )
    bill = [GOOD, OTHER_GOOD, GIVEN_AWAY]

    quoted = await s.till.quote(NEW_CARD, 30_00, bill)
    paid = await done(s.till.debit(NEW_CARD, 30_00, bill))
    in_cash = await done(s.till.debit(NEW_CARD, 30_00, bill, settlement=Settlement.CASH))
    await done(s.operator.set_card(NEW_CARD, level=2))
    promoted = await done(s.till.debit(NEW_CARD, 30_00, bill))
    s.clock.now_ms += DAY_MS
    await done(s.operator.set_card(NEW_CARD, level=1))
    after = await done(s.till.debit(NEW_CARD, 30_00, bill))

    found = [[result.discount_minor for result in outcome.reply.lines] for outcome in (paid, in_cash, promoted, after)]
    assert found == [[50, 1_00, 0], [80, 1_00, 0], [2_00, 2_00, 0], [50, 50, 0]]
    assert (quoted.due_minor, paid.reply.due_minor, paid.amount_minor) == (28_50, 28_50, 28_50)
    assert paid.balance_minor == 500_00 - 28_50


@pytest.mark.feature("HD-083", "K3-097", "K3-102", "K3-103", "K3-104", "VC-025", "VC-026")
@in_shop
async def test_one_bill_is_settled_with_card_and_cash_change_goes_back_and_small_change_is_dropped(s):
    await done(s.operator.put_store(406, round_off_minor=10))
    tenders = [Tender(kind=TenderKind.CARD, amount_minor=20_00), Tender(kind=TenderKind.CASH, amount_minor=20_00)]
    lines = [GOOD, OTHER_GOOD, BillLine(item=9, amount_minor=10_07)]

    paid = await done(s.other_till.debit(CARD, 30_07, lines, tenders=tenders))
    short = await s.other_till.debit(CARD, 30_07, lines, tenders=tenders[:1])

    assert (paid.amount_minor, paid.reply.round_off_minor, paid.reply.change_minor) == (20_00, 7, 10_00)
    assert codes(short) == [ResponseCode.TENDER_MISMATCH]
    assert (await s.till.balance(CARD)).balance_minor == 80_00
