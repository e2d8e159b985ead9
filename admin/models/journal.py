"""How far the journal was followed, and what happened: one row per entry and account that it changed."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, and_, literal_column
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt, UnsignedBig
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType

from .base import Base, metadata

PART_BITS = 10
"""An entry changes at most 600 records (`RANGE_IMAGES_MAX`), so 10 bits number its rows."""


class JournalPosition(Base):
    """Where following goes on; changes in the same transaction as the rows that it stands for."""

    __tablename__ = "journal_positions"

    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInt)
    """Start of the next block, bytes."""
    block_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    """Of the block before; the next one must name it."""
    sequence: Mapped[int] = mapped_column(BigInt)
    """Last entry taken over."""
    time_ms: Mapped[int] = mapped_column(BigInt)
    """Clock of that entry."""


class FollowerState(Base):
    """What the follower last heard; for the lag on the dashboard, no promise hangs on it."""

    __tablename__ = "follower_states"

    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    durable_position: Mapped[int] = mapped_column(BigInt)
    heard_ms: Mapped[int] = mapped_column(BigInt)
    """When the switch last answered."""
    problem: Mapped[str] = mapped_column(default="")
    """Why following stands still; empty: it does not."""


entries = Table(
    "entries",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=False),  # sequence << PART_BITS | part
    Column("sequence", BigInt, nullable=False),
    Column("part", Integer, nullable=False),  # 0: the entry itself; 1, 2, …: further accounts that it changed
    Column("time_ms", BigInt, nullable=False),
    Column("business_date", Integer, nullable=False),
    Column("terminal_id", BigInt, nullable=False),
    Column("store_id", BigInt, nullable=False),
    Column("type", Integer, nullable=False),  # MessageType
    Column("operation", Integer, nullable=False),  # CardOperation of a card operation, else 0
    Column("code", Integer, nullable=False),  # ResponseCode
    Column("trace_number", BigInt, nullable=False),
    Column("card_number", UnsignedBig, nullable=False),  # 0: about no card
    Column("account_number", UnsignedBig, nullable=False),  # 0: changed no account
    Column("amount_minor", BigInt, nullable=False),  # what the reply says; 0 from part 1 on
    Column("due_minor", BigInt, nullable=False),
    Column("discount_minor", BigInt, nullable=False),
    Column("recharged_minor", BigInt, nullable=False),
    Column("value_minor", BigInt, nullable=False),  # by what the account's balance changed
    Column("balance_minor", BigInt, nullable=False),  # the account's balance afterwards
    Column("points_hundredths", BigInt, nullable=False),  # by what its points changed, all kinds, waiting ones too
    Column("issuing_organisation_id", BigInt, nullable=False),
    Column("accepting_organisation_id", BigInt, nullable=False),
    Column("receipt_code", BigInt, nullable=False),  # 40 bits; 0: none
    Index("ix_entries_card", "card_number", "id"),
    Index("ix_entries_account", "account_number", "id"),
    Index("ix_entries_store", "store_id", "id"),
)
NO_DEBIT = entries.c.type != literal_column(str(int(MessageType.DEBIT)))
NOT_APPROVED = entries.c.code != literal_column(str(int(ResponseCode.APPROVED)))
"""What the indices below are about; a question must say it in these very words, or databases do not see that they fit.

Most entries are approved debits: these are found without an index, and pay nothing for these."""
Index(
    "ix_entries_type",
    *(entries.c[name] for name in ("type", "id", "business_date", "code")),
    sqlite_where=NO_DEBIT,
    postgresql_where=NO_DEBIT,
)
WITH_POINTS = entries.c.points_hundredths != literal_column("0")
Index(
    "ix_entries_points",
    *(entries.c[name] for name in ("type", "id", "business_date", "code")),
    sqlite_where=and_(NO_DEBIT, WITH_POINTS),
    postgresql_where=and_(NO_DEBIT, WITH_POINTS),
)
Index(
    "ix_entries_refused",
    *(entries.c[name] for name in ("code", "id", "business_date")),
    sqlite_where=NOT_APPROVED,
    postgresql_where=NOT_APPROVED,
)

daily_totals = Table(
    "daily_totals",
    metadata,
    Column("business_date", Integer, primary_key=True, autoincrement=False),
    Column("store_id", BigInt, primary_key=True, autoincrement=False),
    Column("issuing_organisation_id", BigInt, primary_key=True, autoincrement=False),
    Column("accepting_organisation_id", BigInt, primary_key=True, autoincrement=False),
    Column("type", Integer, primary_key=True, autoincrement=False),
    Column("code", Integer, primary_key=True, autoincrement=False),
    Column("entry_count", BigInt, nullable=False),  # entries, not rows: part 0 only
    Column("amount_minor", BigInt, nullable=False),
    Column("due_minor", BigInt, nullable=False),
    Column("discount_minor", BigInt, nullable=False),
    Column("recharged_minor", BigInt, nullable=False),
    Column("value_minor", BigInt, nullable=False),
    Column("points_hundredths", BigInt, nullable=False),
    sqlite_with_rowid=False,
)
"""Sums of `entries`, kept by the follower, so that dashboards and reports need not read every entry."""

held_sums = Table(
    "held_sums",
    metadata,
    Column("name", String(20), primary_key=True),  # as in `projection/held.py`
    Column("value", BigInt, nullable=False),
    sqlite_with_rowid=False,
)
"""Sums over cards, accounts, purses and waiting points, kept by the follower in the transaction that writes those."""

card_counts = Table(
    "card_counts",
    metadata,
    *(
        Column(name, BigInt, primary_key=True, autoincrement=False)
        for name in ("card_type", "status", "custody_store_id", "issuing_organisation_id", "pin_key_version")
    ),
    Column("card_count", BigInt, nullable=False),  # 0: there were some
    sqlite_with_rowid=False,
)
medium_counts = Table(
    "medium_counts",
    metadata,
    *(
        Column(name, BigInt, primary_key=True, autoincrement=False)
        for name in ("medium", "state", "key_version", "flags")
    ),
    Column("medium_count", BigInt, nullable=False),
    sqlite_with_rowid=False,
)
"""How many cards and media are alike in what pages count them by; kept like `held_sums`."""
