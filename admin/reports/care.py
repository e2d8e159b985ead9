"""Care of customers in figures: visits by week and month, what complaints are about, how well and in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from sqlalchemy import CTE, BigInteger, Select, String, and_, case, cast, func, literal, select

from admin.care.kinds import TASK_KINDS, VISITS
from admin.care.tasks import OPINION_KINDS
from admin.forms import FormContext, entry
from admin.i18n import FIRST_DATE
from admin.members.definitions import codes_of
from admin.models.care import CareTask, Opinion, OpinionState, TaskState
from admin.models.members import Member
from admin.models.mirror import organisations, switches
from admin.models.people import User

from .customers import months, periods
from .report import Chart, Column, ColumnKind, Parameters, Query, Report, Scope, count, percent, share_bp, text

_ = str
WEEK_DAYS = 7
HOUR_MS = 3_600_000
HUNDREDTHS = 100
WEEKS_MAX = 530
"""Ten years: a longer period is asked for by month."""
VISIT_NAMES: dict[int | str, str] = {name: TASK_KINDS[name].label for name in VISITS}
STEPS: dict[int | str, str] = {"week": _("Week"), "month": _("Month")}


def opinion_areas(context: FormContext) -> dict[int | str, str]:
    """What opinions are about."""
    return {code: name for code, name in codes_of(context.session, "opinion").items()}  # noqa: C416


class VisitParameters(Parameters, kw_only=True, frozen=True):
    """What the report of visits asks besides."""

    step: Annotated[str, entry(_("Period"), "choice", choices=STEPS)] = "week"
    kind: Annotated[str, entry(_("Kind"), "choice", choices=VISIT_NAMES)] = ""


class OpinionParameters(Parameters, kw_only=True, frozen=True):
    """What reports of opinions ask besides."""

    kind: Annotated[str, entry(_("Kind"), "choice", choices=OPINION_KINDS)] = ""


BY: dict[int | str, str] = {"store": _("Store"), "staff": _("Employee"), "month": _("Month")}


class SatisfactionParameters(Parameters, kw_only=True, frozen=True):
    """What the report of satisfaction asks besides."""

    by: Annotated[str, entry(_("By"), "choice", choices=BY)] = "store"


def _mine(scope: Scope, column: Any, parameters: Parameters) -> list[Any]:
    """Conditions of the visitor's part, and of the one that is asked for."""
    found = [] if scope.visitor.sees_everything else [column.in_(scope.visitor.organisation_ids)]
    return [*found, column.in_(scope.nodes_of(parameters))] if parameters.organisation else found


def _span(scope: Scope, parameters: Parameters, column: Any, *conditions: Any) -> tuple[int, int]:
    """First and last date of the period; of an open one those of the records, which may be later than the journal's."""
    found = select(func.min(column), func.max(column)).where(column > 0, *conditions)
    earliest, latest = scope.session.execute(found).one()
    last = max(parameters.until_date or max(scope.last_date, latest or 0), 1)
    first = parameters.from_date or int(earliest or last)
    return min(first, last), last


def _steps(scope: Scope, parameters: VisitParameters) -> CTE:
    """Weeks from Monday to Sunday, or months: (place, label, first_date, last_date)."""
    first, last = _span(scope, parameters, CareTask.ended_date, _is_visit(parameters))
    if parameters.step == "month":
        return months(first, last)
    monday = first - (FIRST_DATE + timedelta(days=first)).weekday()
    monday = max(monday, last - WEEKS_MAX * WEEK_DAYS)
    weeks = [(FIRST_DATE + timedelta(days=day), day) for day in range(monday, max(last, monday) + 1, WEEK_DAYS)]
    return periods("weeks", [(f"{day:%G}-W{day:%V}", first, first + WEEK_DAYS - 1) for day, first in weeks])


def _is_visit(parameters: VisitParameters) -> Any:
    return CareTask.kind == parameters.kind if parameters.kind else CareTask.kind.in_(VISITS)


def _number(value: Any) -> Any:
    return cast(func.coalesce(value, 0), BigInteger)


def _how_many(condition: Any) -> Any:
    return _number(func.sum(case((condition, 1), else_=0)))


