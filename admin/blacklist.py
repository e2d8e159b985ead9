"""The blacklist as it stands: which cards, since when, through which store, by which document and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, func, select, true
from sqlalchemy.orm import Session

from switch.protocol.card_terms import CardOperation
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType

from .access import Visitor
from .card_search import conditions
from .models.documents import Document, DocumentStep
from .models.journal import entries
from .models.mirror import BLACKLISTED, cards
from .rights import Action


@dataclass(frozen=True, slots=True)
class BlacklistFilter:
    """What a list shows: all filters together."""

    reason: str = ""
    """Within the words of the document."""
    from_date: int = 0
    """Put there on this business date or later."""
    store_id: int | None = None
    """Through a terminal of this store."""


def blacklist(visitor: Visitor, wanted: BlacklistFilter) -> Select[Any]:
    """Cards on the blacklist that the visitor sees, with the entry that put each there last, and its document.

    A walk along the cards that are on it; of each, its own entries.
    """
    put, step = entries.alias("put"), DocumentStep
    last = (
        select(func.max(entries.c.id))
        .where(
            entries.c.card_number == cards.c.card_number,
            entries.c.type == MessageType.OPERATE_CARD,
            entries.c.operation == CardOperation.BLACKLIST,
            entries.c.code == ResponseCode.APPROVED,
        )
        .correlate(cards)
        .scalar_subquery()
    )
    seen = [Document.id == step.document_id]
    if not visitor.sees_everything:
        seen.append(Document.organisation_id.in_(visitor.organisation_ids))
    query = (
        select(
            cards.c.card_number,
            cards.c.status,
            put.c.time_ms,
            put.c.business_date,
            put.c.store_id,
            Document.id.label("document_id"),
            Document.remark,
        )
        .select_from(cards)
        .outerjoin(put, put.c.id == last)
        .outerjoin(step, and_(step.card_number == cards.c.card_number, step.journal_sequence == put.c.sequence))
        .outerjoin(Document, and_(*seen))
        .where(BLACKLISTED)
    )
    if wanted.reason:
        query = query.where(Document.remark.icontains(wanted.reason, autoescape=True))
    if wanted.from_date:
        query = query.where(put.c.business_date >= wanted.from_date)
    if wanted.store_id is not None:
        query = query.where(put.c.store_id == wanted.store_id)
    return visitor.cards_seen(query).order_by(cards.c.card_number)


def blacklist_page(
    session: Session, visitor: Visitor, wanted: BlacklistFilter, *, typed: str, after: int | None, limit: int
) -> list[Row[Any]]:
    """Cards on it behind a number, and whose numbers begin with what was typed; one more than `limit` if more."""
    query = blacklist(visitor, wanted)
    if after is not None:
        query = query.where(cards.c.card_number > after)
    sees = visitor.may("cards", Action.SEE_UNMASKED)
    found: list[Row[Any]] = []
    for span in conditions(cards.c.card_number, typed, sees_unmasked=sees) if typed else [true()]:
        found += session.execute(query.where(span).limit(limit + 1 - len(found))).all()
        if len(found) > limit:
            break
    return found


def blacklist_count(visitor: Visitor) -> Select[Any]:
    """How many cards on it the visitor sees."""
    listed = visitor.cards_seen(select(cards.c.card_number).where(BLACKLISTED))
    return select(func.count()).select_from(listed.subquery())
