"""Tables of reports as answers: columns, rows in their order, sums; and the same as files."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.params import QueryParameter

from admin.access import Visitor
from admin.exports.jobs import order
from admin.forms import FormContext
from admin.i18n import translate
from admin.reports.asking import ReportFile
from admin.reports.registry import GROUPS
from admin.reports.report import ColumnKind, Report
from admin.reports.running import Outcome
from admin.reports.showing import plain_text

from .bodies import FormField, form_fields
from .handlers import Done

ROWS_ASKED_MAX = 10_000
"""Of one answer; an export has more."""
TEXTS = (ColumnKind.WORD, ColumnKind.CARD)
Rows = Annotated[
    int, QueryParameter(ge=1, le=ROWS_ASKED_MAX, description="Rows of the answer; totals are of all rows.")
]


class ReportItem(msgspec.Struct):
    """A report."""

    name: str
    group: str
    label: str
    description: str
    """What it counts."""


class ReportColumn(msgspec.Struct):
    """A column: money is in minor units, points in hundredths, percent in basis points, dates in days."""

    name: str
    label: str
    kind: str
    """text, number, count, money, points, percent, date, moment, card, store, word"""
    is_summed: bool


class ReportDetails(msgspec.Struct):
    """A report, its parameters and columns."""

    report: ReportItem
    parameters: list[FormField]
    columns: list[ReportColumn]


class ReportTable(msgspec.Struct):
    """A report as it stands: rows in the order of the columns, and sums of all rows."""

    report: str
    columns: list[ReportColumn]
    rows: list[list[int | str | None]]
    """Cards are numbers as the visitor may see them, words are in the language of the request."""
    card_references: list[list[str]]
    """References of the cards of each row, in the order of the columns of kind card."""
    totals: list[int | None]
    row_count: int
    is_cut: bool
    """Whether there are more rows than the answer has."""


def item_of(report: Report) -> ReportItem:
    """A report of the list."""
    group, label, description = GROUPS[report.group], report.label, report.description
    return ReportItem(report.name, translate(group), translate(label), translate(description))


def details_of(request: Request[Visitor, Any, Any], report: Report) -> ReportDetails:
    """A report with the parameters that the visitor may fill in."""
    state = request.app.state
    with state.service.database.read() as session:
        fields = form_fields(report.parameters, FormContext(session, request.user, state.references)).fields
    return ReportDetails(item_of(report), fields, columns_of(report))


def columns_of(report: Report) -> list[ReportColumn]:
    """The columns in the language of the request."""
    return [ReportColumn(one.name, translate(one.label), one.kind.value, one.is_summed) for one in report.columns]


def table_of(request: Request[Visitor, Any, Any], report: Report, outcome: Outcome) -> ReportTable:
    """An outcome as the visitor may see it."""
    visitor, references = request.user, request.app.state.references
    cards = [n for n, column in enumerate(report.columns) if column.kind is ColumnKind.CARD]

    def cell(column: Any, value: Any) -> int | str | None:
        if column.kind in TEXTS:
            return plain_text(column, value, visitor)
        return value if isinstance(value, str | None) else int(value)

    return ReportTable(
        report=report.name,
        columns=columns_of(report),
        rows=[[cell(column, value) for column, value in zip(report.columns, row, strict=True)] for row in outcome.rows],
        card_references=[[references.make(row[n]) if row[n] else "" for n in cards] for row in outcome.rows]
        if cards
        else [],
        totals=outcome.totals,
        row_count=outcome.row_count,
        is_cut=outcome.is_cut,
    )


def sent_or_ordered(
    request: Request[Visitor, Any, Any], file: ReportFile | None, kind: str, title: str, asked: msgspec.Struct
) -> Response[bytes]:
    """A file as the answer; of one that is too long to wait for (None), 202 and the number of the export."""
    if file is not None:
        return sent_as(file)
    number = order(request.app.state.service, request.user, kind, title, asked)
    return Response(
        msgspec.json.encode(Done(str(number))),
        status_code=202,
        media_type="application/json",
        headers={"Location": f"/api/v1/exports/{number}"},
    )


def sent_as(file: ReportFile) -> Response[bytes]:
    """A file as the answer."""
    return Response(
        file.content,
        media_type=file.media_type,
        headers={"Content-Disposition": f'attachment; filename="{file.name}"', "Cache-Control": "no-store"},
    )
