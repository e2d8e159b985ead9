"""The tree of product classes: departments, and categories below them; tills send their numbers with each line."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.products import Product
from admin.models.sales import NAME_CHARACTERS_MAX, goods_names
from admin.service import Service

MODULE = "products"
NUMBER_MAX = 65_535
"""Bill lines have 16 bits for either."""
_ = str


class ClassKind(enum.StrEnum):
    """A level of the tree."""

    DEPARTMENT = "department"
    CATEGORY = "category"


KINDS: dict[int | str, str] = {ClassKind.DEPARTMENT: _("Department"), ClassKind.CATEGORY: _("Category")}


def department_choices(context: FormContext) -> dict[int | str, str]:
    """Departments by number; 0: none."""
    return _choices(context, ClassKind.DEPARTMENT)


def category_choices(context: FormContext) -> dict[int | str, str]:
    """Categories by number; 0: none."""
    return _choices(context, ClassKind.CATEGORY)


def _choices(context: FormContext, kind: ClassKind) -> dict[int | str, str]:
    found: dict[int | str, str] = {0: translate("None")}
    found.update(named(context.session, kind).items())
    return found


class ClassForm(msgspec.Struct, frozen=True, kw_only=True):
    """A class; the same kind and number again changes it."""

    kind: Annotated[str, entry(_("Level of the tree"), "choice", choices=KINDS)] = ClassKind.DEPARTMENT
    number: Annotated[
        int, entry(_("Class number"), "integer", ge=1, le=NUMBER_MAX, hint=_("As tills send it, and rules ask for it."))
    ]
    name: Annotated[str, entry(_("Name"), min_length=1, max_length=NAME_CHARACTERS_MAX)]
    parent: Annotated[int, entry(_("Department of a category"), "choice", choices=department_choices)] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """A department is at the top."""
        if self.kind == ClassKind.DEPARTMENT and self.parent:
            yield "parent", translate("A department is in no other one.")


@dataclass(frozen=True, slots=True)
class Branch:
    """A department with its categories: (number, name, products)."""

    number: int
    """0: categories of no department."""
    name: str
    product_count: int
    categories: list[tuple[int, str, int]]


def named(session: Session, kind: ClassKind) -> dict[int, str]:
    """Classes of a level: number and `7 Fruit`."""
    names = select(goods_names.c.number, goods_names.c.name).where(goods_names.c.kind == kind)
    rows = session.execute(names.order_by(goods_names.c.number))
    return {number: f"{number} {name}" for number, name in rows}


def tree(session: Session) -> list[Branch]:
    """All classes that have a name."""
    counts = {
        kind: {
            int(number): int(count) for number, count in session.execute(select(column, func.count()).group_by(column))
        }
        for kind, column in ((ClassKind.DEPARTMENT, Product.department), (ClassKind.CATEGORY, Product.category))
    }
    branches = {0: Branch(0, "", counts[ClassKind.DEPARTMENT].get(0, 0), [])}
    rows = session.execute(select(goods_names).order_by(goods_names.c.number)).all()
    for row in rows:
        if row.kind == ClassKind.DEPARTMENT:
            branches[row.number] = Branch(row.number, row.name, counts[ClassKind.DEPARTMENT].get(row.number, 0), [])
    for row in rows:
        if row.kind == ClassKind.CATEGORY:
            branch = branches.get(row.parent, branches[0])
            branch.categories.append((row.number, row.name, counts[ClassKind.CATEGORY].get(row.number, 0)))
    return [*(branch for number, branch in branches.items() if number), branches[0]]


def save_class(service: Service, visitor: Visitor, form: ClassForm) -> None:
    """Name a class, or change it; `RefusedError` when the department is not there."""
    must_see_all(visitor)
    key = (goods_names.c.kind == form.kind, goods_names.c.number == form.number)
    with service.database.write() as session:
        before = session.execute(select(goods_names).where(*key)).first()
        values = {"name": form.name, "parent": form.parent}
        if before is None:
            session.execute(insert(goods_names).values(kind=form.kind, number=form.number, **values))
        else:
            session.execute(update(goods_names).where(*key).values(**values))
        was = {} if before is None else {"name_was": before.name, "parent_was": before.parent}
        service.audit.append(
            session, visitor, MODULE, "save class", f"{form.kind} {form.number}", name=form.name, note=str(was)
        )


def delete_class(service: Service, visitor: Visitor, kind: str, number: int) -> None:
    """Remove a class that no product and no category is in."""
    must_see_all(visitor)
    is_department = kind == ClassKind.DEPARTMENT
    column = Product.department if is_department else Product.category
    with service.database.write() as session:
        row = session.execute(
            select(goods_names).where(goods_names.c.kind == kind, goods_names.c.number == number)
        ).first()
        if row is None:
            raise RefusedError("There is no such class.")
        below = select(goods_names.c.number).where(
            goods_names.c.kind == ClassKind.CATEGORY, goods_names.c.parent == number
        )
        if session.scalar(select(Product.item).where(column == number).limit(1)) is not None:
            raise RefusedError("Products are in this class: move them first.")
        if is_department and session.scalar(below.limit(1)) is not None:
            raise RefusedError("Categories are in this department: move them first.")
        session.execute(delete(goods_names).where(goods_names.c.kind == kind, goods_names.c.number == number))
        service.audit.append(session, visitor, MODULE, "delete class", f"{kind} {number}", name=row.name)


def must_see_all(visitor: Visitor) -> None:
    """The product file is one for the whole group."""
    if not visitor.sees_everything:
        raise RefusedError("The product file is the whole group's: those change it who see all of it.")
