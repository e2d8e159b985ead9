"""Terminals: by number, store and what they are doing at this moment; one with its closes and their differences."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.models.mirror import day_closes, organisations, stores, terminals
from admin.models.sales import close_totals
from admin.models.security import TerminalActivity
from admin.signed_on import Sessions
from switch.protocol.messages import TerminalStatus

LOOKED_AT_ONCE = 500
"""Numbers in one question; SQLite's bound on variables is far above."""


class Presence(enum.StrEnum):
    """What a terminal is doing at this moment."""

    SIGNED_ON = "signed-on"
    SIGNED_OFF = "signed-off"
    """It was heard of before, and is not signed on."""
    NEVER = "never"
    """The journal has no request of it, and it is not signed on."""
    QUARANTINED = "quarantined"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    """The switch could not be asked."""


def presence_of(row: Row[Any], sessions: Sessions) -> Presence:
    """What a terminal is doing; what stops it comes first, whether it is signed on or not."""
    if row.status == TerminalStatus.BLOCKED:
        return Presence.BLOCKED
    if row.status == TerminalStatus.QUARANTINED:
        return Presence.QUARANTINED
    if sessions.of(row.terminal_id):
        return Presence.SIGNED_ON
    if not row.last_ms:
        return Presence.NEVER
    return Presence.SIGNED_OFF if sessions.is_known else Presence.UNKNOWN


@dataclass(frozen=True, slots=True)
class TerminalFilter:
    """Which terminals a list shows: all conditions together."""

    terminal_id: int | None = None
    store_id: int | None = None
    presence: Presence | None = None


@dataclass(frozen=True, slots=True)
class CloseLine:
    """One type of request in a close: the till's count beside the switch's."""

    type: int
    till_count: int
    till_minor: int
    switch_count: int
    switch_minor: int

    @property
    def is_different(self) -> bool:
        """Whether the two differ."""
        return (self.till_count, self.till_minor) != (self.switch_count, self.switch_minor)


def listed() -> Select[Any]:
    """Terminals with their places, what was last heard of them, and their last close."""
    last = (
        select(day_closes.c.terminal_id, func.max(day_closes.c.closed_date).label("closed_date"))
        .group_by(day_closes.c.terminal_id)
        .subquery("last_closes")
    )
    activity: Any = TerminalActivity.__table__
    return (
        select(
            terminals,
            stores.c.organisation_id,
            organisations.c.name.label("place"),
            activity.c.last_ms,
            activity.c.entry_count,
            day_closes.c.closed_date,
            day_closes.c.state.label("close_state"),
        )
        .outerjoin(stores, stores.c.store_id == terminals.c.store_id)
        .outerjoin(organisations, organisations.c.organisation_id == stores.c.organisation_id)
        .outerjoin(activity, activity.c.terminal_id == terminals.c.terminal_id)
        .outerjoin(last, last.c.terminal_id == terminals.c.terminal_id)
        .outerjoin(
            day_closes,
            and_(day_closes.c.terminal_id == last.c.terminal_id, day_closes.c.closed_date == last.c.closed_date),
        )
    )


def find_terminals(
    session: Session,
    visitor: Visitor,
    sessions: Sessions,
    wanted: TerminalFilter,
    *,
    after: int | None = None,
    limit: int = 50,
) -> tuple[list[Row[Any]], int | None]:
    """Terminals of the visitor's stores by number, and where the next page begins; None: there are no more."""
    found: list[Row[Any]] = []
    for rows in _candidates(session, visitor, sessions, wanted, after):
        found += [row for row in rows if wanted.presence in (None, presence_of(row, sessions))]
        if len(found) > limit:
            return found[:limit], found[limit - 1].terminal_id
    return found, None


def _candidates(
    session: Session, visitor: Visitor, sessions: Sessions, wanted: TerminalFilter, after: int | None
) -> Any:
    """Terminals that may fit, some hundreds at a time; all that SQL can say is said in SQL."""
    query = visitor.terminals_seen(listed()).order_by(terminals.c.terminal_id)
    if wanted.terminal_id is not None:
        query = query.where(terminals.c.terminal_id == wanted.terminal_id)
    if wanted.store_id is not None:
        query = query.where(terminals.c.store_id == wanted.store_id)
    statuses = {Presence.BLOCKED: TerminalStatus.BLOCKED, Presence.QUARANTINED: TerminalStatus.QUARANTINED}
    if wanted.presence is not None:
        query = query.where(terminals.c.status == statuses.get(wanted.presence, TerminalStatus.ACTIVE))
    if wanted.presence is Presence.SIGNED_ON:
        numbers = sorted(number for number in sessions.by_terminal if after is None or number > after)
        for start in range(0, len(numbers), LOOKED_AT_ONCE):
            some = numbers[start : start + LOOKED_AT_ONCE]
            yield session.execute(query.where(terminals.c.terminal_id.in_(some))).all()
        return
    if wanted.presence is Presence.NEVER:
        query = query.where(TerminalActivity.last_ms.is_(None))
    while True:
        further = query if after is None else query.where(terminals.c.terminal_id > after)
        rows = session.execute(further.limit(LOOKED_AT_ONCE)).all()
        yield rows
        if len(rows) < LOOKED_AT_ONCE:
            return
        after = rows[-1].terminal_id


def close_lines(session: Session, terminal_id: int, dates: Sequence[int]) -> dict[int, list[CloseLine]]:
    """What till and switch had counted at the last close of each date, by type."""
    query = (
        select(close_totals)
        .where(close_totals.c.terminal_id == terminal_id, close_totals.c.closed_date.in_(dates))
        .order_by(close_totals.c.closed_date, close_totals.c.type)
    )
    found: dict[int, list[CloseLine]] = {}
    for row in session.execute(query):
        line = CloseLine(row.type, row.till_count, row.till_minor, row.switch_count, row.switch_minor)
        found.setdefault(row.closed_date, []).append(line)
    return found
