"""Prices: the list by article and class; lists of documents filled from a file."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response, post
from litestar.datastructures import UploadFile
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, demand, needs
from admin.documents.registry import KINDS
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, fields_of
from admin.lists.prices import key_of, prices_page
from admin.money.files import FILE_BYTES_MAX, rows_of_file
from admin.rights import Action

from .common import PAGE_ROWS, is_part_wanted, page, refusal_text, with_query
from .handlers import get
from .ledger_view import number_of

KEY_BYTES = 16
LIST_FIELD = "rows"


@get("/prices", guards=[needs("rules")])
def list_prices(
    request: Request[Visitor, Any, Any],
    item: FromQuery[str] = "",
    price_class: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Template:
    """Prices by article, then class."""
    with request.app.state.service.database.read() as session:
        found = prices_page(
            session,
            item=number_of(item),
            price_class=number_of(price_class),
            after=key_of(after),
            limit=PAGE_ROWS,
        )
    rows = found[:PAGE_ROWS]
    has_more = len(found) > PAGE_ROWS
    kept = {"item": item, "price_class": price_class}
    return page(
        request,
        "_price_rows.html" if is_part_wanted(request) else "prices.html",
        rows=rows,
        item=item,
        price_class=price_class,
        is_first=not after,
        may_change=request.user.may("rules", Action.CHANGE),
        next_address=with_query("/prices", {**kept, "after": f"{rows[-1].item}-{rows[-1].price_class}"})
        if has_more
        else None,
    )


@post(
    "/documents/new/{kind_name:str}/file",
    guards=[needs("documents")],
    status_code=200,
    request_max_body_size=FILE_BYTES_MAX + 65_536,
)
async def fill_from_file(request: Request[Visitor, Any, Any], kind_name: FromPath[str]) -> Response[Any]:
    """The form of a kind with its list filled from a spreadsheet or a CSV file; nothing is done yet."""
    sent = await request.form()
    file = sent.get("file")
    content = await file.read() if isinstance(file, UploadFile) else b""
    name = file.filename if isinstance(file, UploadFile) else ""
    return await to_thread.run_sync(_fill, request, kind_name, name, content)


HANDLERS: list[Any] = [list_prices, fill_from_file]


def _fill(request: Request[Visitor, Any, Any], kind_name: str, name: str, content: bytes) -> Template:
    service, kind = request.app.state.service, KINDS.get(kind_name)
    if kind is None or LIST_FIELD not in kind.form.__struct_fields__:
        raise NotFoundException(detail="There is no such kind of document.")
    demand(service, request.user, kind.function, kind.action, request.scope["path"])
    problem, text = "", ""
    try:
        text = rows_of_file(name, content)
    except RefusedError as error:
        problem = refusal_text(error)
    with service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        typed = {field.name: list(field.values) for field in fields_of(kind.form, context)}
        typed[LIST_FIELD] = [text]
        drawn = fields_of(kind.form, context, Bound(None, typed=typed))
    key = service.surroundings.random_bytes(KEY_BYTES).hex()
    return page(request, "document_form.html", kind=kind, fields=drawn, problem=problem, request_key=key, remark="")
