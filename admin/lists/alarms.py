"""Alarms, newest first, and one with the others of its terminals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.models.mirror import alarms

OTHERS_SHOWN = 10


def find_alarms(
    session: Session,
    visitor: Visitor,
    *,
    state: int | None,
    kind: int | None = None,
    store: int | None = None,
    before: int | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], int | None]:
    """Alarms that concern the visitor's stores, and the key that the next page begins behind."""
    query = visitor.alarms_seen(select(alarms)).order_by(alarms.c.sequence.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(alarms.c.state == state)
    if kind is not None:
        query = query.where(alarms.c.alarm == kind)
    if store is not None:
        query = query.where(or_(alarms.c.first_store_id == store, alarms.c.second_store_id == store))
    if before is not None:
        query = query.where(alarms.c.sequence < before)
    rows = session.execute(query).all()
    return rows[:limit], rows[limit - 1].sequence if len(rows) > limit else None


def alarm_seen(session: Session, visitor: Visitor, sequence: int) -> Row[Any] | None:
    """One alarm; None when there is none that concerns the visitor's stores."""
    return session.execute(visitor.alarms_seen(select(alarms).where(alarms.c.sequence == sequence))).first()


def others_of(session: Session, visitor: Visitor, row: Row[Any]) -> Sequence[Row[Any]]:
    """The last other alarms of the same terminals."""
    at = [number for number in (row.first_terminal_id, row.second_terminal_id) if number]
    same = or_(alarms.c.first_terminal_id.in_(at), alarms.c.second_terminal_id.in_(at))
    query = visitor.alarms_seen(select(alarms).where(same, alarms.c.sequence != row.sequence))
    return session.execute(query.order_by(alarms.c.sequence.desc()).limit(OTHERS_SHOWN)).all()
