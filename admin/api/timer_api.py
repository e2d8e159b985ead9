"""Reports by timer: which ones run, what they came to, and one of them as it was kept."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.database import to_ms
from admin.forms import FormContext
from admin.i18n import translate
from admin.models.queries import NAME_LENGTH_MAX, RIGHT_LENGTH_MAX, ReportRun
from admin.reports.asking import FILE_TYPES, query_of
from admin.reports.registry import REPORTS
from admin.reports.schedules import add_schedule, may_stop, retry_at, schedule_seen, set_enabled
from admin.reports.timers import RunSeen, TimerRow, asked_name, list_timers, owner_names, run_seen, runs_page
from admin.rights import Action

from .handlers import NUMBER_MAX, Done, Limit, Page, SmallNumber, api_get, api_post, filled, page_of
from .order_api import Nothing
from .report_api import ReportAsked, SubmittedParameter, parameters_in_words, parameters_sent, report_named
from .tables import ReportTable, sent_as, table_of

TAG = "Reports by timer"
TIMERS, RUNS = "/api/v1/report-timers", "/api/v1/report-runs"
NO_ZERO = r"^[^\x00]*$"
LOOKS, EXPORTS = [needs("reports")], [needs("reports", Action.EXPORT)]
SWITCHES = ("POST /report-timers/{timer_id}/{word}",)
EXPORTED = ("GET /report-runs/{run_id}/{suffix}",)


class NewTimer(ReportAsked, forbid_unknown_fields=True, kw_only=True):
    """A report with its parameters, or one of one's own queries, to be run for each period that is over."""

    period: Annotated[str, msgspec.Meta(max_length=10, pattern=NO_ZERO)]
    """day, week or month"""
    name: Annotated[str, msgspec.Meta(max_length=NAME_LENGTH_MAX, pattern=NO_ZERO)] = ""
    """Empty: that of the report."""
    report: Annotated[str, msgspec.Meta(max_length=40, pattern=NO_ZERO)] = ""
    """Name of a report; empty: a query."""
    query_id: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)] = 0
    """0: a report."""
    is_whole_past: bool = False
    """Whether it is about all that was until the end of the period, and not about the period alone."""
    shared_right: Annotated[str, msgspec.Meta(max_length=RIGHT_LENGTH_MAX, pattern=NO_ZERO)] = ""
    """Who holds it may see what came of it; empty: its owner alone."""


class RunItem(msgspec.Struct):
    """What a timer's report came to for one period."""

    id: int
    first_date: int
    last_date: int
    state: str
    """done or failed"""
    problem: str
    """Why it has failed."""
    row_count: int
    made_ms: int
    attempts: int
    """How often it was tried."""
    again_ms: int | None
    """When a failed one is tried again; null: it is not."""


class TimerItem(msgspec.Struct):
    """A report or a query that is run for each period."""

    id: int
    name: str
    asked: str
    """What the report or the query is called."""
    report: str
    """Empty: a query."""
    query_id: int | None
    period: str
    is_whole_past: bool
    shared_right: str
    is_enabled: bool
    owner_id: int
    owner: str
    organisation_id: int
    made_ms: int
    last_run: RunItem | None


class TimerDetails(msgspec.Struct):
    """A timer, and what it asks; GET /api/v1/report-timers/ID/runs says what came of it."""

    timer: TimerItem
    parameters: list[SubmittedParameter]
    may_stop: bool


class RunDetails(msgspec.Struct):
    """A run as it was kept."""

    run: RunItem
    timer_id: int
    timer: str
    made_for: str
    is_whole: bool
    """false: it was changed since it was made."""
    digest: str
    """SHA-256 of what was asked and answered."""
    table: ReportTable | None
    """null: it has failed."""


@api_get(TIMERS, guards=LOOKS, tag=TAG)
def list_all(request: Request[Visitor, Any, Any]) -> list[TimerItem]:
    """One's own timers and those that are shared with one, each with its last run."""
    with request.app.state.service.database.read() as session:
        names = owner_names(session)
        return [_item(row, names) for row in list_timers(session, request.user)]


@api_post(TIMERS, guards=[needs("reports", Action.ADD)], tag=TAG)
def make_timer(request: Request[Visitor, Any, Any], data: JSONBody[NewTimer]) -> Done:
    """Let a report or a query be run for each period; the last one that is over comes at once."""
    state, visitor = request.app.state, request.user
    name, parameters = data.name, ""
    if data.report:
        report = report_named(data.report)
        if not report.is_open_to(visitor):
            raise NotFoundException(detail="There is no such report.")
        form = parameters_sent(request, report, data)
        with state.service.database.read() as session:
            parameters = query_of(form, FormContext(session, visitor, state.references))
        name = name or translate(report.label)
    number = add_schedule(
        state.service,
        visitor,
        name=name,
        report=data.report,
        query_id=data.query_id,
        parameters=parameters,
        period=data.period,
        is_whole_past=data.is_whole_past,
        shared_right=data.shared_right,
    )
    return Done(str(number))


