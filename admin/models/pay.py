"""What employees are paid: a base each month, and a share of what they sell; each from a day on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt

from .base import Base


class PayTerms(Base):
    """Pay of one user from a day on; a month goes by the terms of its last day."""

    __tablename__ = "pay_terms"

    user_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    from_date: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Days since 1970-01-01."""
    base_minor: Mapped[int] = mapped_column(BigInt)
    """Each month."""
    card_bp: Mapped[int]
    """Commission on value that was sold: recharges, cards issued with value, orders; basis points."""
    noted_bp: Mapped[int]
    """Commission on purchases of members that were noted by hand under his name."""
    made_at: Mapped[datetime]
    made_by: Mapped[int] = mapped_column(BigInt)
