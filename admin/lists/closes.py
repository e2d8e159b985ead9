"""How the closes of all terminals stand on a business date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.documents.terminals import TERMINAL_ID_FIRST
from admin.models.journal import daily_totals
from admin.models.mirror import day_closes, switches, terminals
from switch.protocol.messages import DayCloseState, Right, TerminalStatus

NOT_CLOSED = 0


def closes_page(
    session: Session, visitor: Visitor, date: int, *, state: int | None, after: int | None, limit: int
) -> Sequence[Row[Any]]:
    """Terminals that sell, by number, with their close of a date; one more than `limit` where there are more."""
    query = _closes(visitor, date)
    if state is not None:
        query = query.where(func.coalesce(day_closes.c.state, NOT_CLOSED) == state)
    if after is not None:
        query = query.where(terminals.c.terminal_id > after)
    return session.execute(query.order_by(terminals.c.terminal_id).limit(limit + 1)).all()


def business_date(session: Session) -> int:
    """The date that runs, as far as the follower has heard."""
    begun = session.scalar(select(func.max(switches.c.business_date))) or 0
    return int(max(begun, session.scalar(select(func.max(daily_totals.c.business_date))) or 0))


def _closes(visitor: Visitor, date: int) -> Any:
    """Tills that sell, with their close of the date where there is one."""
    query = select(
        terminals.c.terminal_id,
        terminals.c.store_id,
        day_closes.c.state,
        day_closes.c.attempts,
        day_closes.c.message_count,
        day_closes.c.approved_minor,
        day_closes.c.last_sequence,
    ).outerjoin(day_closes, and_(day_closes.c.terminal_id == terminals.c.terminal_id, day_closes.c.closed_date == date))
    sells = and_(
        terminals.c.rights.op("&")(int(Right.PAY)) != 0,
        terminals.c.status != TerminalStatus.BLOCKED,
        terminals.c.terminal_id < TERMINAL_ID_FIRST,
    )
    return visitor.terminals_seen(query.where(or_(sells, day_closes.c.state.is_not(None))))


def close_counts(session: Session, visitor: Visitor, date: int) -> dict[int, int]:
    """Terminals by the state of their close of a date."""
    rows = _closes(visitor, date).subquery("closes")
    state = func.coalesce(rows.c.state, NOT_CLOSED)
    found = dict.fromkeys((NOT_CLOSED, int(DayCloseState.DIFFERS), int(DayCloseState.CLOSED)), 0)
    for number, count in session.execute(select(state, func.count()).group_by(state)):
        found[number] = count
    return found