@api_get(f"{TIMERS}/{{timer_id:int}}", guards=LOOKS, tag=TAG)
def get_timer(request: Request[Visitor, Any, Any], timer_id: FromPath[int]) -> TimerDetails:
    """One timer."""
    state, visitor = request.app.state, request.user
    with state.service.database.read() as session:
        row = schedule_seen(session, visitor, timer_id)
        if row is None:
            raise NotFoundException(detail="There is no such timer.")
        last = next(iter(runs_page(session, timer_id, None, 1)), None)
        item = _item(TimerRow(row, last, asked_name(session, row)), owner_names(session))
        report = REPORTS.get(row.report)
        context = FormContext(session, visitor, state.references)
        parameters = parameters_in_words(report, row.parameters, context) if report is not None else []
        return TimerDetails(item, parameters, may_stop(visitor, row))


@api_get(f"{TIMERS}/{{timer_id:int}}/runs", guards=LOOKS, tag=TAG, pages=("GET /report-timers/{timer_id}",))
def list_runs(
    request: Request[Visitor, Any, Any], timer_id: FromPath[int], before: SmallNumber = None, limit: Limit = 50
) -> Page[RunItem]:
    """What came of a timer, newest period first; `before` is a last date."""
    with request.app.state.service.database.read() as session:
        if schedule_seen(session, request.user, timer_id) is None:
            raise NotFoundException(detail="There is no such timer.")
        rows = runs_page(session, timer_id, before, limit)
        return page_of(rows, limit, _run_item, lambda row: row.last_date)


@api_post(f"{TIMERS}/{{timer_id:int}}/stop", guards=LOOKS, tag=TAG, pages=SWITCHES, status=200)
def stop_timer(request: Request[Visitor, Any, Any], timer_id: FromPath[int], data: JSONBody[Nothing]) -> Done:
    """Stop a timer; its results stay. For who has made it, or reviews reports above him."""
    set_enabled(request.app.state.service, request.user, timer_id, is_enabled=False)
    return Done(str(timer_id))


@api_post(f"{TIMERS}/{{timer_id:int}}/start", guards=LOOKS, tag=TAG, pages=SWITCHES, status=200)
def start_timer(request: Request[Visitor, Any, Any], timer_id: FromPath[int], data: JSONBody[Nothing]) -> Done:
    """Let a timer go on from now."""
    set_enabled(request.app.state.service, request.user, timer_id, is_enabled=True)
    return Done(str(timer_id))


@api_get(f"{RUNS}/{{run_id:int}}", guards=LOOKS, tag=TAG)
def get_run(request: Request[Visitor, Any, Any], run_id: FromPath[int]) -> RunDetails:
    """What a timer's report came to, as it was kept."""
    seen = _run(request, run_id)
    table = seen.table(request.app.state.service, request.user)
    return RunDetails(
        run=_run_item(seen.run),
        timer_id=seen.timer.id,
        timer=seen.timer.name,
        made_for=seen.made_for,
        is_whole=seen.is_whole,
        digest=seen.run.digest.hex(),
        table=table_of(request, *table) if table is not None else None,
    )


@api_get(f"{RUNS}/{{run_id:int}}/excel", guards=EXPORTS, tag=TAG, pages=EXPORTED, media_type=FILE_TYPES["xlsx"])
def export_excel(request: Request[Visitor, Any, Any], run_id: FromPath[int]) -> Response[bytes]:
    """The table of a run as a workbook."""
    return _export(request, run_id, "xlsx")


@api_get(f"{RUNS}/{{run_id:int}}/csv", guards=EXPORTS, tag=TAG, pages=EXPORTED, media_type=FILE_TYPES["csv"])
def export_csv(request: Request[Visitor, Any, Any], run_id: FromPath[int]) -> Response[bytes]:
    """The table of a run as CSV."""
    return _export(request, run_id, "csv")


HANDLERS = [
    list_all,
    make_timer,
    get_timer,
    list_runs,
    stop_timer,
    start_timer,
    get_run,
    export_excel,
    export_csv,
]


def _run(request: Request[Visitor, Any, Any], number: int) -> RunSeen:
    with request.app.state.service.database.read() as session:
        seen = run_seen(session, request.user, number)
        session.expunge_all()
    if seen is None:
        raise NotFoundException(detail="There is no such run.")
    return seen


def _export(request: Request[Visitor, Any, Any], number: int, suffix: str) -> Response[bytes]:
    file = _run(request, number).file(request.app.state.service, request.user, suffix)
    if file is None:
        raise NotFoundException(detail="There is no result.")
    return sent_as(file)


def _item(row: TimerRow, names: dict[int, str]) -> TimerItem:
    return filled(
        TimerItem,
        row.timer,
        asked=translate(row.asked),
        owner=names.get(row.timer.owner_id, ""),
        last_run=_run_item(row.last_run) if row.last_run is not None else None,
    )


def _run_item(run: ReportRun) -> RunItem:
    again = retry_at(run)
    return filled(RunItem, run, again_ms=to_ms(again) if again is not None else None)
