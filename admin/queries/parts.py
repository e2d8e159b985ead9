"""What several kinds of records share: months, weekdays, who holds an account, the card's type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select

from admin.members.definitions import codes_of
from admin.members.groups import groups_seen, members_of_group
from admin.members.holdings import owners
from admin.models.journal import daily_totals
from admin.models.members import Member, MemberLevel
from admin.models.mirror import card_types, cards
from admin.reports.composition import DAYS_PER_WEEK, THURSDAY, WEEKDAYS
from admin.reports.customers import months
from admin.reports.report import ColumnKind

from .fields import QueryContext, QueryField

_ = str
GROUPS_MAX = 500
"""That may be chosen; the page of groups shows them all."""
Join = Callable[[Select[Any]], Select[Any]]


def type_names(context: QueryContext) -> dict[int, str]:
    """Names of card types."""
    rows = context.session.execute(
        select(card_types.c.code, func.max(card_types.c.name)).group_by(card_types.c.code).order_by(card_types.c.code)
    )
    return {int(code): f"{code} {name}".strip() for code, name in rows}


def level_names(context: QueryContext) -> dict[int, str]:
    """Names of the members' levels."""
    return {row.id: row.name for row in context.session.scalars(select(MemberLevel).order_by(MemberLevel.rank))}


def time_fields(context: QueryContext, date: Any) -> tuple[list[QueryField], dict[str, Join]]:
    """Month and day of the week of a column of business dates."""
    earliest = context.session.scalar(
        select(func.min(daily_totals.c.business_date)).where(daily_totals.c.business_date > 0)
    )
    last = max(context.scope.last_date, 1)
    month = months(min(earliest or last, last), last)
    fields = [
        QueryField("month", _("Month"), ColumnKind.TEXT, month.c.label, ("month",)),
        QueryField(
            "weekday",
            _("Day of the week"),
            ColumnKind.WORD,
            (date + THURSDAY) % DAYS_PER_WEEK,
            names=dict(enumerate(WEEKDAYS)),
        ),
    ]
    on = date.between(month.c.first_date, month.c.last_date)
    return fields, {"month": lambda query: query.outerjoin(month, on)}


def card_fields(context: QueryContext, table: Any) -> tuple[list[QueryField], dict[str, Join]]:
    """Card and its type, of a table with `card_number`."""
    own = cards.alias()
    fields = [
        QueryField("card", _("Card"), ColumnKind.CARD, table.c.card_number),
        QueryField("card_type", _("Card type"), ColumnKind.WORD, own.c.card_type, ("card",), names=type_names(context)),
    ]
    return fields, {"card": lambda query: query.outerjoin(own, own.c.card_number == table.c.card_number)}


def holder_fields(context: QueryContext, table: Any) -> tuple[list[QueryField], dict[str, Join]]:
    """Whose an account is, of a table with `account_number`; members outside the visitor's part stay unknown."""
    held = owners()
    seen = context.visitor
    on = Member.id == held.c.member_id
    if not seen.sees_everything:
        on = and_(on, Member.organisation_id.in_(seen.organisation_ids))

    def join(query: Select[Any]) -> Select[Any]:
        return query.outerjoin(held, held.c.account_number == table.c.account_number).outerjoin(Member, on)

    return [
        QueryField(one.key, one.label, one.kind, one.value, ("holder",), one.names, function="members", holds=one.holds)
        for one in member_traits(context)
    ], {"holder": join}


def member_traits(context: QueryContext) -> list[QueryField]:
    """What members are told apart by."""
    session = context.session
    return [
        QueryField("member", _("Member number"), ColumnKind.NUMBER, Member.id),
        QueryField("member_name", _("Member"), ColumnKind.TEXT, Member.name),
        QueryField("level", _("Level"), ColumnKind.WORD, Member.level_id, names=level_names(context)),
        QueryField(
            "class", _("Class of member"), ColumnKind.WORD, Member.member_class, names=codes_of(session, "class")
        ),
        QueryField("region", _("Home region"), ColumnKind.WORD, Member.region, names=codes_of(session, "region")),
        QueryField("industry", _("Industry"), ColumnKind.WORD, Member.industry, names=codes_of(session, "industry")),
        QueryField(
            "occupation", _("Occupation"), ColumnKind.WORD, Member.occupation, names=codes_of(session, "occupation")
        ),
        QueryField("sex", _("Sex"), ColumnKind.WORD, Member.sex, names=SEX_NAMES),
        group_field(context),
    ]


def group_field(context: QueryContext) -> QueryField:
    """Whether a member is in a group now: a list, or a condition."""
    groups = {row.id: row for row in context.session.scalars(groups_seen(context.visitor).limit(GROUPS_MAX))}

    def holds(number: int) -> ColumnElement[bool]:
        inside = select(Member.id).where(members_of_group(context.session, groups[number], context.today))
        return Member.id.in_(inside)

    names = {number: row.name for number, row in groups.items()}
    return QueryField("group", _("Group"), ColumnKind.WORD, Member.id, names=names, holds=holds)


SEX_NAMES: dict[int, str] = {0: _("Not known"), 1: _("Male"), 2: _("Female")}
