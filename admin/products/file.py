"""Products: found, added, changed, discontinued; taken from bills that tills have sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from sqlalchemy import ColumnElement, String, cast, func, insert, literal, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import entry
from admin.models.products import CODE_LENGTH_MAX, TEXT_LENGTH_MAX, UNIT_LENGTH_MAX, Product
from admin.models.sales import bill_lines
from admin.service import Service

from .classes import MODULE, category_choices, department_choices, must_see_all

ITEM_MAX = 2**63 - 1
SOLD, DISCONTINUED = "sold", "discontinued"
_ = str


class ProductForm(msgspec.Struct, frozen=True, kw_only=True):
    """A product."""

    item: Annotated[
        int, entry(_("Article"), "integer", ge=1, le=ITEM_MAX, hint=_("The number that tills send: GTIN or your own."))
    ]
    code: Annotated[
        str,
        entry(_("Product code"), max_length=CODE_LENGTH_MAX, hint=_("Once in the file. Empty: the article number.")),
    ] = ""
    name: Annotated[str, entry(_("Name"), min_length=1, max_length=TEXT_LENGTH_MAX)]
    specification: Annotated[str, entry(_("Specification and model"), max_length=TEXT_LENGTH_MAX)] = ""
    unit: Annotated[str, entry(_("Unit"), max_length=UNIT_LENGTH_MAX)] = ""
    department: Annotated[int, entry(_("Department"), "choice", choices=department_choices)] = 0
    category: Annotated[int, entry(_("Category"), "choice", choices=category_choices)] = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of products is filtered by."""

    text: str = ""
    """A part of code, name or specification; or a whole article number."""
    department: int = 0
    category: int = 0
    state: str = ""
    """sold, discontinued, or both."""


def products_page(session: Session, wanted: Wanted, after: str, limit: int) -> Sequence[Product]:
    """Products by code; one more than `limit` where there are more."""
    query = select(Product).where(Product.code > after).order_by(Product.code).limit(limit + 1)
    if wanted.text:
        pattern = wanted.text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        fields = (Product.code, Product.name, Product.specification)
        conditions: list[ColumnElement[bool]] = [field.ilike(f"%{pattern}%", escape="\\") for field in fields]
        if wanted.text.isascii() and wanted.text.isdecimal() and len(wanted.text) < 19:
            conditions.append(Product.item == int(wanted.text))
        query = query.where(or_(*conditions))
    for column, number in ((Product.department, wanted.department), (Product.category, wanted.category)):
        if number:
            query = query.where(column == number)
    if wanted.state in (SOLD, DISCONTINUED):
        query = query.where(Product.is_discontinued.is_(wanted.state == DISCONTINUED))
    return session.scalars(query).all()


def product_of(session: Session, item: int) -> Product | None:
    """A product by its article number."""
    return session.get(Product, item) if 0 < item <= ITEM_MAX else None


def was_sold(session: Session, item: int) -> bool:
    """Whether a bill names it."""
    return session.scalar(select(bill_lines.c.id).where(bill_lines.c.item == item).limit(1)) is not None


def form_of(product: Product) -> ProductForm:
    """The form of a product that there is."""
    return ProductForm(**{name: getattr(product, name) for name in ProductForm.__struct_fields__})


def save_product(service: Service, visitor: Visitor, form: ProductForm, item: int = 0) -> int:
    """Add a product, or change one (its article number stays); its article number."""
    must_see_all(visitor)
    code = form.code or str(form.item)
    with service.database.write() as session:
        product = session.get(Product, item or form.item)
        if item and product is None:
            raise RefusedError("There is no such product.")
        if not item and product is not None:
            raise RefusedError("There is a product with this article number already.")
        if item and form.item != item:
            raise RefusedError("A product keeps its article number: bills name it by that.")
        twin = select(Product.item).where(Product.code == code, Product.item != form.item)
        with session.no_autoflush:
            if session.scalar(twin) is not None:
                raise RefusedError("There is a product with this code already.")
        before = "" if product is None else f"{product.code} {product.name}"
        if product is None:
            product = Product(item=form.item, made_by=visitor.user_id, made_at=service.now())
            session.add(product)
        for name in ProductForm.__struct_fields__:
            setattr(product, name, getattr(form, name))
        product.code = code
        session.flush()
        action = "change" if item else "add"
        after = f"{code} {form.name}"
        service.audit.append(session, visitor, MODULE, action, f"product {form.item}", before=before, after=after)
    return form.item


def discontinue(service: Service, visitor: Visitor, item: int, *, is_discontinued: bool) -> None:
    """Take a product out of what is sold, or back in; bills go on to name it."""
    must_see_all(visitor)
    with service.database.write() as session:
        product = _existing(session, item)
        product.is_discontinued = is_discontinued
        action = "discontinue" if is_discontinued else "resume"
        service.audit.append(session, visitor, MODULE, action, f"product {item}", name=product.name)


def delete_product(service: Service, visitor: Visitor, item: int) -> None:
    """Remove a product that was never sold; others are discontinued."""
    must_see_all(visitor)
    with service.database.write() as session:
        product = _existing(session, item)
        if was_sold(session, item):
            raise RefusedError("This product was sold: discontinue it, so that bills keep its name.")
        session.delete(product)
        service.audit.append(session, visitor, MODULE, "delete", f"product {item}", name=product.name)


def take_from_bills(service: Service, visitor: Visitor) -> int:
    """Add a product for each article that bills name and the file has not, in its latest class; how many."""
    must_see_all(visitor)
    with service.database.write() as session:
        unknown = (
            select(bill_lines.c.item, func.max(bill_lines.c.id).label("last"))
            # Numbers above 2^63 are kept below 0: no shop has such articles.
            .where(bill_lines.c.item > 0, ~select(Product.item).where(Product.item == bill_lines.c.item).exists())
            .group_by(bill_lines.c.item)
            .subquery()
        )
        text = cast(unknown.c.item, String)
        rows = (
            select(
                unknown.c.item,
                text,
                literal("Article ").concat(text),
                literal(""),
                literal(""),
                bill_lines.c.department,
                bill_lines.c.category,
                literal(False),
                literal(0),
                literal(service.now(), Product.made_at.type),
            )
            .join(bill_lines, bill_lines.c.id == unknown.c.last)
            .where(~select(Product.item).where(Product.code == text).exists())
        )
        names = ["item", "code", "name", "specification", "unit", "department", "category", "is_discontinued"]
        before = session.scalar(select(func.count()).select_from(Product)) or 0
        session.execute(insert(Product).from_select([*names, "made_by", "made_at"], rows))
        count = (session.scalar(select(func.count()).select_from(Product)) or 0) - before
        service.audit.append(session, visitor, MODULE, "take from bills", "products", products=count)
    return count


def _existing(session: Session, item: int) -> Product:
    product = product_of(session, item)
    if product is None:
        raise RefusedError("There is no such product.")
    return product
