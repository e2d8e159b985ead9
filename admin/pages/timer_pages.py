"""Reports by timer: which ones run, what they came to, and one of them as it was kept."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy.orm import Session

from admin import i18n
from admin.access import Visitor, needs
from admin.api.tables import sent_as
from admin.models.queries import ReportSchedule
from admin.queries.keeping import share_choices
from admin.reports.schedules import PERIODS, RETRY_AFTER, add_schedule, may_stop, retry_at, schedule_seen, set_enabled
from admin.reports.timers import RunSeen, asked_name, owner_names, run_seen, runs_page
from admin.reports.timers import list_timers as timers_seen
from admin.rights import Action

from .common import NUMBER_DIGITS_MAX, PAGE_ROWS, go, page, with_query
from .handlers import get
from .member_common import first, number_in, sent_texts
from .report_pages import checked_query, report_of, table_context

TIMERS = "/report-timers"


@get(TIMERS, guards=[needs("reports")])
def list_timers(request: Request[Visitor, Any, Any]) -> Template:
    """Timers that the visitor may look at, each with its last run."""
    with request.app.state.service.database.read() as session:
        rows = timers_seen(session, request.user)
        names = owner_names(session)
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
        is_key = before.isascii() and before.isdecimal() and len(before) <= NUMBER_DIGITS_MAX
        runs = runs_page(session, timer_id, int(before) if is_key else None, PAGE_ROWS)
        asked, names = asked_name(session, row), owner_names(session)
        session.expunge_all()
    last = runs[PAGE_ROWS - 1].last_date if len(runs) > PAGE_ROWS else None
    return page(
        request,
        "report_timer.html",
        timer=row,
        runs=runs[:PAGE_ROWS],
        asked=asked,
        names=names,
        periods=PERIODS,
        retries={run.id: retry_at(run) for run in runs},
        attempts_max=len(RETRY_AFTER) + 1,
        share_names=share_choices(),
        may_stop=may_stop(request.user, row),
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
    seen = _run(request, run_id)
    found = seen.table(request.app.state.service, request.user)
    if found is None:
        raise NotFoundException(detail="There is no result.")
    return page(
        request,
        "report_run.html",
        run=seen.run,
        timer=seen.timer,
        made_for=seen.made_for,
        is_whole=seen.is_whole,
        **table_context(request, *found),
    )


@get("/report-runs/{run_id:int}/{suffix:str}", guards=[needs("reports", Action.EXPORT)])
def export_run(request: Request[Visitor, Any, Any], run_id: FromPath[int], suffix: FromPath[str]) -> Response[bytes]:
    """The table of a run as a file (`excel` or `csv`)."""
    if suffix not in ("excel", "csv"):
        raise NotFoundException(detail="There is no such page.")
    kind = "xlsx" if suffix == "excel" else "csv"
    file = _run(request, run_id).file(request.app.state.service, request.user, kind)
    if file is None:
        raise NotFoundException(detail="There is no result.")
    return sent_as(file)


HANDLERS: list[Any] = [list_timers, do_add_timer, show_timer, do_switch_timer, show_run, export_run]


def _timer(session: Session, visitor: Visitor, number: int) -> ReportSchedule:
    row = schedule_seen(session, visitor, number)
    if row is None:
        raise NotFoundException(detail="There is no such timer.")
    return row


def _run(request: Request[Visitor, Any, Any], number: int) -> RunSeen:
    with request.app.state.service.database.read() as session:
        seen = run_seen(session, request.user, number)
        session.expunge_all()
    if seen is None:
        raise NotFoundException(detail="There is no such run.")
    return seen
