"""Who the customers are, and sales by any two traits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from sqlalchemy import ColumnElement, Select, String, case, cast, func, select

from admin.forms import entry
from admin.models.mirror import accounts, cards
from admin.models.sales import baskets, member_facts

from .customers import customers, first_date, months
from .local_time import local_hour
from .loyalty import ChurnParameters
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
    total_over,
)
from .report import total as sum_of

_ = str
NO_PROFILE, UNKNOWN = "NO PROFILE", "UNKNOWN"
FACTS: dict[int | str, str] = {
    "age": _("Age"),
    "income": _("Income"),
    "home_ownership": _("Home"),
    "marital_status": _("Marital status"),
    "household_size": _("Household size"),
    "household_comp": _("Household"),
    "kids_count": _("Children"),
}
ATTRIBUTES: dict[int | str, str] = FACTS | {"card_type": _("Card type"), "level": _("Level")}
DIMENSIONS: dict[int | str, str] = {
    "month": _("Month"),
    "weekday": _("Day of the week"),
    "hour": _("Hour of the day"),
    "store": _("Store"),
    **ATTRIBUTES,
}
WEEKDAYS = (
    _("Monday"),
    _("Tuesday"),
    _("Wednesday"),
    _("Thursday"),
    _("Friday"),
    _("Saturday"),
    _("Sunday"),
)
DAYS_PER_WEEK = len(WEEKDAYS)
THURSDAY = 3
"""1970-01-01 was one."""
WEEKDAY_KEYS = tuple(f"day {n}" for n in range(1, DAYS_PER_WEEK + 1))
"""In order, and unlike any trait of a customer."""
HOURS = tuple(f"{hour:02d}:00" for hour in range(24))


class CompositionParameters(ChurnParameters, kw_only=True, frozen=True):
    """Which trait."""

    attribute: Annotated[str, entry(_("By"), "choice", choices=ATTRIBUTES)] = "age"


class CrossParameters(SalesParameters, kw_only=True, frozen=True):
    """Which two traits."""

    by: Annotated[str, entry(_("By"), "choice", choices=DIMENSIONS)] = "month"
    and_by: Annotated[str, entry(_("And by"), "choice", choices=DIMENSIONS)] = "store"


def fact(name: str) -> ColumnElement[str]:
    """A trait from `member_facts`, which must be joined."""
    column = member_facts.c[name]
    return case((func.coalesce(member_facts.c.has_profile, 0) == 0, NO_PROFILE), (column == "", UNKNOWN), else_=column)


def _named(value: ColumnElement[int], names: tuple[str, ...]) -> ColumnElement[str]:
    """A text for each of the numbers from 0 on."""
    return case(*((value == number, name) for number, name in enumerate(names)), else_="")


def _trait(query: Select[Any], table: Any, name: str) -> tuple[Select[Any], ColumnElement[Any]]:
    """A trait of the customer in a question about a table with `account_number` and `card_number`."""
    if name == "card_type":
        own = cards.alias()
        return query.outerjoin(own, own.c.card_number == table.c.card_number), cast(own.c.card_type, String)
    if name == "level":
        account = accounts.alias()
        return query.outerjoin(account, account.c.account_number == table.c.account_number), cast(
            account.c.level, String
        )
    return query, fact(name)


def _composition(scope: Scope, parameters: CompositionParameters) -> Query:
    customer = customers(scope, parameters)
    query: Select[Any] = select(customer).outerjoin(
        member_facts, member_facts.c.account_number == customer.c.account_number
    )
    query, value = _trait(query, customer, parameters.attribute)
    spend = sum_of(customer.c.spend_minor)
    return (
        query.with_only_columns(
            value.label("value"),
            func.count().label("customers"),
            share_bp(func.count(), total_over(func.count())).label("customers_bp"),
            sum_of(customer.c.visits).label("visits"),
            spend.label("spend_minor"),
            share_bp(spend, total_over(spend)).label("spend_bp"),
            (spend // func.count()).label("mean_minor"),
            func.count().filter(customer.c.days_since >= parameters.days).label("lost"),
        )
        .group_by(value)
        .order_by(value)
    )


def _cross(scope: Scope, parameters: CrossParameters) -> Query:
    month = months(first_date(scope), max(scope.until(parameters), first_date(scope)))
    query: Select[Any] = (
        select(baskets)
        .outerjoin(member_facts, member_facts.c.account_number == baskets.c.account_number)
        .join(month, baskets.c.business_date.between(month.c.first_date, month.c.last_date))
        .where(scope.purchases(parameters))
    )
    simple: dict[str, Callable[[], ColumnElement[Any]]] = {
        "month": lambda: month.c.label,
        "weekday": lambda: _named((baskets.c.business_date + THURSDAY) % DAYS_PER_WEEK, WEEKDAY_KEYS),
        "hour": lambda: _named(local_hour(scope, first_date(scope), baskets.c.time_ms), HOURS),
        "store": lambda: cast(baskets.c.store_id, String),
    }
    values = []
    for name in (parameters.by, parameters.and_by):
        if name in simple:
            values.append(simple[name]())
        else:
            query, value = _trait(query, baskets, name)
            values.append(value)
    return (
        query.with_only_columns(
            values[0].label("first"),
            values[1].label("second"),
            func.count(baskets.c.account_number.distinct()).label("customers"),
            sum_of(baskets.c.visits).label("visits"),
            sum_of(baskets.c.amount_minor).label("spend_minor"),
        )
        .group_by(*values)
        .order_by(*values)
    )


WORDS = {NO_PROFILE: _("No profile"), UNKNOWN: _("Not known")} | dict(zip(WEEKDAY_KEYS, WEEKDAYS, strict=True))
REPORTS = (
    Report(
        "composition",
        "customers",
        _("Who the customers are"),
        _("Customers by a trait, in percent, with what they spend and how many are lost."),
        (
            Column("value", _("Trait"), ColumnKind.WORD, words=WORDS),
            count("customers", _("Customers")),
            percent("customers_bp", _("Share")),
            count("visits", _("Visits")),
            money("spend_minor", _("Spend")),
            percent("spend_bp", _("Share of the spend")),
            money("mean_minor", _("Spend of each"), is_summed=False),
            count("lost", _("Customers lost")),
        ),
        _composition,
        CompositionParameters,
        Chart("bar", "value", ("spend_minor",)),
    ),
    Report(
        "cross",
        "sales",
        _("Sales by any two traits"),
        _("Customers, visits and spend by two traits: time, store, card type, level, or what is known of customers."),
        (
            Column("first", _("By"), ColumnKind.WORD, words=WORDS),
            Column("second", _("And by"), ColumnKind.WORD, words=WORDS),
            count("customers", _("Customers"), is_summed=False),
            count("visits", _("Visits")),
            money("spend_minor", _("Spend")),
        ),
        _cross,
        CrossParameters,
    ),
)
