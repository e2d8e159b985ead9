"""Activities that members take part in, and who took part."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base
from .members import NAME_LENGTH_MAX


class Activity(Base):
    """Something that members were invited to."""

    __tablename__ = "activities"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(BigInt)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    date: Mapped[int]
    """Days since 1970-01-01."""
    place: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX), default="")
    content: Mapped[str] = mapped_column(Text, default="")
    course: Mapped[str] = mapped_column(Text, default="")
    """How it went."""
    points_hundredths: Mapped[int] = mapped_column(BigInt, default=0)
    """Each attendee gets so many once; 0: none."""
    created_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(BigInt)

    __table_args__ = (Index("ix_activities_organisation", "organisation_id", "id"),)


class Attendee(Base):
    """A member who took part."""

    __tablename__ = "activity_attendees"

    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    added_at: Mapped[datetime]
    added_by: Mapped[int] = mapped_column(BigInt)
    document_id: Mapped[int] = mapped_column(BigInt, default=0)
    """Document that credits the points; 0: none yet."""

    __table_args__ = (Index("ix_activity_attendees_member", "member_id"),)
