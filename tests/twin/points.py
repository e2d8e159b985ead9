"""Section 11 without transfer of value, and section 12: what points and visits become, and points by hand.

Fields are checked before the card is looked up; the account is settled as soon as the card is found.
"""

from __future__ import annotations

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    NO_COUNT_LIMIT,
    AdjustPointsRequest,
    BackfillRequest,
    CardTypeFlag,
    ConvertRequest,
    Function,
    LoadVisitsRequest,
    RedeemRequest,
    TransferPointsRequest,
)
from switch.protocol.records import MarkKind, RecordKind

from .accounts import (
    POINTS_MAX_HUNDREDTHS,
    VISITS_PURSE,
    add_points,
    category_enabled,
    category_exists,
    count_today,
    counted,
    has_purses,
    known_card,
    over_ceiling,
    points_in,
    settle_card,
    usable_card,
    visits_of,
)
from .card_life import ENDED
from .evidence import judge, refuse_nameless
from .pricing import are_bounded, bill_of, earn, price
from .state import Ask, Decision, Record, State

GIFT_PIECES_MAX = 10_000
VISITS_LOADED_MAX, VISITS_MAX = 10**6, 10**9
POINTS_AT_ONCE_MAX_HUNDREDTHS = 10**15
ADJUSTMENT_CHANNEL = 255
"""Below the kind in a reference's mark: adjustments have references of their own."""
SALE_AGE_MAX = 92

# --------------------------------------------------------------------------- conversion and redemption


def _paying_card(
    state: State, ask: Ask, form: ConvertRequest | RedeemRequest, amount: int, decision: Decision
) -> tuple[Record, Record, Record] | ResponseCode:
    """A usable card whose medium passes; there is no field for a PIN, so whoever would need one is referred."""
    nameless = refuse_nameless(state, ask, form, decision, is_quote=False)
    if nameless is not None:
        return nameless
    found = usable_card(state, ask, form.card_number, Function.POINTS, decision)
    if isinstance(found, ResponseCode):
        return found
    verdict = judge(state, ask, form, found[0], amount, decision)
    if isinstance(verdict, ResponseCode):
        return verdict
    return found if verdict.reason is None else verdict.refer(decision)


def decide_convert(state: State, ask: Ask, form: ConvertRequest, decision: Decision) -> ResponseCode:
    """Turn points into value."""
    amount = form.amount_minor
    if not 1 <= amount <= AMOUNT_MINOR_MAX:
        return ResponseCode.AMOUNT
    found = _paying_card(state, ask, form, amount, decision)
    if isinstance(found, ResponseCode):
        return found
    card, card_type, account = found
    category = state.tables.find(RecordKind.POINTS_CATEGORY, form.category)
    if category is None or not category_enabled(state, form.category) or category.convert_rate == 0:
        return ResponseCode.CATEGORY_UNKNOWN
    if card_type.flags & CardTypeFlag.ONE_TIME:
        return ResponseCode.NOT_RELOADABLE
    if amount % category.convert_lot_minor:
        return ResponseCode.AMOUNT
    points = amount * category.convert_rate
    if points_in(state, account, form.category) < points:
        return ResponseCode.POINTS_FUNDS
    refusal = over_ceiling(state, card, card_type, account.balance_minor + amount)
    if refusal is not None:
        return refusal
    add_points(state, account, form.category, -points, decision)
    account.balance_minor += amount
    decision.touch(account)
    decision.amount_minor, decision.points_hundredths = amount, -points
    return ResponseCode.APPROVED


