"""Care of members: reminders and the tasks they become, visits, opinions, activities, calls."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base
from .members import NAME_LENGTH_MAX, SEALED_BYTES_MAX, TEXT_LENGTH_MAX

KIND_LENGTH_MAX = 20
SUBJECT_LENGTH_MAX = 120


class TaskState(enum.StrEnum):
    """Where a task is: what is open stays in sight until somebody has done it or said why not."""

    OPEN = "open"
    DONE = "done"
    SKIPPED = "skipped"


class OpinionState(enum.StrEnum):
    """Where a suggestion or complaint is; the order is the only one there is."""

    NEW = "new"
    ASSIGNED = "assigned"
    IN_HANDLING = "in-handling"
    HANDLED = "handled"
    """The effect is written."""
    FED_BACK = "fed-back"
    """The customer was told."""
    CLOSED = "closed"


class ReminderRule(Base):
    """How one kind of reminder is set; kinds without a row have the defaults of `care.kinds`."""

    __tablename__ = "care_rules"

    kind: Mapped[str] = mapped_column(String(KIND_LENGTH_MAX), primary_key=True)
    is_on: Mapped[bool]
    days: Mapped[int]
    amount: Mapped[int] = mapped_column(BigInt)
    """Minor units, hundredths of points or cards, as the kind says."""
    count_max: Mapped[int]
    """Tasks of this kind that one day makes at most."""


class ReminderRun(Base):
    """What one day's run of one kind has made; written in the same transaction as its tasks."""

    __tablename__ = "care_runs"

    business_date: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(KIND_LENGTH_MAX), primary_key=True)
    until_date: Mapped[int]
    """Last due date that is dealt with; the next run begins behind it."""
    made_count: Mapped[int]
    is_full: Mapped[bool]
    """Whether there were more than one day may make."""
    is_asked: Mapped[bool] = mapped_column(default=False)
    """Whether it is to run once more today: somebody has set it anew."""
    ran_at: Mapped[datetime]


class Festival(Base):
    """A day on which members are greeted, as operators keep them."""

    __tablename__ = "care_festivals"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(BigInt)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    date: Mapped[int]
    """YYYYMMDD: festivals of the lunar calendar have another day each year."""
    is_yearly: Mapped[bool]
    """Whether it comes again on the same month and day."""
    group_id: Mapped[int | None] = mapped_column(ForeignKey("member_groups.id", ondelete="SET NULL"))
    """Whose members get a task each; none: one task for all, such as to send greetings."""


class MemberDay(Base):
    """A date or event of one member that somebody is to be reminded of."""

    __tablename__ = "care_member_days"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    date: Mapped[int]
    """YYYYMMDD."""
    month_day: Mapped[int] = mapped_column(index=True)
    """MMDD of it."""
    is_yearly: Mapped[bool]
    note: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")
    created_by: Mapped[int] = mapped_column(BigInt)


class CareTask(Base):
    """Something to do for a member: made by a reminder or by hand, done or skipped once."""

    __tablename__ = "care_tasks"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(KIND_LENGTH_MAX))
    """One of `care.kinds.TASK_KINDS`."""
    state: Mapped[str] = mapped_column(String(10), default=TaskState.OPEN)
    member_id: Mapped[int] = mapped_column(BigInt, default=0)
    """0: about no member, such as the stock of cards."""
    reference: Mapped[int] = mapped_column(BigInt)
    """With kind and member what the reminder is about (a year, a date of purchase, a card): it comes once."""
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Whose task it is: the member's owner."""
    store_id: Mapped[int] = mapped_column(BigInt, default=0)
    """Store of the purchase or the stock; 0: none."""
    subject: Mapped[str] = mapped_column(String(SUBJECT_LENGTH_MAX), default="")
    """What it is about, as `documents.kind.subject` keeps texts; or what somebody has typed."""
    due_date: Mapped[int]
    """Days since 1970-01-01."""
    made_at: Mapped[datetime]
    made_by: Mapped[int] = mapped_column(BigInt, default=0)
    """0: a reminder."""
    assigned_to: Mapped[int] = mapped_column(BigInt, default=0)
    """User who is to do it; 0: whoever comes first."""
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[int] = mapped_column(BigInt, default=0)
    ended_date: Mapped[int] = mapped_column(default=0)
    """Business date on which it was done or skipped."""
    result: Mapped[str] = mapped_column(Text, default="")
    """What came of it, or why it was skipped."""
    satisfaction: Mapped[int] = mapped_column(default=0)
    """1 to 5; 0: not asked."""
    opinion_id: Mapped[int | None] = mapped_column(BigInt)
    """Suggestion or complaint that came up."""

    __table_args__ = (
        UniqueConstraint("kind", "member_id", "reference", name="uq_care_tasks_kind"),
        Index("ix_care_tasks_state", "state", "due_date", "id"),
        Index("ix_care_tasks_organisation", "organisation_id", "state", "due_date", "id"),
        Index("ix_care_tasks_assigned", "assigned_to", "state", "due_date", "id"),
        Index("ix_care_tasks_kind_state", "kind", "state", "due_date", "id"),
        Index("ix_care_tasks_member", "member_id", "id"),
        Index("ix_care_tasks_ended", "ended_date"),
    )


