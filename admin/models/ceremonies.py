"""Key ceremonies: who brings which component, which check values were compared, by whom and when. Never a component."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base


class CeremonyPhase(enum.StrEnum):
    """Where a ceremony stands."""

    WAITING = "waiting"
    """Ordered; nobody has begun at the key house."""
    COMPONENTS = "components"
    """Custodians enter their components, one after the other."""
    WHOLE = "whole"
    """All components are in: every custodian compares the check value of the whole key."""
    DONE = "done"
    ABORTED = "aborted"


class KeyCeremony(Base):
    """One ceremony; its order is the document."""

    __tablename__ = "key_ceremonies"

    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"), primary_key=True, autoincrement=False)
    purpose: Mapped[int]
    """KeyPurpose"""
    key_version: Mapped[int]
    method: Mapped[str] = mapped_column(String(12))
    """Name in `admin.documents.ceremony_kinds.METHODS`."""
    phase: Mapped[str] = mapped_column(String(12))
    check_value: Mapped[str] = mapped_column(String(10), default="")
    """Of the whole key, hexadecimal; empty: it is not together yet."""
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[int] = mapped_column(BigInt, default=0)
    """Who stopped it; 0: nobody did, or the key house."""
    reason: Mapped[str] = mapped_column(String(200), default="")
    """Why it was stopped."""
    log_line_before: Mapped[int] = mapped_column(BigInt, default=0)
    log_mac_before: Mapped[str] = mapped_column(String(64), default="")
    log_line_after: Mapped[int] = mapped_column(BigInt, default=0)
    log_mac_after: Mapped[str] = mapped_column(String(64), default="")
    """Last line of the key log before and after: what the minutes keep outside of the key house."""


class CeremonyPart(Base):
    """One custodian of a ceremony, and what he has compared."""

    __tablename__ = "key_ceremony_parts"

    document_id: Mapped[int] = mapped_column(ForeignKey("key_ceremonies.document_id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1, 2, ...: the order in which they enter."""
    custodian_id: Mapped[int] = mapped_column(BigInt)
    name: Mapped[str] = mapped_column(String(80))
    check_value: Mapped[str] = mapped_column(String(10), default="")
    """Of the component, hexadecimal; empty: it is not entered yet."""
    entered_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    """When the custodian had compared it with his form."""
    whole_confirmed_at: Mapped[datetime | None]
    """When the custodian had compared the check value of the whole key."""


class KeyOrderProof(Base):
    """What an officer's device has signed of an order to the key house, which checks it by itself."""

    __tablename__ = "key_order_proofs"

    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(8), primary_key=True)
    """`admin.keys.proofs.ProofRole`"""
    user_id: Mapped[int] = mapped_column(BigInt)
    credential: Mapped[str] = mapped_column(Text)
    """The device's answer as the browser sent it (WebAuthn, JSON)."""
    signed_at: Mapped[datetime]
