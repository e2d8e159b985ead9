"""Corporate orders: the list, taking one, and one order with what comes next."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, demand, needs
from admin.documents.reading import names_of
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, bind, fields_of
from admin.models.money import OrderState
from admin.money.kinds import CHANNELS
from admin.money.order_rules import (
    CANCELLED_FROM,
    STATES,
    OrderDesk,
    OrderForm,
    PaymentForm,
    order_seen,
    orders_page,
)
from admin.rights import Action

from .common import PAGE_ROWS, go, is_part_wanted, page, refusal_text, with_query
from .handlers import get
from .ledger_view import number_of

TONES: dict[str, str] = {
    OrderState.SUBMITTED: "warn",
    OrderState.APPROVED: "warn",
    OrderState.PAID: "warn",
    OrderState.ALLOTTED: "warn",
    OrderState.ACTIVATED: "good",
    OrderState.CANCELLED: "bad",
}
ACTS = {
    "approve": Action.APPROVE,
    "pay": Action.CHANGE,
    "cancel": Action.ADD,
    "close": Action.ADD,
}


@get("/orders", guards=[needs("orders")])
def list_orders(
    request: Request[Visitor, Any, Any],
    stage: FromQuery[str] = "",
    buyer: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Orders, newest first."""
    with request.app.state.service.database.read() as session:
        found = orders_page(session, request.user, stage, buyer, number_of(before), PAGE_ROWS)
        names = names_of(session, [order.maker_id for order in found])
    rows = found[:PAGE_ROWS]
    has_more = len(found) > PAGE_ROWS
    return page(
        request,
        "_order_rows.html" if is_part_wanted(request) else "orders.html",
        rows=rows,
        names=names,
        states=STATES,
        tones=TONES,
        stage=stage,
        buyer=buyer,
        is_first=not before,
        may_add=request.user.may("orders", Action.ADD),
        next_address=with_query("/orders", {"stage": stage, "buyer": buyer, "before": rows[-1].id})
        if has_more
        else None,
    )


@get("/orders/new", guards=[needs("orders", Action.ADD)])
def new_order(request: Request[Visitor, Any, Any]) -> Template:
    """The form of an order."""
    return _form_page(request, None, "")


@post("/orders/new", guards=[needs("orders", Action.ADD)], status_code=200)
async def do_new_order(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Take an order."""
    sent = await request.form()
    texts = {name: [str(text) for text in sent.getall(name)] for name in sent}
    return await to_thread.run_sync(_make, request, texts)


@get("/orders/{order_id:int}", guards=[needs("orders")])
def show_order(request: Request[Visitor, Any, Any], order_id: FromPath[int]) -> Template:
    """One order."""
    return _order_page(request, order_id, None, "")


@post("/orders/{order_id:int}/{act:str}", guards=[needs("orders")], status_code=200)
async def do_order(request: Request[Visitor, Any, Any], order_id: FromPath[int], act: FromPath[str]) -> Response[Any]:
    """Approve, confirm the payment, cancel or close."""
    sent = await request.form()
    texts = {name: [str(text) for text in sent.getall(name)] for name in sent}
    return await to_thread.run_sync(_act, request, order_id, act, texts)


HANDLERS: list[Any] = [list_orders, new_order, do_new_order, show_order, do_order]


def _form_page(request: Request[Visitor, Any, Any], bound: Bound[Any] | None, problem: str) -> Template:
    with request.app.state.service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        return page(request, "order_form.html", fields=fields_of(OrderForm, context, bound), problem=problem)


def _make(request: Request[Visitor, Any, Any], texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    with service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        bound = bind(OrderForm, texts, context)
        if bound.value is None:
            return _form_page(request, bound, "")
        try:
            order_id = OrderDesk(service, request.user).make(bound.value, context)
        except RefusedError as error:
            return _form_page(request, bound, refusal_text(error))
    return go(request, f"/orders/{order_id}")


def _order_page(request: Request[Visitor, Any, Any], order_id: int, bound: Bound[Any] | None, problem: str) -> Template:
    visitor, references = request.user, request.app.state.references
    desk = OrderDesk(request.app.state.service, visitor)
    with request.app.state.service.database.read() as session:
        order = order_seen(session, visitor, order_id)
        if order is None:
            raise NotFoundException(detail="There is no such order.")
        context = FormContext(session, visitor, references)
        is_own = order.maker_id == visitor.user_id
        does = visitor.may("orders", Action.ADD)
        return page(
            request,
            "order.html",
            order=order,
            lines=list(order.lines),
            recharge_count=len(order.recharge_rows.split("\n")) if order.recharge_rows.strip() else 0,
            names=names_of(session, [order.maker_id, order.approver_id, order.payer_id]),
            states=STATES,
            tones=TONES,
            channels=CHANNELS,
            problem=problem,
            fields=fields_of(PaymentForm, context, bound),
            may_approve=order.state == OrderState.SUBMITTED and not is_own and visitor.may("orders", Action.APPROVE),
            may_confirm=desk.may_confirm(order),
            may_cancel=order.state in CANCELLED_FROM and does,
            may_issue=order.state == OrderState.PAID and does and not order.recharge_rows.strip(),
            may_recharge=order.state == OrderState.PAID and does and bool(order.recharge_rows.strip()),
            may_activate=order.state == OrderState.ALLOTTED and does,
            may_close=order.state == OrderState.ACTIVATED and does,
        )


def _act(request: Request[Visitor, Any, Any], order_id: int, act: str, texts: dict[str, list[str]]) -> Response[Any]:
    service, visitor = request.app.state.service, request.user
    if act not in ACTS:
        raise NotFoundException(detail="There is no such act.")
    demand(service, visitor, "orders", ACTS[act], request.scope["path"])
    desk = OrderDesk(service, visitor)
    if act == "pay":
        with service.database.read() as session:
            bound = bind(PaymentForm, texts, FormContext(session, visitor, request.app.state.references))
        if bound.value is None:
            return _order_page(request, order_id, bound, "")
        try:
            desk.confirm_payment(order_id, bound.value)
        except RefusedError as error:
            return _order_page(request, order_id, bound, refusal_text(error))
    else:
        {"approve": desk.approve, "cancel": desk.cancel, "close": desk.close}[act](order_id)
    return go(request, f"/orders/{order_id}")
