"""The cashier's bills: the list, the editor of a quotation, one bill with its hints and how it goes on."""

from __future__ import annotations

from typing import Any

import msgspec
from anyio import to_thread
from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.cashier.bills import (
    MODULE,
    OPEN,
    STATES,
    WAYS,
    BillDraft,
    bill_seen,
    bills_page,
    cancel_bill,
    lines_of,
    make_bill,
    save_bill,
)
from admin.cashier.figures import figures_of
from admin.cashier.hints import hints_of
from admin.cashier.lines import COLUMNS, LINES_MAX, Column, Line
from admin.documents.reading import names_of
from admin.documents.terminals import link_of
from admin.errors import RefusedError
from admin.forms import read_card
from admin.i18n import translate
from admin.models.cashier import BillState, CashierBill
from admin.models.employees import Employee
from admin.models.members import Member
from admin.models.mirror import accounts, card_types, cards
from admin.models.products import Product
from admin.money.rows import plain, scaled
from admin.rights import Action
from switch.protocol.messages import Settlement
from switch.protocol.receipt_code import format_receipt_code

from .common import PAGE_ROWS, go, is_part_wanted, number_in, page, refusal_text, with_query
from .handlers import get

BLANK_ROWS = 4
PRODUCTS_MAX = 300
"""Of the list that helps while typing; any product can be typed."""
THOUSANDTHS = 3
TONES: dict[str, str] = {
    BillState.BILL: "warn",
    BillState.PAYING: "warn",
    BillState.PAID: "good",
    BillState.CANCELLED: "bad",
}


@get("/cashier", guards=[needs("cashier")])
def list_bills(
    request: Request[Visitor, Any, Any], stage: FromQuery[str] = "", before: FromQuery[str] = ""
) -> Template:
    """Bills of the visitor's part, newest first."""
    with request.app.state.service.database.read() as session:
        found = bills_page(session, request.user, stage, number_in(before), PAGE_ROWS)
        names = names_of(session, [bill.cashier_id for bill in found])
    rows = found[:PAGE_ROWS]
    has_more = len(found) > PAGE_ROWS
    return page(
        request,
        "_cashier_rows.html" if is_part_wanted(request) else "cashier.html",
        rows=rows,
        names=names,
        numbers={bill.id: request.user.card_number(bill.card_number) for bill in rows},
        states=STATES,
        tones=TONES,
        ways=WAYS,
        stage=stage,
        is_first=not before,
        may_add=request.user.may(MODULE, Action.ADD),
        next_address=with_query("/cashier", {"stage": stage, "before": rows[-1].id}) if has_more else None,
    )


@get("/cashier/new", guards=[needs("cashier", Action.ADD)])
def new_bill(request: Request[Visitor, Any, Any], card: FromQuery[str] = "") -> Template:
    """The editor of a new quotation; `?columns=` says which columns it has."""
    return _editor(request, None, {"card": [card], "columns": request.query_params.getall("columns", [])}, "")


