"""Cards: by state and by the beginning of their number; one card with all that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, select, true
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.card_search import conditions
from admin.models.mirror import accounts, card_limits, card_types, cards, holds, media, pending_points, purses
from admin.references import References
from admin.rights import Action

OTHER_CARDS_MAX = 50
"""Cards of the same account that are named."""


@dataclass(frozen=True, slots=True)
class CardRow:
    """A card as a list shows it."""

    reference: str
    number: str
    status: int
    type_code: int
    type_name: str
    balance_minor: int | None
    expiry_date: int
    organisation_id: int


@dataclass(frozen=True, slots=True)
class CardDetails:
    """One card with its account, purses, limits, holds and media, as rows of the tables; numbers masked."""

    card: Row[Any]
    reference: str
    shown_number: str
    account: Row[Any] | None
    type: Row[Any] | None
    purses: Sequence[Row[Any]]
    limits: Row[Any] | None
    holds: Sequence[Row[Any]]
    waiting: Sequence[Row[Any]]
    media: Sequence[Row[Any]]
    others: list[tuple[str, str]]
    """(reference, number) of cards with the same account."""


def find_cards(
    session: Session,
    visitor: Visitor,
    references: References,
    *,
    typed: str,
    status: int | None,
    after: str,
    limit: int,
) -> tuple[list[CardRow], str | None]:
    """Cards in the order of their numbers, and the key behind which the next page begins."""
    query: Select[Any] = select(cards, accounts.c.balance_minor).outerjoin(
        accounts, accounts.c.account_number == cards.c.account_number
    )
    query = visitor.cards_seen(query).order_by(cards.c.card_number)
    sees_unmasked = visitor.may("cards", Action.SEE_UNMASKED)
    spans = conditions(cards.c.card_number, typed, sees_unmasked=sees_unmasked) if typed else [true()]
    if status is not None:
        query = query.where(cards.c.status == status)
    if (behind := references.read(after)) is not None:
        query = query.where(cards.c.card_number > behind)
    names = {row.code: row.name for row in session.execute(select(card_types.c.code, card_types.c.name))}
    found: list[Row[Any]] = []
    for span in spans:
        found += session.execute(query.where(span).limit(limit + 1 - len(found))).all()
        if len(found) > limit:
            break
    rows = [
        CardRow(
            reference=references.make(row.card_number),
            number=visitor.card_number(row.card_number),
            status=row.status,
            type_code=row.card_type,
            type_name=names.get(row.card_type) or str(row.card_type),
            balance_minor=row.balance_minor,
            expiry_date=row.expiry_date,
            organisation_id=row.issuing_organisation_id,
        )
        for row in found[:limit]
    ]
    return rows, rows[-1].reference if len(found) > limit else None


def card_of(session: Session, visitor: Visitor, references: References, reference: str) -> Row[Any] | None:
    """A card by its reference, when the visitor may see it."""
    number = references.read(reference) or 0
    return session.execute(visitor.cards_seen(select(cards).where(cards.c.card_number == number))).first()


def card_details(session: Session, visitor: Visitor, references: References, reference: str) -> CardDetails | None:
    """One card with all that belongs to it; None when there is none or it is not the visitor's to see."""
    card = card_of(session, visitor, references, reference)
    if card is None:
        return None
    account_number = card.account_number
    type_ = select(card_types).where(card_types.c.code == card.card_type).order_by(card_types.c.from_date.desc())
    others = select(cards.c.card_number).where(
        cards.c.account_number == account_number, cards.c.card_number != card.card_number
    )
    return CardDetails(
        card=card,
        reference=reference,
        shown_number=visitor.card_number(card.card_number),
        account=session.execute(select(accounts).where(accounts.c.account_number == account_number)).first(),
        type=session.execute(type_.limit(1)).first(),
        purses=session.execute(select(purses).where(purses.c.account_number == account_number)).all(),
        limits=session.execute(select(card_limits).where(card_limits.c.card_number == card.card_number)).first(),
        holds=session.execute(select(holds).where(holds.c.account_number == account_number)).all(),
        waiting=session.execute(select(pending_points).where(pending_points.c.account_number == account_number)).all(),
        media=session.execute(select(media).where(media.c.card_number == card.card_number)).all(),
        others=[
            (references.make(other), visitor.card_number(other))
            for other in session.scalars(others.limit(OTHER_CARDS_MAX))
            if account_number
        ],
    )
