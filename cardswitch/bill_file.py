"""A bill in a JSON file, for `rules try`, `card backfill` and `device pos sell`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    LINE_COUNT_MAX,
    TENDER_COUNT_MAX,
    BillLine,
    DebitFlag,
    LineFlag,
    Settlement,
    Tender,
    TenderKind,
)

from .form import Form, names_of, read_json

U16_MAX, U64_MAX = 2**16 - 1, 2**64 - 1
I32_MAX = 2**31 - 1
NAME_BYTES_MAX = 600
"""Of an article: 200 Chinese characters, as many as a receipt prints."""

EXAMPLE = """{
  "amount": "18.50",
  "settlement": "card",
  "lines": [
    {"item": 6901028075022, "amount": "12.50", "quantity": "2", "department": 7, "category": 71},
    {"item": 6901028075039, "amount": "6.00", "no_points": true}
  ]
}"""


class Bill(NamedTuple):
    """What is asked to be priced."""

    amount_minor: int
    lines: tuple[BillLine, ...]
    tenders: tuple[Tender, ...]
    flags: int
    settlement: int
    names: tuple[str, ...] = ()
    """Of the lines, for receipts; a line without one is known by its article number."""


def read_bill(path: Path) -> Bill:
    """The bill of a file; `CommandError` with every field that is wrong."""
    top, problems = read_json(path)
    lines = top.forms("lines")
    tenders = top.forms("tenders")
    is_priced = top.flag("priced")
    settlement = top.choice("settlement", names_of(Settlement), 0)
    is_partial = top.flag("partial")
    if len(lines) > LINE_COUNT_MAX:
        problems.add("lines", f"expected at most {LINE_COUNT_MAX}, got {len(lines)}")
    if len(tenders) > TENDER_COUNT_MAX:
        problems.add("tenders", f"expected at most {TENDER_COUNT_MAX}, got {len(tenders)}")
    names = tuple(form.text("name", NAME_BYTES_MAX, "") for form in lines)
    read_lines = tuple(_line(form, is_priced=is_priced) for form in lines)
    read_tenders = tuple(_tender(form) for form in tenders)
    lines_sum = sum(line.amount_minor for line in read_lines)
    default: dict[str, Any] = {"default": 0 if is_priced else lines_sum} if lines else {}
    amount_minor = top.decimal("amount", -AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX, **default)
    top.finish("amount, settlement, priced, partial, lines, tenders")
    problems.raise_if_any()
    flags = (DebitFlag.PRICED if is_priced else 0) | (DebitFlag.PARTIAL if is_partial else 0)
    return Bill(amount_minor, read_lines, read_tenders, flags, settlement, names)


def _line(form: Form, *, is_priced: bool) -> BillLine:
    flags = (LineFlag.NO_DISCOUNT if form.flag("no_discount") else 0) | (
        LineFlag.NO_POINTS if form.flag("no_points") else 0
    )
    default: dict[str, Any] = {"default": 0} if is_priced else {}
    line = BillLine(
        item=form.number("item", 0, U64_MAX, 0),
        amount_minor=form.decimal("amount", -AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX, **default) or 0,
        quantity_milli=form.take("quantity", parse_quantity, 1_000),
        department=form.number("department", 0, U16_MAX, 0),
        category=form.number("category", 0, U16_MAX, 0),
        brand=form.number("brand", 0, U16_MAX, 0),
        flags=flags,
    )
    form.finish("name, item, amount, quantity, department, category, brand, no_discount, no_points")
    return line


def _tender(form: Form) -> Tender:
    tender = Tender(
        kind=form.choice("kind", names_of(TenderKind)) or 0,
        purse=form.number("purse", 0, 255, 0),
        count=form.number("count", 0, 1_000_000, 0),
        amount_minor=form.decimal("amount", 0, AMOUNT_MINOR_MAX, 0),
    )
    form.finish("kind, purse, count, amount")
    return tender


def parse_quantity(value: Any) -> int:
    """`2`, `"0.350"` → thousandths."""
    found = re.fullmatch(r"(-?)(\d+)(?:\.(\d{1,3}))?", str(value))
    if found is None or isinstance(value, bool):
        raise ValueError(f"expected a quantity with at most three places such as 0.350, got {value!r}")
    milli = int(found[2]) * 1000 + int((found[3] or "").ljust(3, "0"))
    if milli > I32_MAX:
        raise ValueError(f"expected a quantity below {I32_MAX // 1000:,}, got {value}")
    return -milli if found[1] else milli