class DepartmentHead(Base):
    """Who heads a department: what comes up during a visit goes to him."""

    __tablename__ = "care_department_heads"

    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))


class Opinion(Base):
    """A suggestion, complaint or enquiry of a customer, from its first word to the answer."""

    __tablename__ = "care_opinions"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    """Its number."""
    organisation_id: Mapped[int] = mapped_column(BigInt)
    kind: Mapped[str] = mapped_column(String(KIND_LENGTH_MAX))
    """suggestion, complaint or enquiry"""
    area: Mapped[int]
    """What it is about: code table `opinion`."""
    state: Mapped[str] = mapped_column(String(KIND_LENGTH_MAX), default=OpinionState.NEW)
    occurred_at: Mapped[datetime]
    occurred_date: Mapped[int]
    """Its day, days since 1970-01-01."""
    member_id: Mapped[int] = mapped_column(BigInt, default=0)
    """0: not known."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX), default="")
    """Of who said it."""
    phone_sealed: Mapped[bytes | None] = mapped_column(LargeBinary(SEALED_BYTES_MAX))
    content: Mapped[str] = mapped_column(Text)
    department_id: Mapped[int] = mapped_column(BigInt, default=0)
    handler_id: Mapped[int] = mapped_column(BigInt, default=0)
    """User who is to handle it; 0: nobody yet."""
    deadline: Mapped[int] = mapped_column(default=0)
    """Business date by which it is to be closed; 0: none."""
    effect: Mapped[str] = mapped_column(Text, default="")
    feedback: Mapped[str] = mapped_column(Text, default="")
    recording: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")
    """File below the folder of recordings."""
    recording_note: Mapped[str] = mapped_column(Text, default="")
    """What was found wrong in how the talk was led."""
    task_id: Mapped[int | None] = mapped_column(BigInt)
    """Visit during which it came up."""
    created_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(BigInt)
    answered_at: Mapped[datetime | None]
    """When somebody first began to handle it."""
    closed_at: Mapped[datetime | None]
    closed_date: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        Index("ix_care_opinions_organisation", "organisation_id", "id"),
        Index("ix_care_opinions_state", "state", "id"),
        Index("ix_care_opinions_area", "area", "id"),
        Index("ix_care_opinions_kind", "kind", "id"),
        Index("ix_care_opinions_member", "member_id", "id"),
        Index("ix_care_opinions_handler", "handler_id", "state", "id"),
        Index("ix_care_opinions_date", "occurred_date"),
    )


class OpinionStep(Base):
    """One step of handling, for those who follow it."""

    __tablename__ = "care_opinion_steps"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    opinion_id: Mapped[int] = mapped_column(ForeignKey("care_opinions.id", ondelete="CASCADE"), index=True)
    time: Mapped[datetime]
    user_id: Mapped[int] = mapped_column(BigInt)
    state: Mapped[str] = mapped_column(String(KIND_LENGTH_MAX))
    """Where the step has led."""
    text: Mapped[str] = mapped_column(Text, default="")
