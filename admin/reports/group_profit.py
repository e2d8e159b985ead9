"""What groups of members bring: what they paid, the margin in it, and what their points cost."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from sqlalchemy import BigInteger, ColumnElement, String, cast, func, literal, select, true, union_all

from admin.forms import entry
from admin.i18n import FIRST_DATE, translate
from admin.members.groups import GONE, groups_seen, members_of_group
from admin.members.holdings import owners
from admin.models.holdings import account_days
from admin.models.members import Member

from .report import (
    BASIS_POINTS,
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
    text,
    total,
)

_ = str
GROUPS_MAX = 40
"""In one report: each is a question of its own to the database."""
HUNDREDTHS = 100


class ProfitParameters(Parameters, kw_only=True, frozen=True):
    """What is earned on what is sold, and what a point costs."""

    margin_bp: Annotated[int, entry(_("Margin on sales"), "percent", ge=0, le=BASIS_POINTS)] = 2_000
    point_minor: Annotated[int, entry(_("Cost of a point"), "money", ge=0)] = 1


def _profit(scope: Scope, parameters: ProfitParameters) -> Query:
    held = owners()
    figures = (
        select(
            held.c.member_id,
            total(account_days.c.spent_minor).label("spent_minor"),
            total(account_days.c.visit_count).label("visits"),
            total(account_days.c.points_hundredths).label("points_hundredths"),
        )
        .join(account_days, account_days.c.account_number == held.c.account_number)
        .where(*scope.period(account_days.c.business_date, parameters))
        .group_by(held.c.member_id)
        .cte("figures")
    )
    today = FIRST_DATE + timedelta(days=scope.last_date)
    groups = scope.session.scalars(groups_seen(scope.visitor).limit(GROUPS_MAX)).all()
    rows: list[tuple[str, ColumnElement[bool]]] = [(translate("All members"), true())]
    rows += [(group.name, members_of_group(scope.session, group, today)) for group in groups]
    parts = [_row(scope, parameters, figures, place, name, holds) for place, (name, holds) in enumerate(rows)]
    found = union_all(*parts).subquery("groups")
    return select(found).order_by(found.c.place)


def _row(
    scope: Scope, parameters: ProfitParameters, figures: Any, place: int, name: str, holds: ColumnElement[bool]
) -> Any:
    spent, points = total(figures.c.spent_minor), total(figures.c.points_hundredths)
    margin = spent * parameters.margin_bp // BASIS_POINTS
    cost = points * parameters.point_minor // HUNDREDTHS
    members = func.count()
    query: Any = (
        select(
            literal(place).label("place"),
            cast(literal(name), String(80)).label("group_name"),
            cast(members, BigInteger).label("members"),
            cast(func.count(figures.c.member_id), BigInteger).label("buyers"),
            total(figures.c.visits).label("visits"),
            spent.label("spent_minor"),
            margin.label("margin_minor"),
            points.label("points_hundredths"),
            cost.label("cost_minor"),
            (margin - cost).label("profit_minor"),
            cast((margin - cost) / func.nullif(members, 0), BigInteger).label("each_minor"),
            (spent * BASIS_POINTS / func.nullif(_all_spent(scope, figures), 0)).cast(BigInteger).label("share_bp"),
        )
        .select_from(Member)
        .outerjoin(figures, figures.c.member_id == Member.id)
        .where(holds, Member.state.not_in(GONE))
    )
    return scope.visitor.members_seen(query)


def _all_spent(scope: Scope, figures: Any) -> Any:
    spent = select(total(figures.c.spent_minor)).select_from(Member).join(figures, figures.c.member_id == Member.id)
    return scope.visitor.members_seen(spent.where(Member.state.not_in(GONE))).scalar_subquery()


REPORTS = (
    Report(
        "group-profit",
        "customers",
        _("Profit by member group"),
        _("What the members of each group paid, the margin in it at the rate given, and what their points cost."),
        (
            text("group_name", _("Group")),
            count("members", _("Members"), is_summed=False),
            count("buyers", _("Bought"), is_summed=False),
            count("visits", _("Visits"), is_summed=False),
            money("spent_minor", _("Spend"), is_summed=False),
            percent("share_bp", _("Share of the spend")),
            money("margin_minor", _("Margin"), is_summed=False),
            Column("points_hundredths", _("Points"), ColumnKind.POINTS),
            money("cost_minor", _("Cost of the points"), is_summed=False),
            money("profit_minor", _("Profit"), is_summed=False),
            money("each_minor", _("Profit per member"), is_summed=False),
        ),
        _profit,
        ProfitParameters,
        Chart("bar", "group_name", ("margin_minor", "profit_minor")),
        function="members",
    ),
)
