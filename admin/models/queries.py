"""Queries that people keep, reports that a timer runs, and what they came to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base

NAME_LENGTH_MAX = 80
RIGHT_LENGTH_MAX = 60


class SavedQuery(Base):
    """A query under a name."""

    __tablename__ = "saved_queries"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    definition: Mapped[str] = mapped_column(Text)
    """JSON of `queries.definition.Definition`; card numbers in it are references."""
    shared_right: Mapped[str] = mapped_column(String(RIGHT_LENGTH_MAX), default="")
    """Who holds it may use the query, on records of his own part; empty: its owner alone."""
    owner_id: Mapped[int] = mapped_column(BigInt)
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    __table_args__ = (Index("ix_saved_queries_owner", "owner_id"),)


class ReportSchedule(Base):
    """A report or a saved query that is run for each period."""

    __tablename__ = "report_schedules"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    report: Mapped[str] = mapped_column(String(40), default="")
    """Name in `admin.reports.registry.REPORTS`; empty: a query."""
    query_id: Mapped[int | None] = mapped_column(ForeignKey("saved_queries.id"))
    parameters: Mapped[str] = mapped_column(Text, default="")
    """Of a report, as they stand in an address."""
    period: Mapped[str] = mapped_column(String(10))
    """day, week or month."""
    is_whole_past: Mapped[bool] = mapped_column(default=False)
    """Whether it is about all that was until the end of the period, and not about the period alone."""
    shared_right: Mapped[str] = mapped_column(String(RIGHT_LENGTH_MAX), default="")
    is_enabled: Mapped[bool] = mapped_column(default=True)
    owner_id: Mapped[int] = mapped_column(BigInt)
    """It is run with what he may see on the day."""
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """The owner's node: whose part it lies in may see what came of it."""
    from_date: Mapped[int]
    """First business date whose period is run, days since 1970-01-01."""
    made_at: Mapped[datetime]


class ReportRun(Base):
    """What a scheduled report came to for one period; it is there once, whatever happens to who makes it."""

    __tablename__ = "report_runs"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    schedule_id: Mapped[int] = mapped_column(ForeignKey("report_schedules.id"))
    first_date: Mapped[int]
    last_date: Mapped[int]
    """The period, business dates."""
    state: Mapped[str] = mapped_column(String(10))
    """done, or failed: then `problem` says why, and there is no content."""
    problem: Mapped[str] = mapped_column(String(400), default="")
    parameters: Mapped[str] = mapped_column(Text, default="")
    """With what it was asked: an address's, or a query's definition as JSON."""
    content: Mapped[str] = mapped_column(Text, default="")
    """JSON of `reports.keeping.Content`; card numbers whole, masked when they are shown."""
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 of parameters and content."""
    row_count: Mapped[int] = mapped_column(BigInt, default=0)
    made_at: Mapped[datetime]
    made_for: Mapped[int] = mapped_column(BigInt)
    """The user with whose rights it was run."""
    attempts: Mapped[int] = mapped_column(default=1)
    """How often it was tried; `reports.schedules.RETRY_AFTER` says when a failed one is tried again."""

    __table_args__ = (UniqueConstraint("schedule_id", "last_date"), Index("ix_report_runs_made", "made_at"))
