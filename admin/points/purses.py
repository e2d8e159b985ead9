"""Points of an account by category, and the choices that forms offer."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin.documents.kind import Planning
from admin.errors import RefusedError
from admin.figures import HOLDINGS_KEPT_MS
from admin.forms import FormContext
from admin.models.mirror import accounts, gifts, points_categories, purses
from switch.protocol.messages import PointsCategoryFlag

POINTS_PURSE = 1 << 32
DEFAULT_CATEGORY = 0
CATEGORIES = 64


def categories(context: FormContext, *, enabled_only: bool = False) -> dict[int | str, str]:
    """Number and name of each category; 0 is there from the beginning."""
    query = select(points_categories).order_by(points_categories.c.category)
    found: dict[int | str, str] = {DEFAULT_CATEGORY: ""}
    for row in context.session.execute(query):
        if row.flags & PointsCategoryFlag.ENABLED or not enabled_only:
            found[row.category] = row.name
        else:
            found.pop(row.category, None)
    return {number: f"{number} {name}".strip() for number, name in found.items()}


def enabled_categories(context: FormContext) -> Mapping[int | str, str]:
    """Categories that may be earned and used."""
    return categories(context, enabled_only=True)


def all_categories(context: FormContext) -> Mapping[int | str, str]:
    """All of them, disabled ones too."""
    return categories(context)


def gift_choices(context: FormContext) -> Mapping[int | str, str]:
    """Number and name of each gift."""
    query = select(gifts.c.gift_id, gifts.c.name).order_by(gifts.c.gift_id)
    return {row.gift_id: f"{row.gift_id} {row.name}".strip() for row in context.session.execute(query)}


def points_of(planning: Planning, account_number: int, category: int) -> int:
    """What an account has of a category, hundredths."""
    if category == DEFAULT_CATEGORY:
        query = select(accounts.c.points_hundredths).where(accounts.c.account_number == account_number)
    else:
        query = select(purses.c.amount).where(
            purses.c.account_number == account_number, purses.c.purse == POINTS_PURSE | category
        )
    return int(planning.session.scalar(query) or 0)


def must_have(planning: Planning, account_number: int, category: int, needed_hundredths: int) -> None:
    """`RefusedError` when an account has less of a category."""
    if points_of(planning, account_number, category) < needed_hundredths:
        raise RefusedError("The card has fewer points than that.")


class HeldKept:
    """Points that all accounts hold, by category, kept for some seconds: reading a million accounts takes its time."""

    def __init__(self) -> None:
        self._kept: tuple[int, dict[int, int]] | None = None
        self._lock = Lock()

    def get(self, session: Session, now_ms: int) -> dict[int, int]:
        """Hundredths by category, at most `HOLDINGS_KEPT_MS` old."""
        with self._lock:
            if self._kept is None or not 0 <= now_ms - self._kept[0] < HOLDINGS_KEPT_MS:
                self._kept = (now_ms, _held(session))
            return self._kept[1]


def _held(session: Session) -> dict[int, int]:
    query = (
        select(purses.c.purse, func.sum(purses.c.amount))
        .where(purses.c.purse > POINTS_PURSE, purses.c.purse < POINTS_PURSE + CATEGORIES)
        .group_by(purses.c.purse)
    )
    found = {number - POINTS_PURSE: int(amount) for number, amount in session.execute(query)}
    found[DEFAULT_CATEGORY] = int(session.scalar(select(func.sum(accounts.c.points_hundredths))) or 0)
    return found
