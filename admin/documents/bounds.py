"""Bounds on what somebody may do without a second person: shown before anything is submitted, asked when it is."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from admin.i18n import FIRST_DATE
from admin.models.documents import AloneUse, Document
from admin.time_zone import zone_of


class Measure(enum.StrEnum):
    """What a bound is about; the word is kept with what is counted per day."""

    MONEY = "money"
    """Minor units."""
    POINTS = "points"
    """Hundredths."""
    CARDS = "cards"


@dataclass(frozen=True, slots=True)
class AloneBound:
    """One bound, and how far a plan would go."""

    label: str
    """English, marked for translation."""
    measure: Measure
    wanted: int
    """What the plan takes."""
    most: int
    """Above it a second person must agree; what is equal to it is still done alone."""
    used: int = 0
    """What the day's other documents took."""
    is_daily: bool = False

    @property
    def is_exceeded(self) -> bool:
        """Whether the plan goes beyond it."""
        return self.used + self.wanted > self.most

    @property
    def left(self) -> int:
        """What is left before the plan."""
        return max(0, self.most - self.used)


def used_on(session: Session, user_id: int, day: int, measure: Measure) -> int:
    """What a user's documents of a day took without a second person; those of which nothing was done count nothing."""
    query = (
        select(func.coalesce(func.sum(AloneUse.amount), 0))
        .join(Document, Document.id == AloneUse.document_id)
        .where(
            AloneUse.user_id == user_id,
            AloneUse.day == day,
            AloneUse.measure == measure,
            or_(Document.ended_at.is_(None), Document.done_count > 0),
        )
    )
    return int(session.scalar(query) or 0)


def day_of(session: Session, now: datetime) -> int:
    """The day at the stores, as the switch counts its business dates: days since 1970-01-01."""
    return (now.astimezone(zone_of(session)).date() - FIRST_DATE).days
