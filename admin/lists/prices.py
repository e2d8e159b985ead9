"""Prices by article, then class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from admin.models.mirror import prices


def prices_page(
    session: Session, *, item: int | None, price_class: int | None, after: tuple[int, int] | None, limit: int
) -> Sequence[Row[Any]]:
    """Prices behind (article, class); one more than `limit` where there are more."""
    query = select(prices).order_by(prices.c.item, prices.c.price_class).limit(limit + 1)
    if item is not None:
        query = query.where(prices.c.item == item)
    if price_class is not None:
        query = query.where(prices.c.price_class == price_class)
    if after is not None:
        query = query.where(
            (prices.c.item > after[0]) | ((prices.c.item == after[0]) & (prices.c.price_class > after[1]))
        )
    return session.execute(query).all()


def key_of(text: str) -> tuple[int, int] | None:
    """(article, class) as an address has it; None for what is none."""
    first, _, second = text.partition("-")
    parts = [int(part) for part in (first, second) if part.isascii() and part.isdecimal() and len(part) <= 18]
    return (parts[0], parts[1]) if len(parts) == 2 else None
