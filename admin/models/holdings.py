"""Who holds which account, as the desk says it, and what accounts did each day."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index, Integer, String, Table
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt, UnsignedBig

from .base import Base, metadata


class MemberCard(Base):
    """Whose an account is since a merge, until the switch itself is told; without one, `accounts.member` counts.

    It holds while the switch says what it said then: a later word of the switch is the newer one.
    """

    __tablename__ = "member_cards"

    account_number: Mapped[int] = mapped_column(UnsignedBig, primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(BigInt)
    switch_member: Mapped[int] = mapped_column(UnsignedBig)
    """`accounts.member` when this was written."""
    linked_at: Mapped[datetime]
    linked_by: Mapped[int] = mapped_column(BigInt)
    reason: Mapped[str] = mapped_column(String(200), default="")

    __table_args__ = (Index("ix_member_cards_member", "member_id"),)


account_days = Table(
    "account_days",
    metadata,
    Column("account_number", UnsignedBig, primary_key=True, autoincrement=False),
    Column("business_date", Integer, primary_key=True, autoincrement=False),
    Column("spent_minor", BigInt, nullable=False),  # debits and captures, less refunds and reversals
    Column("visit_count", Integer, nullable=False),  # debits and captures, less reversals
    Column("points_hundredths", BigInt, nullable=False),  # earned by them
    Column("recharged_minor", BigInt, nullable=False),
    Index("ix_account_days_date", "business_date"),
    sqlite_with_rowid=False,
)
"""Sums of `entries` by account and date; `members/totals.py` keeps them."""


class TotalsPosition(Base):
    """Last row of `entries` that is in `account_days`; moves in the same transaction."""

    __tablename__ = "account_days_positions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entry_id: Mapped[int] = mapped_column(BigInt)
