"""Bills of the cashier: quoted, made, paid by the document settle-bill; with what may be said to the customer."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.cashier.bills import (
    OPEN,
    WAYS,
    BillDraft,
    bill_seen,
    bills_page,
    cancel_bill,
    lines_of,
    make_bill,
    save_bill,
)
from admin.cashier.figures import BillFigures, figures_of
from admin.cashier.hints import Hint, hints_of
from admin.cashier.lines import LINES_MAX, Column, Line
from admin.documents.terminals import link_of
from admin.errors import RefusedError
from admin.forms import read_card
from admin.models.cashier import REMARK_LENGTH_MAX, CashierBill
from admin.rights import Action

from .handlers import Done, Limit, Number, Page, Text, api_get, api_post, filled, page_of
from .order_api import Nothing

TAG = "Cashier"
NO_ZERO = r"^[^\x00]*$"
ALL_COLUMNS = int(Column.STAFF | Column.PRICE | Column.DISCOUNT | Column.SPECIFICATION)


class BillRecord(msgspec.Struct):
    """A bill as a list has it."""

    id: int
    state: str
    """quotation, bill, paying, paid or cancelled."""
    store_id: int
    cashier_id: int
    card: str
    card_reference: str
    member_id: int
    settlement: int
    """0 card, 1 cash, 6 card and cash."""
    is_priced: bool
    remark: str
    due_minor: int
    points_hundredths: int
    document_id: int
    """That pays it, or tried to; 0: none."""
    journal_sequence: int
    made_ms: int


class BillDetails(msgspec.Struct):
    """One bill; hints as long as it is open."""

    bill: BillRecord
    figures: BillFigures
    lines: list[Line]
    hints: list[Hint]


class BillBody(msgspec.Struct, forbid_unknown_fields=True):
    """A quotation: the card by number or reference, how it will be paid, its lines."""

    card: Annotated[str, msgspec.Meta(max_length=60, pattern=NO_ZERO)]
    lines: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    settlement: int = 0
    remark: Annotated[str, msgspec.Meta(max_length=REMARK_LENGTH_MAX, pattern=NO_ZERO)] = ""


@api_get("/api/v1/cashier", guards=[needs("cashier")], tag=TAG)
def list_bills(
    request: Request[Visitor, Any, Any], stage: Text = "", before: Number = None, limit: Limit = 50
) -> Page[BillRecord]:
    """Bills, newest first; `stage` is a state such as bill."""
    with request.app.state.service.database.read() as session:
        rows = bills_page(session, request.user, stage, before, limit)
        return page_of(rows, limit, lambda row: _record(request, row), lambda row: row.id)


@api_get("/api/v1/cashier/{bill_id:int}", guards=[needs("cashier")], tag=TAG)
def get_bill(request: Request[Visitor, Any, Any], bill_id: FromPath[int]) -> BillDetails:
    """One bill, with promotions about its goods and what the customer may want besides."""
    service = request.app.state.service
    with service.database.read() as session:
        bill = _bill(request, session, bill_id)
        hints = hints_of(session, bill, service.surroundings.now_ms()) if bill.state in OPEN else []
        return BillDetails(_record(request, bill), figures_of(session, bill), list(lines_of(bill)), hints)


@api_post(
    "/api/v1/cashier",
    guards=[needs("cashier", Action.ADD)],
    tag=TAG,
    pages=("POST /cashier/new", "GET /cashier/new"),
)
def make_quotation(request: Request[Visitor, Any, Any], data: JSONBody[BillBody]) -> Done:
    """Price a quotation and keep it."""
    return _save(request, data, 0)


@api_post(
    "/api/v1/cashier/{bill_id:int}/change",
    guards=[needs("cashier", Action.CHANGE)],
    tag=TAG,
    pages=("GET /cashier/{bill_id}/change",),
    status=200,
)
def change_quotation(request: Request[Visitor, Any, Any], bill_id: FromPath[int], data: JSONBody[BillBody]) -> Done:
    """Price a quotation anew."""
    with request.app.state.service.database.read() as session:
        _bill(request, session, bill_id)
    return _save(request, data, bill_id)


@api_post("/api/v1/cashier/{bill_id:int}/bill", guards=[needs("cashier", Action.ADD)], tag=TAG, status=200)
def do_make_bill(request: Request[Visitor, Any, Any], bill_id: FromPath[int], data: JSONBody[Nothing]) -> Done:
    """The quotation becomes the bill; POST /api/v1/documents/settle-bill pays it."""
    with request.app.state.service.database.read() as session:
        _bill(request, session, bill_id)
    make_bill(request.app.state.service, request.user, _connect(request), bill_id)
    return Done(str(bill_id))


@api_post("/api/v1/cashier/{bill_id:int}/cancel", guards=[needs("cashier", Action.CHANGE)], tag=TAG, status=200)
def do_cancel_bill(request: Request[Visitor, Any, Any], bill_id: FromPath[int], data: JSONBody[Nothing]) -> Done:
    """Nobody pays it."""
    with request.app.state.service.database.read() as session:
        _bill(request, session, bill_id)
    cancel_bill(request.app.state.service, request.user, bill_id)
    return Done(str(bill_id))


HANDLERS = [list_bills, get_bill, make_quotation, change_quotation, do_make_bill, do_cancel_bill]


def _connect(request: Request[Visitor, Any, Any]) -> Any:
    service = request.app.state.service
    return lambda store_id: link_of(service.settings, store_id, service.surroundings.random_bytes)


def _save(request: Request[Visitor, Any, Any], data: BillBody, bill_id: int) -> Done:
    try:
        card_number = read_card(data.card, request.app.state.references)
    except ValueError as error:
        raise RefusedError("Card: {why}", why=str(error)) from None
    if data.settlement not in WAYS:
        raise RefusedError("Choose one of the list.")
    draft = BillDraft(
        card_number=card_number,
        settlement=data.settlement,
        columns=ALL_COLUMNS,
        remark=data.remark,
        lines=tuple(data.lines),
    )
    return Done(str(save_bill(request.app.state.service, request.user, _connect(request), draft, bill_id)))


def _bill(request: Request[Visitor, Any, Any], session: Session, bill_id: int) -> CashierBill:
    bill = bill_seen(session, request.user, bill_id)
    if bill is None:
        raise NotFoundException(detail="There is no such bill.")
    return bill


def _record(request: Request[Visitor, Any, Any], bill: CashierBill) -> BillRecord:
    return filled(
        BillRecord,
        bill,
        card=request.user.card_number(bill.card_number),
        card_reference=request.app.state.references.make(bill.card_number),
    )
