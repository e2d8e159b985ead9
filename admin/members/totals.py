"""What accounts did each day, kept beside `entries`, and what members did in a period.

`catch_up` adds the entries that came since to `account_days`, and moves its
position in the same transaction: killed anywhere, or run twice at the same
time, each entry is counted once.  A thread of the watcher does it all the time
(`keep`), and the follower does not wait for it; who shows figures asks once
more for what is new, if that is little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from threading import Event
from typing import Any

from sqlalchemy import Integer, Subquery, and_, case, cast, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from admin.database import BigInt, Database
from admin.i18n import FIRST_DATE
from admin.models.holdings import TotalsPosition, account_days
from admin.models.journal import entries
from admin.processes import work_until
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType

from .holdings import owners

PORTION_ENTRIES = 5_000
"""Rows of `entries` of one transaction: some hundredths of a second of writing, so that nobody is kept."""
SOON_COUNTED = 5_000
"""Rows that the visitor of a page waits for; behind a busier day figures of members are a moment older."""
KEEP_PAUSE_S = 1.0
BUSY_PORTIONS = 10
"""After so many at a time, more has come meanwhile."""
APPROVED = (ResponseCode.APPROVED, ResponseCode.PARTIAL)
PURCHASES = (MessageType.DEBIT, MessageType.CAPTURE)


@dataclass(frozen=True, slots=True)
class Totals:
    """What somebody did, in a period or ever."""

    spent_minor: int = 0
    visit_count: int = 0
    points_hundredths: int = 0
    recharged_minor: int = 0
    last_date: int = 0
    """Business date of the last purchase; 0: none."""

    @property
    def average_minor(self) -> int:
        """Average purchase, rounded down."""
        return self.spent_minor // self.visit_count if self.visit_count > 0 else 0


def keep(database: Database, is_stopping: Event) -> None:
    """Count what comes, until `is_stopping`."""

    def work() -> bool:
        return catch_up(database, is_stopping=is_stopping) >= BUSY_PORTIONS

    work_until(is_stopping, work, "figures of members stand still", idle_pause_s=KEEP_PAUSE_S)


def catch_up(database: Database, *, entries_max: int | None = None, is_stopping: Event | None = None) -> int:
    """Count what has come since the last time; number of transactions.

    `entries_max`: nothing, if more has come than this.
    """
    counted = 0
    with database.read() as session:  # nobody has to wait for a turn to write in order to find nothing
        start = session.get_one(TotalsPosition, 1).entry_id
        some = select(entries.c.id).where(entries.c.id > start).order_by(entries.c.id)
        if session.scalar(some.limit(1)) is None:
            return counted
        if entries_max is not None and session.scalar(some.offset(entries_max).limit(1)) is not None:
            return counted
    while is_stopping is None or not is_stopping.is_set():
        with database.write() as session:
            start = session.get_one(TotalsPosition, 1).entry_id
            newest = session.scalar(select(func.max(entries.c.id))) or 0
            if newest <= start:
                return counted
            last = session.scalar(
                select(entries.c.id)
                .where(entries.c.id > start)
                .order_by(entries.c.id)
                .offset(PORTION_ENTRIES - 1)
                .limit(1)
            )
            end = int(last or newest)
            moved: Any = session.execute(
                update(TotalsPosition)
                .where(TotalsPosition.id == 1, TotalsPosition.entry_id == start)
                .values(entry_id=end)
                .execution_options(synchronize_session=False)
            )
            if moved.rowcount != 1:  # somebody else counts at this moment; PostgreSQL waits for him, then says so
                return counted
            _add(session, start, end, is_sqlite=database.is_sqlite)
            counted += 1
    return counted


def _add(session: Session, start: int, end: int, *, is_sqlite: bool) -> None:
    bought = and_(entries.c.type.in_(PURCHASES), entries.c.part == 0)
    given_back = and_(
        entries.c.type.in_((MessageType.REFUND, MessageType.REVERSAL)), entries.c.part == 0, entries.c.amount_minor > 0
    )
    reversed_ = and_(entries.c.type == MessageType.REVERSAL, given_back)
    sums = (
        select(
            entries.c.account_number,
            entries.c.business_date,
            func.sum(case((bought, entries.c.amount_minor), (given_back, -entries.c.amount_minor), else_=0)),
            cast(func.sum(case((bought, 1), (reversed_, -1), else_=0)), Integer),
            func.sum(
                case(
                    (
                        entries.c.type.in_((*PURCHASES, MessageType.REFUND, MessageType.REVERSAL)),
                        entries.c.points_hundredths,
                    ),
                    else_=0,
                )
            ),
            func.sum(
                case((entries.c.type == MessageType.CREDIT, entries.c.amount_minor), else_=0)
                + entries.c.recharged_minor
            ),
        )
        .where(entries.c.id > start, entries.c.id <= end, entries.c.account_number != 0, entries.c.code.in_(APPROVED))
        .group_by(entries.c.account_number, entries.c.business_date)
    )
    insert: Any = (sqlite if is_sqlite else postgresql).insert(account_days)
    insert = insert.from_select([column.name for column in account_days.columns], sums)
    kept = ("spent_minor", "visit_count", "points_hundredths", "recharged_minor")
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["account_number", "business_date"],
            set_={name: account_days.c[name] + insert.excluded[name] for name in kept},
        )
    )


def totals_of(session: Session, account_numbers: Sequence[int], *, from_date: int = 0) -> Totals:
    """What some accounts did from a business date on."""
    if not account_numbers:
        return Totals()
    days = account_days.c
    row = session.execute(
        select(
            func.coalesce(func.sum(days.spent_minor), 0),
            func.coalesce(func.sum(days.visit_count), 0),
            func.coalesce(func.sum(days.points_hundredths), 0),
            func.coalesce(func.sum(days.recharged_minor), 0),
            func.coalesce(func.max(case((days.visit_count > 0, days.business_date), else_=0)), 0),
        ).where(days.account_number.in_(account_numbers), days.business_date >= from_date)
    ).one()
    return Totals(*(int(value) for value in row))


def member_sums(from_date: int = 0, members: Sequence[int] | None = None) -> Subquery:
    """(member_id, spent_minor, visit_count, points_hundredths, last_date) of all or some members that did something."""
    held, days = owners(members), account_days.c
    query = (
        select(
            held.c.member_id,
            cast(func.sum(days.spent_minor), BigInt).label("spent_minor"),
            cast(func.sum(days.visit_count), BigInt).label("visit_count"),
            cast(func.sum(days.points_hundredths), BigInt).label("points_hundredths"),
            func.max(case((days.visit_count > 0, days.business_date), else_=0)).label("last_date"),
        )
        .join(account_days, days.account_number == held.c.account_number)
        .group_by(held.c.member_id)
    )
    if from_date:
        query = query.where(days.business_date >= from_date)
    return query.subquery()


def business_date(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - FIRST_DATE).days


def date_before(day: date, days: int) -> int:
    """Business date of so many days before a day: the first of a period of that length that ends with it."""
    return business_date(day - timedelta(days=days - 1))
