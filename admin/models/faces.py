"""Faces of visual cards: designs in versions, and the texts that are printed for whom and when."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base

TEXT_LENGTH_MAX = 60


class FaceState(enum.StrEnum):
    """Where a version of a design stands."""

    DRAFT = "draft"
    APPROVED = "approved"
    """The newest approved one of a card type is on the next card that is printed."""


class CardFace(Base):
    """One version of what the cards of a type show."""

    __tablename__ = "card_faces"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    card_type: Mapped[int]
    version: Mapped[int]
    """1, 2, ... of the type."""
    state: Mapped[str] = mapped_column(String(12))
    items: Mapped[str] = mapped_column(Text)
    """JSON: list of `admin.faces.design.FaceItem`."""
    author_id: Mapped[int] = mapped_column(BigInt)
    made_at: Mapped[datetime]
    checker_id: Mapped[int] = mapped_column(BigInt, default=0)
    approved_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_card_faces_type", "card_type", "version", unique=True),)


class CardPromotion(Base):
    """A text on the faces of cards: for everybody, or for a group of members, a level, a card type."""

    __tablename__ = "card_promotions"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    text: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX))
    group_id: Mapped[int] = mapped_column(BigInt, default=0)
    """0: no group of members."""
    level: Mapped[int] = mapped_column(default=0)
    card_type: Mapped[int] = mapped_column(default=0)
    from_date: Mapped[int]
    """Business dates, days since 1970-01-01."""
    until_date: Mapped[int] = mapped_column(default=0)
    """0: until it is stopped."""
    maker_id: Mapped[int] = mapped_column(BigInt)
    made_at: Mapped[datetime]
