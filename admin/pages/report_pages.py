"""Reports: the list, one report with its parameters in the address, and the same as Excel or CSV."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Response, Template

from admin.access import Visitor, needs
from admin.api.tables import sent_as
from admin.exports.jobs import order
from admin.exports.kinds import AT_ONCE_ROWS_MAX, REPORT, ReportAsked
from admin.forms import Bound, FormContext, bind, fields_of, shown_of
from admin.queries.keeping import share_choices
from admin.reports import asking
from admin.reports.asking import query_of, report_file
from admin.reports.registry import GROUPS, REPORTS
from admin.reports.report import ColumnKind, Parameters, Report
from admin.reports.running import ROWS_EXPORTED_MAX, ROWS_SHOWN_MAX, Outcome
from admin.reports.schedules import PERIODS
from admin.reports.showing import CELL_CLASSES, chart_data, shown
from admin.rights import Action

from .common import go, page
from .handlers import get

SUMS = "sums"
"""In an address: sums are wanted, however long they take."""
MAY_BE_EMPTY = (ColumnKind.NUMBER, ColumnKind.TEXT)


@get("/reports", guards=[needs("reports")])
def list_reports(request: Request[Visitor, Any, Any]) -> Template:
    """All reports by group."""
    groups = [
        (label, [one for one in REPORTS.values() if one.group == name and one.is_open_to(request.user)])
        for name, label in GROUPS.items()
    ]
    return page(request, "reports.html", groups=groups)


@get("/reports/{name:str}", guards=[needs("reports")])
def show_report(request: Request[Visitor, Any, Any], name: FromPath[str]) -> Response[Any]:
    """One report: parameters, chart, the first rows, sums of all."""
    return report_page(
        request, report_of(request, name), "report.html", f"/reports/{name}", periods=PERIODS, shares=share_choices()
    )


def report_page(
    request: Request[Visitor, Any, Any],
    report: Report,
    template: str,
    address: str,
    *,
    unasked: dict[str, list[str]] | None = None,
    **more: Any,
) -> Response[Any]:
    """A page about a report with the parameters of the address; `unasked`: those of an address without any.

    A report that would take long shows its first rows, until somebody asks for the sums.
    """
    state, visitor = request.app.state, request.user
    sent = _sent(request)
    is_with_sums = bool(sent.pop(SUMS, None))
    sent = sent or unasked or {}
    with state.service.database.read() as session:
        context = FormContext(session, visitor, state.references)
        bound: Bound[Parameters] = bind(report.parameters, sent, context)
        fields = fields_of(report.parameters, context, bound if bound.errors else None, bound.value)
        query = query_of(bound.value, context)
        described = shown_of(bound.value, context) if bound.value is not None else []
    card = getattr(bound.value, "card", 0)
    if card and request.query_params.get("card") != state.references.make(card):
        # An address does not tell a card's number: what was typed goes on as a reference.
        return go(request, f"{address}?{query}")
    outcome = (
        run_report(request, report, bound.value, ROWS_SHOWN_MAX, may_preview=not is_with_sums)
        if bound.value is not None
        else Outcome([], [], 0)
    )
    return page(
        request,
        template,
        fields=[replace(field, values=[]) if field.values == ["0"] else field for field in fields],
        query=query,
        sums_address=f"{address}?{query}&{SUMS}=1" if query else f"{address}?{SUMS}=1",
        described=described,
        is_good=bound.is_good,
        **more,
        **table_context(request, report, outcome),
    )


@get("/losses", guards=[needs("alarms")])
def show_losses(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Losses and the rules behind them, for security staff, who read no other report."""
    report = REPORTS["losses"]
    with request.app.state.service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        bound: Bound[Parameters] = bind(report.parameters, _sent(request), context)
        fields = fields_of(report.parameters, context, bound if bound.errors else None, bound.value)
    empty = Outcome([], [], 0)
    outcome = run_report(request, report, bound.value, ROWS_SHOWN_MAX) if bound.value is not None else empty
    return page(
        request,
        "losses.html",
        fields=[replace(field, values=[]) if field.values == ["0"] else field for field in fields],
        is_good=bound.is_good,
        **table_context(request, report, outcome),
    )


@get("/reports/{name:str}/excel", guards=[needs("reports", Action.EXPORT)])
def export_excel(request: Request[Visitor, Any, Any], name: FromPath[str]) -> Response[Any]:
    """The whole table as a workbook."""
    return export_report(request, report_of(request, name), "xlsx")


