"""Campaigns, those that operators make and those that are loaded; whom they address, and who made use of them."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import Column, Index, String, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt, UnsignedBig

from .base import Base, metadata

NAME_LENGTH_MAX = 80
CODE_LENGTH_MAX = 20


class Audience(enum.StrEnum):
    """How a campaign says whom it addresses."""

    EVERYBODY = "everybody"
    SEGMENT = "segment"
    """Accounts that are in the segment now."""
    LIST = "list"
    """Accounts in `campaign_targets`."""


class Campaign(Base):
    """A promotion: when, where, for whom, by which rules or message, and what it cost."""

    __tablename__ = "campaigns"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    code: Mapped[str] = mapped_column(String(CODE_LENGTH_MAX), default="")
    """What the marketing department calls it, once; files name campaigns by it. Empty: nothing."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX))
    type: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX), default="")
    from_date: Mapped[int]
    """First business date, days since 1970-01-01."""
    until_date: Mapped[int]
    """Last business date, included."""
    store_ids: Mapped[str] = mapped_column(String(400), default="")
    """Numbers of stores, parted by `STORES_PARTED_BY`; empty: all of the organisation's part."""
    audience: Mapped[str] = mapped_column(String(12), default=Audience.EVERYBODY)
    target: Mapped[str] = mapped_column(String(200), default="")
    """Whom it is for, in words."""
    segment: Mapped[int] = mapped_column(default=0)
    """Bit of the accounts' segments plus 1, which its rules ask for; 0: none."""
    ruleset: Mapped[int] = mapped_column(BigInt, default=0)
    """Set of rules that it runs on; 0: none of its own."""
    message: Mapped[str] = mapped_column(Text, default="")
    """Text that its members are sent."""
    cost_minor: Mapped[int] = mapped_column(BigInt, default=0)
    """What it cost besides discounts and points, which the ledger knows."""
    stopped_date: Mapped[int] = mapped_column(default=0)
    """Last business date of one that was ended before its day, or on which it was called off; 0: it was not."""
    organisation_id: Mapped[int] = mapped_column(BigInt)
    maker_id: Mapped[int] = mapped_column(BigInt)
    """0: it was loaded from files."""
    made_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_campaigns_until", "until_date", "id"),
        Index("ix_campaigns_code", "code", unique=True, sqlite_where=code != "", postgresql_where=code != ""),
    )


STORES_PARTED_BY = ", "

campaign_targets = Table(
    "campaign_targets",
    metadata,
    Column("campaign_id", BigInt, primary_key=True, autoincrement=False),
    Column("account_number", UnsignedBig, primary_key=True, autoincrement=False),
)
"""Whom a campaign with a list addresses."""

campaign_redemptions = Table(
    "campaign_redemptions",
    metadata,
    Column("campaign_id", BigInt, primary_key=True, autoincrement=False),
    Column("account_number", UnsignedBig, primary_key=True, autoincrement=False),
    Column("redemption_count", BigInt, nullable=False),
)
"""Who handed in a campaign's coupons, and how many: tills note it outside of the switch."""
