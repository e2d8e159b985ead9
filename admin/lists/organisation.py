"""The organisation as the switch has it: nodes, stores, how many terminals each, dealers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, func, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.models.mirror import cards, organisations, stores, terminals
from switch.protocol.messages import OrganisationNode


@dataclass(frozen=True, slots=True)
class StoreRow:
    """A store, its node, and how many terminals it has."""

    store_id: int
    organisation_id: int
    round_off_minor: int
    """Cash is rounded down to multiples of it; 0: exact."""
    terminal_count: int


@dataclass(frozen=True, slots=True)
class DealerRow:
    """A dealer, what is below him, and how many cards that issued."""

    organisation_id: int
    name: str
    parent_id: int
    store_count: int
    terminal_count: int
    card_count: int


def nodes_seen(session: Session, visitor: Visitor) -> Sequence[Row[Any]]:
    """Nodes of the visitor's part of the tree, by number."""
    query = visitor.organisations_seen(select(organisations)).order_by(organisations.c.organisation_id)
    return session.execute(query).all()


def stores_of(session: Session, visitor: Visitor) -> list[StoreRow]:
    """Stores of the visitor's part of the tree, by number."""
    counted = visitor.terminals_seen(select(terminals.c.store_id, func.count()).group_by(terminals.c.store_id))
    counts = {row[0]: row[1] for row in session.execute(counted)}
    query = visitor.stores_seen(select(stores)).order_by(stores.c.store_id)
    return [
        StoreRow(row.store_id, row.organisation_id, row.round_off_minor, counts.get(row.store_id, 0))
        for row in session.execute(query)
    ]


def dealers_seen(
    session: Session, visitor: Visitor, *, typed: str, after: int | None, limit: int
) -> tuple[list[DealerRow], int | None]:
    """Dealers by number, found by a part of their name or by their number; and where the next page begins."""
    query = visitor.organisations_seen(select(organisations)).where(organisations.c.node == OrganisationNode.DEALER)
    if typed := typed.strip():
        found: list[ColumnElement[bool]] = [organisations.c.name.contains(typed, autoescape=True)]
        if typed.isascii() and typed.isdecimal() and len(typed) <= 9:
            found.append(organisations.c.organisation_id == int(typed))
        query = query.where(or_(*found))
    if after is not None:
        query = query.where(organisations.c.organisation_id > after)
    rows = session.execute(query.order_by(organisations.c.organisation_id).limit(limit + 1)).all()
    tree = [tuple(row) for row in session.execute(select(organisations.c.organisation_id, organisations.c.parent_id))]
    dealers = [_dealer(session, row, below(tree, row.organisation_id)) for row in rows[:limit]]
    return dealers, rows[limit - 1].organisation_id if len(rows) > limit else None


def below(tree: Sequence[tuple[Any, ...]], root: int) -> frozenset[int]:
    """A node and all below it, from (number, parent) of all nodes."""
    children: dict[int, list[int]] = {}
    for number, parent in tree:
        children.setdefault(parent, []).append(number)
    found, waiting = {root}, [root]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return frozenset(found)


def _dealer(session: Session, row: Row[Any], numbers: frozenset[int]) -> DealerRow:
    own_stores = select(stores.c.store_id).where(stores.c.organisation_id.in_(numbers))

    def count(table: Any, condition: ColumnElement[bool]) -> int:
        return session.scalar(select(func.count()).select_from(table).where(condition)) or 0

    return DealerRow(
        organisation_id=row.organisation_id,
        name=row.name or str(row.organisation_id),
        parent_id=row.parent_id,
        store_count=count(stores, stores.c.organisation_id.in_(numbers)),
        terminal_count=count(terminals, terminals.c.store_id.in_(own_stores)),
        card_count=count(cards, cards.c.issuing_organisation_id.in_(numbers)),
    )
