"""What money and points need beside the switch: who may do how much alone, corporate orders."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from admin.database import BigInt

from .base import Base


class OperatorLimit(Base):
    """How much one operator may do without a second person; user 0 stands for everybody without a row."""

    __tablename__ = "operator_limits"

    user_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    money_minor_max: Mapped[int] = mapped_column(BigInt)
    """Sum of one document of money; above it a second person must agree."""
    points_hundredths_max: Mapped[int] = mapped_column(BigInt)
    """Sum of one adjustment of points, whichever its sign."""
    money_minor_day_max: Mapped[int] = mapped_column(BigInt)
    """Sum of all documents of a day that went without a second person; above it one must agree."""
    points_hundredths_day_max: Mapped[int] = mapped_column(BigInt)


class OrderState(enum.StrEnum):
    """Where a corporate order stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    """Waits for a second person."""
    APPROVED = "approved"
    """Waits for the money."""
    PAID = "paid"
    ALLOTTED = "allotted"
    """Its cards are issued, with their value, and not active yet."""
    ACTIVATED = "activated"
    """Its cards may pay, or its list is recharged."""
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Order(Base):
    """Cards, or recharges, that a company buys on one order."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    state: Mapped[str] = mapped_column(String(12))
    buyer: Mapped[str] = mapped_column(String(100))
    invoice_note: Mapped[str] = mapped_column(String(200), default="")
    """Title, tax number and what else the invoice must say."""
    recharge_rows: Mapped[str] = mapped_column(Text, default="")
    """Cards and amounts, one per line, when the order recharges cards that there are."""
    value_minor: Mapped[int] = mapped_column(BigInt)
    """What the cards get."""
    discount_bp: Mapped[int] = mapped_column(default=0)
    due_minor: Mapped[int] = mapped_column(BigInt)
    """What the buyer pays."""
    organisation_id: Mapped[int] = mapped_column(BigInt)
    """Where it was taken: those above see it."""
    maker_id: Mapped[int] = mapped_column(BigInt)
    made_at: Mapped[datetime]
    approver_id: Mapped[int] = mapped_column(BigInt, default=0)
    approved_at: Mapped[datetime | None]
    payer_id: Mapped[int] = mapped_column(BigInt, default=0)
    """Who confirmed the payment."""
    paid_at: Mapped[datetime | None]
    payment_channel: Mapped[int] = mapped_column(default=0)
    payment_reference: Mapped[str] = mapped_column(String(60), default="")
    issue_document_id: Mapped[int | None] = mapped_column(ForeignKey("documents.id"))
    """The document that issued or recharged its cards."""

    lines: Mapped[list[OrderLine]] = relationship(order_by="OrderLine.number", cascade="all, delete-orphan")

    __table_args__ = (
        Index("ix_orders_state", "state", "id"),
        Index("ix_orders_organisation", "organisation_id", "id"),
    )


class OrderLine(Base):
    """So many cards of a type, with so much value on each."""

    __tablename__ = "order_lines"

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    card_type: Mapped[int]
    quantity: Mapped[int]
    value_minor: Mapped[int] = mapped_column(BigInt)
