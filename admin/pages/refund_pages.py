"""A refund by lines: the bill of a sale to tick lines on, with what came back of each before."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template

from admin.access import Visitor, needs
from admin.i18n import translate
from admin.money.rows import plain, scaled
from admin.money.sale_lines import Sale, sale_of
from admin.rights import Action

from .common import go, page
from .handlers import get

SEQUENCE_MAX = (1 << 50) - 1


@get("/sales/{sequence:int}/refund", guards=[needs("money", Action.ADD)])
def show_refund(request: Request[Visitor, Any, Any], sequence: FromPath[int]) -> Template | Response[Any]:
    """The bill; with lines ticked (`?line=2&amount_2=5.00`), on to the document that refunds them."""
    with request.app.state.service.database.read() as session:
        sale = sale_of(session, request.user, sequence) if 0 < sequence <= SEQUENCE_MAX else None
    if sale is None:
        raise NotFoundException(detail="There is no such sale.")
    asked = request.query_params
    ticked = set(asked.getall("line")) if "line" in asked else set()
    typed = {line.number: str(asked.get(f"amount_{line.number}", "")).strip() for line in sale.lines}
    problem = ""
    if "what" in asked:
        chosen = [(number, text) for number, text in typed.items() if str(number) in ticked]
        problem = _problem(sale, chosen)
        if not problem:
            lines = "\n".join(f"{number} {text}" for number, text in chosen)
            return go(request, f"/documents/new/refund-sale?{urlencode({'original': sequence, 'lines': lines})}")
    return page(
        request,
        "refund.html",
        http_status=409 if problem else 200,
        sale=sale,
        rows=[(line, typed[line.number] or plain(line.left_minor), str(line.number) in ticked) for line in sale.lines],
        card=request.user.card_number(sale.entry.card_number),
        reference=request.app.state.references.make(sale.entry.card_number),
        problem=problem,
    )


def _problem(sale: Sale, chosen: list[tuple[int, str]]) -> str:
    if not chosen:
        return translate("Tick the lines that come back.")
    left = {line.number: line.left_minor for line in sale.lines}
    total_minor = 0
    for number, text in chosen:
        amount_minor = scaled(text)
        if amount_minor is None or not 0 < amount_minor <= left[number]:
            return translate("Line {line}: an amount up to {most} is expected.").format(
                line=number, most=plain(left[number])
            )
        total_minor += amount_minor
    if total_minor > sale.left_minor:
        return translate("The card paid {paid}, and these lines come to {total}.").format(
            paid=plain(sale.left_minor), total=plain(total_minor)
        )
    return ""


HANDLERS: list[Any] = [show_refund]
