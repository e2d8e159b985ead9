"""The management summary: finance and service of each month on one page."""

from __future__ import annotations

from sqlalchemy import case, func, select

from admin.models.journal import daily_totals
from admin.models.sales import baskets
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType

from .customers import first_date, first_day, months
from .money import BACK, PURCHASES, StoreParameters
from .report import (
    Chart,
    Column,
    ColumnKind,
    Parameters,
    Query,
    Report,
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
APPROVED = (ResponseCode.APPROVED, ResponseCode.PARTIAL)


def _summary(scope: Scope, parameters: StoreParameters) -> Query:
    first = min(first_date(scope), first_day(scope) or 1 << 30)
    month = months(first, max(scope.until(parameters), first))
    is_approved = daily_totals.c.code.in_(APPROVED)
    spent = daily_totals.c.recharged_minor - daily_totals.c.value_minor
    credit = case((daily_totals.c.type == MessageType.CREDIT, daily_totals.c.value_minor), else_=0)
    all_before = Parameters(until_date=parameters.until_date, organisation=parameters.organisation)
    condition = scope.totals(all_before)
    if parameters.store:
        condition = condition & (daily_totals.c.store_id == parameters.store)
    sums = (
        select(
            month.c.place,
            total(daily_totals.c.entry_count).label("requests"),
            total(case((is_approved, daily_totals.c.entry_count), else_=0)).label("approved"),
            total(case((is_approved, 0), else_=daily_totals.c.entry_count)).label("refused"),
            total(credit + daily_totals.c.recharged_minor).label("received_minor"),
            total(case((daily_totals.c.type.in_((*PURCHASES, *BACK)), spent), else_=0)).label("spent_minor"),
            total(daily_totals.c.discount_minor).label("discount_minor"),
            total(daily_totals.c.value_minor).label("change_minor"),
            total(daily_totals.c.points_hundredths).label("points_hundredths"),
        )
        .join_from(daily_totals, month, daily_totals.c.business_date.between(month.c.first_date, month.c.last_date))
        .where(condition)
        .group_by(month.c.place)
        .cte("sums")
    )
    buyers = (
        select(
            month.c.place,
            func.count(baskets.c.account_number.distinct()).label("customers"),
            total(baskets.c.visits).label("visits"),
        )
        .join_from(baskets, month, baskets.c.business_date.between(month.c.first_date, month.c.last_date))
        .where(scope.purchases(parameters, is_until_only=True))
        .group_by(month.c.place)
        .cte("buyers")
    )
    held = total_over(sums.c.change_minor, order_by=month.c.place)
    told = (
        select(
            month.c.label.label("month"),
            month.c.last_date,
            month.c.place,
            *(func.coalesce(c, 0).label(name) for name, c in sums.c.items() if name not in ("place", "change_minor")),
            func.coalesce(buyers.c.customers, 0).label("customers"),
            func.coalesce(buyers.c.visits, 0).label("visits"),
            held.label("outstanding_minor"),
        )
        .outerjoin(sums, sums.c.place == month.c.place)
        .outerjoin(buyers, buyers.c.place == month.c.place)
        .cte("told")
    )
    return (
        select(told, share_bp(told.c.approved, told.c.requests).label("approved_bp"))
        .where(told.c.last_date >= parameters.from_date)
        .order_by(told.c.place)
    )


REPORTS = (
    Report(
        "summary",
        "money",
        _("Management summary"),
        _("Finance and service of each month: what came in, was spent and is owed, and how requests were answered."),
        (
            text("month", _("Month")),
            count("customers", _("Customers"), is_summed=False),
            count("visits", _("Visits")),
            count("requests", _("Requests")),
            count("refused", _("Refused")),
            percent("approved_bp", _("Approved")),
            money("received_minor", _("Received")),
            money("spent_minor", _("Spent")),
            money("discount_minor", _("Discount")),
            Column("points_hundredths", _("Points"), ColumnKind.POINTS, is_summed=True),
            money("outstanding_minor", _("Outstanding"), is_summed=False),
        ),
        _summary,
        StoreParameters,
        Chart("bar", "month", ("received_minor", "spent_minor")),
    ),
)
