"""What a report came to, kept so that it can be shown for ever: columns and chart with it, whatever changes later."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from .report import Chart, Column, ColumnKind, Parameters, Report
from .running import Outcome


class KeptColumn(msgspec.Struct, frozen=True):
    """A column; a WORD's values are kept as its words."""

    name: str
    label: str
    kind: str
    is_summed: bool


class KeptChart(msgspec.Struct, frozen=True):
    """The chart beside the table."""

    kind: str
    labels: str
    series: list[str]
    is_stacked: bool


class Content(msgspec.Struct, frozen=True):
    """Rows, sums and number of rows of a report, with its columns."""

    label: str
    description: str
    columns: list[KeptColumn]
    rows: list[list[int | str | None]]
    totals: list[int | None]
    row_count: int
    chart: KeptChart | None = None


def content_of(report: Report, outcome: Outcome) -> str:
    """An outcome as JSON."""
    chart = report.chart
    content = Content(
        report.label,
        report.description,
        [KeptColumn(one.name, one.label, one.kind.value, one.is_summed) for one in report.columns],
        [[_plain(one, value) for one, value in zip(report.columns, row, strict=True)] for row in outcome.rows],
        outcome.totals,
        outcome.row_count,
        KeptChart(chart.kind, chart.labels, list(chart.series), chart.is_stacked) if chart is not None else None,
    )
    return msgspec.json.encode(content).decode()


def _plain(column: Column, value: Any) -> int | str | None:
    if value is None:
        return None
    if column.kind is ColumnKind.WORD:
        return column.word(value)
    return value if isinstance(value, str) else int(value)


def digest_of(parameters: str, content: str) -> bytes:
    """SHA-256 over what was asked and what was answered."""
    return hashlib.sha256(parameters.encode() + b"\0" + content.encode()).digest()


def report_in(text: str) -> tuple[Report, Outcome]:
    """The report and the outcome that were kept."""
    content = msgspec.json.decode(text, type=Content)
    columns = tuple(
        Column(one.name, one.label, ColumnKind(one.kind), one.is_summed, {} if one.kind == "word" else None)
        for one in content.columns
    )
    chart = content.chart
    report = Report(
        "kept",
        "",
        content.label,
        content.description,
        columns,
        _no_query,
        Parameters,
        Chart(chart.kind, chart.labels, tuple(chart.series), chart.is_stacked) if chart is not None else None,
    )
    return report, Outcome([tuple(row) for row in content.rows], content.totals, content.row_count)


def _no_query(_scope: Any, _parameters: Any) -> Any:
    raise AssertionError("expected a report that is only shown, got one that is to be run")
