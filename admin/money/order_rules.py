"""Corporate orders: taken, agreed to by a second person, paid, and only then carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.money import Order, OrderLine, OrderState
from admin.points.void_kinds import type_choices
from admin.rights import Action
from admin.service import Service
from switch.protocol.terms import AMOUNT_MINOR_MAX

from .kinds import CHANNELS
from .rows import rows_of, scaled, whole

BASIS_POINTS = 10_000
QUANTITY_MAX = 10_000
_ = str
STATES: dict[str, str] = {
    OrderState.DRAFT: _("Draft"),
    OrderState.SUBMITTED: _("Waits for a second person"),
    OrderState.APPROVED: _("Waits for the payment"),
    OrderState.PAID: _("Paid"),
    OrderState.ALLOTTED: _("Cards issued"),
    OrderState.ACTIVATED: _("Ready to use"),
    OrderState.CLOSED: _("Closed"),
    OrderState.CANCELLED: _("Cancelled"),
}
LINES_HINT = _("One line each: card type, number of cards, value of each. Numbers of types stand on their page.")
CANCELLED_FROM = (OrderState.DRAFT, OrderState.SUBMITTED, OrderState.APPROVED)
GONE_ON = "Somebody else has gone on with this order. Look at it again."


class OrderForm(msgspec.Struct, frozen=True, kw_only=True):
    """What a company orders: cards by type, or recharges of cards that it has."""

    buyer: Annotated[str, entry(_("Buyer"), min_length=2, max_length=100)]
    lines: Annotated[str, entry(_("Cards"), "area", hint=LINES_HINT)] = ""
    recharges: Annotated[
        str,
        entry(_("Or recharges"), "card_rows", hint=_("One card per line: number, amount. Instead of new cards.")),
    ] = ""
    discount_bp: Annotated[int, entry(_("Discount"), "percent", ge=0, le=BASIS_POINTS, hint=_("In percent."))] = 0
    invoice_note: Annotated[
        str, entry(_("Invoice"), max_length=200, hint=_("Title, tax number and what else it must say."))
    ] = ""

    def problems(self) -> Iterator[tuple[str, str]]:
        """Either cards or recharges."""
        if bool(self.lines.strip()) == bool(self.recharges.strip()):
            yield "lines", translate("Fill in either cards or recharges.")


class PaymentForm(msgspec.Struct, frozen=True, kw_only=True):
    """The buyer's money has come."""

    received_minor: Annotated[int, entry(_("Amount received"), "money", ge=0, le=10**14)]
    channel: Annotated[int, entry(_("Paid by"), "choice", choices=CHANNELS)]
    reference: Annotated[str, entry(_("Reference of the payment"), max_length=60)] = ""


def orders_seen(visitor: Visitor, query: Select[Any]) -> Select[Any]:
    """A question about orders: those of the visitor's part of the organisation."""
    return query if visitor.sees_everything else query.where(Order.organisation_id.in_(visitor.organisation_ids))


def order_seen(session: Session, visitor: Visitor, order_id: int) -> Order | None:
    """An order, when the visitor may see it."""
    found: Order | None = session.scalar(orders_seen(visitor, select(Order).where(Order.id == order_id)))
    return found


def orders_page(
    session: Session, visitor: Visitor, state: str, buyer: str, before: int | None, limit: int
) -> Sequence[Order]:
    """Orders, newest first; one more than `limit` where there are more."""
    query = orders_seen(visitor, select(Order)).order_by(Order.id.desc()).limit(limit + 1)
    if state:
        query = query.where(Order.state == state)
    if buyer:
        query = query.where(Order.buyer.contains(buyer, autoescape=True))
    if before is not None:
        query = query.where(Order.id < before)
    return session.scalars(query).all()


def order_choices(*states: OrderState) -> Callable[[FormContext], Mapping[int | str, str]]:
    """Choices of a form: orders in these states that the visitor sees."""

    def choices(context: FormContext) -> Mapping[int | str, str]:
        query = orders_seen(context.visitor, select(Order).where(Order.state.in_(states))).order_by(Order.id.desc())
        return {order.id: f"{order.id} {order.buyer}" for order in context.session.scalars(query.limit(200))}

    return choices


