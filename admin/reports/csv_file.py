"""Reports as CSV: UTF-8 with a mark for Excel, plain numbers, and no cell that a spreadsheet takes for a formula."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from admin import i18n
from admin.access import Visitor
from admin.i18n import moment

from .report import Column, ColumnKind, Report
from .running import Outcome
from .showing import SCALED, plain_text

MEDIA_TYPE = "text/csv; charset=utf-8"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
TEXT_MARK = "'"


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula: a quotation mark before what could be the start of one."""
    return TEXT_MARK + text if text.startswith(FORMULA_STARTS) else text


def write_csv(path: Path, report: Report, outcome: Outcome, visitor: Visitor) -> None:
    """Write headings, rows and, below, the sums."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([guarded(i18n.translate(column.label)) for column in report.columns])
        for row in outcome.rows:
            writer.writerow([_cell(column, value, visitor) for column, value in zip(report.columns, row, strict=True)])
        if any(value is not None for value in outcome.totals):
            writer.writerow(
                [_cell(column, value, visitor) for column, value in zip(report.columns, outcome.totals, strict=True)]
            )


def _cell(column: Column, value: Any, visitor: Visitor) -> str:
    if value is None:
        return ""
    if column.kind in SCALED:
        return f"{Decimal(int(value)).scaleb(-2):f}"
    if column.kind is ColumnKind.COUNT:
        return str(int(value))
    if column.kind is ColumnKind.DATE:
        return date.fromordinal(i18n.FIRST_DATE.toordinal() + int(value)).isoformat() if value else ""
    if column.kind is ColumnKind.MOMENT:
        return moment(int(value))
    return guarded(plain_text(column, value, visitor))
