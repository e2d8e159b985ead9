"""Sales by store and by date."""

from __future__ import annotations

from sqlalchemy import func, select

from admin.models.sales import baskets

from .report import (
    Chart,
    Column,
    ColumnKind,
    Query,
    Report,
    SalesParameters,
    Scope,
    count,
    money,
    number,
    percent,
    share_bp,
    store,
    total,
    total_over,
)

_ = str
SUMS = (
    total(baskets.c.visits).label("visits"),
    func.count(baskets.c.account_number.distinct()).label("customers"),
    total(baskets.c.amount_minor).label("spend_minor"),
    total(baskets.c.discount_minor).label("discount_minor"),
)
COLUMNS = (
    count("visits", _("Visits")),
    count("customers", _("Customers"), is_summed=False),
    money("discount_minor", _("Discount")),
    money("spend_minor", _("Spend")),
)


def _by_store(scope: Scope, parameters: SalesParameters) -> Query:
    sums = select(baskets.c.store_id, *SUMS).where(scope.purchases(parameters)).group_by(baskets.c.store_id)
    found = sums.cte("sums")
    place = func.row_number().over(order_by=[found.c.spend_minor.desc(), found.c.store_id])
    share = share_bp(found.c.spend_minor, total_over(found.c.spend_minor))
    return select(place.label("place"), found, share.label("share_bp")).order_by("place")


def _by_date(scope: Scope, parameters: SalesParameters) -> Query:
    query = select(baskets.c.business_date, *SUMS).where(scope.purchases(parameters))
    return query.group_by(baskets.c.business_date).order_by(baskets.c.business_date)


REPORTS = (
    Report(
        "stores",
        "sales",
        _("Sales by store"),
        _("Stores by what was paid with cards, net of what was taken back; refunds by headquarters are headquarters'."),
        (number("place", _("Rank")), store("store_id"), *COLUMNS, percent("share_bp", _("Share"))),
        _by_store,
        chart=Chart("rank", "store_id", ("spend_minor",)),
        links={"store_id": "/reports/purchases?store={value}"},
    ),
    Report(
        "dates",
        "sales",
        _("Sales by date"),
        _("What was paid with cards on each business date."),
        (Column("business_date", _("Business date"), ColumnKind.DATE), *COLUMNS),
        _by_date,
        chart=Chart("line", "business_date", ("spend_minor",)),
    ),
)
