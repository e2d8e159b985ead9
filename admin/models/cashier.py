"""Bills of the cashier's page: from a quotation to what the switch has booked."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt, UnsignedBig

from .base import Base

REMARK_LENGTH_MAX = 80


class BillState(enum.StrEnum):
    """Where a bill stands."""

    QUOTATION = "quotation"
    """An offer: priced, changed at will, nothing is taken."""
    BILL = "bill"
    """Agreed to; it waits for its payment."""
    PAYING = "paying"
    """Its debit is under way."""
    PAID = "paid"
    CANCELLED = "cancelled"


class CashierBill(Base):
    """One bill; amounts are those of the last answer of the switch."""

    __tablename__ = "cashier_bills"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    state: Mapped[str] = mapped_column(String(12))
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Where the cashier works: those above see it."""
    store_id: Mapped[int] = mapped_column(BigInt, default=0)
    cashier_id: Mapped[int] = mapped_column(BigInt)
    card_number: Mapped[int] = mapped_column(UnsignedBig)
    member_id: Mapped[int] = mapped_column(BigInt, default=0)
    """0: nobody is named. The bill is the visit's record."""
    settlement: Mapped[int]
    columns: Mapped[int] = mapped_column(default=0)
    """Bits of `admin.cashier.lines.Column` that the cashier filled in."""
    is_priced: Mapped[bool] = mapped_column(default=False)
    """Whether the switch's price list has the prices."""
    remark: Mapped[str] = mapped_column(String(REMARK_LENGTH_MAX), default="")
    lines: Mapped[str] = mapped_column(Text)
    """JSON: list of `admin.cashier.lines.Line`."""
    bill_minor: Mapped[int] = mapped_column(BigInt, default=0)
    """Before the switch's discount."""
    discount_minor: Mapped[int] = mapped_column(BigInt, default=0)
    due_minor: Mapped[int] = mapped_column(BigInt, default=0)
    points_hundredths: Mapped[int] = mapped_column(BigInt, default=0)
    cash_minor: Mapped[int] = mapped_column(BigInt, default=0)
    """Handed over."""
    card_minor: Mapped[int] = mapped_column(BigInt, default=0)
    document_id: Mapped[int] = mapped_column(BigInt, default=0)
    """That pays it, or tried to."""
    journal_sequence: Mapped[int] = mapped_column(BigInt, default=0)
    receipt_code: Mapped[int] = mapped_column(BigInt, default=0)
    made_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_cashier_bills_state", "state", "id"),
        Index("ix_cashier_bills_organisation", "organisation_id", "id"),
    )
