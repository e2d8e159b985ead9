"""What belongs to a card's page: documents about it, the cards before and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.card_search import between
from admin.documents.card_planning import run_of
from admin.models.documents import Document, DocumentStep
from admin.models.mirror import cards
from switch.protocol.limits import RANGE_CARDS_MAX

CHAIN_MAX = 20
"""Cards before or after one: a card that was replaced more often is a fault of another kind."""
DOCUMENTS_SHOWN = 10
REACH = RANGE_CARDS_MAX * 10
"""How far before a number a range that holds it may begin, with check digits."""


def documents_about(session: Session, visitor: Visitor, number: int) -> Sequence[Document]:
    """Documents whose requests name a card, alone or within a range, newest first."""
    found: set[int] = set(
        session.scalars(
            select(DocumentStep.document_id)
            .where(DocumentStep.card_number == number)
            .order_by(DocumentStep.document_id.desc())
            .limit(DOCUMENTS_SHOWN * 2)
        )
    )
    for condition in between(DocumentStep.card_number, max(1, number - REACH), number - 1):
        ranges = select(DocumentStep).where(condition, DocumentStep.item_count > 1)
        for step in session.scalars(ranges.order_by(DocumentStep.document_id.desc()).limit(REACH)):
            if number in run_of(step).numbers():
                found.add(step.document_id)
    query = visitor.documents_seen(select(Document).where(Document.id.in_(found)))
    return session.scalars(query.order_by(Document.id.desc()).limit(DOCUMENTS_SHOWN)).all()


def chain_of(session: Session, visitor: Visitor, card: Row[Any]) -> list[Row[Any]]:
    """The cards that a card goes back to, itself, and those that went on after it, oldest first.

    Only within its account: a successor has the account, and whoever sees the card sees those.
    """
    chain = [card]
    while len(chain) < CHAIN_MAX and chain[-1].successor_number:
        following = session.execute(
            visitor.cards_seen(select(cards).where(cards.c.card_number == chain[-1].successor_number))
        ).first()
        if following is None or following in chain:
            break
        chain.append(following)
    before = len(chain)
    while len(chain) < before + CHAIN_MAX and card.account_number:
        older = session.execute(
            visitor.cards_seen(
                select(cards).where(
                    cards.c.account_number == card.account_number, cards.c.successor_number == chain[0].card_number
                )
            ).limit(1)
        ).first()
        if older is None or older in chain:
            break
        chain.insert(0, older)
    return chain
