"""A sale with the lines of its bill and what was refunded of each, for those who give goods back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, func, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.models.journal import entries
from admin.models.products import Product
from admin.models.sales import LINE_BITS, baskets, bill_lines, goods_names
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType

APPROVED = (ResponseCode.APPROVED, ResponseCode.PARTIAL)
SALES = (MessageType.DEBIT, MessageType.CAPTURE)
LINES = 1 << LINE_BITS


@dataclass(frozen=True, slots=True)
class SaleLine:
    """A line of a bill; `number` counts from 1, amounts are before the switch's discount."""

    number: int
    item: int
    name: str
    """Of the product file; empty: it does not know the article."""
    department: int
    department_name: str
    category: int
    category_name: str
    quantity_milli: int
    amount_minor: int
    refunded_minor: int

    @property
    def left_minor(self) -> int:
        """What may still come back, when the line had no discount."""
        return max(0, self.amount_minor - self.refunded_minor)


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale, what came back of it, and its lines; none when the bill came without."""

    entry: Row[Any]
    discount_minor: int
    refunded_minor: int
    is_undone: bool
    """It was reversed: nothing is left to refund."""
    is_refunded_whole: bool
    """A part was refunded of the bill as a whole: then lines cannot be refunded any more."""
    lines: tuple[SaleLine, ...]

    @property
    def left_minor(self) -> int:
        """What the card paid and has not got back."""
        return 0 if self.is_undone else max(0, int(self.entry.amount_minor) - self.refunded_minor)

    @property
    def is_refunded_by_lines(self) -> bool:
        """Lines were refunded: then the bill as a whole cannot be."""
        return any(line.refunded_minor for line in self.lines)


def sale_entry(session: Session, visitor: Visitor, sequence: int) -> Row[Any] | None:
    """The entry of an approved sale or capture that the visitor sees."""
    query = visitor.entries_seen(select(entries).where(entries.c.sequence == sequence, entries.c.part == 0))
    found = session.execute(query).first()
    return found if found is not None and found.type in SALES and found.code in APPROVED else None


def sale_of(session: Session, visitor: Visitor, sequence: int) -> Sale | None:
    """A sale with its lines, as far as the follower has heard."""
    entry = sale_entry(session, visitor, sequence)
    if entry is None:
        return None
    back = session.execute(select(baskets).where(baskets.c.original_sequence == sequence)).all()
    own = session.execute(select(baskets).where(baskets.c.sequence == sequence)).first()
    refunded = {
        number: int(amount_minor)
        for number, amount_minor in session.execute(
            select(bill_lines.c.id % LINES, func.sum(-bill_lines.c.amount_minor))
            .join(baskets, baskets.c.sequence == bill_lines.c.id // LINES)
            .where(baskets.c.original_sequence == sequence, baskets.c.type == MessageType.REFUND)
            .group_by(bill_lines.c.id % LINES)
        )
    }
    line_count = own.line_count if own is not None else 0
    return Sale(
        entry,
        own.discount_minor if own is not None else 0,
        sum(-row.amount_minor for row in back),
        any(row.type == MessageType.REVERSAL for row in back),
        any(number >= line_count for number in refunded),
        tuple(_lines(session, sequence, refunded)) if line_count else (),
    )


def _lines(session: Session, sequence: int, refunded: dict[int, int]) -> list[SaleLine]:
    department, category = goods_names.alias(), goods_names.alias()
    first = sequence << LINE_BITS
    query = (
        select(
            bill_lines,
            func.coalesce(Product.name, "").label("product_name"),
            func.coalesce(department.c.name, "").label("department_name"),
            func.coalesce(category.c.name, "").label("category_name"),
        )
        .outerjoin(Product, Product.item == bill_lines.c.item)
        .outerjoin(department, and_(department.c.kind == "department", department.c.number == bill_lines.c.department))
        .outerjoin(category, and_(category.c.kind == "category", category.c.number == bill_lines.c.category))
        .where(bill_lines.c.id.between(first, first + LINES - 1))
        .order_by(bill_lines.c.id)
    )
    return [
        SaleLine(
            number=row.id - first + 1,
            item=row.item,
            name=row.product_name,
            department=row.department,
            department_name=row.department_name,
            category=row.category,
            category_name=row.category_name,
            quantity_milli=row.quantity_milli,
            amount_minor=row.amount_minor,
            refunded_minor=refunded.get(row.id - first, 0),
        )
        for row in session.execute(query)
    ]
