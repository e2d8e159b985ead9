"""The daily run of the reminders: what is due becomes tasks, each once, whatever is killed or started twice.

A kind runs once for each business date.  Its tasks and the row that says so
are written in one transaction, and a task's kind, member and reference are
unique: two that run at the same time make nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from threading import Event
from typing import Any

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from admin.audit import Actor
from admin.database import to_ms
from admin.members.today import today_of
from admin.members.totals import business_date, catch_up
from admin.models.care import CareTask, ReminderRule, ReminderRun, TaskState
from admin.models.members import Member
from admin.service import Service

from .kinds import COUNT_MAX, REMINDERS, TaskKind
from .reminders import FINDERS, OF_A_SPAN, Found, Look

MODULE = "care"
IDLE_PAUSE_S = 20.0
SAME_DAY_PAUSE_MS = 300_000
"""Visits on the day of the purchase are looked for again after it."""
MEMBERS_PER_QUESTION = 500
PORTION_DAYS = 31
"""Due dates of one run: the first one for those who stay away looks at a year, and a reader that long keeps SQLite's
log from being brought in."""
REMINDER = Actor(0, "(reminders)", "")

log = structlog.get_logger("reminders")


@dataclass(frozen=True, slots=True)
class Made:
    """What a run of one kind has made."""

    kind: str
    made_count: int
    is_full: bool


def rules_of(session: Session) -> dict[str, ReminderRule]:
    """How each kind is set; the defaults of those that nobody has set.  They belong to no session."""
    kept = {row.kind: row for row in session.scalars(select(ReminderRule))}
    session.expunge_all()
    return {kind.name: kept.get(kind.name) or default_of(kind) for kind in REMINDERS}


def default_of(kind: TaskKind) -> ReminderRule:
    """How a kind is set that nobody has set."""
    return ReminderRule(kind=kind.name, is_on=kind.is_on, days=kind.days, amount=kind.amount, count_max=COUNT_MAX)


class Reminders:
    """Runs what is due; `work` does one kind."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._same_day_ms = 0

    def work(self) -> bool:
        """Run the next kind that has not run today; False when all have."""
        service = self._service
        with service.database.read() as session:
            today = today_of(session, service)
            ran = {
                row.kind: row
                for row in session.scalars(select(ReminderRun).where(ReminderRun.business_date == business_date(today)))
            }
            session.expunge_all()
            rules = rules_of(session)
        for kind in REMINDERS:
            rule = rules[kind.name]
            if rule.is_on and (kind.name not in ran or self._is_due_again(rule, ran[kind.name])):
                self.run(kind, rule, today)
                return True
        return False

    def run(self, kind: TaskKind, rule: ReminderRule, today: date) -> Made:
        """Run one kind for a day; what it has made."""
        if kind.name in ("follow-up", "silent", "low-balance"):
            catch_up(self._service.database)
        day = business_date(today)
        with self._service.database.read() as session:
            before = session.get(ReminderRun, (day, kind.name))
            made_before = before.made_count if before is not None else 0
            first, last = self._window(session, kind, rule, day, before)
            portion = min(last, first + PORTION_DAYS - 1)
            limit = max(0, rule.count_max - made_before)
            found, until, is_full = _find(session, kind, rule, today, (first, portion), limit)
            rows = self._rows(session, kind, found)
        is_whole = is_full or portion == last
        return self._keep(kind, day, last if is_full and not kind.is_resumed else until, rows, is_full, is_whole)

    def _is_due_again(self, rule: ReminderRule, run: ReminderRun) -> bool:
        """Whether it was set anew, or purchases of this very day are to be looked at again."""
        if run.is_asked:
            return True
        if rule.kind != "follow-up" or rule.days or run.made_count >= rule.count_max:
            return False
        now_ms = self._service.surroundings.now_ms()
        if now_ms - max(self._same_day_ms, to_ms(run.ran_at)) < SAME_DAY_PAUSE_MS:
            return False
        self._same_day_ms = now_ms
        return True

    def _window(
        self, session: Session, kind: TaskKind, rule: ReminderRule, day: int, before: ReminderRun | None
    ) -> tuple[int, int]:
        """First and last due date of a run; it goes on where an earlier portion of the day's own has come to."""
        is_ahead = kind.days_label and kind.name not in ("silent", "follow-up")
        last = day + (rule.days if is_ahead else 0)
        if kind.is_snapshot:
            return day, day
        previous = before.until_date if before is not None and before.is_asked and before.until_date else None
        previous = previous or session.scalar(
            select(ReminderRun.until_date)
            .where(ReminderRun.kind == kind.name, ReminderRun.business_date < day)
            .order_by(ReminderRun.business_date.desc())
            .limit(1)
        )
        first = day - kind.first_days if previous is None else max(previous + 1, day - kind.looks_back_days)
        return min(first, last), last

    def _rows(self, session: Session, kind: TaskKind, found: list[Found]) -> list[dict[str, Any]]:
        """Rows of tasks; a member's go to its owner and to who looks after it."""
        owners: dict[int, tuple[int, int]] = {}
        numbers = sorted({one.member_id for one in found if one.member_id})
        for start in range(0, len(numbers), MEMBERS_PER_QUESTION):
            some = numbers[start : start + MEMBERS_PER_QUESTION]
            query = select(Member.id, Member.organisation_id, Member.manager_id).where(Member.id.in_(some))
            owners |= {number: (owner, manager or 0) for number, owner, manager in session.execute(query)}
        now = self._service.now()
        return [
            {
                "kind": kind.name,
                "state": TaskState.OPEN,
                "member_id": one.member_id,
                "reference": one.reference,
                "organisation_id": owners.get(one.member_id, (one.organisation_id, 0))[0],
                "assigned_to": owners.get(one.member_id, (0, 0))[1],
                "store_id": one.store_id,
                "subject": one.subject,
                "due_date": one.due_date,
                "made_at": now,
                "made_by": 0,
                "ended_by": 0,
                "ended_date": 0,
                "result": "",
                "satisfaction": 0,
            }
            for one in found
        ]

    def _keep(
        self, kind: TaskKind, day: int, until: int, rows: list[dict[str, Any]], is_full: bool, is_whole: bool
    ) -> Made:
        service = self._service
        insert: Any = (sqlite if service.database.is_sqlite else postgresql).insert(CareTask)
        made = 0
        try:
            with service.database.write() as session:
                if rows:
                    before = session.scalar(select(func.max(CareTask.id))) or 0
                    session.execute(insert.on_conflict_do_nothing(), rows)
                    mine = select(func.count()).select_from(CareTask)
                    made = session.scalar(mine.where(CareTask.id > before, CareTask.kind == kind.name)) or 0
                run = session.get(ReminderRun, (day, kind.name))
                if run is None:
                    run = ReminderRun(business_date=day, kind=kind.name, made_count=0, is_full=False)
                    session.add(run)
                run.until_date, run.ran_at, run.is_asked = until, service.now(), not is_whole
                run.made_count, run.is_full = run.made_count + made, run.is_full or is_full
                session.flush()
                if made or is_whole:
                    detail: dict[str, Any] = {"date": day, "made": made, "full": is_full}
                    service.audit.append(session, REMINDER, MODULE, "remind", kind.name, **detail)
        except IntegrityError:
            log.info("another process has run it", kind=kind.name)
            return Made(kind.name, 0, is_full=False)
        return Made(kind.name, made, is_full)


