"""What members bought that no till of ours has seen: records that are typed in by hand."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base
from .members import NAME_LENGTH_MAX, TEXT_LENGTH_MAX


class Consumption(Base):
    """One purchase of a member, noted by a person; what the switch has booked is in `baskets` and never here."""

    __tablename__ = "consumptions"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    business_date: Mapped[int]
    """Day of the purchase, days since 1970-01-01."""
    store_id: Mapped[int] = mapped_column(BigInt, default=0)
    """Where; 0: in none of our stores."""
    product_kind: Mapped[int] = mapped_column(default=0)
    """Code table `product`, whose numbers are those of the shop's departments; 0: not said."""
    product: Mapped[str] = mapped_column(String(NAME_LENGTH_MAX), default="")
    quantity_milli: Mapped[int] = mapped_column(BigInt, default=0)
    goods_minor: Mapped[int] = mapped_column(BigInt, default=0)
    service_minor: Mapped[int] = mapped_column(BigInt, default=0)
    delivery_minor: Mapped[int] = mapped_column(BigInt, default=0)
    other_minor: Mapped[int] = mapped_column(BigInt, default=0)
    amount_minor: Mapped[int] = mapped_column(BigInt)
    """Sum of the four kinds of charges."""
    seller_id: Mapped[int] = mapped_column(BigInt, default=0)
    """User who has sold it; 0: nobody of ours."""
    note: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")
    created_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(BigInt)
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)
    """Grows with each change: who saves an older one is told."""

    __table_args__ = (
        Index("ix_consumptions_member", "member_id", "business_date"),
        Index("ix_consumptions_date", "business_date"),
        Index("ix_consumptions_seller", "seller_id", "business_date"),
    )