@get("/reports/{name:str}/csv", guards=[needs("reports", Action.EXPORT)])
def export_csv(request: Request[Visitor, Any, Any], name: FromPath[str]) -> Response[Any]:
    """The whole table as CSV."""
    return export_report(request, report_of(request, name), "csv")


def report_of(request: Request[Visitor, Any, Any], name: str) -> Report:
    """A report by its name; not found without one, or when it is not for the visitor."""
    if (report := REPORTS.get(name)) is None or not report.is_open_to(request.user):
        raise NotFoundException(detail="There is no such report.")
    return report


def _sent(request: Request[Visitor, Any, Any]) -> dict[str, list[str]]:
    return {key: request.query_params.getall(key) for key in request.query_params}


def run_report(
    request: Request[Visitor, Any, Any],
    report: Report,
    parameters: Parameters,
    rows_max: int,
    *,
    may_preview: bool = False,
) -> Outcome:
    """Rows and sums; a look at whole card numbers is noted."""
    state = request.app.state
    return asking.run_report(
        state.service, state.reports, request.user, report, parameters, rows_max, may_preview=may_preview
    )


def checked_query(request: Request[Visitor, Any, Any], report: Report, query: str) -> str:
    """Parameters as they stand in an address, read and written anew; not found when they are wrong."""
    state = request.app.state
    with state.service.database.read() as session:
        context = FormContext(session, request.user, state.references)
        bound = bind(report.parameters, parse_qs(query), context)
        if bound.value is None:
            raise NotFoundException(detail="The parameters of the report are wrong.")
        return query_of(bound.value, context)


def _cells(request: Request[Visitor, Any, Any], report: Report, row: tuple[Any, ...]) -> list[tuple[str, str]]:
    """(text, address or nothing) of each cell."""
    state, visitor = request.app.state, request.user
    cells = []
    for column, value in zip(report.columns, row, strict=True):
        address = ""
        if column.kind is ColumnKind.CARD and value and visitor.may("cards"):
            address = f"/cards/{state.references.make(value)}"
        elif value and column.name in report.links:
            address = report.links[column.name].format(value=value)
        cells.append((shown(column, value, visitor), address))
    return cells


def table_context(request: Request[Visitor, Any, Any], report: Report, outcome: Outcome) -> dict[str, Any]:
    """What `_report_table.html` draws; without columns that say nothing: a name or number that no row has."""
    visitor = request.user
    rows = [_cells(request, report, row) for row in outcome.rows]
    kept = [
        n
        for n, column in enumerate(report.columns)
        if column.kind not in MAY_BE_EMPTY or any(row[n][0] for row in rows)
    ]
    totals = [
        "" if value is None else shown(column, value, visitor)
        for column, value in zip(report.columns, outcome.totals, strict=False)
    ]
    return {
        "report": report,
        "outcome": outcome,
        "columns": [report.columns[n] for n in kept],
        "rows": [[row[n] for n in kept] for row in rows],
        "totals": [totals[n] for n in kept] if rows else [],
        "has_totals": any(totals),
        "classes": [CELL_CLASSES.get(report.columns[n].kind, "") for n in kept],
        "chart": chart_data(report, outcome, visitor),
        "rows_exported_max": ROWS_EXPORTED_MAX,
    }


def export_report(
    request: Request[Visitor, Any, Any], report: Report, suffix: str, kind: str = REPORT
) -> Response[Any]:
    """The whole table of a report with the parameters of the address as a file; a long one is ordered."""
    state, visitor = request.app.state, request.user
    service = state.service
    with service.database.read() as session:
        context = FormContext(session, visitor, state.references)
        bound: Bound[Parameters] = bind(report.parameters, _sent(request), context)
        if bound.value is None:
            raise NotFoundException(detail="The parameters of the report are wrong.")
        query = query_of(bound.value, context)
    file = report_file(
        service, state.reports, visitor, state.references, report, bound.value, suffix, rows_max=AT_ONCE_ROWS_MAX
    )
    if file is not None:
        return sent_as(file)
    return go(request, ordered(request, kind, report.label, ReportAsked(report.name, query, suffix)))


def ordered(request: Request[Visitor, Any, Any], kind: str, title: str, asked: msgspec.Struct) -> str:
    """Order an export that is too long to wait for; its address."""
    return f"/exports/{order(request.app.state.service, request.user, kind, title, asked)}"


HANDLERS: list[Any] = [list_reports, show_report, show_losses, export_excel, export_csv]
