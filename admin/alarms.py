"""Open alarms, for the menu, the monitor and the pages: of the visitor's part of the organisation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from switch.protocol.messages import AlarmState

from .access import Visitor
from .models.mirror import alarms

OPEN_STATES = (AlarmState.NEW, AlarmState.ACKNOWLEDGED)
MONITOR_ROWS = 20


def open_alarms(visitor: Visitor) -> Select[Any]:
    """Alarms that nobody has ended, newest first."""
    query = select(alarms).where(alarms.c.state.in_(OPEN_STATES)).order_by(alarms.c.sequence.desc())
    return visitor.alarms_seen(query)


def open_alarm_count(session: Session, visitor: Visitor) -> int:
    """How many alarms nobody has ended."""
    return int(session.scalar(select(func.count()).select_from(open_alarms(visitor).order_by(None).subquery())) or 0)


def last_change(session: Session, visitor: Visitor) -> int:
    """The entry that last changed an alarm that the visitor sees; 0: there is none."""
    return int(session.scalar(visitor.alarms_seen(select(func.max(alarms.c.last_sequence)))) or 0)


def raised_after(session: Session, visitor: Visitor, sequence: int) -> int:
    """How many alarms were raised behind an entry."""
    query = visitor.alarms_seen(select(func.count()).select_from(alarms).where(alarms.c.sequence > sequence))
    return int(session.scalar(query) or 0)