@post("/cashier/new", guards=[needs("cashier", Action.ADD)], status_code=200)
async def do_new_bill(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Price a quotation and keep it."""
    return await to_thread.run_sync(_save, request, 0, await _sent(request))


@get("/cashier/{bill_id:int}", guards=[needs("cashier")])
def show_bill(request: Request[Visitor, Any, Any], bill_id: FromPath[int]) -> Template:
    """One bill: its lines, whom it is for, what may be said to him, how it goes on."""
    return _bill_page(request, bill_id, "")


@get("/cashier/{bill_id:int}/change", guards=[needs("cashier", Action.CHANGE)])
def change_bill(request: Request[Visitor, Any, Any], bill_id: FromPath[int]) -> Template:
    """The editor of a quotation that there is."""
    with request.app.state.service.database.read() as session:
        bill = bill_seen(session, request.user, bill_id)
        if bill is None or bill.state != BillState.QUOTATION:
            raise NotFoundException(detail="There is no such quotation.")
    return _editor(request, bill, {}, "")


@post("/cashier/{bill_id:int}/change", guards=[needs("cashier", Action.CHANGE)], status_code=200)
async def do_change_bill(request: Request[Visitor, Any, Any], bill_id: FromPath[int]) -> Response[Any]:
    """Price a quotation anew."""
    return await to_thread.run_sync(_save, request, bill_id, await _sent(request))


@post("/cashier/{bill_id:int}/bill", guards=[needs("cashier", Action.ADD)], status_code=200)
async def do_make_bill(request: Request[Visitor, Any, Any], bill_id: FromPath[int]) -> Response[Any]:
    """The quotation becomes the bill."""

    def act() -> Response[Any]:
        try:
            make_bill(request.app.state.service, request.user, _connect(request), bill_id)
        except RefusedError as error:
            return _bill_page(request, bill_id, refusal_text(error))
        return go(request, f"/cashier/{bill_id}")

    return await to_thread.run_sync(act)


@post("/cashier/{bill_id:int}/cancel", guards=[needs("cashier", Action.CHANGE)], status_code=200)
async def do_cancel_bill(request: Request[Visitor, Any, Any], bill_id: FromPath[int]) -> Response[Any]:
    """Nobody pays it."""
    await to_thread.run_sync(cancel_bill, request.app.state.service, request.user, bill_id)
    return go(request, f"/cashier/{bill_id}")


HANDLERS: list[Any] = [
    list_bills,
    new_bill,
    do_new_bill,
    show_bill,
    change_bill,
    do_change_bill,
    do_make_bill,
    do_cancel_bill,
]


def _connect(request: Request[Visitor, Any, Any]) -> Any:
    service = request.app.state.service
    return lambda store_id: link_of(service.settings, store_id, service.surroundings.random_bytes)


async def _sent(request: Request[Visitor, Any, Any]) -> dict[str, list[str]]:
    sent = await request.form()
    return {name: [str(text) for text in sent.getall(name)] for name in sent}


def _first(texts: dict[str, list[str]], name: str) -> str:
    return (texts.get(name) or [""])[0].strip()


def _columns(texts: dict[str, list[str]]) -> int:
    return sum({int(text) for text in texts.get("columns", []) if text.isdecimal() and int(text) in COLUMNS})


def _rows(texts: dict[str, list[str]]) -> list[dict[str, str]]:
    """Lines of the editor as they were typed; those without a product are left out."""
    names = ("product", "quantity", "staff", "price", "discount")
    count = min(len(texts.get("product", [])), LINES_MAX)
    rows = [
        {name: texts[name][place].strip() if place < len(texts.get(name, [])) else "" for name in names}
        for place in range(count)
    ]
    return [row for row in rows if row["product"]]


def _line(row: dict[str, str], place: int, columns: int) -> Line:
    """One line; `RefusedError` for what cannot be read. A column that is not chosen says nothing."""
    quantity = scaled(row["quantity"] or "1", THOUSANDTHS)
    price = scaled(row["price"]) if columns & Column.PRICE and row["price"] else None
    discount = scaled(row["discount"] or "0") if columns & Column.DISCOUNT else 0
    if quantity is None or discount is None or (price is None and columns & Column.PRICE and row["price"]):
        raise RefusedError("Line {place}: expected amounts such as 12.50 and quantities such as 1.5.", place=place)
    try:
        return msgspec.convert(
            {
                "product": row["product"],
                "quantity_milli": quantity,
                "staff": row["staff"] if columns & Column.STAFF else "",
                "price_minor": price,
                "discount_minor": discount,
            },
            Line,
        )
    except msgspec.ValidationError:
        raise RefusedError("Line {place}: an amount or a quantity is out of bounds.", place=place) from None


def _save(request: Request[Visitor, Any, Any], bill_id: int, texts: dict[str, list[str]]) -> Response[Any]:
    service, columns = request.app.state.service, _columns(texts)
    try:
        try:
            card_number = read_card(_first(texts, "card"), request.app.state.references)
        except ValueError as error:
            raise RefusedError("Card: {why}", why=str(error)) from None
        settlement = int(_first(texts, "settlement") or 0)
        if settlement not in WAYS:
            raise RefusedError("Choose one of the list.")
        lines = tuple(_line(row, place, columns) for place, row in enumerate(_rows(texts), 1))
        draft = BillDraft(
            card_number=card_number,
            settlement=settlement,
            columns=columns,
            remark=_first(texts, "remark"),
            lines=lines,
        )
        saved = save_bill(service, request.user, _connect(request), draft, bill_id)
    except RefusedError as error:
        with service.database.read() as session:
            bill = bill_seen(session, request.user, bill_id) if bill_id else None
        return _editor(request, bill, texts, refusal_text(error))
    except ValueError:
        return _editor(request, None, texts, translate("Choose one of the list."))
    return go(request, f"/cashier/{saved}")


def _editor(
    request: Request[Visitor, Any, Any], bill: CashierBill | None, texts: dict[str, list[str]], problem: str
) -> Template:
    rows = _rows(texts)
    columns, card, settlement, remark = _columns(texts), _first(texts, "card"), _first(texts, "settlement"), ""
    if bill is not None and not texts:
        columns, settlement, remark = bill.columns, str(bill.settlement), bill.remark
        card = request.app.state.references.make(bill.card_number)
        rows = [
            {
                "product": str(line.item),
                "quantity": _thousandths(line.quantity_milli),
                "staff": line.staff,
                "price": "" if line.price_minor is None else plain(line.price_minor),
                "discount": plain(line.discount_minor) if line.discount_minor else "",
            }
            for line in lines_of(bill)
        ]
    with request.app.state.service.database.read() as session:
        on_sale = session.query(Product).filter(Product.is_discontinued.is_(False)).order_by(Product.code)
        products = [(one.item, one.code, one.name, one.specification) for one in on_sale.limit(PRODUCTS_MAX)]
        employees = [
            (one.number, one.full_name)
            for one in session.query(Employee)
            .filter(Employee.left_date == 0)
            .order_by(Employee.number)
            .limit(PRODUCTS_MAX)
        ]
    known = request.app.state.references.read(card)
    return page(
        request,
        "cashier_form.html",
        bill=bill,
        problem=problem,
        card=card,
        card_shown=request.user.card_number(known) if known is not None else "",
        settlement=settlement,
        remark=_first(texts, "remark") or remark,
        ways=WAYS,
        chosen=columns,
        columns=COLUMNS,
        Column=Column,
        rows=[*rows, *[None] * BLANK_ROWS][:LINES_MAX],
        products=products,
        employees=employees,
    )


def _thousandths(value_milli: int) -> str:
    return f"{value_milli / 1000:.3f}".rstrip("0").rstrip(".")


def _bill_page(request: Request[Visitor, Any, Any], bill_id: int, problem: str) -> Template:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        bill = bill_seen(session, visitor, bill_id)
        if bill is None:
            raise NotFoundException(detail="There is no such bill.")
        card = session.query(cards).filter(cards.c.card_number == bill.card_number).first()
        account = card and session.query(accounts).filter(accounts.c.account_number == card.account_number).first()
        type_name = (
            card and session.query(card_types.c.name).filter(card_types.c.code == card.card_type).limit(1).scalar()
        )
        member = session.get(Member, bill.member_id) if bill.member_id else None
        hints = hints_of(session, bill, service.surroundings.now_ms()) if bill.state in OPEN else []
        figures = figures_of(session, bill)
        names = names_of(session, [bill.cashier_id])
        staff = {one.number: one.full_name for one in session.query(Employee)}
    return page(
        request,
        "cashier_bill.html",
        bill=bill,
        lines=lines_of(bill),
        hints=hints,
        figures=figures,
        names=names,
        staff=staff,
        account=account,
        type_name=type_name,
        member=member,
        card_shown=visitor.card_number(bill.card_number),
        reference=request.app.state.references.make(bill.card_number),
        receipt=format_receipt_code(bill.receipt_code) if bill.receipt_code else "",
        states=STATES,
        tones=TONES,
        ways=WAYS,
        columns=bill.columns,
        Column=Column,
        is_cash=bill.settlement != Settlement.CARD,
        problem=problem,
        may_change=bill.state == BillState.QUOTATION and visitor.may(MODULE, Action.CHANGE),
        may_bill=bill.state == BillState.QUOTATION and visitor.may(MODULE, Action.ADD),
        may_pay=bill.state == BillState.BILL and visitor.may(MODULE, Action.ADD),
        may_cancel=bill.state in OPEN and visitor.may(MODULE, Action.CHANGE),
    )
