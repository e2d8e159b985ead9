"""What reports about customers share: one row per customer, ranked, as of the last date of a period.

A customer is an account: cards that share one, or replaced one another, are
one customer.  Ties are in the order of member numbers, so that a rank is the
same each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import MAXYEAR, date
from typing import Any

from sqlalchemy import CTE, ColumnElement, Integer, String, column, func, select, values

from admin.i18n import FIRST_DATE, LAST_DAY
from admin.models.journal import daily_totals
from admin.models.sales import baskets, member_facts

from .report import SalesParameters, Scope, total

QUINTILES = 5


MONTHS_MAX = 1_200
"""A hundred years: four values for each, of which SQLite takes 32,766 to a question."""


def customers(scope: Scope, parameters: SalesParameters, *, since: int | None = None) -> CTE:
    """Customers with a purchase in the period: visits, spend, first and last date, dates, stores, days since."""
    is_purchase = baskets.c.original_sequence == 0
    last = func.max(baskets.c.business_date).filter(is_purchase)
    query = (
        select(
            baskets.c.account_number,
            func.max(baskets.c.card_number).label("card_number"),
            total(baskets.c.visits).label("visits"),
            total(baskets.c.amount_minor).label("spend_minor"),
            func.min(baskets.c.business_date).filter(is_purchase).label("first_date"),
            last.label("last_date"),
            (scope.until(parameters) - last).label("days_since"),
            func.count(baskets.c.business_date.distinct()).filter(is_purchase).label("day_count"),
            func.count(baskets.c.store_id.distinct()).filter(is_purchase).label("store_count"),
        )
        .where(scope.purchases(parameters))
        .group_by(baskets.c.account_number)
        .having(func.sum(baskets.c.visits) > 0)
    )
    found = query.cte("bought")
    member = func.coalesce(member_facts.c.member, 0).label("member")
    joined = select(found, member).outerjoin(member_facts, member_facts.c.account_number == found.c.account_number)
    return joined.cte("customers")


def rank(customer: CTE, *order: Any) -> ColumnElement[int]:
    """Rank from 1, ties by member number."""
    return func.row_number().over(order_by=[*order, customer.c.member, customer.c.account_number])


def quintile(customer: CTE, *order: Any) -> ColumnElement[int]:
    """5 for the best fifth, 1 for the last."""
    return QUINTILES - (rank(customer, *order) - 1) * QUINTILES // func.count().over()


def months(first_date: int, last_date: int) -> CTE:
    """Calendar months as `periods`; of more than MONTHS_MAX the last."""
    first, last = _month_of(first_date), _month_of(max(first_date, last_date))
    first = max(first, last - MONTHS_MAX + 1)
    return periods(
        "months",
        [
            (f"{number // 12}-{number % 12 + 1:02d}", _first_day_of(number), _first_day_of(number + 1) - 1)
            for number in range(first, last + 1)
        ],
    )


def periods(name: str, rows: Sequence[tuple[str, int, int]]) -> CTE:
    """Rows (place, label, first_date, last_date) for joining: neither database's own dates.

    They are one list of values: of questions one behind the other SQLite takes 500.
    """
    columns = (
        column("place", Integer),
        column("label", String),
        column("first_date", Integer),
        column("last_date", Integer),
    )
    return values(*columns, name=name).data([(place, *row) for place, row in enumerate(rows)]).cte(name)


def _month_of(day: int) -> int:
    """Number of the month that has a date; 0 is January of the year 0."""
    found = date.fromordinal(FIRST_DATE.toordinal() + day)
    return found.year * 12 + found.month - 1


def _first_day_of(month: int) -> int:
    """Of the month behind the last one that has dates: the date that would come next."""
    if month // 12 > MAXYEAR:
        return LAST_DAY + 1
    return date(month // 12, month % 12 + 1, 1).toordinal() - FIRST_DATE.toordinal()


def first_date(scope: Scope) -> int:
    """Date of the first purchase there is; the last date of the journal without any."""
    found = scope.session.scalar(select(func.min(baskets.c.business_date)))
    return scope.last_date if found is None else int(found)


def first_day(scope: Scope) -> int | None:
    """Business date of the first entry that has one; None without any. The entry of `init` has none."""
    dates = daily_totals.c.business_date
    found: int | None = scope.session.scalar(select(func.min(dates)).where(dates > 0))
    return found
