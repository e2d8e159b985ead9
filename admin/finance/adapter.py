"""How documents reach the books: an interface, and files in a folder as the way that every installation has.

The files follow the exchange format for vouchers of Kingdee K3 (its field names: FDATE, FACCTID, FDEBIT, …), and a list
of goods with the same key.  What is assumed, and is to be agreed with whoever runs K3: CSV in UTF-8 with a byte order
mark, one voucher per file, amounts in whole units with two decimals, red letters as amounts below 0 on their usual
side, the voucher's number given by K3.  K3, or the person who imports, answers with a file of the same key:
`KEY.ok`, or `KEY.err` whose first line is the reason.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from admin.i18n import FIRST_DATE, catalog

from .contents import Content

OUT, IN = "out", "in"
REASON_LENGTH_MAX = 500
VOUCHER_FIELDS = (
    *("FDATE", "FTRANSDATE", "FPERIOD", "FGROUP", "FNUM", "FENTRYID", "FEXP", "FACCTID", "FTRANSID", "FCYID"),
    *("FEXCHRATE", "FDC", "FFCYAMT", "FDEBIT", "FCREDIT"),
)
GOODS_FIELDS = ("FTRANSID", "FDATE", "FSTORE", "FITEM", "FITEMCODE", "FITEMNAME", "FQTY", "FAMOUNT")
LANGUAGE = "zh"
"""Of the explanations of lines: that of K3."""
VOUCHER_GROUP = "记"
"""General voucher: the group that every chart of K3 has."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A document that is handed over."""

    date: int
    store_id: int
    number: int
    is_red: bool
    content: Content
    accounts: Mapping[str, str]
    currency: str

    @property
    def key(self) -> str:
        """Date, store and number: the books take each key once."""
        return key_of(self.date, self.store_id, self.number)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the books say to a document."""

    is_taken: bool
    reason: str
    mark: str
    """Differs from that of any earlier answer."""


class Books(Protocol):
    """Where documents go."""

    def send(self, document: Outgoing) -> None:
        """Hand a document over; the same one again changes nothing. `OSError` when that is not possible now."""

    def answer(self, key: str) -> Answer | None:
        """The last answer to a document; None: there is none yet."""


def key_of(date: int, store_id: int, number: int) -> str:
    """Date, store and number of a document as one word, fit for a file's name."""
    return f"{FIRST_DATE + timedelta(days=date):%Y%m%d}-{store_id}-{number}"


class Folder:
    """Books behind a folder: `out` has what is to be imported, `in` what was answered."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, document: Outgoing) -> None:
        """Write goods, then the voucher: who sees the voucher has both."""
        folder = self._path / OUT
        folder.mkdir(parents=True, exist_ok=True)
        if document.content.goods:
            _write(folder / f"{document.key}.goods.csv", GOODS_FIELDS, _goods(document))
        _write(folder / f"{document.key}.voucher.csv", VOUCHER_FIELDS, _voucher(document))

    def answer(self, key: str) -> Answer | None:
        """Read the file that has the key."""
        for name, is_taken in ((f"{key}.ok", True), (f"{key}.err", False)):
            path = self._path / IN / name
            try:
                state = path.stat()
                lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            except FileNotFoundError:
                continue
            reason = lines[0][:REASON_LENGTH_MAX] if lines and not is_taken else ""
            return Answer(is_taken, reason, f"{name[-3:]} {state.st_mtime_ns} {state.st_size}")
        return None


def _write(path: Path, fields: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    """Whole or not at all, and there after a power cut: the name appears when the bytes are on the disk."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(fields)
    writer.writerows(rows)
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(text.getvalue().encode("utf-8-sig"))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _voucher(document: Outgoing) -> Iterable[tuple[Any, ...]]:
    day = FIRST_DATE + timedelta(days=document.date)
    for n, line in enumerate(document.content.voucher):
        amount = _units(line.amount_minor)
        debit, credit = (amount, "0.00") if line.is_debit else ("0.00", amount)
        yield (
            *(day.isoformat(), day.isoformat(), day.month, VOUCHER_GROUP, document.number, n),
            *(
                f"{document.key} {catalog(LANGUAGE).gettext(line.text)}",
                document.accounts[line.account],
                document.key,
                document.currency,
                1,
            ),
            *(int(line.is_debit), amount, debit, credit),
        )


def _goods(document: Outgoing) -> Iterable[tuple[Any, ...]]:
    day = FIRST_DATE + timedelta(days=document.date)
    for line in document.content.goods:
        quantity = str(Decimal(line.quantity_milli).scaleb(-3))
        names = [text if not text.startswith(("=", "+", "-", "@")) else f"'{text}" for text in (line.code, line.name)]
        yield document.key, day.isoformat(), document.store_id, line.item, *names, quantity, _units(line.amount_minor)


def _units(amount_minor: int) -> str:
    return str(Decimal(amount_minor).scaleb(-2))
