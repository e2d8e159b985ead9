"""What reports about customers share: one row per customer, ranked, as of the last date of a period.

A customer is an account: cards that share one, or replaced one another, are
one customer.  Ties are in the order of member numbers, so that a rank is the
same each time.
"""

from __future__ import annotations

from datetime import MAXYEAR, date
from typing import Any

from sqlalchemy import CTE, ColumnElement, Integer, String, column, func, select, values

from admin.i18n import FIRST_DATE
from admin.models.journal import daily_totals
from admin.models.sales import baskets, member_facts

from .report import SalesParameters, Scope, total

QUINTILES = 5


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
    """Rows (place, label, first_date, last_date) of calendar months, for joining: neither database's own dates."""
    year, month = (day := FIRST_DATE.fromordinal(FIRST_DATE.toordinal() + first_date)).year, day.month
    rows: list[tuple[int, str, int, int]] = []
    while True:
        start = FIRST_DATE.replace(year=year, month=month).toordinal() - FIRST_DATE.toordinal()
        if start > last_date and rows:
            break
        following = (year + month // 12, month % 12 + 1)
        is_last = following[0] > MAXYEAR
        next_day = date.max if is_last else FIRST_DATE.replace(year=following[0], month=following[1])
        end = next_day.toordinal() - FIRST_DATE.toordinal() - (not is_last)
        rows.append((len(rows), f"{year}-{month:02d}", start, end))
        if is_last:
            break
        year, month = following
    # One list of values: of questions one behind the other SQLite takes 500.
    names = (
        column("place", Integer),
        column("label", String),
        column("first_date", Integer),
        column("last_date", Integer),
    )
    return values(*names, name="months").data(rows).cte("months")


def first_date(scope: Scope) -> int:
    """Date of the first purchase there is; the last date of the journal without any."""
    found = scope.session.scalar(select(func.min(baskets.c.business_date)))
    return scope.last_date if found is None else int(found)


def first_day(scope: Scope) -> int | None:
    """Business date of the first entry that has one; None without any. The entry of `init` has none."""
    dates = daily_totals.c.business_date
    found: int | None = scope.session.scalar(select(func.min(dates)).where(dates > 0))
    return found
