"""How spending power changes: a period against the one before, by customer and in bands."""

from __future__ import annotations

from typing import Annotated

import msgspec
from sqlalchemy import CTE, case, func, select

from admin.forms import entry
from admin.models.sales import baskets

from .customers import customers
from .ranking import CARD, MEMBER
from .report import (
    BASIS_POINTS,
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
    total,
    unless_zero,
)

_ = str
DAYS = 30
"""Length of both periods when none is given."""


class ChangeParameters(SalesParameters, kw_only=True, frozen=True):
    """The period to compare with; without it the one just before, of the same length."""

    before_from: Annotated[int, entry(_("Compared with: from"), "date")] = 0
    before_until: Annotated[int, entry(_("Compared with: until"), "date")] = 0


def changes(scope: Scope, parameters: ChangeParameters) -> CTE:
    """Spend of everybody who ever bought, in the period and in the one before."""
    until = scope.until(parameters)
    from_ = parameters.from_date or until - DAYS + 1
    before_until = parameters.before_until or from_ - 1
    before_from = parameters.before_from or before_until - (until - from_)
    everyone = customers(scope, msgspec.structs.replace(parameters, from_date=0, until_date=until))

    def spend(first: int, last: int) -> CTE:
        period = msgspec.structs.replace(parameters, from_date=first, until_date=last)
        query = select(baskets.c.account_number, total(baskets.c.amount_minor).label("spend_minor"))
        return query.where(scope.purchases(period)).group_by(baskets.c.account_number).cte()

    before, now = spend(before_from, before_until), spend(from_, until)
    return (
        select(
            everyone.c.account_number,
            everyone.c.card_number,
            everyone.c.member,
            func.coalesce(before.c.spend_minor, 0).label("before_minor"),
            func.coalesce(now.c.spend_minor, 0).label("now_minor"),
        )
        .outerjoin(before, before.c.account_number == everyone.c.account_number)
        .outerjoin(now, now.c.account_number == everyone.c.account_number)
        .cte("changes")
    )


def _by_customer(scope: Scope, parameters: ChangeParameters) -> Query:
    one = changes(scope, parameters)
    change = one.c.now_minor - one.c.before_minor
    whole = unless_zero(one.c.before_minor)
    # Rounded down also below 0, where whole division rounds up.
    change_bp = case(
        (change >= 0, change * BASIS_POINTS // whole), else_=-((-change * BASIS_POINTS + whole - 1) // whole)
    )
    return select(one, change.label("change_minor"), change_bp.label("change_bp")).order_by(
        change, one.c.member, one.c.account_number
    )


def _bands(scope: Scope, parameters: ChangeParameters) -> Query:
    one = changes(scope, parameters)
    band = case(
        ((one.c.now_minor == 0) & (one.c.before_minor == 0), 6),
        (one.c.now_minor == 0, 5),
        (one.c.before_minor == 0, 1),
        (one.c.now_minor > one.c.before_minor, 2),
        (one.c.now_minor < one.c.before_minor, 4),
        else_=3,
    )
    return (
        select(
            band.label("band"),
            func.count().label("customers"),
            total(one.c.before_minor).label("before_minor"),
            total(one.c.now_minor).label("now_minor"),
            total(one.c.now_minor - one.c.before_minor).label("change_minor"),
        )
        .group_by(band)
        .order_by(band)
    )


BANDS = {
    1: _("Came or came back"),
    2: _("Spent more"),
    3: _("Spent the same"),
    4: _("Spent less"),
    5: _("Stayed away"),
    6: _("In neither period"),
}
MONEY = (
    money("before_minor", _("Before")),
    money("now_minor", _("Now")),
    money("change_minor", _("Difference")),
)
REPORTS = (
    Report(
        "change",
        "customers",
        _("Spending power by customer"),
        _("Spend in the period against the period before, for all who ever bought; the greatest losses first."),
        (CARD, MEMBER, *MONEY, percent("change_bp", _("Change in percent"))),
        _by_customer,
        ChangeParameters,
    ),
    Report(
        "change-bands",
        "customers",
        _("Spending power in bands"),
        _("How many customers spent more, the same, less, or stayed away, and what that comes to."),
        (Column("band", _("Band"), ColumnKind.WORD, words=BANDS), count("customers", _("Customers")), *MONEY),
        _bands,
        ChangeParameters,
        Chart("rank", "band", ("before_minor", "now_minor")),
    ),
)
