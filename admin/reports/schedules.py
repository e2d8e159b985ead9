"""Reports by timer: which periods are due, running them once each, and who may see what came of it.

A period is run when the switch's business date has gone beyond it, so its days
get no more entries.  The row of a run has the schedule and the period as its
key and is written whole: a process that is killed has written it or not, and
of two that run the same one wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from threading import Event
from typing import Any
from urllib.parse import parse_qs

import msgspec
import structlog
from sqlalchemy import Select, or_, select
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError
from sqlalchemy.orm import Session, defer

from admin.access import Visitor, visitor_of
from admin.audit import Actor
from admin.errors import RefusedError
from admin.forms import FormContext, bind
from admin.i18n import FIRST_DATE, locale_now, zone_now
from admin.members.today import today_of
from admin.members.totals import catch_up
from admin.models.people import User
from admin.models.queries import NAME_LENGTH_MAX, ReportRun, ReportSchedule, SavedQuery
from admin.processes import work_until
from admin.queries.building import built
from admin.queries.fields import QueryContext
from admin.queries.keeping import check_right, definition_in
from admin.queries.registry import SUBJECTS
from admin.references import References
from admin.rights import Action
from admin.service import Service

from .asking import query_of
from .keeping import content_of, digest_of
from .registry import REPORTS
from .report import Parameters, Report, Scope
from .running import Runner

_ = str
MODULE = "reports"
PERIODS: dict[str, str] = {"day": _("Every day"), "week": _("Every week"), "month": _("Every month")}
ROWS_KEPT_MAX = 5_000
"""Of one run: some hundred kilobytes; the sums are those of all rows."""
AT_ONCE_MAX = 40
"""Periods of one schedule that are caught up in one go after a standstill."""
RETRY_AFTER = (timedelta(minutes=15), timedelta(hours=2), timedelta(days=1))
"""A run that has failed is tried again so long after its first, second and third attempt, and then no more: a database
that was away is back, and who has lost a right by mistake has it again."""
SCHEDULES_MAX = 100
PROBLEM_LENGTH_MAX = 400
AGAIN = ("state", "problem", "parameters", "content", "digest", "row_count", "made_at", "made_for")
"""What another attempt of a run changes."""
IDLE_PAUSE_S = 20.0
"""A new period begins once a day; a new timer has its first result within half a minute."""
BROKEN = (DataError, ProgrammingError, ValueError, TypeError, LookupError, ArithmeticError)
"""What makes a run fail; a database that does not answer is none of these, and waited for."""

TIMER = Actor(0, "(report timer)", "")

log = structlog.get_logger("report timer")


def period_before(period: str, today: date) -> tuple[date, date]:
    """First and last day of the last period that is over."""
    if period == "day":
        return (day := today - timedelta(days=1)), day
    if period == "week":  # from Monday to Sunday
        last = today - timedelta(days=today.weekday() + 1)
        return last - timedelta(days=6), last
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


def periods_due(period: str, since: date, today: date) -> list[tuple[date, date]]:
    """Periods that ended on `since` or later and are over, oldest first; at most the last `AT_ONCE_MAX`."""
    found: list[tuple[date, date]] = []
    first, last = period_before(period, today)
    while last >= since and len(found) < AT_ONCE_MAX:
        found.append((first, last))
        first, last = period_before(period, first)
    return found[::-1]


def retry_at(run: ReportRun) -> datetime | None:
    """When a failed run is tried again; None: it is done, or was tried often enough."""
    if run.state == "done" or run.attempts > len(RETRY_AFTER):
        return None
    return run.made_at + RETRY_AFTER[run.attempts - 1]


def schedules_seen(visitor: Visitor) -> Select[Any]:
    """One's own, and those of one's part of the organisation that are shared with a right that one holds."""
    query = select(ReportSchedule).order_by(ReportSchedule.name, ReportSchedule.id)
    shared: Any = ReportSchedule.shared_right.in_(visitor.rights)
    if not visitor.sees_everything:
        shared &= ReportSchedule.organisation_id.in_(visitor.organisation_ids)
    return query.where(or_(ReportSchedule.owner_id == visitor.user_id, shared))


def schedule_seen(session: Session, visitor: Visitor, number: int) -> ReportSchedule | None:
    """A schedule that the visitor may look at: shared with him, and about records that he may see."""
    row: ReportSchedule | None = session.scalar(schedules_seen(visitor).where(ReportSchedule.id == number))
    if row is not None and row.query_id and (kept := session.get(SavedQuery, row.query_id)) is not None:
        subject = SUBJECTS.get(definition_in(kept).subject)
        return row if subject is not None and visitor.may(subject.function) else None
    if row is not None and (report := REPORTS.get(row.report)) is not None and not report.is_open_to(visitor):
        return None
    return row


def add_schedule(
    service: Service,
    visitor: Visitor,
    *,
    name: str,
    report: str,
    query_id: int,
    parameters: str,
    period: str,
    is_whole_past: bool,
    shared_right: str,
) -> int:
    """Let a report or a query be run for each period from the last one that is over; its number."""
    name = name.strip()
    if not name or len(name) > NAME_LENGTH_MAX or "\0" in name:
        raise RefusedError("A name has 1 to {most} characters.", most=NAME_LENGTH_MAX)
    if period not in PERIODS:
        raise RefusedError("Choose how often it is to run.")
    check_right(shared_right)
    with service.database.write() as session:
        if bool(report) == bool(query_id) or (report and report not in REPORTS):
            raise RefusedError("Choose a report or a query.")
        kept = session.get(SavedQuery, query_id) if query_id else None
        if query_id and (kept is None or kept.owner_id != visitor.user_id):
            raise RefusedError("A timer runs your own queries: save this one under a name of your own first.")
        own = session.scalars(select(ReportSchedule.id).where(ReportSchedule.owner_id == visitor.user_id)).all()
        if len(own) >= SCHEDULES_MAX:
            raise RefusedError("You have {most} timers already: stop one first.", most=SCHEDULES_MAX)
        _first, last = period_before(period, today_of(session, service))
        row = ReportSchedule(
            name=name,
            report=report,
            query_id=query_id or None,
            parameters=parameters,
            period=period,
            is_whole_past=is_whole_past,
            shared_right=shared_right,
            owner_id=visitor.user_id,
            organisation_id=visitor.organisation_id,
            from_date=(last - FIRST_DATE).days,
            made_at=service.now(),
        )
        session.add(row)
        session.flush()
        service.audit.append(
            session,
            visitor,
            MODULE,
            "add timer",
            f"timer {row.id}",
            name=name,
            report=report or f"query {query_id}",
            parameters=parameters,
            period=period,
            shared=shared_right,
        )
        return row.id


def may_stop(visitor: Visitor, row: ReportSchedule) -> bool:
    """Whether the visitor has made a timer, or reviews reports above who has."""
    is_above = visitor.may(MODULE, Action.APPROVE) and visitor.may_place_in(row.organisation_id)
    return row.owner_id == visitor.user_id or is_above


def set_enabled(service: Service, visitor: Visitor, number: int, *, is_enabled: bool) -> None:
    """Stop a timer, or let it go on from now; results stay."""
    with service.database.write() as session:
        row = session.get(ReportSchedule, number)
        if row is None or not may_stop(visitor, row):
            raise RefusedError("Only who has made a timer, or who reviews reports above him, stops it.")
        if is_enabled and not row.is_enabled:
            _first, last = period_before(row.period, today_of(session, service))
            row.from_date = (last - FIRST_DATE).days
        row.is_enabled = is_enabled
        action = _("start timer") if is_enabled else _("stop timer")
        service.audit.append(session, visitor, MODULE, action, f"timer {number}", name=row.name)


class Timer:
    """Runs what is due; `work` does one period of one schedule."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._runner = Runner(service.database, service.surroundings.now_ms)
        self._references = References(service.secret_for("card references"))

    def work(self) -> bool:
        """One run; False when nothing is due."""
        with self._service.database.read() as session:
            today = today_of(session, self._service)
            due = next(self._due(session, today), None)
        if due is None:
            return False
        number, first, last = due
        self._run(number, first, last, today)
        return True

    def _due(self, session: Session, today: date) -> Iterator[tuple[int, date, date]]:
        for row in session.scalars(select(ReportSchedule).where(ReportSchedule.is_enabled).order_by(ReportSchedule.id)):
            since = FIRST_DATE + timedelta(days=row.from_date)
            runs = select(ReportRun).options(defer(ReportRun.content), defer(ReportRun.parameters))
            runs = runs.where(ReportRun.schedule_id == row.id, ReportRun.last_date >= row.from_date)
            known = {run.last_date: run for run in session.scalars(runs)}
            for first, last in periods_due(row.period, since, today):
                run = known.get((last - FIRST_DATE).days)
                again = retry_at(run) if run is not None else None
                if run is None or (again is not None and self._service.now() >= again):
                    yield row.id, first, last

    def _run(self, number: int, first: date, last: date, today: date) -> None:
        service = self._service
        span = (first - FIRST_DATE).days, (last - FIRST_DATE).days
        run = ReportRun(
            schedule_id=number,
            first_date=span[0],
            last_date=span[1],
            state="failed",
            parameters="",
            content="",
            problem="",
            row_count=0,
        )
        visitor: Visitor | None = None
        try:
            with service.database.read() as session:
                schedule = session.get_one(ReportSchedule, number)
                run.made_for = schedule.owner_id
                visitor = self._visitor(session, schedule)
                locale_now.set(visitor.locale or service.settings.locale)
                zone_now.set(service.zone.now)
                build, run.parameters = self._asked(session, schedule, visitor, span, today)
            report, outcome = self._runner.run_built(visitor, build, ROWS_KEPT_MAX)
            run.content, run.row_count, run.state = content_of(report, outcome), outcome.row_count, "done"
        except RefusedError as error:
            run.problem = error.message.format(**error.values)[:PROBLEM_LENGTH_MAX]
        except BROKEN as error:
            # Said on its page; another schedule must not wait for one that can never be run.
            log.exception("a report could not be run", schedule=number)
            run.problem = f"{_('It could not be run')}: {type(error).__name__}"
        run.made_at = service.now()
        run.digest = digest_of(run.parameters, run.content)
        self._keep(run, visitor)

    def _keep(self, run: ReportRun, visitor: Visitor | None) -> None:
        service = self._service
        name, state, last_date = f"timer {run.schedule_id}", run.state, run.last_date
        try:
            with service.database.write() as session:
                before = select(ReportRun).where(
                    ReportRun.schedule_id == run.schedule_id, ReportRun.last_date == run.last_date
                )
                failed = session.scalar(before.with_for_update())
                if failed is not None:
                    if (again := retry_at(failed)) is None or service.now() < again:
                        return  # another timer has tried it meanwhile
                    for column in AGAIN:
                        setattr(failed, column, getattr(run, column))
                    failed.attempts += 1
                    run = failed
                else:
                    session.add(run)
                session.flush()
                actor: Any = visitor or TIMER
                service.audit.append(
                    session, actor, MODULE, "run by timer", name, last_date=last_date, state=state, run=run.id
                )
        except IntegrityError:
            log.info("another timer has run it", schedule=run.schedule_id, last_date=last_date)

    def _visitor(self, session: Session, schedule: ReportSchedule) -> Visitor:
        user = session.get(User, schedule.owner_id)
        if user is None or not user.is_enabled:
            raise RefusedError("Its owner is not enabled any more.")
        off = self._service.parameters.modules_off(self._service.now())
        visitor = visitor_of(session, user, "", b"", None, modules_off=off)
        if not visitor.may(MODULE):
            raise RefusedError("Its owner may not look at reports any more.")
        return visitor

    def _asked(
        self, session: Session, schedule: ReportSchedule, visitor: Visitor, span: tuple[int, int], today: date
    ) -> tuple[Any, str]:
        """How the report is built, and its parameters as they are kept."""
        first = 0 if schedule.is_whole_past else span[0]
        if schedule.report:
            report = REPORTS.get(schedule.report)
            if report is None or not report.is_open_to(visitor):
                raise RefusedError("There is no such report.")
            return _report_asked(report, schedule, FormContext(session, visitor, self._references), (first, span[1]))
        kept = session.get_one(SavedQuery, schedule.query_id)
        definition = definition_in(kept)
        subject = SUBJECTS.get(definition.subject)
        if subject is not None and subject.needs_sums:
            catch_up(self._service.database)
        name = schedule.name

        def build(scope: Scope) -> tuple[Report, Parameters]:
            context = QueryContext(scope.session, visitor, self._references, scope, today)
            has_date = subject is not None and subject.source(context).date is not None
            period = (first, span[1]) if has_date else None
            return built(definition, context, label=name, period=period), Parameters()

        return build, msgspec.json.encode(definition).decode()


def run_until(timer: Timer, is_stopping: Event) -> None:
    """Run what is due until somebody says stop; a thread beside other work, for it sleeps most of the time."""
    work_until(is_stopping, timer.work, "reports by timer wait", idle_pause_s=IDLE_PAUSE_S, again_pause_s=IDLE_PAUSE_S)


def _report_asked(
    report: Report, schedule: ReportSchedule, context: FormContext, span: tuple[int, int]
) -> tuple[Any, str]:
    sent = parse_qs(schedule.parameters)
    for name, value in zip(("from_date", "until_date"), span, strict=True):
        sent[name] = [(FIRST_DATE + timedelta(days=value)).isoformat()] if value else []
    bound: Any = bind(report.parameters, sent, context)
    if bound.value is None:
        raise RefusedError("The parameters of the report are wrong.")
    return (lambda _scope: (report, bound.value)), query_of(bound.value, context)
