"""Reports as Excel: numbers as numbers, dates as dates, card numbers as text, nothing that could be a formula."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import xlsxwriter

from admin import i18n
from admin.access import Visitor
from admin.i18n import local

from .report import Column, ColumnKind, Report
from .running import Outcome
from .showing import SCALED, plain_text

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OPTIONS = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "in_memory": False}
SHEET_NAME_CHARACTERS_MAX = 31
FORMATS = {
    ColumnKind.MONEY: "#,##0.00",
    ColumnKind.POINTS: "#,##0.00",
    ColumnKind.PERCENT: '0.00" %"',
    ColumnKind.COUNT: "#,##0",
    ColumnKind.DATE: "yyyy-mm-dd",
    ColumnKind.MOMENT: "yyyy-mm-dd hh:mm:ss",
}
WIDTHS = {ColumnKind.TEXT: 26, ColumnKind.WORD: 22, ColumnKind.CARD: 22, ColumnKind.MOMENT: 20}
WIDTH = 15
EPOCH = datetime(1970, 1, 1)


def write_excel(
    path: Path, report: Report, outcome: Outcome, visitor: Visitor, described: list[tuple[str, str]]
) -> None:
    """Write a workbook with two sheets: the table, and what it was asked with (`described`, translated)."""
    with xlsxwriter.Workbook(str(path), OPTIONS) as book:
        heading = book.add_format({"bold": True, "text_wrap": True, "bottom": 1})
        formats = {kind: book.add_format({"num_format": form}) for kind, form in FORMATS.items()}
        sums = {kind: book.add_format({"num_format": form, "bold": True, "top": 1}) for kind, form in FORMATS.items()}
        plain = book.add_format({"num_format": "@"})
        title = i18n.translate(report.label)
        sheet = book.add_worksheet(_sheet_name(title))
        sheet.freeze_panes(1, 0)
        for place, column in enumerate(report.columns):
            sheet.set_column(place, place, WIDTHS.get(column.kind, WIDTH))
            sheet.write_string(0, place, i18n.translate(column.label), heading)
        for line, row in enumerate(outcome.rows, 1):
            for place, (column, value) in enumerate(zip(report.columns, row, strict=True)):
                _write(sheet, line, place, column, value, visitor, formats, plain)
        last = len(outcome.rows) + 1
        for place, (column, value) in enumerate(zip(report.columns, outcome.totals, strict=True)):
            if value is not None:
                sheet.write_number(last, place, _number(column, value), sums[column.kind])
        about = book.add_worksheet(_sheet_name(i18n.translate("About")))
        about.set_column(0, 0, 26)
        about.set_column(1, 1, 60)
        for line, (label, value) in enumerate(described):
            about.write_string(line, 0, label, heading)
            about.write_string(line, 1, value, plain)


def _write(
    sheet: Any, line: int, place: int, column: Column, value: Any, visitor: Visitor, formats: Any, plain: Any
) -> None:
    if value is None:
        return
    if column.kind is ColumnKind.DATE:
        if value:
            sheet.write_datetime(line, place, EPOCH + timedelta(days=int(value)), formats[column.kind])
    elif column.kind is ColumnKind.MOMENT:
        sheet.write_datetime(line, place, local(int(value)).replace(tzinfo=None), formats[column.kind])
    elif column.kind in FORMATS:
        sheet.write_number(line, place, _number(column, value), formats[column.kind])
    else:
        sheet.write_string(line, place, plain_text(column, value, visitor), plain)


def _number(column: Column, value: Any) -> float:
    scale = SCALED.get(column.kind, 1)
    return int(value) / scale if scale > 1 else int(value)


def _sheet_name(title: str) -> str:
    kept = "".join(" " if character in "[]:*?/\\" else character for character in title)
    return kept[:SHEET_NAME_CHARACTERS_MAX].strip("' ")