def decide_redeem(state: State, ask: Ask, form: RedeemRequest, decision: Decision) -> ResponseCode:
    """Use points for a gift, or for something without a price of the switch's."""
    tables = state.tables
    if form.gift_id:
        checks = {"pieces": 1 <= form.pieces <= GIFT_PIECES_MAX}
    else:
        checks = {"pieces": form.pieces == 0, "points_hundredths": form.points_hundredths > 0}
    invalid = decision.first_invalid(form, checks)
    if invalid is not None:
        return invalid
    found = _paying_card(state, ask, form, 0, decision)
    if isinstance(found, ResponseCode):
        return found
    _, card_type, account = found
    gift = tables.find(RecordKind.GIFT, form.gift_id) if form.gift_id else None
    if form.gift_id and (gift is None or not _is_among(ask.today, gift)):
        return ResponseCode.GIFT_UNKNOWN
    if gift is not None and gift.category != form.category:
        return decision.invalid(form, "category")
    if not category_enabled(state, form.category):
        return ResponseCode.CATEGORY_UNKNOWN
    points = form.points_hundredths
    mark = None
    if gift is not None:
        points = gift.price_hundredths * form.pieces
        if form.points_hundredths not in (0, points):
            return decision.invalid(form, "points_hundredths")
        mark = tables.find(RecordKind.MARK, account.account_number, gift.gift_id, MarkKind.GIFT << 56)
        refusal = _gift_refusal(gift, form.pieces, account.level or card_type.level, mark.count if mark else 0)
        if refusal is not None:
            return refusal
    if points_in(state, account, form.category) < points:
        return ResponseCode.POINTS_FUNDS
    is_limited = gift is not None and gift.account_max != NO_COUNT_LIMIT
    if is_limited and mark is None and not tables.has_room(RecordKind.MARK):
        return ResponseCode.TABLE_FULL

    if gift is not None and gift.stock != NO_COUNT_LIMIT:
        gift.stock -= form.pieces
        decision.touch(gift)
    if gift is not None and is_limited:
        if mark is None:
            key = {"key_a": account.account_number, "key_b": gift.gift_id, "key_c": MarkKind.GIFT << 56}
            mark = tables.make(RecordKind.MARK, **key)
        mark.count += form.pieces
        decision.touch(mark)
    if points and (gift is None or gift.flags & 1):
        add_points(state, account, form.category, -points, decision)
        decision.points_hundredths = -points
    return ResponseCode.APPROVED


def _is_among(today: int, gift: Record) -> bool:
    return bool(gift.from_date <= today and (gift.until_date == 0 or today <= gift.until_date))


def _gift_refusal(gift: Record, pieces: int, level: int, taken: int) -> ResponseCode | None:
    """Conditions, then stock."""
    is_limited = gift.account_max != NO_COUNT_LIMIT
    if level < gift.level_min or (is_limited and taken + pieces > gift.account_max):
        return ResponseCode.GIFT_CONDITION
    if gift.stock != NO_COUNT_LIMIT and gift.stock < pieces:
        return ResponseCode.GIFT_STOCK
    return None


def decide_load_visits(state: State, ask: Ask, form: LoadVisitsRequest, decision: Decision) -> ResponseCode:
    """Put counted visits of a service on a card."""
    invalid = decision.first_invalid(
        form,
        {
            "service": 1 <= form.service <= 255,
            "count": 1 <= form.count <= VISITS_LOADED_MAX,
            "received_minor": form.received_minor >= 0,
        },
    )
    if invalid is not None:
        return invalid
    found = usable_card(state, ask, form.card_number, Function.VISITS, decision)
    if isinstance(found, ResponseCode):
        return found
    account = found[2]
    purse = visits_of(state, account, form.service)
    if purse is None and not state.tables.has_room(RecordKind.PURSE):
        return ResponseCode.TABLE_FULL
    if (purse.amount if purse else 0) + form.count > VISITS_MAX:
        return ResponseCode.AMOUNT
    if purse is None:
        key = {"account_number": account.account_number, "purse": VISITS_PURSE | form.service}
        purse = state.tables.make(RecordKind.PURSE, **key)
    purse.amount += form.count
    purse.expiry_date = form.expiry_date
    decision.touch(purse)
    return ResponseCode.APPROVED


# --------------------------------------------------------------------------- by hand


def decide_adjust_points(state: State, ask: Ask, form: AdjustPointsRequest, decision: Decision) -> ResponseCode:
    """Correct points, or void all of a category."""
    tables, points = state.tables, form.points_hundredths
    may_be = points == 0 if form.void_all else 0 < abs(points) <= POINTS_AT_ONCE_MAX_HUNDREDTHS
    invalid = decision.first_invalid(form, {"void_all": form.void_all <= 1, "points_hundredths": may_be})
    if invalid is not None:
        return invalid
    card, account = tables.card(form.card_number), tables.account_of(form.card_number)
    if card is None or account is None or known_card(state, ask, form.card_number) is None:
        return ResponseCode.CARD_UNKNOWN
    settle_card(state, ask, form.card_number, decision)
    if card.status in ENDED:
        decision.detail = card.status
        return ResponseCode.CARD_STATUS
    if not category_exists(state, form.category):
        return ResponseCode.CATEGORY_UNKNOWN
    # The account has been settled by now, but it gets this entry's sequence only when the entry is written.
    if form.if_sequence not in (0, account.last_sequence):
        return ResponseCode.CHANGED_SINCE
    halves = int.from_bytes(form.reference[:8], "little"), int.from_bytes(form.reference[8:], "little")
    key = (*halves, MarkKind.REFERENCE << 56 | ADJUSTMENT_CHANNEL)
    has_reference = any(halves)
    if has_reference and tables.find(RecordKind.MARK, *key) is not None:
        return ResponseCode.CREDITED_BEFORE
    there = points_in(state, account, form.category)
    added = -max(0, there) if form.void_all else points
    if abs(there + added) > POINTS_MAX_HUNDREDTHS:
        return ResponseCode.AMOUNT
    has_purse = added == 0 or has_purses(state, account, {form.category})
    if not has_purse or (has_reference and not tables.has_room(RecordKind.MARK)):
        return ResponseCode.TABLE_FULL

    if added:
        add_points(state, account, form.category, added, decision)
    if has_reference:
        fields = {"key_a": key[0], "key_b": key[1], "key_c": key[2], "count": 1, "subject": form.card_number}
        decision.touch(tables.make(RecordKind.MARK, **fields, points_hundredths=added))
    decision.points_hundredths = added
    return ResponseCode.APPROVED


