"""`python -m admin.abnormal.watcher`: looks at followed entries with all rules, each entry once, until SIGTERM.

What was found and how far it was looked change in one transaction, and the
position moves only from where this watcher left it: killed at any moment, or
started twice, it raises each finding once.  On the way it notes when each
terminal was last heard of.  Threads of it run the reports that have a timer,
keep figures of members, make the reminders of each day, and hand documents over to the books.
"""

from __future__ import annotations

import sys
import threading

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from admin.care import engine as reminders
from admin.database import Database
from admin.finance.job import FinanceJob
from admin.finance.job import run_until as hand_over
from admin.members.totals import keep
from admin.models.journal import PART_BITS, entries
from admin.models.security import AbnormalHit, AbnormalRule, AbnormalState, TerminalActivity, WatchPosition
from admin.processes import run_process, work_until
from admin.reports.schedules import Timer, run_until
from admin.service import Service
from admin.settings import Settings
from admin.time_zone import zone_of

from .patterns import PATTERNS, Finding, Span

SPAN_ENTRIES = 2_000
"""Looked at in one transaction: some tenths of a second with ten rules."""
IDLE_PAUSE_S = 0.5
THREADS_STOP_S = 5.0
"""What is being made then is made again by the next process: a report's row and a day's tasks are written whole or not
at all."""


class Watcher:
    """Looks at the entries of one partition; `work` does one span."""

    def __init__(self, database: Database, partition: int) -> None:
        self._database = database
        self._partition = partition

    def work(self) -> bool:
        """One span; False when there is nothing new."""
        with self._database.read() as session:
            after = self._position(session)
            last = self._last(session, after)
        if last is None:
            return False
        with self._database.write() as session:
            if not self._move(session, after, last):
                return True  # another watcher has looked at these
            span = Span(after, last)
            self._note_terminals(session, span)
            zone = zone_of(session)
            for rule in session.scalars(select(AbnormalRule).where(AbnormalRule.is_enabled)).all():
                for finding in PATTERNS[rule.pattern].find(session, rule, span, zone):
                    _raise(session, rule, finding)
        return True

    def catch_up(self) -> None:
        """Look at all that is there."""
        while self.work():
            pass

    def _position(self, session: Session) -> int:
        return session.scalar(select(WatchPosition.sequence).where(WatchPosition.partition == self._partition)) or 0

    def _last(self, session: Session, after: int) -> int | None:
        """Last entry of the next span; None when there is none."""
        ids = (
            select(entries.c.sequence)
            .where(entries.c.id >= (after + 1) << PART_BITS, entries.c.part == 0)
            .order_by(entries.c.id)
            .limit(SPAN_ENTRIES)
            .subquery()
        )
        last: int | None = session.scalar(select(func.max(ids.c.sequence)))
        return last

    def _move(self, session: Session, after: int, last: int) -> bool:
        if not after and session.get(WatchPosition, self._partition) is None:
            session.add(WatchPosition(partition=self._partition, sequence=last))
            session.flush()
            return True
        moved = session.execute(
            update(WatchPosition)
            .where(WatchPosition.partition == self._partition, WatchPosition.sequence == after)
            .values(sequence=last)
        )
        assert isinstance(moved, CursorResult)
        return moved.rowcount == 1

    def _note_terminals(self, session: Session, span: Span) -> None:
        counted = select(entries.c.terminal_id, func.max(entries.c.time_ms), func.max(entries.c.sequence), func.count())
        rows = session.execute(
            counted.where(
                entries.c.id >= (span.after + 1) << PART_BITS,
                entries.c.id < (span.until + 1) << PART_BITS,
                entries.c.part == 0,
            ).group_by(entries.c.terminal_id)
        ).all()
        for terminal_id, last_ms, last_sequence, count in rows:
            found = session.get(TerminalActivity, terminal_id)
            if found is None:
                found = TerminalActivity(terminal_id=terminal_id, last_sequence=0, last_ms=0, entry_count=0)
                session.add(found)
            found.last_ms, found.last_sequence = max(found.last_ms, last_ms), last_sequence
            found.entry_count += count


def _raise(session: Session, rule: AbnormalRule, finding: Finding) -> None:
    known = select(AbnormalHit.id).where(AbnormalHit.rule_id == rule.id, AbnormalHit.subject == finding.subject)
    if session.scalar(known) is not None:
        return
    session.add(
        AbnormalHit(
            rule_id=rule.id,
            subject=finding.subject,
            state=AbnormalState.NEW,
            sequence=finding.sequence,
            time_ms=finding.time_ms,
            business_date=finding.business_date,
            card_number=finding.card_number,
            terminal_id=finding.terminal_id,
            store_id=finding.store_id,
            other_store_id=finding.other_store_id,
            amount_minor=finding.amount_minor,
            count=finding.count,
        )
    )
    session.flush()


def run(settings: Settings, database: Database, is_stopping: threading.Event) -> None:
    """Watch; beside it, since they sleep most of the time, threads for timers and for figures of members."""
    watcher = Watcher(database, settings.partition)
    service = Service(settings, database)
    beside = [
        threading.Thread(target=run_until, args=(Timer(service), is_stopping), daemon=True),
        threading.Thread(target=keep, args=(database, is_stopping), daemon=True),
        threading.Thread(target=reminders.run_until, args=(reminders.Reminders(service), is_stopping), daemon=True),
        threading.Thread(target=hand_over, args=(FinanceJob(service), is_stopping), daemon=True),
    ]
    for thread in beside:
        thread.start()
    try:
        work_until(is_stopping, watcher.work, "watching stands still", idle_pause_s=IDLE_PAUSE_S)
    finally:
        is_stopping.set()
        for thread in beside:
            thread.join(THREADS_STOP_S)


if __name__ == "__main__":
    sys.exit(run_process("watcher", run))
