"""`python -m admin.exports.exporter`: does jobs, one after the other, until SIGTERM; `cardswitch up` starts it.

It is killed at any moment without harm: a job that was under way begins again,
and a file counts when its row says that it is done.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import msgspec
import structlog
from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from admin.access import Visitor, visitor_of
from admin.database import Database
from admin.errors import RefusedError
from admin.i18n import locale_now, zone_now
from admin.models.exports import ExportJob, JobState
from admin.models.people import User
from admin.processes import alone, run_process, work_until
from admin.references import References
from admin.reports.running import Runner
from admin.reports.schedules import BROKEN
from admin.service import Service
from admin.settings import Settings

from .jobs import KEPT, keep_file, remove_file
from .kinds import KINDS, Made, Work, may_run

IDLE_PAUSE_S = 0.5
"""Between looks for a job that was ordered."""
NICENESS = 10
"""A file may take longer; a sale and a page may not."""
TIME_MAX_MS = 600_000
"""Of the question behind a file: nobody waits in front of a browser."""
TELL_EVERY_MS = 1_000
"""Between two times that progress is noted, and that a wish to stop is noticed."""
PURGE_EVERY_MS = 60_000
PROBLEM_LENGTH_MAX = 400

log = structlog.get_logger(__name__)


class StoppedError(Exception):
    """The job's owner, or whoever ends this process, wants it to end."""


class Exporter:
    """Does jobs; one for each installation."""

    def __init__(self, service: Service, is_stopping: threading.Event) -> None:
        self._service = service
        self._is_stopping = is_stopping
        self._runner = Runner(service.database, service.surroundings.now_ms, TIME_MAX_MS)
        self._references = References(service.secret_for("card references"))
        self._purged_ms = 0

    def work(self) -> bool:
        """One job; False when none waits."""
        now_ms = self._service.surroundings.now_ms()
        if now_ms - self._purged_ms >= PURGE_EVERY_MS:
            self._purge()
            self._purged_ms = now_ms
        with self._service.database.read() as session:
            some = select(ExportJob.id).order_by(ExportJob.id).limit(1)
            begun = session.scalar(some.where(ExportJob.state == JobState.RUNNING))
            waiting = session.scalar(some.where(ExportJob.state == JobState.WAITING))
        if begun is not None:  # by a process that is gone, or before the database went away
            self._move(begun, JobState.RUNNING, state=JobState.WAITING, rows_done=0, rows_all=0)
            return True
        if waiting is not None and self._move(waiting, JobState.WAITING, state=JobState.RUNNING):
            self._do(waiting)
        return waiting is not None

    def _do(self, job_id: int) -> None:
        try:
            made = self._make(job_id)
            if made.name:
                keep_file(self._service, job_id, made.content)
            values = {"file_name": made.name, "media_type": made.media_type, "file_bytes": len(made.content)}
            now = self._service.now()
            if not self._move(
                job_id, JobState.RUNNING, state=JobState.DONE, result=made.result, ended_at=now, **values
            ):
                remove_file(self._service, job_id)  # stopped in the last moment
        except StoppedError:
            if self._is_stopping.is_set():
                self._move(job_id, JobState.RUNNING, state=JobState.WAITING, rows_done=0, rows_all=0)
        except RefusedError as error:
            self._fail(job_id, error.message.format(**error.values))
        except BROKEN as error:
            # Said on its page; other jobs must not wait for one that cannot be done.
            log.exception("an export could not be made", job=job_id)
            self._fail(job_id, f"{type(error).__name__}")

    def _make(self, job_id: int) -> Made:
        service = self._service
        with service.database.read() as session:
            job = session.get_one(ExportJob, job_id)
            kind, asked, locale = KINDS[job.kind], job.request, job.locale
            visitor = self._visitor(session, job)
        locale_now.set(locale or service.settings.locale)
        zone_now.set(service.zone.now)
        work = Work(service, self._runner, self._references, visitor, _Teller(self, job_id).tick)
        return kind.make(work, msgspec.json.decode(asked, type=kind.asked))

    def _visitor(self, session: Session, job: ExportJob) -> Visitor:
        """The owner with the rights that he has now."""
        user = session.get(User, job.created_by)
        if user is None or not user.is_enabled:
            raise RefusedError("Its owner is not enabled any more.")
        off = self._service.parameters.modules_off(self._service.now())
        visitor = visitor_of(session, user, "", b"", None, modules_off=off)
        if not may_run(visitor, job.kind):
            raise RefusedError("Its owner may not export this any more.")
        return visitor

    def _fail(self, job_id: int, problem: str) -> None:
        values = {"problem": problem[:PROBLEM_LENGTH_MAX], "ended_at": self._service.now()}
        self._move(job_id, JobState.RUNNING, state=JobState.FAILED, **values)

    def tell(self, job_id: int, done: int, count: int) -> None:
        """Note progress; `StoppedError` when the job is to end."""
        if self._is_stopping.is_set() or not self._move(job_id, JobState.RUNNING, rows_done=done, rows_all=count):
            raise StoppedError

    def now_ms(self) -> int:
        """The moment."""
        return self._service.surroundings.now_ms()

    def _move(self, job_id: int, before: JobState, **values: Any) -> bool:
        with self._service.database.write() as session:
            moved = session.execute(
                update(ExportJob)
                .where(ExportJob.id == job_id, ExportJob.state == before)
                .values(**values)
                .execution_options(synchronize_session=False)
            )
            assert isinstance(moved, CursorResult)
            return moved.rowcount == 1

    def _purge(self) -> None:
        """Remove files whose time is up."""
        with self._service.database.read() as session:
            old = select(ExportJob.id).where(
                ExportJob.state == JobState.DONE, ExportJob.ended_at <= self._service.now() - KEPT
            )
            numbers = session.scalars(old).all()
        for number in numbers:
            remove_file(self._service, number)
            self._move(number, JobState.DONE, state=JobState.GONE, result="")


class _Teller:
    """Notes a job's progress now and then."""

    def __init__(self, exporter: Exporter, job_id: int) -> None:
        self._exporter, self._job_id = exporter, job_id
        self._told_ms = 0

    def tick(self, done: int, count: int) -> None:
        """So many rows are done."""
        now_ms = self._exporter.now_ms()
        if now_ms - self._told_ms >= TELL_EVERY_MS:
            self._told_ms = now_ms
            self._exporter.tell(self._job_id, done, count)


def run(settings: Settings, database: Database, is_stopping: threading.Event) -> None:
    """Do what was ordered, alone."""
    os.nice(NICENESS)
    with alone(settings, "exporter"):
        exporter = Exporter(Service(settings, database), is_stopping)
        work_until(is_stopping, exporter.work, "exports wait", idle_pause_s=IDLE_PAUSE_S)


if __name__ == "__main__":
    sys.exit(run_process("exporter", run))
