"""Tables of security staff: rules for abnormal transactions, what they found, key files to hand out, the key desk."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt, UnsignedBig

from .base import Base


class AbnormalState(enum.StrEnum):
    """Where a hit is in its life."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"
    CONFIRMED = "confirmed"


class AbnormalRule(Base):
    """A rule that finds abnormal transactions among followed entries."""

    __tablename__ = "abnormal_rules"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    pattern: Mapped[str] = mapped_column(String(20))
    """Name in `admin.abnormal.patterns.PATTERNS`."""
    is_enabled: Mapped[bool] = mapped_column(default=True)
    store_id: Mapped[int] = mapped_column(BigInt, default=0)
    """Only entries of this store; 0: of all."""
    count_min: Mapped[int] = mapped_column(BigInt, default=0)
    amount_minor: Mapped[int] = mapped_column(BigInt, default=0)
    minutes: Mapped[int] = mapped_column(BigInt, default=0)
    from_minute: Mapped[int] = mapped_column(default=0)
    """Of the day in the switch's time zone."""
    until_minute: Mapped[int] = mapped_column(default=0)
    made_by: Mapped[int] = mapped_column(BigInt)
    made_at: Mapped[datetime]


class AbnormalHit(Base):
    """One finding of one rule: raised once, whatever is killed in between."""

    __tablename__ = "abnormal"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("abnormal_rules.id"))
    subject: Mapped[str] = mapped_column(String(60))
    """What the rule counts by; with the rule it names the finding."""
    state: Mapped[str] = mapped_column(String(12))
    sequence: Mapped[int] = mapped_column(BigInt)
    """Entry that made it one."""
    time_ms: Mapped[int] = mapped_column(BigInt)
    business_date: Mapped[int]
    card_number: Mapped[int] = mapped_column(UnsignedBig, default=0)
    terminal_id: Mapped[int] = mapped_column(BigInt, default=0)
    store_id: Mapped[int] = mapped_column(BigInt, default=0)
    other_store_id: Mapped[int] = mapped_column(BigInt, default=0)
    amount_minor: Mapped[int] = mapped_column(BigInt, default=0)
    count: Mapped[int] = mapped_column(default=0)
    handled_by: Mapped[int] = mapped_column(BigInt, default=0)
    handled_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(String(200), default="")

    __table_args__ = (
        UniqueConstraint("rule_id", "subject"),
        Index("ix_abnormal_state", "state", "id"),
        Index("ix_abnormal_card", "card_number", "id"),
    )


class WatchPosition(Base):
    """How far the watcher has looked; changes in the same transaction as what it found."""

    __tablename__ = "watch_positions"

    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInt)


class TerminalActivity(Base):
    """When a terminal was last heard of, as far as the journal tells."""

    __tablename__ = "terminal_activities"

    terminal_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    last_sequence: Mapped[int] = mapped_column(BigInt)
    last_ms: Mapped[int] = mapped_column(BigInt)
    entry_count: Mapped[int] = mapped_column(BigInt)


class TerminalKeyFile(Base):
    """A new terminal's first key, sealed, until its maker has fetched it: once."""

    __tablename__ = "terminal_key_files"

    terminal_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    maker_id: Mapped[int] = mapped_column(BigInt)
    sealed_key: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]


class KeyDeskState(Base):
    """What the key desk last said: the keyring's side of the issuer's keys, without any key."""

    __tablename__ = "key_desk_states"

    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    heard_ms: Mapped[int] = mapped_column(BigInt)
    problem: Mapped[str] = mapped_column(String(400), default="")
    """Why orders wait; empty: they do not."""
    facts: Mapped[str] = mapped_column(Text)
    """`admin.keys.facts.DeskFacts` as JSON."""
