"""Reports that were handed in for review: as they were issued, and what was decided."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base

REMARK_CHARACTERS_MAX = 2_000


class ReportSubmission(Base):
    """One report, kept as it was issued: later entries do not change it."""

    __tablename__ = "report_submissions"
    __table_args__ = (Index("ix_report_submissions_organisation", "organisation_id", "id"),)

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    report: Mapped[str] = mapped_column(String(40))
    """Name in `admin.reports.registry.REPORTS`."""
    query: Mapped[str] = mapped_column(Text)
    """Parameters as they stood in the address."""
    content: Mapped[str] = mapped_column(Text)
    """Rows, sums and number of rows as JSON; card numbers whole, masked when they are shown."""
    remark: Mapped[str] = mapped_column(Text)
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Node of the one who handed it in; 0: the group."""
    submitted_by: Mapped[int] = mapped_column(BigInt)
    submitted_at: Mapped[datetime]
    reviewed_by: Mapped[int] = mapped_column(BigInt, default=0)
    """0: not yet."""
    reviewed_at: Mapped[datetime | None]
    decision: Mapped[str] = mapped_column(Text, default="")