def _find(
    session: Session, kind: TaskKind, rule: ReminderRule, today: date, window: tuple[int, int], limit: int
) -> tuple[list[Found], int, bool]:
    """What is due within a window, the last due date that is dealt with, and whether there was more than `limit`."""
    first, last = window
    look = Look(session, today, first, last, rule, limit + 1)
    finder = FINDERS[kind.name]
    found: list[Found] = []
    if kind.name in OF_A_SPAN:
        found = finder(look)
    else:
        for day in range(first, last + 1):
            found += finder(replace(look, first_date=day, last_date=day, limit=limit + 1 - len(found)))
            if len(found) > limit:
                break
    is_full = len(found) > limit
    until = found[limit].due_date - 1 if is_full and kind.is_resumed else last
    return found[:limit], until, is_full


def ask_again(session: Session, kind: str, day: int) -> None:
    """Let a kind run once more today, because it was set anew; what it has made counts and is not made twice."""
    session.execute(
        update(ReminderRun)
        .where(ReminderRun.kind == kind, ReminderRun.business_date == day)
        .values(is_asked=True, until_date=0)
    )


def run_until(reminders: Reminders, is_stopping: Event) -> None:
    """Run what is due until somebody says stop; a thread beside other work, for it sleeps most of the time."""
    while not is_stopping.is_set():
        try:
            is_busy = reminders.work()
        except SQLAlchemyError as error:
            log.warning("reminders wait", reason=str(error).partition("\n")[0])
            is_busy = False
        if not is_busy:
            is_stopping.wait(IDLE_PAUSE_S)
