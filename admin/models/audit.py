"""The audit log: what was done, refused or looked at, by whom; each row carries the hash of the one before."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base


class AuditRow(Base):
    """One act.  Rows are never changed or removed: the database refuses it, and the chain would show it."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    """From 1, without gaps."""
    time: Mapped[datetime]
    user_id: Mapped[int] = mapped_column(BigInt)
    """0: nobody has signed on, or the command line."""
    user_name: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(60))
    module: Mapped[str] = mapped_column(String(40))
    """A function of `rights.py`, or `sign-in`."""
    action: Mapped[str] = mapped_column(String(40))
    object: Mapped[str] = mapped_column(String(80))
    """What it was done to, such as `card 6200000000000001` or `user 3`."""
    outcome: Mapped[str] = mapped_column(String(20))
    """done, refused or failed."""
    detail: Mapped[str] = mapped_column(Text)
    """JSON: before, after, reason."""
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    row_hash: Mapped[bytes] = mapped_column(LargeBinary(32))

    __table_args__ = (
        Index("ix_audit_user", "user_id", "id"),
        Index("ix_audit_module", "module", "id"),
        Index("ix_audit_object", "object", "id"),
    )


class AuditSpool(Base):
    """How far looks and refusals that waited in a file (`audit_spool.py`) are in the log; one row."""

    __tablename__ = "audit_spools"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(16))
    """Of the file, which is begun anew from time to time."""
    end_bytes: Mapped[int] = mapped_column(BigInt)
    digest: Mapped[str] = mapped_column(String(64))
    """Of the last line that was taken over."""
