"""Reports by timer as they are looked at: which ones run, what they came to, one of them as it was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin import i18n
from admin.access import Visitor
from admin.models.people import User
from admin.models.queries import ReportRun, ReportSchedule, SavedQuery
from admin.service import Service

from .asking import ReportFile, note_look, table_file
from .keeping import digest_of, report_in
from .registry import REPORTS
from .report import Report
from .running import Outcome
from .schedules import schedule_seen, schedules_seen

DONE = "done"
"""State of a run that has a result."""


class TimerRow(NamedTuple):
    """A timer with its last run."""

    timer: ReportSchedule
    last_run: ReportRun | None
    asked: str
    """English label of the report, or the name of the query."""


@dataclass(frozen=True, slots=True)
class RunSeen:
    """What a timer's report came to for one period."""

    run: ReportRun
    timer: ReportSchedule
    made_for: str
    """Full name of who it was run for."""

    @property
    def is_whole(self) -> bool:
        """Whether parameters and content are what was kept when it was made."""
        return digest_of(self.run.parameters, self.run.content) == self.run.digest

    def table(self, service: Service, visitor: Visitor) -> tuple[Report, Outcome] | None:
        """The table as it was kept; a look at whole card numbers is noted. None for a run that has failed."""
        if self.run.state != DONE:
            return None
        report, outcome = report_in(self.run.content)
        note_look(service, visitor, report, outcome)
        return report, outcome

    def file(self, service: Service, visitor: Visitor, suffix: str) -> ReportFile | None:
        """The table as `xlsx` or `csv`, noted as an export; None for a run that has failed."""
        found = self.table(service, visitor)
        if found is None:
            return None
        about = [
            (i18n.translate("Timer"), self.timer.name),
            (i18n.translate("Period"), f"{i18n.day(self.run.first_date)} - {i18n.day(self.run.last_date)}"),
            ("SHA-256", self.run.digest.hex()),
        ]
        return table_file(service, visitor, *found, suffix, about, f"run {self.run.id}")


def list_timers(session: Session, visitor: Visitor) -> list[TimerRow]:
    """Timers that the visitor may look at, by name."""
    seen = [
        row for row in session.scalars(schedules_seen(visitor)) if schedule_seen(session, visitor, row.id) is not None
    ]
    last = select(func.max(ReportRun.id)).where(ReportRun.schedule_id.in_([row.id for row in seen]))
    runs = session.scalars(select(ReportRun).where(ReportRun.id.in_(last.group_by(ReportRun.schedule_id))))
    by_schedule = {run.schedule_id: run for run in runs}
    return [TimerRow(row, by_schedule.get(row.id), asked_name(session, row)) for row in seen]


def runs_page(session: Session, timer_id: int, before: int | None, limit: int) -> Sequence[ReportRun]:
    """Runs of a timer, newest first, before a last date; one more than `limit`."""
    query = select(ReportRun).where(ReportRun.schedule_id == timer_id).order_by(ReportRun.last_date.desc())
    if before is not None:
        query = query.where(ReportRun.last_date < before)
    return session.scalars(query.limit(limit + 1)).all()


def run_seen(session: Session, visitor: Visitor, number: int) -> RunSeen | None:
    """A run of a timer that the visitor may look at."""
    run = session.get(ReportRun, number)
    timer = schedule_seen(session, visitor, run.schedule_id) if run is not None else None
    if run is None or timer is None:
        return None
    user = session.get(User, run.made_for)
    return RunSeen(run, timer, user.full_name if user else "")


def asked_name(session: Session, row: ReportSchedule) -> str:
    """English label of the report, or the name of the query."""
    if row.report:
        return REPORTS[row.report].label if row.report in REPORTS else row.report
    kept = session.get(SavedQuery, row.query_id)
    return kept.name if kept is not None else ""


def owner_names(session: Session) -> dict[int, str]:
    """Full names of users."""
    return {row.id: row.full_name for row in session.execute(select(User.id, User.full_name))}
