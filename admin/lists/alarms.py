"""Alarms, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.models.mirror import alarms


def find_alarms(
    session: Session, visitor: Visitor, *, state: int | None, before: int | None, limit: int
) -> tuple[Sequence[Row[Any]], int | None]:
    """Alarms that concern the visitor's stores, and the key that the next page begins behind."""
    query = visitor.alarms_seen(select(alarms)).order_by(alarms.c.sequence.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(alarms.c.state == state)
    if before is not None:
        query = query.where(alarms.c.sequence < before)
    rows = session.execute(query).all()
    return rows[:limit], rows[limit - 1].sequence if len(rows) > limit else None
