"""Figures of the dashboard: what happened, what is held, whether both agree, and how far behind."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

from sqlalchemy import Select, case, func, or_, select
from sqlalchemy.orm import Session

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType

from .access import Visitor
from .models.journal import FollowerState, JournalPosition, daily_totals
from .models.mirror import alarms
from .models.mirror import switches as switch_records
from .projection.held import read_held

APPROVED = (ResponseCode.APPROVED, ResponseCode.PARTIAL)
SPENDING = (MessageType.DEBIT, MessageType.CAPTURE)
DAYS_SHOWN = 31
"""Business dates on the chart: a month."""
ALARM_STATES_OPEN = (1, 2)
FOLLOWER_SILENT_MS = 15_000
"""Longer without a word, the follower counts as stopped; it tells every 5 s."""

HOLDINGS_KEPT_MS = 10_000
"""Two turns of the dashboard; adding up the sums of many days and stores takes some hundredths of a second."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One business date of the visitor's part of the organisation."""

    business_date: int
    entry_count: int
    approved_count: int
    refusals: list[tuple[int, int]]
    """(code, count), most frequent first."""
    spent_minor: int
    recharged_minor: int


@dataclass(frozen=True, slots=True)
class Holdings:
    """What all accounts hold, and what all entries say that they must hold."""

    card_count: int
    balance_minor: int
    entries_minor: int
    points_hundredths: int
    entries_points_hundredths: int
    open_alarm_count: int

    @property
    def is_conserved(self) -> bool:
        """Whether balances equal the sum of all movements."""
        return self.balance_minor == self.entries_minor and self.points_hundredths == self.entries_points_hundredths


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the tables are behind the switch."""

    sequence: int
    behind_bytes: int
    time_ms: int
    is_following: bool
    problem: str
    is_replay: bool


def day_figures(session: Session, visitor: Visitor) -> DayFigures | None:
    """Figures of the last business date that has entries; None when there are none at all."""
    last = session.scalar(_seen(select(func.max(daily_totals.c.business_date)), visitor))
    if last is None:
        return None
    query = select(
        daily_totals.c.type,
        daily_totals.c.code,
        func.sum(daily_totals.c.entry_count),
        func.sum(daily_totals.c.amount_minor),
        func.sum(daily_totals.c.recharged_minor),
    ).where(daily_totals.c.business_date == last)
    rows = session.execute(_seen(query, visitor).group_by(daily_totals.c.type, daily_totals.c.code)).all()
    refusals: dict[int, int] = {}
    entry_count = approved_count = spent_minor = recharged_minor = 0
    for type_, code, count, amount, recharged in rows:
        entry_count += int(count)
        recharged_minor += int(recharged)
        if code not in APPROVED:
            refusals[code] = refusals.get(code, 0) + int(count)
            continue
        approved_count += int(count)
        spent_minor += int(amount) if type_ in SPENDING else 0
        recharged_minor += int(amount) if type_ == MessageType.CREDIT else 0
    ordered = sorted(refusals.items(), key=lambda item: (-item[1], item[0]))
    return DayFigures(last, entry_count, approved_count, ordered, spent_minor, recharged_minor)


def recent_days(session: Session, visitor: Visitor) -> list[tuple[int, int, int]]:
    """(business date, spent, recharged) of the last dates that have entries, oldest first."""
    spent = case((daily_totals.c.type.in_(SPENDING), daily_totals.c.amount_minor), else_=0)
    credit = case((daily_totals.c.type == MessageType.CREDIT, daily_totals.c.amount_minor), else_=0)
    query: Select[Any] = select(
        daily_totals.c.business_date, func.sum(spent), func.sum(credit + daily_totals.c.recharged_minor)
    ).where(daily_totals.c.code.in_(APPROVED), daily_totals.c.business_date > 0)
    query = _seen(query, visitor).group_by(daily_totals.c.business_date)
    rows = session.execute(query.order_by(daily_totals.c.business_date.desc()).limit(DAYS_SHOWN)).all()
    return [(date, int(out), int(in_)) for date, out, in_ in reversed(rows)]


class HoldingsKept:
    """The last holdings, kept for some seconds: adding up all days for each look at a page would be waste."""

    def __init__(self) -> None:
        self._kept: tuple[int, Holdings] | None = None
        self._lock = Lock()

    def get(self, session: Session, now_ms: int) -> Holdings:
        """Holdings that are at most `HOLDINGS_KEPT_MS` old."""
        with self._lock:
            if self._kept is None or not 0 <= now_ms - self._kept[0] < HOLDINGS_KEPT_MS:
                self._kept = (now_ms, holdings(session))
            return self._kept[1]


def holdings(session: Session) -> Holdings:
    """Sums over the whole group, of one state of the database."""

    def one(query: Select[Any]) -> int:
        return int(session.scalar(query) or 0)

    held = read_held(session)
    return Holdings(
        card_count=held["cards"],
        balance_minor=held["balance_minor"],
        entries_minor=one(select(func.sum(daily_totals.c.value_minor))),
        points_hundredths=held["account_points"] + held["purse_points"] + held["pending_points"],
        entries_points_hundredths=one(select(func.sum(daily_totals.c.points_hundredths))),
        open_alarm_count=one(select(func.count()).select_from(alarms).where(alarms.c.state.in_(ALARM_STATES_OPEN))),
    )


def lag(session: Session, partition: int, now_ms: int) -> Lag:
    """Where following stands."""
    position = session.get(JournalPosition, partition)
    state = session.get(FollowerState, partition)
    mode = session.scalar(select(switch_records.c.mode).where(switch_records.c.partition == partition))
    reached = position.position if position else 0
    return Lag(
        sequence=position.sequence if position else 0,
        behind_bytes=max(0, state.durable_position - reached) if state else 0,
        time_ms=position.time_ms if position else 0,
        is_following=state is not None and not state.problem and now_ms - state.heard_ms < FOLLOWER_SILENT_MS,
        problem=state.problem if state else "",
        is_replay=bool(mode),
    )


def _seen(query: Select[Any], visitor: Visitor) -> Select[Any]:
    if visitor.sees_everything:
        return query
    return query.where(
        or_(
            daily_totals.c.accepting_organisation_id.in_(visitor.organisation_ids),
            daily_totals.c.issuing_organisation_id.in_(visitor.organisation_ids),
        )
    )


def newest_date(session: Session) -> int:
    """The switch's business date, as far as the follower has heard; 0 before it has heard anything."""
    return int(session.scalar(select(func.max(daily_totals.c.business_date))) or 0)
