"""Cards: by what they are, by the beginning of their number, by their member; one card with all that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select, true
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.card_search import DIGITS_MAX, DIGITS_MIN, between, conditions, digits_of
from admin.cards.history import chain_of
from admin.cards.terms import type_names, versions_of
from admin.cards.types import version_in_force
from admin.members.holdings import member_of
from admin.members.search import held_by_named
from admin.models.journal import daily_totals
from admin.models.members import Member
from admin.models.mirror import (
    IN_CUSTODY,
    NOT_ACTIVE,
    accounts,
    card_limits,
    cards,
    holds,
    media,
    pending_points,
    purses,
)
from admin.references import References
from admin.rights import Action
from admin.service import Service
from switch.protocol.card_terms import CardStatus
from switch.protocol.messages import CardFlag

OTHER_CARDS_MAX = 50
"""Cards of the same account that are named."""


@dataclass(frozen=True, slots=True)
class CardFilter:
    """Which cards a list shows: all conditions together."""

    typed: str = ""
    """The beginning of a number, or what names a member."""
    status: int | None = None
    type_code: int | None = None
    store_id: int | None = None
    """Store that has the card in custody."""
    organisation_id: int | None = None
    """Node that issued it."""
    member: int | None = None
    """Member whose account it spends from, as the switch has it."""
    expires_from: int | None = None
    expires_until: int | None = None
    """Last dates of use, days since 1970-01-01."""


@dataclass(frozen=True, slots=True)
class CardRow:
    """A card as a list shows it."""

    reference: str
    number: str
    status: int
    flags: list[str]
    """Names of `CardFlag` members."""
    type_code: int
    type_name: str
    balance_minor: int | None
    expiry_date: int
    store_id: int
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
    chain: list[tuple[str, str, int]]
    """(reference, number, status) of the cards that it goes back to, itself, and those that went on, oldest first."""
    holder: tuple[int, str] | None
    """Number and name of the member; None: nobody who is known, or not the visitor's to see."""


def find_cards(
    session: Session,
    visitor: Visitor,
    references: References,
    service: Service,
    wanted: CardFilter,
    after: str,
    limit: int,
) -> tuple[list[CardRow], str | None]:
    """Cards in the order of their numbers, and the key behind which the next page begins.

    What was typed and begins no number is looked for among members.
    """
    query: Select[Any] = select(cards, accounts.c.balance_minor).outerjoin(
        accounts, accounts.c.account_number == cards.c.account_number
    )
    query = visitor.cards_seen(query).order_by(cards.c.card_number)
    for column, value in (
        (cards.c.status, wanted.status),
        (cards.c.card_type, wanted.type_code),
        (cards.c.custody_store_id, wanted.store_id),
        (cards.c.issuing_organisation_id, wanted.organisation_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.status not in (None, CardStatus.ACTIVE):
        query = query.where(NOT_ACTIVE)  # in the words of the index
    if wanted.store_id:
        query = query.where(IN_CUSTODY)
    if wanted.member is not None:  # by the member's accounts, of which there is an index
        owned = select(accounts.c.account_number).where(accounts.c.member == wanted.member)
        query = query.where(cards.c.account_number.in_(owned))
    if wanted.expires_from is not None:
        query = query.where(cards.c.expiry_date >= wanted.expires_from)
    if wanted.expires_until is not None:
        query = query.where(cards.c.expiry_date <= wanted.expires_until, cards.c.expiry_date > 0)
    if (behind := references.read(after)) is not None:
        query = query.where(cards.c.card_number > behind)
    sees_unmasked = visitor.may("cards", Action.SEE_UNMASKED)
    typed = wanted.typed
    spans = _spans(typed, sees_unmasked=sees_unmasked) if typed else [true()]
    found: list[Row[Any]] = []
    for span in spans:
        found += session.execute(query.where(span).limit(limit + 1 - len(found))).all()
        if len(found) > limit:
            break
    if typed and not found and visitor.may("members") and (held := held_by_named(session, service, visitor, typed)):
        found += session.execute(query.where(cards.c.account_number.in_(held)).limit(limit + 1)).all()
    names = type_names(session)
    rows = [
        CardRow(
            reference=references.make(row.card_number),
            number=visitor.card_number(row.card_number),
            status=row.status,
            flags=[flag.name or "" for flag in CardFlag if row.flags & flag],
            type_code=row.card_type,
            type_name=names.get(row.card_type, str(row.card_type)),
            balance_minor=visitor.held(row.balance_minor),
            expiry_date=row.expiry_date,
            store_id=row.custody_store_id,
            organisation_id=row.issuing_organisation_id,
        )
        for row in found[:limit]
    ]
    return rows, rows[-1].reference if len(found) > limit else None


def _spans(text: str, *, sees_unmasked: bool) -> list[ColumnElement[bool]]:
    """Conditions for what was typed: the beginning of a number, or, for those who see whole numbers, first - last."""
    bounds = [digits_of(part) for part in text.split(" - ")]
    if sees_unmasked and len(bounds) == 2 and all(DIGITS_MIN <= len(digits) <= DIGITS_MAX for digits in bounds):
        return between(cards.c.card_number, int(bounds[0]), int(bounds[1]))
    return conditions(cards.c.card_number, text, sees_unmasked=sees_unmasked)


def card_of(session: Session, visitor: Visitor, references: References, reference: str) -> Row[Any] | None:
    """A card by its reference, when the visitor may see it."""
    number = references.read(reference) or 0
    return session.execute(visitor.cards_seen(select(cards).where(cards.c.card_number == number))).first()


def media_of(session: Session, card: Row[Any]) -> Sequence[Row[Any]]:
    """The media of a card."""
    return session.execute(select(media).where(media.c.card_number == card.card_number)).all()


def card_details(session: Session, visitor: Visitor, references: References, reference: str) -> CardDetails | None:
    """One card with all that belongs to it; None when there is none or it is not the visitor's to see."""
    card = card_of(session, visitor, references, reference)
    if card is None:
        return None
    account_number = card.account_number
    versions = versions_of(session, card.card_type)
    today = int(session.scalar(select(func.max(daily_totals.c.business_date))) or 0)
    holder = session.get(Member, member_of(session, account_number)) if visitor.may("members") else None
    others = select(cards.c.card_number).where(
        cards.c.account_number == account_number, cards.c.card_number != card.card_number
    )
    return CardDetails(
        card=card,
        reference=reference,
        shown_number=visitor.card_number(card.card_number),
        account=session.execute(select(accounts).where(accounts.c.account_number == account_number)).first(),
        type=version_in_force(versions, today) or next(iter(versions), None),
        purses=session.execute(select(purses).where(purses.c.account_number == account_number)).all(),
        limits=session.execute(select(card_limits).where(card_limits.c.card_number == card.card_number)).first(),
        holds=session.execute(select(holds).where(holds.c.account_number == account_number)).all(),
        waiting=session.execute(select(pending_points).where(pending_points.c.account_number == account_number)).all(),
        media=media_of(session, card),
        others=[
            (references.make(other), visitor.card_number(other))
            for other in session.scalars(others.limit(OTHER_CARDS_MAX))
            if account_number
        ],
        chain=[
            (references.make(one.card_number), visitor.card_number(one.card_number), one.status)
            for one in chain_of(session, visitor, card)
        ],
        holder=(holder.id, holder.name) if holder is not None else None,
    )
