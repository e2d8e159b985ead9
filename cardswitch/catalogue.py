"""`cardswitch points`, `gift`, `price`: what points are worth, what they are redeemed for, and what articles cost."""

from __future__ import annotations

from typing import Any

from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    PointsCategoryFlag,
    PutGiftRequest,
    PutPointsCategoryRequest,
    PutPriceRequest,
)
from switch.protocol.records import GiftRecord, PointsCategoryRecord, PriceRecord, RecordKind

from .configure import group_of, list_all, name_bytes, text_of
from .desk import DEFAULT, Desk, Switch, at_desk
from .output import insist
from .units import CountLimit, Date, Money, Points, format_count_limit, format_date, format_decimal

# --------------------------------------------------------------------------- points categories

points_app = group_of(
    "points", "Categories of points, and what they are worth.", "points put 1 --name Promotion --converts 1.00"
)


@points_app.command(name="put")
def put_points(
    category: int,
    /,
    *,
    name: str = "",
    pays: Points = 0,
    pays_at_most: Points = 10_000,
    converts: Points = 0,
    lot: Money = 1,
    disable: bool = False,
    switch: Switch = DEFAULT,
) -> int:
    """Create or change a category of points; category 0 exists from the beginning.

    For example:
        cardswitch points put 1 --name Promotion --pays 1.00 --pays-at-most 50 --converts 1.00 --lot 10.00

    Next: rules name the category (points_category); a disabled one earns and
    pays nothing, and keeps what there is.

    Parameters
    ----------
    category
        Number, 0 to 63.
    name
        Name, at most 24 bytes.
    pays
        Points that pay 0.01 of a bill, such as 1.00; 0: they cannot pay.
    pays_at_most
        Largest part of a bill that they may pay, percent.
    converts
        Points that become 0.01 of value; 0: they cannot.
    lot
        Conversions give multiples of this.
    disable
        Switch the category off.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.put_points_category(
            category,
            flags=0 if disable else PointsCategoryFlag.ENABLED,
            tender_cap_bp=pays_at_most,
            tender_rate=pays,
            convert_rate=converts,
            convert_lot_minor=lot,
            name=name_bytes(name, 24),
        )
        insist(outcome, f"points category {category}", PutPointsCategoryRequest)
        desk.out.say(f"points category {category}: put", category=category)
        return 0

    return at_desk(switch, work)


@points_app.command(name="list")
def list_points(*, switch: Switch = DEFAULT) -> int:
    """List the categories of points.

    For example:
        cardswitch points list
    """

    def row_of(row: PointsCategoryRecord) -> dict[str, Any]:
        return {
            "category": row.category,
            "name": text_of(row.name),
            "enabled": bool(row.flags & PointsCategoryFlag.ENABLED),
            "pays": format_decimal(row.tender_rate),
            "pays_at_most": f"{format_decimal(row.tender_cap_bp)} %",
            "converts": format_decimal(row.convert_rate),
            "lot": format_decimal(row.convert_lot_minor),
        }

    nothing = "only category 0, as it is from the beginning"
    return list_all(switch, RecordKind.POINTS_CATEGORY, PointsCategoryRecord, row_of, nothing)


# --------------------------------------------------------------------------- gifts

gift_app = group_of("gift", "Gifts that points are redeemed for.", "gift put 5 --name Umbrella --price 500 --stock 40")


@gift_app.command(name="put")
def put_gift(
    number: int,
    /,
    *,
    price: Points,
    name: str = "",
    category: int = 0,
    stock: CountLimit = NO_COUNT_LIMIT,
    per_account: CountLimit = NO_COUNT_LIMIT,
    level_min: int = 0,
    from_date: Date = 0,
    until_date: Date = 0,
    keeps_points: bool = False,
    switch: Switch = DEFAULT,
) -> int:
    """Create or change a gift.

    For example:
        cardswitch gift put 5 --name Umbrella --price 500 --stock 40 --per-account 2

    Next: `cardswitch card redeem CARD --gift 5`, or a till.

    Parameters
    ----------
    number
        Number of the gift.
    price
        Points for one piece.
    name
        Name, at most 32 bytes.
    category
        Points category of the price.
    stock
        Pieces left, or unlimited.
    per_account
        Pieces that one account may take, or unlimited.
    level_min
        Lowest level that may take it.
    from_date
        First date.
    until_date
        Last date.
    keeps_points
        The points are only required, not taken.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.put_gift(
            number,
            price,
            flags=0 if keeps_points else 1,
            level_min=level_min,
            category=category,
            from_date=from_date,
            until_date=until_date,
            account_max=per_account,
            stock=stock,
            name=name_bytes(name, 32),
        )
        insist(outcome, f"gift {number}", PutGiftRequest)
        desk.out.say(f"gift {number}: put", gift=number)
        return 0

    return at_desk(switch, work)


@gift_app.command(name="list")
def list_gifts(*, switch: Switch = DEFAULT) -> int:
    """List the gifts with price and stock.

    For example:
        cardswitch gift list
    """

    def row_of(row: GiftRecord) -> dict[str, Any]:
        return {
            "gift": row.gift_id,
            "name": text_of(row.name),
            "price": format_decimal(row.price_hundredths),
            "category": row.category,
            "takes_points": bool(row.flags & 1),
            "stock": format_count_limit(row.stock),
            "per_account": format_count_limit(row.account_max),
            "level_min": row.level_min,
            "from": format_date(row.from_date),
            "until": format_date(row.until_date),
        }

    return list_all(switch, RecordKind.GIFT, GiftRecord, row_of, "no gifts")


# --------------------------------------------------------------------------- prices

price_app = group_of("price", "The switch's own price list.", "price put 6901028075022 12.50 --from-date 2026-03-01")


@price_app.command(name="put")
def put_price(
    item: int, price: Money, /, *, price_class: int = 0, from_date: Date = 0, switch: Switch = DEFAULT
) -> int:
    """Set the price of one unit of an article, at once or from a date on.

    For example:
        cardswitch price put 6901028075022 12.50 --price-class 2 --from-date 2026-03-01

    Next: bills whose lines carry no amounts are priced by it (`rules try` with
    "priced": true).

    Parameters
    ----------
    item
        Article number.
    price
        Price of one unit.
    price_class
        Price class of card types; 0: retail, which counts where a class has no price.
    from_date
        First date; without it at once.
    """

    async def work(desk: Desk) -> int:
        outcome = await desk.client.put_price(item, price, price_class=price_class, from_date=from_date)
        insist(outcome, f"price of {item}", PutPriceRequest)
        since = f"from {format_date(from_date)} on" if from_date else "from now on"
        desk.out.say(f"price of {item} in class {price_class}: {format_decimal(price)} {since}", item=item)
        return 0

    return at_desk(switch, work)


@price_app.command(name="list")
def list_prices(item: int | None = None, /, *, switch: Switch = DEFAULT) -> int:
    """List prices; with a number, those of one article.

    For example:
        cardswitch price list 6901028075022

    Parameters
    ----------
    item
        Article number.
    """

    async def work(desk: Desk) -> int:
        found = await desk.records(RecordKind.PRICE, PriceRecord, *(() if item is None else (item,)), owner=item)
        rows = [
            {
                "item": row.item,
                "class": row.price_class,
                "price": format_decimal(row.unit_price_minor) if row.unit_price_minor >= 0 else "none yet",
                "next": format_decimal(row.next_unit_price_minor) if row.next_from_date else "",
                "next_from": format_date(row.next_from_date),
            }
            for row in found
        ]
        desk.out.rows(rows, nothing="no prices")
        return 0

    return at_desk(switch, work)
