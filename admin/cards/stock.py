"""Stock of cards: how many of each type are where, and what the plastic cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.models.journal import card_counts
from admin.reports.report import total
from switch.protocol.card_terms import CardStatus
from switch.protocol.lifecycle import ENDED

from .terms import Terms

IN_STOCK = (CardStatus.MADE, CardStatus.DRAWN)
COLUMNS = (
    CardStatus.RESERVED,
    CardStatus.MADE,
    CardStatus.DRAWN,
    CardStatus.ISSUED,
    CardStatus.ACTIVE,
)
"""Statuses with a column of their own; the others are counted together."""


@dataclass(slots=True)
class TypeStock:
    """Cards of one type by status."""

    card_type: int
    counts: Counter[int] = field(default_factory=Counter)
    cost_minor: int = 0
    """What the cards in stock cost the group."""

    @property
    def in_stock_count(self) -> int:
        """Cards that can still be given out."""
        return sum(self.counts[status] for status in IN_STOCK)

    @property
    def other_count(self) -> int:
        """Live cards in other statuses."""
        return sum(n for status, n in self.counts.items() if status not in COLUMNS and status not in ENDED)

    @property
    def ended_count(self) -> int:
        """Cards that have ended."""
        return sum(n for status, n in self.counts.items() if status in ENDED)


@dataclass(slots=True)
class Stock:
    """All counts of a visitor's part of the organisation."""

    types: dict[int, TypeStock] = field(default_factory=dict)
    stores: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Cards in stock by (store, type); store 0: headquarters."""
    organisations: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Cards given out by (issuing organisation, type)."""


def stock_of(session: Session, visitor: Visitor, today: int) -> Stock:
    """Counts of the cards that a visitor sees."""
    kept = card_counts.c
    columns = (kept.card_type, kept.status, kept.custody_store_id, kept.issuing_organisation_id)
    query = select(*columns, total(kept.card_count).label("n")).where(kept.card_count > 0)
    query = visitor.card_counts_seen(query).group_by(*columns)
    stock, terms = Stock(), Terms(session, today)
    for row in session.execute(query):
        _count(stock, terms, row)
    return stock


def _count(stock: Stock, terms: Terms, row: Row[tuple[int, int, int, int, int]]) -> None:
    mine = stock.types.setdefault(row.card_type, TypeStock(row.card_type))
    mine.counts[row.status] += row.n
    if row.status in IN_STOCK:
        stock.stores[row.custody_store_id, row.card_type] += row.n
        version = terms.in_force(row.card_type)
        mine.cost_minor += row.n * version.card_cost_minor if version is not None else 0
    elif row.status not in ENDED and row.status != CardStatus.RESERVED:
        stock.organisations[row.issuing_organisation_id, row.card_type] += row.n
