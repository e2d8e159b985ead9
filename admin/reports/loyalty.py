"""Who comes again: churn, visit frequency, customers by month."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy import CTE, case, func, select

from admin.forms import entry
from admin.models.sales import baskets

from .customers import customers, first_date, months
from .ranking import CARD, MEMBER, SINCE
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
    percent,
    share_bp,
    text,
    total,
    total_over,
)

_ = str
VISIT_BANDS = ((1, "1"), (5, "2-5"), (12, "6-12"), (24, "13-24"), (52, "25-52"), (104, "53-104"))
"""Upper ends of bands: once, up to monthly, fortnightly, weekly, twice a week in a year; more is the last band."""
LAST_BAND = "105+"


class ChurnParameters(SalesParameters, kw_only=True, frozen=True):
    """After how many days without a purchase a customer counts as lost."""

    days: Annotated[int, entry(_("Days without a purchase"), "integer", ge=1, le=3_660)] = 60


def _churn(scope: Scope, parameters: ChurnParameters) -> Query:
    customer = customers(scope, parameters)
    return (
        select(customer)
        .where(customer.c.days_since >= parameters.days)
        .order_by(customer.c.last_date, customer.c.member, customer.c.account_number)
    )


def _frequency(scope: Scope, parameters: ChurnParameters) -> Query:
    customer = customers(scope, parameters)
    place = case(
        *((customer.c.visits <= end, n) for n, (end, _label) in enumerate(VISIT_BANDS)), else_=len(VISIT_BANDS)
    )
    label = case(*((customer.c.visits <= end, label) for end, label in VISIT_BANDS), else_=LAST_BAND)
    spend, lost = total(customer.c.spend_minor), func.count().filter(customer.c.days_since >= parameters.days)
    return (
        select(
            label.label("band"),
            func.count().label("customers"),
            share_bp(func.count(), total_over(func.count())).label("customers_bp"),
            spend.label("spend_minor"),
            share_bp(spend, total_over(spend)).label("spend_bp"),
            lost.label("lost"),
            share_bp(lost, func.count()).label("lost_bp"),
        )
        .group_by(place, label)
        .order_by(place)
    )


def monthly(scope: Scope, parameters: Any) -> tuple[CTE, CTE]:
    """Calendar months since the first purchase, and spend of each customer in each month with a visit."""
    month = months(first_date(scope), max(scope.until(parameters), first_date(scope)))
    spent = (
        select(
            month.c.place,
            baskets.c.account_number,
            func.max(baskets.c.card_number).label("card_number"),
            total(baskets.c.visits).label("visits"),
            total(baskets.c.amount_minor).label("spend_minor"),
        )
        .join_from(baskets, month, baskets.c.business_date.between(month.c.first_date, month.c.last_date))
        .where(scope.purchases(parameters, is_until_only=True))
        .group_by(month.c.place, baskets.c.account_number)
        .having(func.sum(baskets.c.visits) > 0)
        .cte("spent")
    )
    return month, spent


def _months(scope: Scope, parameters: SalesParameters) -> Query:
    month, spent = monthly(scope, parameters)
    mine: dict[str, Any] = {"partition_by": spent.c.account_number, "order_by": spent.c.place}
    told = select(
        *spent.c,
        func.lag(spent.c.place).over(**mine).label("before"),
        func.lag(spent.c.spend_minor).over(**mine).label("before_minor"),
        func.lead(spent.c.place).over(**mine).label("after"),
    ).cte("told")
    is_kept = told.c.before == told.c.place - 1
    kept_minor = total(case((is_kept, told.c.spend_minor), else_=0))
    active = (
        select(
            told.c.place,
            func.count().label("customers"),
            func.count().filter(told.c.before.is_(None)).label("new"),
            func.count().filter(is_kept).label("kept"),
            func.count().filter(told.c.before < told.c.place - 1).label("back"),
            func.count().filter(is_kept & (told.c.spend_minor > told.c.before_minor)).label("up"),
            func.count().filter(is_kept & (told.c.spend_minor < told.c.before_minor)).label("down"),
            total(told.c.visits).label("visits"),
            total(told.c.spend_minor).label("spend_minor"),
            share_bp(kept_minor, total(told.c.spend_minor)).label("stable_bp"),
        )
        .group_by(told.c.place)
        .cte("active")
    )
    gone = (
        select((told.c.place + 1).label("place"), func.count().label("lapsed"))
        .where(told.c.after.is_(None) | (told.c.after > told.c.place + 1))
        .group_by(told.c.place)
        .cte("gone")
    )
    return (
        select(
            month.c.label.label("month"),
            *(
                func.coalesce(column, 0).label(name)
                for name, column in active.c.items()
                if name not in ("place", "stable_bp")
            ),
            active.c.stable_bp,
            func.coalesce(gone.c.lapsed, 0).label("lapsed"),
        )
        .outerjoin(active, active.c.place == month.c.place)
        .outerjoin(gone, gone.c.place == month.c.place)
        .where(month.c.last_date >= parameters.from_date)
        .order_by(month.c.place)
    )


def _monthly_spend(scope: Scope, parameters: SalesParameters) -> Query:
    month, spent = monthly(scope, parameters)
    return (
        select(month.c.label.label("month"), spent.c.card_number, spent.c.visits, spent.c.spend_minor)
        .join_from(spent, month, month.c.place == spent.c.place)
        .where(month.c.last_date >= parameters.from_date)
        .order_by(month.c.place, spent.c.account_number)
    )


REPORTS = (
    Report(
        "churn",
        "customers",
        _("Lost customers"),
        _("Customers without a purchase for so many days, counted back from the last date of the period."),
        (
            CARD,
            MEMBER,
            Column("last_date", _("Last purchase"), ColumnKind.DATE),
            SINCE,
            count("visits", _("Visits")),
            money("spend_minor", _("Spend")),
        ),
        _churn,
        ChurnParameters,
    ),
    Report(
        "visit-frequency",
        "customers",
        _("Loyalty: visit frequency and losses"),
        _("Customers by number of visits in the period, and how many of each band are lost."),
        (
            text("band", _("Visits")),
            count("customers", _("Customers")),
            percent("customers_bp", _("Share")),
            money("spend_minor", _("Spend")),
            percent("spend_bp", _("Share of the spend")),
            count("lost", _("Customers lost")),
            percent("lost_bp", _("Of these lost")),
        ),
        _frequency,
        ChurnParameters,
        Chart("bar", "band", ("customers", "lost")),
    ),
    Report(
        "customers-by-month",
        "customers",
        _("Customers by month: new, kept, lapsed"),
        _("Kept: bought in the month before as well; the stable group. Up and down: kept ones who spent more or less."),
        (
            text("month", _("Month")),
            count("customers", _("Customers"), is_summed=False),
            count("new", _("New")),
            count("kept", _("Kept"), is_summed=False),
            count("back", _("Came back"), is_summed=False),
            count("lapsed", _("Lapsed"), is_summed=False),
            count("up", _("Spent more"), is_summed=False),
            count("down", _("Spent less"), is_summed=False),
            count("visits", _("Visits")),
            money("spend_minor", _("Spend")),
            percent("stable_bp", _("Share of kept ones")),
        ),
        _months,
        chart=Chart("bar", "month", ("kept", "back", "new"), is_stacked=True),
    ),
    Report(
        "monthly-spend",
        "customers",
        _("Spend by customer and month"),
        _("One row for each customer and month with a visit."),
        (
            text("month", _("Month")),
            CARD,
            count("visits", _("Visits")),
            money("spend_minor", _("Spend")),
        ),
        _monthly_spend,
    ),
)
