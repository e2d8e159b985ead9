"""Purchases that are typed in by hand: noted, changed and deleted, each with a record of what stood there before.

What the switch has booked is not changed here: a till's sale is reversed or
refunded (section 9 of docs/admin.md), and stays in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.consumption import Consumption
from admin.models.members import NAME_LENGTH_MAX, TEXT_LENGTH_MAX, Member
from admin.models.mirror import stores
from admin.models.people import User
from admin.models.sales import goods_names
from admin.service import Service

from .definitions import codes_of
from .records import member_to_change
from .today import today_of
from .totals import business_date

_ = str
MODULE = "members"
AMOUNT_MINOR_MAX = 10**11
"""A thousand million of the currency: what is larger is a typing mistake."""
CHARGES: dict[str, str] = {
    "goods_minor": _("Goods"),
    "service_minor": _("Service"),
    "delivery_minor": _("Delivery"),
    "other_minor": _("Other charges"),
}


def product_choices(context: FormContext) -> dict[int | str, str]:
    """Types of products: the shop's departments under their numbers, and what the code table adds to them."""
    departments = context.session.execute(
        select(goods_names.c.number, goods_names.c.name).where(goods_names.c.kind == "department")
    )
    names = codes_of(context.session, "product", offered_only=True)
    names |= {int(number): name for number, name in departments}
    return dict(sorted(names.items()))


def seller_choices(context: FormContext) -> dict[int | str, str]:
    """Users of the visitor's part who are enabled."""
    rows = context.session.scalars(context.visitor.users_seen(select(User).where(User.is_enabled)).order_by(User.name))
    return {row.id: row.full_name for row in rows}


def store_choices(context: FormContext) -> dict[int | str, str]:
    """Stores of the visitor's part."""
    rows = context.session.execute(context.visitor.stores_seen(select(stores.c.store_id)).order_by(stores.c.store_id))
    return {int(number): str(number) for (number,) in rows}


class ConsumptionForm(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is written down of a purchase."""

    business_date: Annotated[int, entry(_("Day of the purchase"), "date", ge=1)]
    product: Annotated[str, entry(_("Product"), min_length=1, max_length=NAME_LENGTH_MAX)]
    product_kind: Annotated[int, entry(_("Type of product"), "choice", choices=product_choices)] = 0
    quantity_milli: Annotated[
        int,
        entry(_("Quantity (thousandths)"), "integer", hint=_("1000 for one piece or one kilogram."), ge=0, le=10**12),
    ] = 0
    goods_minor: Annotated[int, entry(_("Goods"), "money", ge=0, le=AMOUNT_MINOR_MAX, section=_("Charges"))] = 0
    service_minor: Annotated[int, entry(_("Service"), "money", ge=0, le=AMOUNT_MINOR_MAX)] = 0
    delivery_minor: Annotated[int, entry(_("Delivery"), "money", ge=0, le=AMOUNT_MINOR_MAX)] = 0
    other_minor: Annotated[int, entry(_("Other charges"), "money", ge=0, le=AMOUNT_MINOR_MAX)] = 0
    store_id: Annotated[int, entry(_("Store"), "choice", choices=store_choices, section=_("Where and by whom"))] = 0
    seller_id: Annotated[int, entry(_("Salesperson"), "choice", choices=seller_choices)] = 0
    note: Annotated[str, entry(_("Remark"), max_length=TEXT_LENGTH_MAX)] = ""

    def problems(self) -> Iterator[tuple[str, str]]:
        """A purchase that cost nothing is a typing mistake."""
        if not self.amount_minor:
            yield "goods_minor", translate("Fill in what was charged, at least one of the four.")

    @property
    def amount_minor(self) -> int:
        """What the purchase came to."""
        return self.goods_minor + self.service_minor + self.delivery_minor + self.other_minor


@dataclass(frozen=True, slots=True)
class Noted:
    """A record, whose purchase it was, and who has written it down."""

    row: Consumption
    member: Member
    author: str


def consumption_seen(session: Session, visitor: Visitor, number: int) -> Noted | None:
    """A record, when the visitor may see its member."""
    query: Any = select(Consumption, Member).join(Member, Member.id == Consumption.member_id)
    found = session.execute(visitor.members_seen(query.where(Consumption.id == number))).first()
    if found is None:
        return None
    user = session.get(User, found[0].created_by)
    return Noted(found[0], found[1], user.full_name if user else "")


def form_of(row: Consumption) -> ConsumptionForm:
    """A record as its form."""
    return ConsumptionForm(**{name: getattr(row, name) for name in ConsumptionForm.__struct_fields__})


def add_consumption(service: Service, visitor: Visitor, member_id: int, form: ConsumptionForm) -> int:
    """Write a purchase down; its number."""
    with service.database.write() as session:
        member_to_change(session, visitor, member_id)
        _refuse_later(session, service, form)
        now = service.now()
        row = Consumption(member_id=member_id, created_at=now, created_by=visitor.user_id, changed_at=now)
        _fill(row, form)
        session.add(row)
        session.flush()
        after = msgspec.to_builtins(form)
        service.audit.append(
            session, visitor, MODULE, "add consumption", f"member {member_id}", consumption=row.id, after=after
        )
        return row.id


def change_consumption(service: Service, visitor: Visitor, number: int, version: int, form: ConsumptionForm) -> int:
    """Change a record that nobody has changed since it was read; the member's number."""
    with service.database.write() as session:
        row = _to_change(session, visitor, number)
        if row.version != version:
            raise RefusedError("Somebody else has changed this record meanwhile: open it again.")
        _refuse_later(session, service, form)
        before = msgspec.to_builtins(form_of(row))
        _fill(row, form)
        row.changed_at, row.version = service.now(), row.version + 1
        after = msgspec.to_builtins(form)
        changed = [name for name in after if before[name] != after[name]]
        service.audit.append(
            session,
            visitor,
            MODULE,
            "change consumption",
            f"member {row.member_id}",
            consumption=number,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )
        return row.member_id


def delete_consumption(service: Service, visitor: Visitor, number: int) -> int:
    """Remove a record; what it said stays in the audit log. The member's number."""
    with service.database.write() as session:
        row = _to_change(session, visitor, number)
        before = msgspec.to_builtins(form_of(row))
        session.delete(row)
        service.audit.append(
            session,
            visitor,
            MODULE,
            "delete consumption",
            f"member {row.member_id}",
            consumption=number,
            before=before,
        )
        return row.member_id


def _to_change(session: Session, visitor: Visitor, number: int) -> Consumption:
    row = session.get(Consumption, number)
    if row is None:
        raise RefusedError("There is no such record of a purchase. What a till has sold is refunded, not changed here.")
    member_to_change(session, visitor, row.member_id)
    return row


def _refuse_later(session: Session, service: Service, form: ConsumptionForm) -> None:
    if form.business_date > max(business_date(today_of(session, service)), business_date(service.now().date())):
        raise RefusedError("A purchase lies in the past: its day is at most today.")


def _fill(row: Consumption, form: ConsumptionForm) -> None:
    for name in ConsumptionForm.__struct_fields__:
        setattr(row, name, getattr(form, name))
    row.amount_minor = form.amount_minor
