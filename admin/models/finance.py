"""What goes to the books: documents of business dates and stores, how far each has come, and when the job ran."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base

MARK_LENGTH_MAX = 80


class FinanceState(enum.StrEnum):
    """How far a document has come."""

    WAITING = "waiting"
    """Made, and not handed over yet."""
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    """The books have it."""
    EMPTY = "empty"
    """Nothing to be booked: requests that were refused."""
    FAILED = "failed"
    """The books have refused it; it is sent again."""


class FinanceSetup(Base):
    """What a finance user has chosen; one row."""

    __tablename__ = "finance_setups"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    is_on: Mapped[bool]
    first_date: Mapped[int]
    """First business date that is sent, days since 1970-01-01."""
    accounts: Mapped[str] = mapped_column(Text)
    """JSON: number of the account in the books by what is booked there (`contents.ACCOUNTS`)."""
    changed_at: Mapped[datetime]
    changed_by: Mapped[int] = mapped_column(BigInt)


class FinanceDocument(Base):
    """What a store did on a business date, as far as no document before has it."""

    __tablename__ = "finance_documents"

    business_date: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    store_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 1 on, within date and store."""
    is_red: Mapped[bool]
    """A red-letter document: what was taken back, with a minus."""
    until_sequence: Mapped[int] = mapped_column(BigInt)
    """Last entry that it stands for; it begins behind the one of the documents before."""
    entry_count: Mapped[int]
    value_minor: Mapped[int] = mapped_column(BigInt)
    """By what balances changed."""
    content: Mapped[str] = mapped_column(Text)
    """JSON of `contents.Content`."""
    state: Mapped[str] = mapped_column(String(12))
    attempts: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str] = mapped_column(Text, default="")
    """Why the books have refused it."""
    answer_mark: Mapped[str] = mapped_column(String(MARK_LENGTH_MAX), default="")
    """Of the last answer that was read."""
    made_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    next_try_ms: Mapped[int] = mapped_column(BigInt, default=0)

    __table_args__ = (Index("ix_finance_documents_state", "state", "next_try_ms"),)


class FinanceRun(Base):
    """A run of the job that has done something, or could not."""

    __tablename__ = "finance_runs"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    time: Mapped[datetime]
    user_id: Mapped[int] = mapped_column(BigInt, default=0)
    """0: by the clock."""
    made_count: Mapped[int] = mapped_column(default=0)
    sent_count: Mapped[int] = mapped_column(default=0)
    acknowledged_count: Mapped[int] = mapped_column(default=0)
    failed_count: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str] = mapped_column(Text, default="")
