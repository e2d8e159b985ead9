"""Explain this balance: every movement of a card's account, and sums by kind that equal what it holds."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.cards.explaining import explain, movements
from admin.models.mirror import cards
from admin.rights import Action
from admin.words import type_name

from .common import NUMBER_DIGITS_MAX, PAGE_ROWS, is_part_wanted, page, with_query
from .handlers import get


@get("/cards/{reference:str}/balance", guards=[needs("cards"), needs("balances")])
def show_balance(
    request: Request[Visitor, Any, Any], reference: FromPath[str], before: FromQuery[str] = ""
) -> Template:
    """How the balance and the points of a card came about."""
    state, visitor = request.app.state, request.user
    number = state.references.read(reference)
    start = int(before) if before.isdecimal() and len(before) <= NUMBER_DIGITS_MAX else None
    with state.service.database.read() as session:
        card = session.execute(visitor.cards_seen(select(cards).where(cards.c.card_number == (number or 0)))).first()
        if card is None or not card.account_number:
            raise NotFoundException(detail="There is no such card, or it has no account yet.")
        found = movements(session, card.account_number, start, PAGE_ROWS)
        explanation = explain(session, card.account_number)
    if visitor.may("cards", Action.SEE_UNMASKED):
        state.service.audit.looked(visitor, "cards", f"card {reference}")
    rows, has_more = found[:PAGE_ROWS], len(found) > PAGE_ROWS
    return page(
        request,
        "_balance_rows.html" if is_part_wanted(request) else "balance.html",
        reference=reference,
        shown_number=visitor.card_number(card.card_number),
        rows=[(row, type_name(row.type, row.operation)) for row in rows],
        explanation=explanation,
        sums=[(type_name(one.type, one.operation), one) for one in explanation.sums],
        is_first=not before,
        next_address=with_query(f"/cards/{reference}/balance", {"before": rows[-1].id}) if has_more else None,
    )


HANDLERS: list[Any] = [show_balance]
