"""Files of members as they go out: the export of a list, the rows of an import that have faults."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from admin.access import Visitor
from admin.i18n import translate
from admin.rights import Action
from admin.service import Service

from .examined import Examined
from .exporting import Export
from .search import conditions_of
from .sheets import csv_bytes, write_xlsx
from .today import today_of
from .totals import catch_up

CHUNK_BYTES = 1 << 16
FILE_TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class FileMade:
    """A file to be sent."""

    name: str
    media_type: str
    chunks: Iterator[bytes]

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer that carries it."""
        return {"Content-Disposition": f'attachment; filename="{self.name}"', "Cache-Control": "no-store"}


def exported(
    service: Service,
    visitor: Visitor,
    text: str,
    filters: Mapping[str, str],
    form: str,
    *,
    is_whole: bool,
    rows_max: int | None = None,
    tick: Callable[[int, int], None] = lambda _done, _all: None,
) -> FileMade | None:
    """The members of a list as `xlsx` or `csv`, noted; numbers whole only for those who may see them.

    None when it has more than `rows_max` rows. `tick` hears of each portion that is written.
    """
    is_whole = is_whole and visitor.may("members", Action.SEE_UNMASKED)
    catch_up(service.database)
    with service.database.read() as session:
        conditions = conditions_of(session, visitor, filters, today_of(session, service))
        made = Export(service, session, visitor, text, conditions, is_whole=is_whole, tick=tick)
        if rows_max is not None and made.is_longer_than(rows_max):
            return None
        heading = made.heading()
        if form == "csv":
            rows = list(made.rows())
            count = len(rows)
            file = csv_file("members.csv", csv_bytes([heading, *rows]))
        else:
            counted: list[int] = []
            file = workbook("members.xlsx", lambda path: counted.append(write_xlsx(path, heading, made.rows())))
            count = counted[0]
    with service.database.write() as session:
        service.audit.append(
            session,
            visitor,
            "members",
            "export",
            "members",
            rows=count,
            whole=is_whole,
            form=form[:10],
            filters={name: value for name, value in filters.items() if value},
        )
    return file


def faults_file(import_id: int, examined: Examined) -> FileMade:
    """The rows with faults and what is wrong with each: mended, they are a file for another import."""
    messages: dict[int, list[str]] = {}
    for fault in examined.faults:
        messages.setdefault(fault.row, []).append(f"{fault.column}: {fault.message}".strip(": "))
    rows: list[list[str]] = [[*examined.heading, translate("Fault")]]
    rows += [[*examined.rows[row - 2], "; ".join(texts)] for row, texts in sorted(messages.items()) if row > 1]
    return csv_file(f"faults-{import_id}.csv", csv_bytes(rows))


def csv_file(name: str, content: bytes) -> FileMade:
    """A file that is in memory."""
    return FileMade(name, FILE_TYPES["csv"], iter([content]))


def workbook(name: str, write: Callable[[Path], object]) -> FileMade:
    """A workbook is written to a file first, since it cannot be sent while it grows; it goes when it is sent."""
    descriptor, text = tempfile.mkstemp(suffix=".xlsx")
    os.close(descriptor)
    path = Path(text)
    try:
        write(path)
    except BaseException:
        path.unlink()
        raise
    file = path.open("rb")
    path.unlink()  # the open file lives until it is read to its end

    def chunks() -> Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    return FileMade(name, FILE_TYPES["xlsx"], chunks())