def decide_transfer_points(state: State, ask: Ask, form: TransferPointsRequest, decision: Decision) -> ResponseCode:
    """Move points of one category to another card's account."""
    points, category = form.points_hundredths, form.category
    if not 1 <= points <= POINTS_AT_ONCE_MAX_HUNDREDTHS:
        return ResponseCode.AMOUNT
    found = []
    for number in (form.card_number, form.to_card_number):
        is_giver = number == form.card_number
        usable = usable_card(state, ask, number, Function.POINTS, decision, settles=is_giver)
        if isinstance(usable, ResponseCode):
            return usable
        found.append(usable[2])
    giver, getter = found
    if giver is getter:
        return ResponseCode.ORIGINAL_MISMATCH
    if not category_enabled(state, category):
        return ResponseCode.CATEGORY_UNKNOWN
    if points_in(state, giver, category) < points:
        return ResponseCode.POINTS_FUNDS
    if points_in(state, getter, category) + points > POINTS_MAX_HUNDREDTHS:
        return ResponseCode.AMOUNT
    if not has_purses(state, getter, {category}):
        return ResponseCode.TABLE_FULL
    add_points(state, giver, category, -points, decision)
    add_points(state, getter, category, points, decision)
    decision.points_hundredths = -points
    return ResponseCode.APPROVED


def decide_backfill(state: State, ask: Ask, form: BackfillRequest, decision: Decision) -> ResponseCode:
    """Points for a sale that missed them, by the rules of its date, once per receipt."""
    tables = state.tables
    if not ask.today - SALE_AGE_MAX <= form.sale_date <= ask.today:
        return ResponseCode.RECEIPT_TOO_OLD
    invalid = decision.first_invalid(form, {"sale_minute": form.sale_minute < 1440, "settlement": form.settlement <= 6})
    if invalid is not None:
        return invalid
    if not are_bounded(form.amount_minor, form.lines) or form.amount_minor <= 0:
        return ResponseCode.AMOUNT
    found = usable_card(state, ask, form.card_number, Function.POINTS, decision)
    if isinstance(found, ResponseCode):
        return found
    card, type_of_today, account = found
    card_type = tables.type_in_force(card.card_type, form.sale_date)
    if card_type is None:
        return ResponseCode.CARD_UNKNOWN
    if tables.find(RecordKind.STORE, form.store_id) is None:
        return ResponseCode.STORE_UNKNOWN
    key = (form.store_id, form.receipt, MarkKind.RECEIPT << 56 | form.sale_date)
    if tables.find(RecordKind.MARK, *key) is not None:
        return ResponseCode.RECEIPT_CREDITED

    bill = bill_of(
        card_type,
        account,
        store_id=form.store_id,
        terminal_id=0,
        settlement=form.settlement,
        date=form.sale_date,
        minute=form.sale_minute,
        amount=form.amount_minor,
        asked_lines=form.lines,
    )
    price(state, bill)
    day_points = counted(account, "day_points_hundredths", ask.today)
    earn(state, bill, account, shared=0, day_points=day_points, capping=type_of_today)
    by_category: dict[int, int] = {}
    for line in bill.lines:
        line.booking_days = 0
        by_category[line.category] = by_category.get(line.category, 0) + line.points
    earning = {category for category, points in by_category.items() if points}
    if not has_purses(state, account, earning) or not tables.has_room(RecordKind.MARK):
        return ResponseCode.TABLE_FULL

    count_today(account, ask.today)
    account.day_points_hundredths += bill.points
    decision.touch(account)
    for category in sorted(earning):
        add_points(state, account, category, by_category[category], decision)
    fields = {"key_a": key[0], "key_b": key[1], "key_c": key[2], "count": 1, "subject": form.card_number}
    decision.touch(tables.make(RecordKind.MARK, **fields, points_hundredths=bill.points))
    decision.points_hundredths, decision.more = bill.points, bill.more
    return ResponseCode.APPROVED
