"""Journeys: what a member is led through, who is where, and which step was done for whom."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base

NAME_LENGTH_MAX = 80


class Journey(Base):
    """A way that members are led: what begins it, and its steps."""

    __tablename__ = "journeys"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(BigInt)
    maker_id: Mapped[int] = mapped_column(BigInt)
    """Only members whom this user may write to enter."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    trigger: Mapped[str] = mapped_column(String(10))
    """joined, purchase, birthday, silent or group."""
    trigger_value: Mapped[int] = mapped_column(BigInt, default=0)
    """Days without a purchase; number of the group."""
    is_on: Mapped[bool] = mapped_column(default=False)
    started_at: Mapped[datetime | None]
    """When it was switched on last: what was before begins nothing."""
    position: Mapped[int] = mapped_column(BigInt, default=0)
    """How far was looked for members who enter: an entry, or a business date."""
    changed_at: Mapped[datetime]
    problem: Mapped[str] = mapped_column(String(200), default="")


class JourneyStep(Base):
    """One step of a journey."""

    __tablename__ = "journey_steps"

    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(10))
    """wait, branch, message or stop."""
    days: Mapped[int] = mapped_column(default=0)
    """Of a wait."""
    template_id: Mapped[int | None] = mapped_column(ForeignKey("message_templates.id"))
    """Of a message."""
    condition: Mapped[str] = mapped_column(String(10), default="")
    """Of a branch: bought, delivered, willing or group."""
    group_id: Mapped[int | None] = mapped_column(BigInt)
    """Of a branch that asks for one; nobody is in a group that is gone."""
    then_number: Mapped[int] = mapped_column(default=0)
    """Step that follows; 0: the journey ends."""
    else_number: Mapped[int] = mapped_column(default=0)
    """Step that follows where the condition of a branch does not hold."""


class JourneyRun(Base):
    """A member on a journey."""

    __tablename__ = "journey_runs"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.id"))
    member_id: Mapped[int] = mapped_column(BigInt)
    occasion: Mapped[int] = mapped_column(default=0)
    """Year of a birthday, else 0: a member enters once for each."""
    entered_at: Mapped[datetime]
    step: Mapped[int]
    """That is to be done next; 0: it has ended."""
    due_at: Mapped[datetime]
    is_running: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (
        Index("ix_journey_runs_member", "journey_id", "member_id", "occasion", unique=True),
        Index("ix_journey_runs_due", "is_running", "due_at"),
    )


class JourneyVisit(Base):
    """A step that was done for a member: once, since it is the key."""

    __tablename__ = "journey_visits"

    run_id: Mapped[int] = mapped_column(ForeignKey("journey_runs.id"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    journey_id: Mapped[int] = mapped_column(BigInt)
    time: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(10))
    """waited, yes, no, sent, skipped or stopped."""
    message_key: Mapped[str | None] = mapped_column(String(60))
    """Source key of the message that was sent."""

    __table_args__ = (Index("ix_journey_visits_journey", "journey_id", "step"),)
