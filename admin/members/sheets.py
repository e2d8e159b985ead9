"""Spreadsheets, read and written: xlsx, xls, ods and CSV as people send them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook
from xlsxwriter import Workbook

from admin.errors import RefusedError

FILE_BYTES_MAX = 20 * 1024 * 1024
"""A file of 50,000 rows has about 10 MB."""
ROWS_MAX = 50_000
"""Rows of one file: as many as are held in memory while it is looked at and taken over."""
COLUMNS_MAX = 100
CELL_LENGTH_MAX = 2_000
EXCEL_STARTS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""Of xlsx and ods (zip), and of xls."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula (OWASP, CSV injection)."""


def read_sheet(content: bytes) -> list[list[str]]:
    """Rows of the first sheet as texts, the heading first; `RefusedError` for what cannot be read."""
    if len(content) > FILE_BYTES_MAX:
        raise RefusedError("A file has at most {most} megabytes.", most=FILE_BYTES_MAX >> 20)
    rows = _excel(content) if content.startswith(EXCEL_STARTS) else _csv(content)
    found = [row for row in ([_cut(cell) for cell in row[:COLUMNS_MAX]] for row in rows) if any(row)]
    if len(found) < 2:
        raise RefusedError("The file has no rows below its headings.")
    if len(found) - 1 > ROWS_MAX:
        raise RefusedError("A file has at most {most} rows: split it.", most=ROWS_MAX)
    width = len(found[0])
    return [(row + [""] * width)[:width] for row in found]


def _excel(content: bytes) -> list[list[str]]:
    try:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
        return [[_text(cell) for cell in row] for row in sheet.to_python()]
    except (CalamineError, OSError, ValueError, IndexError) as error:
        raise RefusedError("The file cannot be read as a spreadsheet: save it as xlsx or CSV.") from error


def _csv(content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError as error:
            raise RefusedError("The file is neither UTF-8 nor GB18030: save it as xlsx or CSV.") from error
    first = text.partition("\n")[0]
    separator = max((",", "\t", ";"), key=first.count)
    try:
        return list(csv.reader(io.StringIO(text.replace("\0", "")), delimiter=separator))
    except csv.Error as error:
        raise RefusedError("The file cannot be read as CSV: a quotation mark may be missing.") from error


def _text(cell: Any) -> str:
    """A cell as a person reads it: 12.0 is 12, a date has no time."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _cut(cell: str) -> str:
    cell = cell.strip()
    # Our own CSV puts an apostrophe before what would be taken for a formula.
    if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS):
        cell = cell[1:]
    return cell[:CELL_LENGTH_MAX]


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + cell if cell.startswith(FORMULA_STARTS) else cell


def csv_bytes(rows: Iterable[Sequence[str | int | float]]) -> bytes:
    """CSV with the mark by which Excel knows UTF-8; cells that look like formulas are made harmless."""
    target = io.StringIO()
    csv.writer(target, lineterminator="\r\n").writerows(
        [harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return target.getvalue().encode("utf-8-sig")


def write_xlsx(path: Path, heading: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> int:
    """A workbook with a frozen heading; texts stay texts, so that nothing is computed and no number loses digits."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    count = 0
    with Workbook(str(path), {**options, "strings_to_numbers": False}) as workbook:
        sheet = workbook.add_worksheet()
        sheet.freeze_panes(1, 0)
        bold = workbook.add_format({"bold": True})
        for column, text in enumerate(heading):
            sheet.write_string(0, column, text, bold)
        sheet.set_column(0, max(0, len(heading) - 1), 14)
        for count, row in enumerate(rows, 1):
            for column, cell in enumerate(row):
                if isinstance(cell, str):
                    sheet.write_string(count, column, cell)
                else:
                    sheet.write_number(count, column, cell)
    return count
