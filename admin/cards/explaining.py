"""How a balance came about: every movement with the balance before and after, and sums by kind that equal it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from admin.models.journal import entries
from admin.models.mirror import accounts, pending_points, purses

POINTS_PURSES = 1
PURSE_SHIFT = 32


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry that changed an account."""

    id: int
    sequence: int
    time_ms: int
    type: int
    operation: int
    card_number: int
    store_id: int
    before_minor: int
    value_minor: int
    after_minor: int
    points_hundredths: int
    points_after_hundredths: int


@dataclass(frozen=True, slots=True)
class KindSum:
    """All movements of one kind together."""

    type: int
    operation: int
    count: int
    value_minor: int
    points_hundredths: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Sums by kind, and what the account says."""

    sums: Sequence[KindSum]
    value_minor: int
    points_hundredths: int
    balance_minor: int
    held_points_hundredths: int
    """Of all categories, waiting ones too."""

    @property
    def is_whole(self) -> bool:
        """Whether the sums come to what the account holds."""
        return self.value_minor == self.balance_minor and self.points_hundredths == self.held_points_hundredths


def explain(session: Session, account_number: int) -> Explanation:
    """Sums by kind of everything that moved an account."""
    mine = _moved(account_number)
    query = (
        select(
            entries.c.type,
            entries.c.operation,
            func.count(),
            func.sum(entries.c.value_minor),
            func.sum(entries.c.points_hundredths),
        )
        .where(*mine)
        .group_by(entries.c.type, entries.c.operation)
        .order_by(entries.c.type, entries.c.operation)
    )
    sums = [
        KindSum(type_, operation, count, int(value), int(points))
        for type_, operation, count, value, points in session.execute(query)
    ]
    account = session.execute(select(accounts).where(accounts.c.account_number == account_number)).first()
    return Explanation(
        sums=sums,
        value_minor=sum(one.value_minor for one in sums),
        points_hundredths=sum(one.points_hundredths for one in sums),
        balance_minor=account.balance_minor if account else 0,
        held_points_hundredths=(account.points_hundredths if account else 0) + _other_points(session, account_number),
    )


def movements(session: Session, account_number: int, before: int | None, limit: int) -> list[Movement]:
    """Movements of an account, newest first; one more than `limit` where there are more."""
    running = (
        select(
            entries, func.sum(entries.c.points_hundredths).over(order_by=entries.c.id).label("points_after_hundredths")
        )
        .where(*_moved(account_number))
        .subquery()
    )
    query = select(running).order_by(running.c.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(running.c.id < before)
    return [
        Movement(
            id=row.id,
            sequence=row.sequence,
            time_ms=row.time_ms,
            type=row.type,
            operation=row.operation,
            card_number=row.card_number,
            store_id=row.store_id,
            before_minor=row.balance_minor - row.value_minor,
            value_minor=row.value_minor,
            after_minor=row.balance_minor,
            points_hundredths=row.points_hundredths,
            points_after_hundredths=int(row.points_after_hundredths),
        )
        for row in session.execute(query)
    ]


def _moved(account_number: int) -> tuple[ColumnElement[bool], ...]:
    return (
        entries.c.account_number == account_number,
        (entries.c.value_minor != 0) | (entries.c.points_hundredths != 0),
    )


def _other_points(session: Session, account_number: int) -> int:
    in_purses = select(func.sum(purses.c.amount)).where(
        purses.c.account_number == account_number,
        purses.c.purse >= POINTS_PURSES << PURSE_SHIFT,
        purses.c.purse < POINTS_PURSES + 1 << PURSE_SHIFT,
    )
    waiting = select(func.sum(pending_points.c.amount_hundredths)).where(
        pending_points.c.account_number == account_number
    )
    return int(session.scalar(in_purses) or 0) + int(session.scalar(waiting) or 0)
