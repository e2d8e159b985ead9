"""Users, their roles and where they hold; departments; sessions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from admin.database import BigInt

from .base import Base

WHOLE_GROUP = 0
"""Organisation of a user or an assignment that reaches everything, also what belongs to no node."""


class Department(Base):
    """A part of an organisation; it has users, not cards."""

    __tablename__ = "departments"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(BigInt, default=WHOLE_GROUP)
    """Node of the switch's tree; 0: the group."""
    name: Mapped[str] = mapped_column(String(80))

    __table_args__ = (UniqueConstraint("organisation_id", "name"),)


class User(Base):
    """A person who signs on; disabled, never erased, since entries and the audit name it."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    """Also the operator's number in messages to the switch."""
    name: Mapped[str] = mapped_column(String(40), unique=True)
    """What one signs on with; kept in lower case."""
    full_name: Mapped[str] = mapped_column(String(80))
    organisation_id: Mapped[int] = mapped_column(BigInt, default=WHOLE_GROUP)
    """Where the person belongs: sees this node and what is below it."""
    department_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"))
    locale: Mapped[str] = mapped_column(String(8), default="")
    """Language of pages; empty: the browser's choice."""
    is_enabled: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    must_change_password: Mapped[bool] = mapped_column(default=True)
    failures: Mapped[int] = mapped_column(default=0)
    """Wrong passwords or codes in a row."""
    locked_until: Mapped[datetime | None]
    totp_sealed: Mapped[bytes | None] = mapped_column(LargeBinary(200))
    """Secret of the dynamic password, sealed under the service's secret; none: not set up."""
    totp_step: Mapped[int] = mapped_column(BigInt, default=0)
    """Last step accepted: a code is good once."""
    created_at: Mapped[datetime]
    last_login_at: Mapped[datetime | None]

    assignments: Mapped[list[RoleAssignment]] = relationship(
        back_populates="user", foreign_keys="RoleAssignment.user_id", cascade="all, delete-orphan", lazy="selectin"
    )


class RoleAssignment(Base):
    """A role that a user holds; who gave it, and when."""

    __tablename__ = "role_assignments"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Name in `rights.ROLES`."""
    given_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    given_at: Mapped[datetime]

    user: Mapped[User] = relationship(back_populates="assignments", foreign_keys=[user_id])


class UserSession(Base):
    """A signed-on browser.  The row knows the token's hash only: who reads the table cannot sign on with it."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    """Last request, kept to the minute, so that a page does not cost a commit."""
    ends_at: Mapped[datetime]
    stepped_up_until: Mapped[datetime | None]
    """Until when a fresh dynamic password opens the modules that demand one."""
    address: Mapped[str] = mapped_column(String(60), default="")


class SetupToken(Base):
    """A token that the command line has printed: whoever has it makes the first administrator, once."""

    __tablename__ = "setup_tokens"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    ends_at: Mapped[datetime]


Index("ix_role_assignments_role", RoleAssignment.role)
