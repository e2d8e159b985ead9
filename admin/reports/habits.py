"""Habits of customers: how often they come, on which day and at which hour, where, and for what."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy import CTE, and_, func, select

from admin.forms import entry
from admin.models.sales import baskets, bill_lines, goods_names

from .composition import DAYS_PER_WEEK, HOURS, THURSDAY, WEEKDAYS
from .customers import customers, first_date, rank
from .local_time import local_hour
from .ranking import CARD, MEMBER, TopParameters
from .report import Column, ColumnKind, Query, Report, Scope, count, money, number, store, text, total, unless_zero

_ = str
HUNDREDTHS = 100


class HabitParameters(TopParameters, kw_only=True, frozen=True):
    """The customers with most visits, or one card's."""

    card: Annotated[int, entry(_("Card"), "card")] = 0


def _usual(name: str, counted: CTE) -> CTE:
    """The weightiest value of each customer in `counted` (account_number, value, weight); the lower one of equals."""
    place = func.row_number().over(
        partition_by=counted.c.account_number, order_by=[counted.c.weight.desc(), counted.c.value]
    )
    ranked = select(*counted.c, place.label("place")).cte(f"{name}_ranked")
    return select(ranked.c.account_number, ranked.c.value).where(ranked.c.place == 1).cte(name)


def _habits(scope: Scope, parameters: HabitParameters) -> Query:
    everyone = customers(scope, parameters)
    best = select(*everyone.c, rank(everyone, everyone.c.visits.desc()).label("place"))
    if parameters.card:
        own = select(baskets.c.account_number).where(baskets.c.card_number == parameters.card)
        best = best.where(everyone.c.account_number.in_(own))
    customer = best.order_by("place").limit(parameters.top).cte("best")
    is_purchase = and_(
        scope.purchases(parameters),
        baskets.c.original_sequence == 0,
        baskets.c.account_number.in_(select(customer.c.account_number)),
    )
    values: dict[str, Any] = {
        "weekday": (baskets.c.business_date + THURSDAY) % DAYS_PER_WEEK,
        "hour": local_hour(scope, first_date(scope), baskets.c.time_ms),
        "store": baskets.c.store_id,
    }
    found = {
        name: _usual(
            name,
            select(baskets.c.account_number, value.label("value"), func.count().label("weight"))
            .where(is_purchase)
            .group_by(baskets.c.account_number, value)
            .cte(f"{name}_counted"),
        )
        for name, value in values.items()
    }
    lines = scope.lines(
        select(
            baskets.c.account_number,
            bill_lines.c.department.label("value"),
            total(bill_lines.c.amount_minor).label("weight"),
        ),
        parameters,
    )
    lines = lines.where(baskets.c.account_number.in_(select(customer.c.account_number)))
    found["department"] = _usual(
        "department", lines.group_by(baskets.c.account_number, bill_lines.c.department).cte("department_counted")
    )
    query: Any = select(
        *customer.c,
        ((customer.c.last_date - customer.c.first_date) * HUNDREDTHS // unless_zero(customer.c.visits - 1)).label(
            "days_between"
        ),
        (customer.c.spend_minor // customer.c.visits).label("mean_minor"),
        *(one.c.value.label(name) for name, one in found.items()),
        func.coalesce(goods_names.c.name, "").label("department_name"),
    )
    for one in found.values():
        query = query.outerjoin(one, one.c.account_number == customer.c.account_number)
    names = and_(goods_names.c.kind == "department", goods_names.c.number == found["department"].c.value)
    result: Query = query.outerjoin(goods_names, names).order_by(customer.c.place)
    return result


REPORTS = (
    Report(
        "habits",
        "customers",
        _("Habits of customers"),
        _("Those with most visits: how many days lie between, the usual day, hour and store, and what they buy most."),
        (
            CARD,
            MEMBER,
            count("visits", _("Visits")),
            Column("days_between", _("Days between visits"), ColumnKind.POINTS),
            Column("weekday", _("Usual day"), ColumnKind.WORD, words=dict(enumerate(WEEKDAYS))),
            Column("hour", _("Usual hour"), ColumnKind.WORD, words=dict(enumerate(HOURS))),
            store("store", _("Usual store")),
            number("department", _("Department")),
            text("department_name", _("Buys most")),
            money("mean_minor", _("Spend each visit"), is_summed=False),
            money("spend_minor", _("Spend")),
        ),
        _habits,
        HabitParameters,
        links={"store": "/reports/purchases?store={value}"},
    ),
)
