"""Lists from files: a spreadsheet or CSV becomes lines with tabs, as they would have been pasted."""

from __future__ import annotations

import csv
import io

from python_calamine import CalamineError, CalamineWorkbook

from admin.errors import RefusedError

from .rows import ROWS_MAX

FILE_BYTES_MAX = 4_000_000
"""A spreadsheet of 10,000 lines has about a tenth of it."""
SPREADSHEET_STARTS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
COLUMNS_MAX = 16


def rows_of_file(name: str, content: bytes) -> str:
    """The first sheet as text, without its heading; `RefusedError` for what is no list."""
    if not content:
        raise RefusedError("Choose a file: a spreadsheet or CSV.")
    if len(content) > FILE_BYTES_MAX:
        raise RefusedError("The file is too long: at most {count} lines.", count=ROWS_MAX)
    if content.startswith(SPREADSHEET_STARTS):
        try:
            table = [
                [_text(cell) for cell in row]
                for row in CalamineWorkbook.from_object(io.BytesIO(content)).get_sheet_by_index(0).to_python()
            ]
        except (CalamineError, ValueError, OSError):
            raise RefusedError("{name} cannot be read as a spreadsheet.", name=name) from None
    else:
        table = list(csv.reader(io.StringIO(_decoded(name, content))))
    rows = [[cell.strip() for cell in row[:COLUMNS_MAX]] for row in table if any(cell.strip() for cell in row)]
    if rows and not any(character.isdigit() for character in rows[0][0]):
        del rows[0]
    if len(rows) > ROWS_MAX:
        raise RefusedError("A list has at most {count} lines. Make several documents.", count=ROWS_MAX)
    return "\n".join("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in row) for row in rows)


def _text(cell: object) -> str:
    """A cell as it looks; a number that is whole without its point (spreadsheets know floats only)."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _decoded(name: str, content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise RefusedError("{name} cannot be read: save it as a spreadsheet or as CSV in UTF-8.", name=name)
