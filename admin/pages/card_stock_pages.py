"""Stock of cards: counts by type and status, by store, by issuing organisation; the newest batches."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.response import Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.cards.stock import COLUMNS, stock_of
from admin.cards.terms import type_names
from admin.documents.reading import names_of
from admin.documents.registry import KINDS
from admin.models.documents import Document
from admin.models.mirror import organisations
from admin.parameters import STOCK_CARDS
from admin.words import STATUSES

from .card_type_pages import today_of
from .common import page
from .document_pages import STATES, TONES
from .handlers import get

BATCHES = ("reserve-numbers", "make-cards", "make-and-issue", "draw-cards", "issue-cards")
BATCHES_SHOWN = 20


@get("/card-stock", guards=[needs("cards")])
def show_stock(request: Request[Visitor, Any, Any]) -> Template:
    """How many cards are where."""
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        stock = stock_of(session, visitor, today_of(session))
        names = type_names(session)
        batches = session.scalars(
            visitor.documents_seen(select(Document).where(Document.kind.in_(BATCHES)))
            .order_by(Document.id.desc())
            .limit(BATCHES_SHOWN)
        ).all()
        makers = names_of(session, [one.maker_id for one in batches])
        nodes = {row.organisation_id: row.name for row in session.execute(select(organisations))}
    return page(
        request,
        "card_stock.html",
        types=sorted(stock.types.values(), key=lambda one: one.card_type),
        stores=sorted(stock.stores.items()),
        organisations=sorted(stock.organisations.items()),
        least=service.parameters.number(STOCK_CARDS, service.now()),
        type_names=names,
        node_names=nodes,
        columns=[(int(status), STATUSES[status]) for status in COLUMNS],
        documents=batches,
        kinds=KINDS,
        document_states=STATES,
        document_tones=TONES,
        names=makers,
    )


HANDLERS: list[Any] = [show_stock]
