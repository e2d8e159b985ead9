"""Who may make and issue cards of which type, when, and how many."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base


class Task(enum.IntFlag):
    """What an authorisation is for."""

    MAKE = 1
    ISSUE = 2


class TypeAuthorisation(Base):
    """One employee may do so many cards of one type within a window of time."""

    __tablename__ = "type_authorisations"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    card_type: Mapped[int]
    user_id: Mapped[int] = mapped_column(BigInt)
    tasks: Mapped[int]
    """`Task` bits."""
    from_at: Mapped[datetime]
    until_at: Mapped[datetime]
    """The first moment at which it is over."""
    cards_max: Mapped[int | None]
    """Cards of all documents together; none: any number."""
    remark: Mapped[str] = mapped_column(String(200), default="")
    granted_by: Mapped[int] = mapped_column(BigInt)
    granted_at: Mapped[datetime]
    revoked_by: Mapped[int] = mapped_column(BigInt, default=0)
    revoked_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_type_authorisations_user", "user_id", "card_type"),)


class AuthorisationUse(Base):
    """How many cards a document takes of an authorisation; given back when it is rejected or withdrawn."""

    __tablename__ = "authorisation_uses"

    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    authorisation_id: Mapped[int] = mapped_column(ForeignKey("type_authorisations.id"), primary_key=True)
    card_count: Mapped[int]

    __table_args__ = (Index("ix_authorisation_uses_authorisation", "authorisation_id"),)
