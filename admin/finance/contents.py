"""What a document for the books says: lines of a voucher and goods, out of the entries of a date and a store.

Lines of the liability (what cards hold) add up to the change of balances in the ledger, so vouchers can be compared
with it, and debits equal credits in each.  What was taken back is a document of its own with a minus (red letters).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from admin.models.journal import PART_BITS, entries
from admin.models.products import Product
from admin.models.sales import LINE_BITS, baskets, bill_lines
from switch.protocol.messages import MessageType

_ = str
ACCOUNTS: dict[str, tuple[str, str]] = {
    "liability": (_("Value on cards (liability)"), "2203"),
    "revenue": (_("Sales"), "6001"),
    "cash": (_("Cash and bank"), "1001"),
    "gift": (_("Value given away"), "6601"),
    "other": (_("Other movements of value"), "2241"),
}
"""What is booked, with the number of the Chinese chart of accounts that it begins with."""
SALES = (MessageType.DEBIT, MessageType.CAPTURE)
BACK = (MessageType.REVERSAL, MessageType.REFUND)
BASKETS_AT_ONCE = 500
SEQUENCE_MAX = (1 << 52) - 1
"""With `PART_BITS` behind it, it still fits 63 bits."""


class VoucherLine(msgspec.Struct, frozen=True):
    """A line of a voucher; an amount below 0 is written in red on the same side."""

    account: str
    """Key of `ACCOUNTS`."""
    is_debit: bool
    amount_minor: int
    text: str


class GoodsLine(msgspec.Struct, frozen=True):
    """What of one product left the shelf."""

    item: int
    code: str
    name: str
    quantity_milli: int
    amount_minor: int


class Content(msgspec.Struct, frozen=True):
    """A document: the voucher and the goods that belong to it."""

    voucher: list[VoucherLine]
    goods: list[GoodsLine]

    @property
    def value_minor(self) -> int:
        """By what the voucher changes the liability."""
        lines = (line for line in self.voucher if line.account == "liability")
        return sum(-line.amount_minor if line.is_debit else line.amount_minor for line in lines)


class Part(msgspec.Struct, frozen=True):
    """A document before it has a number."""

    is_red: bool
    entry_count: int
    content: Content


def last_sequence(session: Session, date: int, store_id: int, after: int) -> int:
    """The last entry of a date and a store behind another one; 0: there is none."""
    query = select(func.max(entries.c.sequence)).where(*_span(date, store_id, after, SEQUENCE_MAX))
    return int(session.scalar(query) or 0)


def parts_of(session: Session, date: int, store_id: int, after: int, until: int) -> list[Part]:
    """What happened behind `after` up to `until`: one document, and one in red for what was taken back."""
    sign = case((entries.c.value_minor > 0, 1), (entries.c.value_minor < 0, -1), else_=0)
    query = (
        select(
            entries.c.type,
            sign.label("sign"),
            func.sum(case((entries.c.part == 0, 1), else_=0)).label("count"),
            func.sum(case((entries.c.value_minor != 0, entries.c.amount_minor), else_=0)).label("amount"),
            func.sum(entries.c.value_minor).label("value"),
        )
        .where(*_span(date, store_id, after, until))
        .group_by(entries.c.type, sign)
        .order_by(entries.c.type, sign)
    )
    found: dict[bool, list[Any]] = {False: [], True: []}
    for row in session.execute(query):
        found[row.type in BACK].append(row)
    goods = _goods(session, date, store_id, after, until)
    parts = []
    for is_red, rows in found.items():
        content = Content(_voucher(rows), goods.get(is_red, []))
        if rows or content.goods:
            parts.append(Part(is_red, sum(int(row.count) for row in rows), content))
    return parts


def _span(date: int, store_id: int, after: int, until: int) -> tuple[Any, ...]:
    return (
        entries.c.store_id == store_id,
        entries.c.id >= (after + 1) << PART_BITS,
        entries.c.id < (until + 1) << PART_BITS,
        entries.c.business_date == date,
    )


def _voucher(rows: list[Any]) -> list[VoucherLine]:
    """Debits are cash, gifts and what is spent; credits what cards hold and what was sold."""
    sold = paid = held = other = 0
    for row in rows:
        value, amount = int(row.value), int(row.amount)
        is_sale = row.type in SALES or (row.type in BACK and row.sign > 0)
        is_recharge = row.type == MessageType.CREDIT or (row.type in BACK and row.sign < 0)
        if is_sale:
            sold -= value
        elif is_recharge:
            held += value
            paid += amount if value > 0 else -amount
        else:
            other += value
    lines = []
    for account, is_debit, amount, text in (
        ("liability", True, sold, _("Paid by card")),
        ("revenue", False, sold, _("Paid by card")),
        ("cash", True, paid, _("Recharged")),
        ("gift", True, held - paid, _("Given on top")),
        ("liability", False, held, _("Recharged")),
        ("other", True, other, _("Other movements")),
        ("liability", False, other, _("Other movements")),
    ):
        if amount:
            lines.append(VoucherLine(account, is_debit, amount, text))
    return lines


def _goods(session: Session, date: int, store_id: int, after: int, until: int) -> dict[bool, list[GoodsLine]]:
    query = (
        select(baskets.c.sequence, baskets.c.original_sequence)
        .where(
            baskets.c.business_date == date,
            baskets.c.store_id == store_id,
            baskets.c.sequence > after,
            baskets.c.sequence <= until,
        )
        .order_by(baskets.c.sequence)
    )
    sums: dict[bool, dict[int, list[int]]] = {False: {}, True: {}}
    rows = session.execute(query).all()
    is_red = {int(row.sequence): bool(row.original_sequence) for row in rows}
    numbers = list(is_red)
    for start in range(0, len(numbers), BASKETS_AT_ONCE):
        part = numbers[start : start + BASKETS_AT_ONCE]
        lines = select(bill_lines).where(
            bill_lines.c.id >= part[0] << LINE_BITS, bill_lines.c.id < (part[-1] + 1) << LINE_BITS
        )
        for line in session.execute(lines):
            red = is_red.get(line.id >> LINE_BITS)  # entries of other stores lie between them
            if red is not None and line.item:
                found = sums[red].setdefault(int(line.item), [0, 0])
                found[0] += line.quantity_milli
                found[1] += line.amount_minor
    names = _names(session, sorted({*sums[False], *sums[True]}))
    return {
        red: [GoodsLine(item, *names.get(item, ("", "")), *found) for item, found in sorted(items.items())]
        for red, items in sums.items()
    }


def _names(session: Session, items: list[int]) -> Mapping[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    for start in range(0, len(items), BASKETS_AT_ONCE):
        query = select(Product.item, Product.code, Product.name).where(
            Product.item.in_(items[start : start + BASKETS_AT_ONCE])
        )
        found |= {int(item): (code, name) for item, code, name in session.execute(query)}
    return found
