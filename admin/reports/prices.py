"""Sales of each product at the different prices that members pay: for whoever thinks about prices; it changes none."""

from __future__ import annotations

from sqlalchemy import BigInteger, cast, func, select

from admin.models.mirror import card_types, cards
from admin.models.products import Product
from admin.models.sales import baskets, bill_lines

from .report import (
    Chart,
    Query,
    Report,
    SalesParameters,
    Scope,
    count,
    money,
    number,
    percent,
    share_bp,
    text,
    total,
)

_ = str
MILLI = 1000


def _compared(scope: Scope, parameters: SalesParameters) -> Query:
    """Lines by product, price class of the card's type and price of one; the price is what the till had booked."""
    classes = (
        select(card_types.c.code, func.max(card_types.c.price_class).label("price_class"))
        .group_by(card_types.c.code)
        .subquery("classes")
    )
    price = (2 * bill_lines.c.amount_minor * MILLI + bill_lines.c.quantity_milli) // (2 * bill_lines.c.quantity_milli)
    lines = select(
        bill_lines.c.item,
        func.coalesce(classes.c.price_class, 0).label("price_class"),
        price.label("price_minor"),
        bill_lines.c.quantity_milli,
        bill_lines.c.amount_minor,
    ).where(bill_lines.c.item != 0, bill_lines.c.quantity_milli > 0, bill_lines.c.amount_minor > 0)
    line = (
        scope.lines(lines, parameters)
        .outerjoin(cards, cards.c.card_number == baskets.c.card_number)
        .outerjoin(classes, classes.c.code == cards.c.card_type)
        .cte("line")
    )
    sums = (
        select(
            line.c.item,
            line.c.price_class,
            line.c.price_minor,
            func.count().label("sales"),
            (total(line.c.quantity_milli) // MILLI).label("quantity"),
            total(line.c.amount_minor).label("amount_minor"),
        )
        .group_by(line.c.item, line.c.price_class, line.c.price_minor)
        .cte("sums")
    )
    dearest = func.max(sums.c.price_minor).over(partition_by=sums.c.item)
    of_item = cast(func.sum(sums.c.amount_minor).over(partition_by=sums.c.item), BigInteger)
    return (
        select(
            sums.c.item,
            func.coalesce(Product.name, "").label("name"),
            sums.c.price_class,
            sums.c.price_minor,
            share_bp(dearest - sums.c.price_minor, dearest).label("below_bp"),
            sums.c.sales,
            sums.c.quantity,
            sums.c.amount_minor,
            share_bp(sums.c.amount_minor, of_item).label("share_bp"),
        )
        .outerjoin(Product, Product.item == sums.c.item)
        .order_by(of_item.desc(), sums.c.item, sums.c.price_minor.desc(), sums.c.price_class)
    )


REPORTS = (
    Report(
        "member-prices",
        "sales",
        _("Sales at different prices"),
        _("Each product at each price of one, before the switch's discount, by price class of the card."),
        (
            number("item", _("Article")),
            text("name", _("Name")),
            number("price_class", _("Price class")),
            money("price_minor", _("Price"), is_summed=False),
            percent("below_bp", _("Below the highest")),
            count("sales", _("Lines")),
            count("quantity", _("Quantity")),
            money("amount_minor", _("Amount")),
            percent("share_bp", _("Share of the product")),
        ),
        _compared,
        chart=Chart("rank", "name", ("amount_minor",)),
        links={"item": "/products?q={value}"},  # the file may not have it yet, and says then how it comes in
    ),
)
