"""The product file: what the articles on bills are, beside the names of their classes (`goods_names`)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from admin.database import BigInt, UnsignedBig

from .base import Base

CODE_LENGTH_MAX = 40
UNIT_LENGTH_MAX = 20
TEXT_LENGTH_MAX = 80


class Product(Base):
    """One article of the group."""

    __tablename__ = "products"

    item: Mapped[int] = mapped_column(UnsignedBig, primary_key=True, autoincrement=False)
    """Article number, as tills send it (GTIN or the shop's own)."""
    code: Mapped[str] = mapped_column(String(CODE_LENGTH_MAX))
    """What people call it by, once."""
    name: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX))
    specification: Mapped[str] = mapped_column(String(TEXT_LENGTH_MAX), default="")
    """Size, model, packing."""
    unit: Mapped[str] = mapped_column(String(UNIT_LENGTH_MAX), default="")
    department: Mapped[int] = mapped_column(default=0)
    category: Mapped[int] = mapped_column(default=0)
    """Class in the tree; 0: none.  Tills send both numbers with each line, and rules and reports go by those."""
    is_discontinued: Mapped[bool] = mapped_column(default=False)
    """Not sold any more; kept, since bills name it."""
    made_by: Mapped[int] = mapped_column(BigInt)
    """0: taken from bills."""
    made_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_products_code", "code", unique=True),
        Index("ix_products_class", "department", "category", "code"),
    )
