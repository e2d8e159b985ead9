"""How many members there are, how content they are, and whether they come again."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy import BigInteger, Select, func, select, type_coerce

from admin.care.contacts import CONTACT_KINDS
from admin.forms import entry
from admin.members.holdings import owners
from admin.models.members import ChurnRecord, ContactEntry, Member, MemberState
from admin.models.sales import baskets

from .consumption import code_name
from .customers import months
from .report import (
    Chart,
    Column,
    ColumnKind,
    Parameters,
    Query,
    Report,
    Scope,
    count,
    percent,
    share_bp,
    text,
    total,
    total_over,
    unless_zero,
)

_ = str
DAY_MS = 86_400_000
HUNDREDTHS = 100
LOST_STAGES = ("confirmed", "lost")
REPEAT_VISITS_MIN = 2


class SatisfactionParameters(Parameters, kw_only=True, frozen=True):
    """Which talks count."""

    kind: Annotated[
        str, entry(_("Kind of talk"), "choice", choices={str(key): label for key, label in CONTACT_KINDS.items()})
    ] = ""


def _day(column: Any) -> Any:
    """Business date of a moment, by its day in UTC."""
    return type_coerce(column, BigInteger) // DAY_MS


def _members(scope: Scope, query: Any, parameters: Parameters) -> Select[Any]:
    """A question about `members` of the visitor's part and of the one that he asks for."""
    found: Select[Any] = scope.visitor.members_seen(query).where(Member.state != MemberState.MERGED)
    return found.where(Member.organisation_id.in_(scope.nodes_of(parameters))) if parameters.organisation else found


def _satisfaction(scope: Scope, parameters: SatisfactionParameters) -> Query:
    everybody = (
        _members(scope, select(Member.member_class.label("class"), func.count().label("members")), parameters)
        .group_by(Member.member_class)
        .cte("everybody")
    )
    talks: Any = (
        select(
            Member.member_class.label("class"),
            func.count().label("scores"),
            total(ContactEntry.satisfaction).label("sum"),
        )
        .join_from(ContactEntry, Member, Member.id == ContactEntry.member_id)
        .where(ContactEntry.satisfaction > 0, *scope.period(_day(ContactEntry.time), parameters))
    )
    if parameters.kind:
        talks = talks.where(ContactEntry.kind == parameters.kind)
    scored = _members(scope, talks, parameters).group_by(Member.member_class).cte("scored")
    held = owners()
    bought = (
        select(held.c.member_id, total(baskets.c.visits).label("visits"))
        .join_from(baskets, held, held.c.account_number == baskets.c.account_number)
        .where(*scope.period(baskets.c.business_date, parameters))
        .group_by(held.c.member_id)
        .having(func.sum(baskets.c.visits) > 0)
        .cte("bought")
    )
    buyers = (
        _members(
            scope,
            select(
                Member.member_class.label("class"),
                func.count().label("buyers"),
                func.count().filter(bought.c.visits >= REPEAT_VISITS_MIN).label("again"),
            ).join_from(bought, Member, Member.id == bought.c.member_id),
            parameters,
        )
        .group_by(Member.member_class)
        .cte("buyers")
    )
    own = everybody.c["class"]
    bought_count, again = func.coalesce(buyers.c.buyers, 0), func.coalesce(buyers.c.again, 0)
    return (
        select(
            func.coalesce(code_name("class", own), "").label("class_name"),
            everybody.c.members,
            func.coalesce(scored.c.scores, 0).label("scores"),
            (scored.c.sum * HUNDREDTHS // unless_zero(scored.c.scores)).label("mean"),
            bought_count.label("buyers"),
            again.label("again"),
            share_bp(again, bought_count).label("again_bp"),
        )
        .select_from(everybody)
        .outerjoin(scored, scored.c["class"] == own)
        .outerjoin(buyers, buyers.c["class"] == own)
        .order_by(own)
    )


def _growth(scope: Scope, parameters: Parameters) -> Query:
    joined, noted = _day(Member.created_at), _day(ChurnRecord.created_at)
    ends = scope.session.execute(_members(scope, select(func.min(joined), func.max(joined)), parameters)).one()
    last = parameters.until_date or max(scope.last_date, ends[1] or 0)
    month = months(min(ends[0] or last, last), last)
    new = (
        _members(
            scope,
            select(month.c.place, func.count().label("joined")).join_from(
                Member, month, joined.between(month.c.first_date, month.c.last_date)
            ),
            parameters,
        )
        .group_by(month.c.place)
        .cte("new")
    )
    gone = (
        _members(
            scope,
            select(
                month.c.place,
                func.count().filter(ChurnRecord.stage.in_(LOST_STAGES)).label("lost"),
                func.count().filter(ChurnRecord.stage == "recovered").label("back"),
            )
            .join_from(ChurnRecord, Member, Member.id == ChurnRecord.member_id)
            .join(month, noted.between(month.c.first_date, month.c.last_date)),
            parameters,
        )
        .group_by(month.c.place)
        .cte("gone")
    )
    came, lost = func.coalesce(new.c.joined, 0), func.coalesce(gone.c.lost, 0)
    told = (
        select(
            month.c.place,
            month.c.last_date,
            month.c.label.label("month"),
            came.label("joined"),
            lost.label("lost"),
            func.coalesce(gone.c.back, 0).label("back"),
            (came - lost).label("growth"),
            total_over(came - lost, order_by=month.c.place).label("members"),
        )
        .select_from(month)
        .outerjoin(new, new.c.place == month.c.place)
        .outerjoin(gone, gone.c.place == month.c.place)
        .cte("told")
    )
    return select(told).where(told.c.last_date >= parameters.from_date).order_by(told.c.place)


REPORTS = (
    Report(
        "satisfaction",
        "customers",
        _("Satisfaction and repeat purchases"),
        _("By class of member: scores of talks, and how many of those who bought with a card did so more than once."),
        (
            text("class_name", _("Class of member")),
            count("members", _("Members")),
            count("scores", _("Scores")),
            Column("mean", _("Mean satisfaction (1 to 5)"), ColumnKind.POINTS),
            count("buyers", _("Bought")),
            count("again", _("Bought again")),
            percent("again_bp", _("Share")),
        ),
        _satisfaction,
        SatisfactionParameters,
        Chart("bar", "class_name", ("buyers", "again")),
        function="members",
    ),
    Report(
        "member-growth",
        "customers",
        _("Members by month: joined and lost"),
        _("Records made and members noted as lost in each month; members: all that joined less all that were lost."),
        (
            text("month", _("Month")),
            count("joined", _("Joined")),
            count("lost", _("Lost members")),
            count("back", _("Won back")),
            count("growth", _("Growth")),
            count("members", _("Members"), is_summed=False),
        ),
        _growth,
        Parameters,
        Chart("bar", "month", ("joined", "lost")),
        function="members",
    ),
)
