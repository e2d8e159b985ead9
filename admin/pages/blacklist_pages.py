"""The blacklist: who is on it, since when, through which store, why; on and off it by documents."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template
from sqlalchemy import and_, func, select, true

from admin.access import Visitor, needs
from admin.card_search import conditions
from admin.models.documents import Document, DocumentStep
from admin.models.journal import entries
from admin.models.mirror import BLACKLISTED, cards
from admin.rights import Action
from admin.words import STATUSES
from switch.protocol.card_terms import CardOperation
from switch.protocol.messages import MessageType

from .common import PAGE_ROWS, is_part_wanted, page, with_query
from .handlers import get


@get("/blacklist", guards=[needs("blacklist")])
def list_blacklist(request: Request[Visitor, Any, Any], q: FromQuery[str] = "", after: FromQuery[str] = "") -> Template:
    """Cards on the blacklist that the visitor sees, by number; since when, through which store and why."""
    visitor, references = request.user, request.app.state.references
    listed = visitor.cards_seen(select(cards.c.card_number, cards.c.status).where(BLACKLISTED))
    sees = visitor.may("cards", Action.SEE_UNMASKED)
    query = listed.order_by(cards.c.card_number)
    if (behind := references.read(after) if after else None) is not None:
        query = query.where(cards.c.card_number > behind)
    found: list[Any] = []
    with request.app.state.service.database.read() as session:
        for span in conditions(cards.c.card_number, q, sees_unmasked=sees) if q else [true()]:
            found += session.execute(query.where(span).limit(PAGE_ROWS + 1 - len(found))).all()
            if len(found) > PAGE_ROWS:
                break
        rows = [_row(session, visitor, references, row) for row in found[:PAGE_ROWS]]
        count = session.scalar(select(func.count()).select_from(listed.subquery()))
    last = found[PAGE_ROWS - 1].card_number if len(found) > PAGE_ROWS else None
    more = {"q": q, "after": references.make(last) if last else ""}
    return page(
        request,
        "_blacklist_rows.html" if is_part_wanted(request) else "blacklist.html",
        rows=rows,
        count=count,
        q=q,
        statuses=STATUSES,
        is_first=not after,
        next_address=with_query("/blacklist", more) if last else None,
    )


HANDLERS: list[Any] = [list_blacklist]


def _row(session: Any, visitor: Visitor, references: Any, card: Any) -> dict[str, Any]:
    """A card with the entry that put it there, and the document behind it."""
    put = session.execute(
        select(entries)
        .where(
            entries.c.card_number == card.card_number,
            entries.c.type == MessageType.OPERATE_CARD,
            entries.c.operation == CardOperation.BLACKLIST,
            entries.c.code == 0,
        )
        .order_by(entries.c.id.desc())
        .limit(1)
    ).first()
    document = None
    if put is not None:
        query: Any = select(Document.id, Document.remark).join(
            DocumentStep,
            and_(DocumentStep.document_id == Document.id, DocumentStep.journal_sequence == put.sequence),
        )
        query = query.where(DocumentStep.card_number == card.card_number)
        document = session.execute(visitor.documents_seen(query)).first()
    return {
        "card": visitor.card_number(card.card_number),
        "reference": references.make(card.card_number),
        "status": card.status,
        "time_ms": put.time_ms if put is not None else 0,
        "store_id": put.store_id if put is not None else 0,
        "document": document,
    }
