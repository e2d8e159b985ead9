"""Orders of companies: taken, agreed to by a second person, paid, and only then carried out by a document."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, demand, needs
from admin.forms import FormContext
from admin.models.money import Order as OrderRow
from admin.money.order_rules import OrderDesk, OrderForm, PaymentForm, order_seen, orders_page
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Limit, Number, Page, Text, api_get, api_post, filled, page_of

TAG = "Orders"
ACTS = {"approve": Action.APPROVE, "cancel": Action.ADD, "close": Action.ADD}


class OrderItem(msgspec.Struct):
    """An order as the list shows it."""

    id: int
    state: str
    """submitted, approved, paid, allotted, activated, closed or cancelled."""
    buyer: str
    value_minor: int
    """What the cards get."""
    discount_bp: int
    due_minor: int
    """What the buyer pays."""
    organisation_id: int
    maker_id: int
    made_ms: int


class OrderLineItem(msgspec.Struct):
    """So many cards of a type, with so much value on each."""

    number: int
    card_type: int
    quantity: int
    value_minor: int


class OrderDetails(OrderItem, kw_only=True):
    """One order."""

    invoice_note: str
    lines: list[OrderLineItem]
    recharge_count: int
    """Cards that it recharges, in place of lines."""
    approver_id: int
    approved_ms: int | None
    payer_id: int
    paid_ms: int | None
    payment_channel: int
    payment_reference: str
    issue_document_id: int | None
    """The document that issued or recharged its cards."""


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing needs to be said."""


OrderBody = body_of(OrderForm, "NewOrder")
PaymentBody = body_of(PaymentForm, "PaymentOfOrder")


@api_get("/api/v1/orders", guards=[needs("orders")], tag=TAG)
def list_orders(
    request: Request[Visitor, Any, Any], stage: Text = "", buyer: Text = "", before: Number = None, limit: Limit = 50
) -> Page[OrderItem]:
    """Orders, newest first; `stage` is a state."""
    with request.app.state.service.database.read() as session:
        rows = orders_page(session, request.user, stage, buyer, before, limit)
        return page_of(rows, limit, lambda row: filled(OrderItem, row), lambda row: row.id)


def _make(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Take an order; it waits for a second person."""
    state, form = request.app.state, checked(request, OrderForm, data)
    with state.service.database.read() as session:
        context = FormContext(session, request.user, state.references)
        return Done(str(OrderDesk(state.service, request.user).make(form, context)))


make_order = takes(
    api_post("/api/v1/orders", guards=[needs("orders", Action.ADD)], tag=TAG, pages=("POST /orders/new",)),
    _make,
    OrderBody,
)
get_order_form = form_handler(
    "/api/v1/orders/form", OrderForm, guards=[needs("orders", Action.ADD)], tag=TAG, pages=("GET /orders/new",)
)


@api_get("/api/v1/orders/{order_id:int}", guards=[needs("orders")], tag=TAG)
def get_order(request: Request[Visitor, Any, Any], order_id: FromPath[int]) -> OrderDetails:
    """One order."""
    with request.app.state.service.database.read() as session:
        return _details(_order(request, session, order_id))


def _pay(request: Request[Visitor, Any, Any], order_id: FromPath[int], data: Any) -> OrderDetails:
    """Say that the buyer's money has come, all of it; somebody else than who took the order."""
    service = request.app.state.service
    form = checked(request, PaymentForm, data)
    with service.database.read() as session:
        _order(request, session, order_id)
    OrderDesk(service, request.user).confirm_payment(order_id, form)
    with service.database.read() as session:
        return _details(_order(request, session, order_id))


pay_order = takes(
    api_post("/api/v1/orders/{order_id:int}/pay", guards=[needs("orders", Action.CHANGE)], tag=TAG, status=200),
    _pay,
    PaymentBody,
)


@api_post("/api/v1/orders/{order_id:int}/{act:str}", guards=[needs("orders")], tag=TAG, status=200)
def do_order(
    request: Request[Visitor, Any, Any], order_id: FromPath[int], act: FromPath[str], data: JSONBody[Nothing]
) -> OrderDetails:
    """Approve, cancel or close; each asks for its right: orders.approve, orders.add, orders.add."""
    service, visitor = request.app.state.service, request.user
    if act not in ACTS:
        raise NotFoundException(detail=f"There is no such act; expected one of {', '.join(ACTS)}.")
    demand(service, visitor, "orders", ACTS[act], request.scope["path"])
    with service.database.read() as session:
        _order(request, session, order_id)
    desk = OrderDesk(service, visitor)
    {"approve": desk.approve, "cancel": desk.cancel, "close": desk.close}[act](order_id)
    with service.database.read() as session:
        return _details(_order(request, session, order_id))


def _order(request: Request[Visitor, Any, Any], session: Any, order_id: int) -> OrderRow:
    order = order_seen(session, request.user, order_id)
    if order is None:
        raise NotFoundException(detail="There is no such order.")
    return order


def _details(row: OrderRow) -> OrderDetails:
    return filled(
        OrderDetails,
        row,
        lines=[filled(OrderLineItem, line) for line in row.lines],
        recharge_count=len(row.recharge_rows.split("\n")) if row.recharge_rows.strip() else 0,
    )


HANDLERS = [list_orders, make_order, get_order_form, get_order, pay_order, do_order]