class OrderDesk:
    """What people do with orders."""

    def __init__(self, service: Service, visitor: Visitor) -> None:
        self._service = service
        self._visitor = visitor

    def make(self, form: OrderForm, context: FormContext) -> int:
        """A new order that waits for a second person; its number."""
        lines = list(order_lines(form.lines, context))
        value_minor = sum(line.quantity * line.value_minor for line in lines)
        if form.recharges.strip():
            value_minor = sum(_recharge_amounts(form.recharges))
        discount_minor = value_minor * form.discount_bp // BASIS_POINTS
        with self._service.database.write() as session:
            order = Order(
                state=OrderState.SUBMITTED,
                buyer=form.buyer,
                invoice_note=form.invoice_note,
                recharge_rows=form.recharges,
                value_minor=value_minor,
                discount_bp=form.discount_bp,
                due_minor=value_minor - discount_minor,
                organisation_id=self._visitor.organisation_id,
                maker_id=self._visitor.user_id,
                made_at=self._service.now(),
                lines=lines,
            )
            session.add(order)
            session.flush()
            self._note(session, order, "submit", due=order.due_minor)
            return order.id

    def approve(self, order_id: int) -> None:
        """Agree as the second person; now the buyer pays."""
        with self._service.database.write() as session:
            order = self._in(session, order_id, OrderState.SUBMITTED)
            self._must_be_other(order)
            order.state, order.approver_id, order.approved_at = (
                OrderState.APPROVED,
                self._visitor.user_id,
                self._service.now(),
            )
            self._note(session, order, "approve")

    def confirm_payment(self, order_id: int, form: PaymentForm) -> None:
        """The money is there, all of it; said by somebody else than who took the order."""
        with self._service.database.write() as session:
            order = self._in(session, order_id, OrderState.APPROVED)
            self._must_be_other(order)
            if form.received_minor != order.due_minor:
                raise RefusedError("Expected exactly what is due. Change the order or wait for the rest.")
            order.state, order.payer_id, order.paid_at = OrderState.PAID, self._visitor.user_id, self._service.now()
            order.payment_channel, order.payment_reference = form.channel, form.reference
            self._note(session, order, "confirm payment", received=form.received_minor, reference=form.reference)

    def cancel(self, order_id: int) -> None:
        """Before it is paid; afterwards its cards are returned."""
        with self._service.database.write() as session:
            order = self._in(session, order_id, *CANCELLED_FROM)
            order.state = OrderState.CANCELLED
            self._note(session, order, "cancel")

    def close(self, order_id: int) -> None:
        """Nothing is left to do."""
        with self._service.database.write() as session:
            order = self._in(session, order_id, OrderState.ACTIVATED)
            order.state = OrderState.CLOSED
            self._note(session, order, "close")

    def may_confirm(self, order: Order) -> bool:
        """Whether the visitor may say that the money is there."""
        return (
            order.state == OrderState.APPROVED
            and order.maker_id != self._visitor.user_id
            and self._visitor.may("orders", Action.CHANGE)
        )

    def _in(self, session: Session, order_id: int, *states: OrderState) -> Order:
        query = orders_seen(self._visitor, select(Order).where(Order.id == order_id)).with_for_update()
        order: Order | None = session.scalar(query)
        if order is None:
            raise RefusedError("There is no such order.")
        if order.state not in states:
            raise RefusedError(GONE_ON)
        return order

    def _must_be_other(self, order: Order) -> None:
        if order.maker_id == self._visitor.user_id:
            raise RefusedError("A second person must agree: nobody checks what he made himself.")

    def _note(self, session: Session, order: Order, action: str, **detail: Any) -> None:
        self._service.audit.append(session, self._visitor, "orders", action, f"order {order.id}", **detail)


def order_lines(text: str, context: FormContext) -> Iterator[OrderLine]:
    """Lines of an order as people type them; `RefusedError` for one that cannot be read."""
    types = type_choices(context)
    for number, (line, parts) in enumerate(rows_of(text), 1):
        code, quantity = whole(parts[0]), whole(parts[1]) if len(parts) > 1 else None
        value_minor = scaled(parts[2]) if len(parts) == 3 else None
        if code is None or quantity is None or value_minor is None or not 0 <= value_minor <= AMOUNT_MINOR_MAX:
            raise RefusedError("Expected card type, number of cards and value, got: {line}", line=line)
        if code not in types:
            raise RefusedError("There is no card type {code}.", code=code)
        if not 1 <= quantity <= QUANTITY_MAX:
            raise RefusedError("An order has 1 to {count} cards per line.", count=QUANTITY_MAX)
        yield OrderLine(number=number, card_type=code, quantity=quantity, value_minor=value_minor)


def _recharge_amounts(text: str) -> Iterator[int]:
    for _line, parts in rows_of(text):
        amount_minor = scaled(parts[1]) if len(parts) > 1 else None
        if amount_minor is None or not 0 < amount_minor <= AMOUNT_MINOR_MAX:
            raise RefusedError("Expected a card and an amount in every line.")
        yield amount_minor
