"""Reports by timer: which ones run, what they came to, and one of them as it was kept."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin import i18n
from admin.access import Visitor, needs
from admin.models.people import User
from admin.models.queries import ReportRun, ReportSchedule, SavedQuery
from admin.queries.keeping import share_choices
from admin.reports.keeping import digest_of, report_in
from admin.reports.registry import REPORTS
from admin.reports.report import Report
from admin.reports.running import Outcome
from admin.reports.schedules import PERIODS, add_schedule, schedule_seen, schedules_seen, set_enabled
from admin.rights import Action

from .common import NUMBER_DIGITS_MAX, PAGE_ROWS, go, page, with_query
from .handlers import get
from .member_common import first, number_in, sent_texts
from .report_pages import checked_query, file_of, note_look, report_of, table_context

TIMERS = "/report-timers"


@get(TIMERS, guards=[needs("reports")])
def list_timers(request: Request[Visitor, Any, Any]) -> Template:
    """Timers that the visitor may look at, each with its last run."""
    with request.app.state.service.database.read() as session:
        seen = [row for row in session.scalars(schedules_seen(request.user)) if _is_seen(session, request.user, row)]
        last = select(func.max(ReportRun.id)).where(ReportRun.schedule_id.in_([row.id for row in seen]))
        runs = session.scalars(select(ReportRun).where(ReportRun.id.in_(last.group_by(ReportRun.schedule_id))))
        by_schedule = {run.schedule_id: run for run in runs}
        rows = [(row, by_schedule.get(row.id), _asked_name(session, row)) for row in seen]
        names = _names(session)
        session.expunge_all()
    return page(request, "report_timers.html", rows=rows, names=names, periods=PERIODS, share_names=share_choices())


@async_post(TIMERS, guards=[needs("reports", Action.ADD)], status_code=200)
async def do_add_timer(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Let a report or a query be run for each period."""
    texts = await sent_texts(request)

    def act() -> int:
        name, report = first(texts, "name"), first(texts, "report")
        parameters = ""
        if report:
            asked = report_of(request, report)
            parameters = checked_query(request, asked, first(texts, "query"))
            name = name or i18n.translate(asked.label)
        return add_schedule(
            request.app.state.service,
            request.user,
            name=name,
            report=report,
            query_id=number_in(texts, "query_id"),
            parameters=parameters,
            period=first(texts, "period"),
            is_whole_past=bool(first(texts, "is_whole_past")),
            shared_right=first(texts, "shared_right"),
        )

    return go(request, f"{TIMERS}/{await to_thread.run_sync(act)}")


@get(f"{TIMERS}/{{timer_id:int}}", guards=[needs("reports")])
def show_timer(request: Request[Visitor, Any, Any], timer_id: FromPath[int], before: FromQuery[str] = "") -> Template:
    """One timer with its runs, newest first."""
    with request.app.state.service.database.read() as session:
        row = _timer(session, request.user, timer_id)
        query = select(ReportRun).where(ReportRun.schedule_id == timer_id).order_by(ReportRun.last_date.desc())
        if before.isascii() and before.isdecimal() and len(before) <= NUMBER_DIGITS_MAX:
            query = query.where(ReportRun.last_date < int(before))
        runs = session.scalars(query.limit(PAGE_ROWS + 1)).all()
        asked, names = _asked_name(session, row), _names(session)
        session.expunge_all()
    last = runs[PAGE_ROWS - 1].last_date if len(runs) > PAGE_ROWS else None
    visitor = request.user
    return page(
        request,
        "report_timer.html",
        timer=row,
        runs=runs[:PAGE_ROWS],
        asked=asked,
        names=names,
        periods=PERIODS,
        share_names=share_choices(),
        may_stop=row.owner_id == visitor.user_id
        or (visitor.may("reports", Action.APPROVE) and visitor.may_place_in(row.organisation_id)),
        is_first=not before,
        next_address=with_query(f"{TIMERS}/{timer_id}", {"before": last}) if last else None,
    )


@async_post(f"{TIMERS}/{{timer_id:int}}/{{word:str}}", guards=[needs("reports")], status_code=200)
async def do_switch_timer(
    request: Request[Visitor, Any, Any], timer_id: FromPath[int], word: FromPath[str]
) -> Response[Any]:
    """Stop a timer (`stop`), or let it go on (`start`)."""
    if word not in ("stop", "start"):
        raise NotFoundException(detail="There is no such page.")

    def act() -> None:
        set_enabled(request.app.state.service, request.user, timer_id, is_enabled=word == "start")

    await to_thread.run_sync(act)
    return go(request, f"{TIMERS}/{timer_id}")


@get("/report-runs/{run_id:int}", guards=[needs("reports")])
def show_run(request: Request[Visitor, Any, Any], run_id: FromPath[int]) -> Template:
    """What a timer's report came to, as it was kept."""
    run, timer, name = _run(request, run_id)
    report, outcome = _kept(run)
    note_look(request, report, outcome)
    return page(
        request,
        "report_run.html",
        run=run,
        timer=timer,
        made_for=name,
        is_whole=digest_of(run.parameters, run.content) == run.digest,
        **table_context(request, report, outcome),
    )


@get("/report-runs/{run_id:int}/{suffix:str}", guards=[needs("reports", Action.EXPORT)])
def export_run(request: Request[Visitor, Any, Any], run_id: FromPath[int], suffix: FromPath[str]) -> Response[bytes]:
    """The table of a run as a file (`excel` or `csv`)."""
    if suffix not in ("excel", "csv"):
        raise NotFoundException(detail="There is no such page.")
    run, timer, _name = _run(request, run_id)
    report, outcome = _kept(run)
    note_look(request, report, outcome)
    about = [
        (i18n.translate("Timer"), timer.name),
        (i18n.translate("Period"), f"{i18n.day(run.first_date)} - {i18n.day(run.last_date)}"),
        ("SHA-256", run.digest.hex()),
    ]
    kind = "xlsx" if suffix == "excel" else "csv"
    return file_of(request, report, outcome, kind, about, f"run {run_id}")


HANDLERS: list[Any] = [list_timers, do_add_timer, show_timer, do_switch_timer, show_run, export_run]


def _kept(run: ReportRun) -> tuple[Report, Outcome]:
    if run.state != "done":
        raise NotFoundException(detail="There is no result.")
    return report_in(run.content)


def _is_seen(session: Session, visitor: Visitor, row: ReportSchedule) -> bool:
    return schedule_seen(session, visitor, row.id) is not None


def _timer(session: Session, visitor: Visitor, number: int) -> ReportSchedule:
    row = schedule_seen(session, visitor, number)
    if row is None:
        raise NotFoundException(detail="There is no such timer.")
    return row


def _run(request: Request[Visitor, Any, Any], number: int) -> tuple[ReportRun, ReportSchedule, str]:
    with request.app.state.service.database.read() as session:
        run = session.get(ReportRun, number)
        if run is None:
            raise NotFoundException(detail="There is no such run.")
        timer = _timer(session, request.user, run.schedule_id)
        user = session.get(User, run.made_for)
        name = user.full_name if user else ""
        session.expunge_all()
    return run, timer, name


def _asked_name(session: Session, row: ReportSchedule) -> str:
    """English label of the report, or the name of the query."""
    if row.report:
        return REPORTS[row.report].label if row.report in REPORTS else row.report
    kept = session.get(SavedQuery, row.query_id)
    return kept.name if kept is not None else ""


def _names(session: Session) -> dict[int, str]:
    return {row.id: row.full_name for row in session.execute(select(User.id, User.full_name))}
