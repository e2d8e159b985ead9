"""Jobs as their owners see them: order, look, stop, begin again, fetch, throw away."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.i18n import locale_now
from admin.members.seals import Vault
from admin.models.exports import ExportJob, JobState
from admin.models.members import Member
from admin.service import Service

from .kinds import AT_ONCE_MEMBERS_MAX, KINDS, LEVELS, LEVELS_RUN, LevelsAsked, may_run

_ = str
FOLDER = "exports"
KEPT = timedelta(hours=24)
"""A file is there until the same time of the next day: it is as sensitive as what it was made of."""
WAITING_MAX = 5
"""Jobs of one person that wait or run: they are done one after the other, for everybody."""
JOBS_SHOWN_MAX = 50
UNDER_WAY = (JobState.WAITING, JobState.RUNNING)


def order(service: Service, visitor: Visitor, kind: str, title: str, asked: msgspec.Struct) -> int:
    """Let a job be done; its number."""
    with service.database.write() as session:
        mine = select(func.count()).select_from(ExportJob).where(ExportJob.created_by == visitor.user_id)
        if (session.scalar(mine.where(ExportJob.state.in_(UNDER_WAY))) or 0) >= WAITING_MAX:
            raise RefusedError("{most} of your exports are under way: wait for one, or stop it.", most=WAITING_MAX)
        job = ExportJob(
            kind=kind,
            title=title,
            request=msgspec.json.encode(asked).decode(),
            locale=locale_now.get(),
            created_at=service.now(),
            created_by=visitor.user_id,
        )
        session.add(job)
        session.flush()
        service.audit.append(session, visitor, KINDS[kind].function, "order export", f"export {job.id}", kind=kind)
        return job.id


def is_for_a_job(session: Session) -> bool:
    """Whether there are so many members that the web server does not look for those that a change would move."""
    some = select(Member.id).limit(AT_ONCE_MEMBERS_MAX + 1).subquery()
    return (session.scalar(select(func.count()).select_from(some)) or 0) > AT_ONCE_MEMBERS_MAX


def plan_soon(service: Service, visitor: Visitor) -> int:
    """Let somebody hear whom a change of levels would move; the number of the job."""
    return order(service, visitor, LEVELS, _("Whom a change of levels would move"), LevelsAsked())


def run_soon(service: Service, visitor: Visitor) -> int:
    """Let members be moved by their levels' rules; the number of the job. Stopped, it has moved some of them."""
    return order(service, visitor, LEVELS_RUN, _("A change of levels"), LevelsAsked())


def jobs_of(session: Session, visitor: Visitor) -> Sequence[ExportJob]:
    """One's own, newest first."""
    query = select(ExportJob).where(ExportJob.created_by == visitor.user_id)
    return session.scalars(query.order_by(ExportJob.id.desc()).limit(JOBS_SHOWN_MAX)).all()


def job_of(session: Session, visitor: Visitor, job_id: int) -> ExportJob | None:
    """One of one's own."""
    job = session.get(ExportJob, job_id)
    return job if job is not None and job.created_by == visitor.user_id else None


def last_of_kind(session: Session, visitor: Visitor, kind: str) -> ExportJob | None:
    """One's newest job of a kind."""
    query = select(ExportJob).where(ExportJob.created_by == visitor.user_id, ExportJob.kind == kind)
    found: ExportJob | None = session.scalar(query.order_by(ExportJob.id.desc()).limit(1))
    return found


def stop(service: Service, visitor: Visitor, job_id: int) -> None:
    """Do no more of a job; what it has made so far is not kept."""
    _move(service, visitor, job_id, UNDER_WAY, JobState.STOPPED, _("stop export"))


def resume(service: Service, visitor: Visitor, job_id: int) -> None:
    """Begin a job again that was stopped or went wrong: from its beginning, since a file shows one moment."""
    values = {"rows_done": 0, "rows_all": 0, "problem": ""}
    _move(
        service,
        visitor,
        job_id,
        (JobState.STOPPED, JobState.FAILED),
        JobState.WAITING,
        _("begin export again"),
        **values,
    )


def drop(service: Service, visitor: Visitor, job_id: int) -> None:
    """Remove a job's file before its time."""
    _move(service, visitor, job_id, (JobState.DONE,), JobState.GONE, _("remove export"), result="")
    remove_file(service, job_id)


def fetch(service: Service, visitor: Visitor, job_id: int) -> tuple[ExportJob, bytes]:
    """The file of a job, for who ordered it and still may; noted."""
    with service.database.read() as session:
        job = job_of(session, visitor, job_id)
        if job is None or job.state != JobState.DONE or not job.file_name:
            raise RefusedError("There is no such file; it may have been removed. Order the export again.")
        if not may_run(visitor, job.kind):
            raise RefusedError("You may not export this any more.")
        session.expunge(job)
    try:
        sealed = path_of(service, job_id).read_bytes()
    except FileNotFoundError:
        raise RefusedError("There is no such file; it may have been removed. Order the export again.") from None
    content = Vault(service).open_bytes("export_jobs", "file", str(job_id), sealed)
    service.audit.looked(visitor, KINDS[job.kind].function, f"export {job_id}")
    return job, content


def keep_file(service: Service, job_id: int, content: bytes) -> None:
    """Put a file beside the database, sealed."""
    path = path_of(service, job_id)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(Vault(service).seal("export_jobs", "file", str(job_id), content))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def remove_file(service: Service, job_id: int) -> None:
    """Remove a job's file, if there is one."""
    path_of(service, job_id).unlink(missing_ok=True)


def path_of(service: Service, job_id: int) -> Path:
    """Where a job's file is."""
    return Path(service.settings.data) / FOLDER / f"{job_id}.sealed"


def _move(
    service: Service,
    visitor: Visitor,
    job_id: int,
    befores: Sequence[JobState],
    after: JobState,
    action: str,
    **values: Any,
) -> None:
    with service.database.write() as session:
        job = job_of(session, visitor, job_id)
        if job is None:
            raise RefusedError("There is no such export.")
        moved = session.execute(
            update(ExportJob)
            .where(ExportJob.id == job_id, ExportJob.state.in_(befores))
            .values(state=after, **values)
            .execution_options(synchronize_session=False)
        )
        assert isinstance(moved, CursorResult)
        if moved.rowcount != 1:
            raise RefusedError("The export has gone on meanwhile; look at it again.")
        service.audit.append(session, visitor, KINDS[job.kind].function, action, f"export {job_id}")
