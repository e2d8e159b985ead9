"""Long work that somebody has ordered: exports with many rows, and whom a change of levels would move."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base


class JobState(enum.StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPED = "stopped"
    """Its owner has stopped it; it may begin again."""
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"
    """Its file was removed, by its owner or when its time was up."""


class ExportJob(Base):
    """One job, of the person who ordered it and nobody else's."""

    __tablename__ = "export_jobs"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    """A name in `exports.kinds.KINDS`."""
    title: Mapped[str] = mapped_column(String(80))
    """English, translated where it is shown."""
    request: Mapped[str] = mapped_column(Text)
    """JSON: what was asked for, without card numbers."""
    locale: Mapped[str] = mapped_column(String(8))
    """Of the file's words."""
    state: Mapped[str] = mapped_column(String(10), default=JobState.WAITING)
    problem: Mapped[str] = mapped_column(String(400), default="")
    rows_done: Mapped[int] = mapped_column(BigInt, default=0)
    rows_all: Mapped[int] = mapped_column(BigInt, default=0)
    """0: not known yet."""
    file_name: Mapped[str] = mapped_column(String(80), default="")
    media_type: Mapped[str] = mapped_column(String(80), default="")
    file_bytes: Mapped[int] = mapped_column(BigInt, default=0)
    result: Mapped[str] = mapped_column(Text, default="")
    """JSON, of what makes no file."""
    created_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(BigInt)
    ended_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_export_jobs_owner", "created_by", "id"), Index("ix_export_jobs_state", "state", "id"))
