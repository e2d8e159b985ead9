"""Lines of a cashier's bill: which columns are filled in, what they say, and the lines that the switch is sent."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Annotated

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.errors import RefusedError
from admin.models.employees import Employee
from admin.models.products import Product
from switch.protocol.messages import BillLine, LineFlag
from switch.protocol.terms import AMOUNT_MINOR_MAX

LINES_MAX = 60
"""Of one bill at a desk; a till's may have 255."""
MILLI = 1000
QUANTITY_MILLI_MAX = 2**31 - 1
PRODUCT_LENGTH_MAX = 80
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
_ = str


class Column(enum.IntFlag):
    """Columns that a cashier may add to product and quantity."""

    STAFF = 1
    PRICE = 2
    DISCOUNT = 4
    SPECIFICATION = 8


COLUMNS: dict[int, str] = {
    Column.STAFF: _("Staff"),
    Column.PRICE: _("Price"),
    Column.DISCOUNT: _("Discount"),
    Column.SPECIFICATION: _("Specification and model"),
}


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line as the cashier fills it in, and what the switch made of it."""

    product: Annotated[str, msgspec.Meta(min_length=1, max_length=PRODUCT_LENGTH_MAX, pattern=NO_CONTROLS)]
    """Article number, product code or whole name."""
    quantity_milli: Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MILLI_MAX)] = MILLI
    staff: Annotated[str, msgspec.Meta(max_length=20, pattern=NO_CONTROLS)] = ""
    """Staff number of who sells it; empty: nobody is named."""
    price_minor: Annotated[int, msgspec.Meta(ge=0, le=AMOUNT_MINOR_MAX)] | None = None
    """Of one; nothing: the price list has it."""
    discount_minor: Annotated[int, msgspec.Meta(ge=0, le=AMOUNT_MINOR_MAX)] = 0
    """That the cashier gives on the line; the switch's rules then give none on it."""
    item: int = 0
    name: str = ""
    specification: str = ""
    department: int = 0
    category: int = 0
    amount_minor: int = 0
    """Quantity times price, before any discount."""
    rule_discount_minor: int = 0
    points_hundredths: int = 0

    @property
    def net_minor(self) -> int:
        """What it comes to."""
        return self.amount_minor - self.discount_minor - self.rule_discount_minor

    def to_send(self, *, is_priced: bool) -> BillLine:
        """The line of the request."""
        return BillLine(
            item=self.item,
            amount_minor=0 if is_priced else self.amount_minor - self.discount_minor,
            quantity_milli=self.quantity_milli,
            department=self.department,
            category=self.category,
            flags=LineFlag.NO_DISCOUNT if self.discount_minor else 0,
            till_discount_minor=self.discount_minor,
        )


def times(price_minor: int, quantity_milli: int) -> int:
    """Price times quantity, half up, as the switch does."""
    return (2 * price_minor * quantity_milli + MILLI) // (2 * MILLI)


def completed(session: Session, lines: Sequence[Line]) -> tuple[tuple[Line, ...], bool]:
    """Lines with what the product file knows, and whether the price list prices them.

    `RefusedError` for a product that is not there, an employee who is not, and prices on some lines only.
    """
    if not 1 <= len(lines) <= LINES_MAX:
        raise RefusedError("A bill of the desk has 1 to {count} lines.", count=LINES_MAX)
    is_priced = all(line.price_minor is None for line in lines)
    found = []
    for place, line in enumerate(lines, 1):
        if not is_priced and line.price_minor is None:
            raise RefusedError("Line {place}: fill in the price of each line, or of none.", place=place)
        if is_priced and line.discount_minor:
            raise RefusedError("Line {place}: a discount by hand needs the price by hand.", place=place)
        product = _product(session, line.product)
        if product is None or product.is_discontinued:
            raise RefusedError("Line {place}: there is no such product on sale: {text}", place=place, text=line.product)
        known = select(Employee.id).where(Employee.number == line.staff)
        if line.staff and session.scalar(known) is None:
            raise RefusedError("Line {place}: there is no employee {number}.", place=place, number=line.staff)
        amount_minor = 0 if line.price_minor is None else times(line.price_minor, line.quantity_milli)
        if line.discount_minor > amount_minor:
            raise RefusedError("Line {place}: the discount is more than the line comes to.", place=place)
        found.append(
            msgspec.structs.replace(
                line,
                item=product.item,
                name=product.name,
                specification=product.specification,
                department=product.department,
                category=product.category,
                amount_minor=amount_minor,
            )
        )
    return tuple(found), is_priced


def _product(session: Session, text: str) -> Product | None:
    text = text.strip()
    if text.isascii() and text.isdecimal() and len(text) < 19 and (found := session.get(Product, int(text))):
        return found
    code = text.split(" ", 1)[0]
    for condition in (Product.code == text, Product.code == code, Product.name == text):
        if (product := session.scalar(select(Product).where(condition).limit(1))) is not None:
            return product
    return None