def _mean(column: Any) -> Any:
    """Mean score in hundredths, of those that were given one."""
    given = func.sum(case((column > 0, 1), else_=0))
    return cast(func.sum(column) * HUNDREDTHS // func.nullif(given, 0, type_=BigInteger), BigInteger)


def _visits(scope: Scope, parameters: VisitParameters) -> Query:
    step = _steps(scope, parameters)
    ended = and_(
        CareTask.ended_date.between(step.c.first_date, step.c.last_date),
        CareTask.ended_date > 0,
        _is_visit(parameters),
        *scope.period(CareTask.ended_date, parameters),
        *_mine(scope, CareTask.organisation_id, parameters),
    )
    done = and_(CareTask.state == TaskState.DONE)
    in_time = and_(done, CareTask.ended_date <= CareTask.due_date)
    query: Query = (
        select(
            step.c.label.label("period"),
            _how_many(done).label("done"),
            _how_many(CareTask.state == TaskState.SKIPPED).label("skipped"),
            _how_many(in_time).label("in_time"),
            share_bp(_how_many(in_time), _how_many(done)).label("share"),
            _how_many(CareTask.opinion_id.is_not(None)).label("comments"),
            _how_many(and_(done, CareTask.satisfaction >= 4)).label("satisfied"),
            _how_many(and_(done, CareTask.satisfaction.between(1, 2))).label("dissatisfied"),
            _mean(CareTask.satisfaction).label("mean"),
        )
        .select_from(step)
        .outerjoin(CareTask, ended)
        .group_by(step.c.place, step.c.label)
        .order_by(step.c.place)
    )
    return query


def _of_opinions(scope: Scope, parameters: OpinionParameters) -> list[Any]:
    found = [
        *scope.period(Opinion.occurred_date, parameters),
        *_mine(scope, Opinion.organisation_id, parameters),
    ]
    return [*found, Opinion.kind == parameters.kind] if parameters.kind else found


def _areas(scope: Scope, parameters: OpinionParameters) -> Query:
    today = scope.session.scalar(select(func.max(switches.c.business_date))) or scope.last_date
    is_open = Opinion.state != OpinionState.CLOSED
    names = case(codes_of(scope.session, "opinion"), value=Opinion.area, else_="") if _has_areas(scope) else literal("")
    conditions = _of_opinions(scope, parameters)
    whole = select(func.count()).select_from(Opinion).where(*conditions).scalar_subquery()
    query: Query = (
        select(
            Opinion.area.label("area"),
            func.max(names).label("name"),
            func.count().label("records"),
            share_bp(func.count(), whole).label("share"),
            _how_many(is_open).label("open"),
            _how_many(and_(is_open, Opinion.deadline > 0, Opinion.deadline < today)).label("late"),
            _how_many(Opinion.state == OpinionState.CLOSED).label("closed"),
        )
        .where(*conditions)
        .group_by(Opinion.area)
        .order_by(func.count().desc(), Opinion.area)
    )
    return query


def _has_areas(scope: Scope) -> bool:
    return bool(codes_of(scope.session, "opinion"))


def _quality(scope: Scope, parameters: OpinionParameters) -> Query:
    """Per month of what was said: how long until somebody began, how long until it was closed, and in time."""
    first, last = _span(scope, parameters, Opinion.occurred_date, *_of_opinions(scope, parameters))
    month = months(first, last)
    closed = Opinion.state == OpinionState.CLOSED
    in_time = and_(closed, Opinion.closed_date <= Opinion.deadline)
    conditions = [Opinion.occurred_date.between(month.c.first_date, month.c.last_date)]
    conditions += _of_opinions(scope, parameters)

    def hours(until: Any, is_there: Any) -> Any:
        """Mean time from the writing down, in hours, rounded down."""
        spent = case((is_there, cast(until, BigInteger) - cast(Opinion.created_at, BigInteger)), else_=0)
        given = func.sum(case((is_there, 1), else_=0))
        return cast(func.sum(spent) // func.nullif(given * HOUR_MS, 0, type_=BigInteger), BigInteger)

    query: Query = (
        select(
            month.c.label.label("month"),
            _number(func.count(Opinion.id)).label("records"),
            hours(Opinion.answered_at, Opinion.answered_at.is_not(None)).label("answer_hours"),
            _how_many(closed).label("closed"),
            hours(Opinion.closed_at, closed).label("close_hours"),
            _how_many(in_time).label("in_time"),
            share_bp(_how_many(in_time), _how_many(closed)).label("share"),
        )
        .select_from(month)
        .outerjoin(Opinion, and_(*conditions))
        .group_by(month.c.place, month.c.label)
        .order_by(month.c.place)
    )
    return query


def _satisfaction(scope: Scope, parameters: SatisfactionParameters) -> Query:
    conditions = [
        CareTask.state == TaskState.DONE,
        CareTask.satisfaction > 0,
        *scope.period(CareTask.ended_date, parameters),
        *_mine(scope, CareTask.organisation_id, parameters),
    ]
    columns: tuple[Any, ...] = (
        func.count().label("scores"),
        _mean(CareTask.satisfaction).label("mean"),
        *(_how_many(CareTask.satisfaction == score).label(f"score_{score}") for score in range(5, 0, -1)),
    )
    query: Select[Any]
    if parameters.by == "month":
        first, last = _span(scope, parameters, CareTask.ended_date, *conditions)
        month = months(first, last)
        query = select(month.c.label.label("who"), *columns).select_from(month)
        query = query.join(CareTask, CareTask.ended_date.between(month.c.first_date, month.c.last_date))
        return query.where(*conditions).group_by(month.c.place, month.c.label).order_by(month.c.place)
    if parameters.by == "staff":
        query = select(User.full_name.label("who"), *columns).join_from(CareTask, User, User.id == CareTask.ended_by)
        return query.where(*conditions).group_by(User.id, User.full_name).order_by(func.count().desc(), User.id)
    owner = func.coalesce(Member.organisation_id, CareTask.organisation_id)
    name = func.coalesce(func.nullif(organisations.c.name, ""), cast(owner, String))
    query = (
        select(func.max(name).label("who"), *columns)
        .select_from(CareTask)
        .outerjoin(Member, Member.id == CareTask.member_id)
        .outerjoin(organisations, organisations.c.organisation_id == owner)
    )
    return query.where(*conditions).group_by(owner).order_by(func.count().desc(), owner)


SCORE = Column("mean", _("Mean satisfaction (1 to 5)"), ColumnKind.POINTS)
REPORTS = (
    Report(
        "visits",
        "care",
        _("Visits of customer care"),
        _("Visits that were closed, by week (Monday to Sunday) or month of the day they were closed on."),
        (
            text("period", _("Period")),
            count("done", _("Done")),
            count("skipped", _("Skipped")),
            count("in_time", _("Done in time")),
            percent("share", _("Share in time")),
            count("comments", _("Comment forms")),
            count("satisfied", _("Satisfied (4, 5)")),
            count("dissatisfied", _("Dissatisfied (1, 2)")),
            SCORE,
        ),
        _visits,
        VisitParameters,
        Chart("bar", "period", ("done", "skipped"), is_stacked=True),
        function="care",
    ),
    Report(
        "complaints",
        "care",
        _("What complaints are about"),
        _("Suggestions, complaints and enquiries by what they are about, of the days on which they were made."),
        (
            Column("area", _("What about"), ColumnKind.NUMBER),
            text("name", _("Name")),
            count("records", _("Records")),
            percent("share", _("Share")),
            count("open", _("Open")),
            count("late", _("Past their deadline")),
            count("closed", _("Closed")),
        ),
        _areas,
        OpinionParameters,
        Chart("rank", "name", ("records",)),
        function="opinions",
    ),
    Report(
        "service-quality",
        "care",
        _("Quality of service"),
        _("By month: hours until somebody began to handle a record and until it was closed, and how many in time."),
        (
            text("month", _("Month")),
            count("records", _("Records")),
            Column("answer_hours", _("Mean hours to the first step"), ColumnKind.COUNT),
            count("closed", _("Closed")),
            Column("close_hours", _("Mean hours to the closing"), ColumnKind.COUNT),
            count("in_time", _("Closed in time")),
            percent("share", _("Share in time")),
        ),
        _quality,
        OpinionParameters,
        Chart("line", "month", ("answer_hours", "close_hours")),
        function="opinions",
    ),
    Report(
        "care-satisfaction",
        "care",
        _("Satisfaction of visits"),
        _("Scores that customers gave during visits, by store of the member, by who visited, or by month."),
        (
            text("who", _("Store, employee or month")),
            count("scores", _("Scores")),
            SCORE,
            *(count(f"score_{score}", str(score)) for score in range(5, 0, -1)),
        ),
        _satisfaction,
        SatisfactionParameters,
        Chart("rank", "who", ("mean",)),
        function="care",
    ),
)
