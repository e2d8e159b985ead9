"""Ledgers of money and points: entries of some kinds, with their totals, of the visitor's part of the organisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.figures import APPROVED
from admin.models.documents import DocumentStep
from admin.models.journal import WITH_POINTS, daily_totals, entries
from admin.models.mirror import accounts, card_types, cards, gifts, purses
from switch.protocol.card_terms import CardStatus
from switch.protocol.messages import CreditRequest, MessageType, RedeemRequest

from .purses import DEFAULT_CATEGORY, POINTS_PURSE

MONEY_TYPES = (
    MessageType.CREDIT,
    MessageType.REFUND,
    MessageType.REVERSAL,
    MessageType.TRANSFER,
    MessageType.CONVERT,
    MessageType.LOAD_VISITS,
)
POINTS_TYPES = (
    MessageType.DEBIT,
    MessageType.CAPTURE,
    MessageType.CREDIT,
    MessageType.REFUND,
    MessageType.REVERSAL,
    MessageType.REDEEM,
    MessageType.CONVERT,
    MessageType.ADJUST_POINTS,
    MessageType.TRANSFER_POINTS,
    MessageType.BACKFILL,
)


@dataclass(frozen=True, slots=True)
class Total:
    """Sum of a kind of entries."""

    type: int
    count: int
    amount_minor: int
    value_minor: int
    points_hundredths: int


@dataclass(frozen=True, slots=True)
class Span:
    """Which entries: of a kind, from one business date to another (0: no bound)."""

    type: int = 0
    from_date: int = 0
    until_date: int = 0


def ledger_query(types: Sequence[int], span: Span, *, with_points: bool) -> Select[Any]:
    """Approved entries of some kinds within a span; those that moved points, or those that are about money."""
    query = select(entries).where(entries.c.code.in_(APPROVED), entries.c.type.in_(types))
    if with_points:
        query = query.where(WITH_POINTS)
    if span.type:
        query = query.where(entries.c.type == span.type)
    if span.from_date:
        query = query.where(entries.c.business_date >= span.from_date)
    if span.until_date:
        query = query.where(entries.c.business_date <= span.until_date)
    return query


def totals(session: Session, visitor: Visitor, types: Sequence[int], span: Span) -> list[Total]:
    """Sums by kind within a span, of the sums that the follower keeps per day."""
    columns = daily_totals.c
    query = select(
        columns.type,
        func.sum(columns.entry_count),
        func.sum(columns.amount_minor),
        func.sum(columns.value_minor),
        func.sum(columns.points_hundredths),
    ).where(columns.code.in_(APPROVED), columns.type.in_(types))
    if span.type:
        query = query.where(columns.type == span.type)
    if span.from_date:
        query = query.where(columns.business_date >= span.from_date)
    if span.until_date:
        query = query.where(columns.business_date <= span.until_date)
    if not visitor.sees_everything:
        ids = visitor.organisation_ids
        query = query.where(or_(columns.accepting_organisation_id.in_(ids), columns.issuing_organisation_id.in_(ids)))
    return [Total(*row) for row in session.execute(query.group_by(columns.type).order_by(columns.type))]


def channels_of(session: Session, sequences: Sequence[int]) -> dict[int, tuple[int, str]]:
    """(channel, reference of the payment) of the recharges that documents of this service have made, by entry.

    A recharge without a reference has one of the service's own, which says nothing to people.
    """
    query = select(DocumentStep.journal_sequence, DocumentStep.body).where(
        DocumentStep.type == MessageType.CREDIT, DocumentStep.journal_sequence.in_(sequences)
    )
    found = {}
    for sequence, body in session.execute(query):
        request = CreditRequest.decode(body)
        reference = request.reference.rstrip(b"\0").decode("ascii", "replace")
        found[sequence] = (request.channel, reference if reference.isprintable() and reference.isascii() else "")
    return found


def gifts_of(session: Session, sequences: Sequence[int]) -> dict[int, tuple[int, int]]:
    """(gift, pieces) of the redemptions that documents of this service have made, by entry."""
    query = select(DocumentStep.journal_sequence, DocumentStep.body).where(
        DocumentStep.type == MessageType.REDEEM, DocumentStep.journal_sequence.in_(sequences)
    )
    return {
        sequence: ((request := RedeemRequest.decode(body)).gift_id, request.pieces)
        for sequence, body in session.execute(query)
    }


def qualifying(session: Session, visitor: Visitor, gift_id: int, after: int, limit: int) -> Sequence[Row[Any]]:
    """Active cards with the level and the points that a gift asks for, by number; one more than `limit` if more."""
    gift = session.execute(select(gifts).where(gifts.c.gift_id == gift_id)).first()
    if gift is None:
        return []
    points = accounts.c.points_hundredths
    source = cards.join(accounts, accounts.c.account_number == cards.c.account_number)
    if gift.category != DEFAULT_CATEGORY:
        source = source.join(
            purses,
            (purses.c.account_number == accounts.c.account_number) & (purses.c.purse == POINTS_PURSE | gift.category),
        )
        points = purses.c.amount
    query = (
        select(cards.c.card_number, accounts.c.level, points.label("points"))
        .select_from(source)
        .where(cards.c.status == CardStatus.ACTIVE, points >= gift.price_hundredths, cards.c.card_number > after)
    )
    if gift.level_min:
        by_type = select(card_types.c.code).where(card_types.c.level >= gift.level_min)
        query = query.where(
            or_(
                accounts.c.level >= gift.level_min,
                (accounts.c.level == 0) & cards.c.card_type.in_(by_type),
            )
        )
    return session.execute(visitor.cards_seen(query).order_by(cards.c.card_number).limit(limit + 1)).all()
