"""Values as people read them, by the kind of their column; card numbers only as the visitor may see them."""

from __future__ import annotations

from typing import Any

from admin import i18n
from admin.access import Visitor
from admin.store_names import store_text

from .report import Chart, Column, ColumnKind, Report
from .running import Outcome

RIGHT_ALIGNED = (ColumnKind.COUNT, ColumnKind.MONEY, ColumnKind.POINTS, ColumnKind.PERCENT, ColumnKind.NUMBER)
CELL_CLASSES = dict.fromkeys(RIGHT_ALIGNED, "number") | dict.fromkeys(
    (ColumnKind.DATE, ColumnKind.MOMENT, ColumnKind.CARD), "card-number"
)
"""Style of a column's cells: numbers to the right, dates and card numbers on one line."""
CHART_POINTS_MAX = 400
"""More than a year of dates cannot be told apart on a screen."""
RANK_BARS_MAX = 25
SCALED = {ColumnKind.MONEY: 100, ColumnKind.POINTS: 100, ColumnKind.PERCENT: 100}
"""What a value is divided by to be a plain number: cents, hundredths, basis points of a hundred."""


def shown(column: Column, value: Any, visitor: Visitor) -> str:
    """A value in the language of the request; nothing for what is not there."""
    if value is None:
        return ""
    kind = column.kind
    if kind in (ColumnKind.MONEY, ColumnKind.POINTS):  # the caption names the currency once
        return i18n.points(int(value))
    if kind is ColumnKind.COUNT:
        return i18n.number(int(value))
    if kind is ColumnKind.PERCENT:
        return f"{i18n.points(int(value))} %"
    if kind is ColumnKind.DATE:
        return i18n.day(int(value))
    if kind is ColumnKind.MOMENT:
        return i18n.moment(int(value))
    return plain_text(column, value, visitor)


def plain_text(column: Column, value: Any, visitor: Visitor) -> str:
    """The text of a value that is none of the numbers; also in exports."""
    if column.kind is ColumnKind.CARD:
        return visitor.card_number(value) if value else ""
    if column.kind is ColumnKind.WORD:
        return i18n.translate(column.word(value)) if value is not None else ""
    if column.kind is ColumnKind.STORE:
        # What headquarters' own desk did, such as a refund of what a till sold, has no store: it is headquarters'.
        return i18n.translate("Headquarters") if value == 0 else store_text(value)
    if column.kind is ColumnKind.NUMBER:
        return str(value) if value else ""
    return "" if value is None else str(value)


def chart_data(report: Report, outcome: Outcome, visitor: Visitor) -> dict[str, Any] | None:
    """What the script on the page draws; None when there is nothing to draw."""
    chart = report.chart
    if chart is None or len(outcome.rows) < 2:
        return None
    places = {column.name: n for n, column in enumerate(report.columns)}
    rows = outcome.rows[: RANK_BARS_MAX if chart.kind == "rank" else CHART_POINTS_MAX]
    label = report.column(chart.labels)
    if not any(row[places[name]] for row in rows for name in chart.series):
        return None
    return {
        "kind": chart.kind,
        "isStacked": chart.is_stacked,
        "labels": [shown(label, row[places[chart.labels]], visitor) for row in rows],
        "series": [_series(report, chart, name, [row[places[name]] for row in rows]) for name in chart.series],
        "locale": i18n.BABEL_LOCALES[i18n.locale_now.get()].replace("_", "-"),
    }


def _series(report: Report, chart: Chart, name: str, values: list[Any]) -> dict[str, Any]:
    column = report.column(name)
    scale = SCALED.get(column.kind, 1)
    return {
        "name": i18n.translate(column.label),
        "digits": 2 if scale > 1 else 0,
        "unit": " %" if column.kind is ColumnKind.PERCENT else "",
        "values": [None if value is None else int(value) / scale for value in values],
    }
