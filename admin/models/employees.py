"""Employees: who works where, as what, since when; not all of them sign on here."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base

NUMBER_LENGTH_MAX = 20


class Employee(Base):
    """One employee of the group or of a dealer; kept after leaving, since records name him."""

    __tablename__ = "employees"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    number: Mapped[str] = mapped_column(String(NUMBER_LENGTH_MAX), unique=True)
    """Staff number."""
    full_name: Mapped[str] = mapped_column(String(80))
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Where he works: those who see this node and those above it see him; 0: the group."""
    department_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"))
    position: Mapped[str] = mapped_column(String(60), default="")
    phone_sealed: Mapped[bytes | None] = mapped_column(LargeBinary(200))
    hired_date: Mapped[int] = mapped_column(default=0)
    """Days since 1970-01-01; 0: not recorded."""
    left_date: Mapped[int] = mapped_column(default=0)
    """0: he works here."""
    note: Mapped[str] = mapped_column(String(200), default="")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), unique=True)
    """Account with which he signs on here; its number stands in the records of what he does."""
    changed_at: Mapped[datetime]
