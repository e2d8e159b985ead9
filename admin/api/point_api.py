"""Points: everything that moved them, their categories, gifts and the cards that may have one."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.models.mirror import gifts, points_categories
from admin.points.catalog_kinds import category_form, gift_form
from admin.points.ledger import POINTS_TYPES, gifts_of, qualifying

from .entry_api import Entry
from .handlers import Key, Limit, Number, Page, SmallNumber, Text, api_get, filled, page_of
from .money_api import KindTotal, ledger_part, span_of
from .records import CategoryRecord, GiftRecord

TAG = "Points"
GIFT_MAX = 2**32 - 1


class PointsEntry(msgspec.Struct):
    """An entry that moved points; of a redemption also what it was for."""

    entry: Entry
    gift_id: int
    """0: no gift, or one that a till handed out."""
    pieces: int


class PointsLedger(msgspec.Struct):
    """Entries, newest first, and the sums of the whole span, whatever part of it this page shows."""

    rows: list[PointsEntry]
    next: str | None
    totals: list[KindTotal]


class CategoryItem(msgspec.Struct):
    """A currency of points, and how many there are of it."""

    category: CategoryRecord
    """As the document kind put-points-category takes it."""
    held_hundredths: int


class GiftItem(msgspec.Struct):
    """A gift, as the document kind put-gift takes it."""

    gift: GiftRecord


class QualifyingCard(msgspec.Struct):
    """A card with the level and the points that a gift asks for."""

    card: str
    card_reference: str
    level: int
    points_hundredths: int


@api_get("/api/v1/points", guards=[needs("points")], tag=TAG)
def list_points(
    request: Request[Visitor, Any, Any],
    type: Text = "",
    since: SmallNumber = None,
    until: SmallNumber = None,
    before: Number = None,
    limit: Limit = 50,
) -> PointsLedger:
    """Everything that moved points; `since` and `until` are business dates."""
    span = span_of(POINTS_TYPES, type, since, until)
    entries, given, last, sums = ledger_part(request, POINTS_TYPES, span, before, limit, gifts_of, with_points=True)
    rows = [PointsEntry(entry, *given.get(entry.sequence, (0, 0))) for entry in entries]
    return PointsLedger(rows, last, sums)


@api_get("/api/v1/points/categories", guards=[needs("points")], tag=TAG)
def list_categories(request: Request[Visitor, Any, Any]) -> list[CategoryItem]:
    """Currencies of points."""
    state = request.app.state
    with state.service.database.read() as session:
        held = state.points_held.get(session, state.service.surroundings.now_ms())
        rows = session.execute(select(points_categories).order_by(points_categories.c.category)).all()
    return [CategoryItem(filled(CategoryRecord, category_form(row)), held.get(row.category, 0)) for row in rows]


@api_get("/api/v1/gifts", guards=[needs("gifts")], tag=TAG)
def list_gifts(request: Request[Visitor, Any, Any]) -> list[GiftItem]:
    """What points buy."""
    with request.app.state.service.database.read() as session:
        rows = session.execute(select(gifts).order_by(gifts.c.gift_id)).all()
    return [GiftItem(filled(GiftRecord, gift_form(row))) for row in rows]


@api_get("/api/v1/gifts/{gift_id:int}", guards=[needs("gifts")], tag=TAG)
def list_qualifying(
    request: Request[Visitor, Any, Any], gift_id: FromPath[int], after: Key = "", limit: Limit = 50
) -> Page[QualifyingCard]:
    """Cards that may have a gift, by number; `after` is the reference of the last card of the page before."""
    state, visitor = request.app.state, request.user
    with state.service.database.read() as session:
        if gift_id > GIFT_MAX or session.execute(select(gifts).where(gifts.c.gift_id == gift_id)).first() is None:
            raise NotFoundException(detail="There is no such gift.")
        found = qualifying(session, visitor, gift_id, state.references.read(after) or 0, limit)

    def item(row: Any) -> QualifyingCard:
        return QualifyingCard(
            visitor.card_number(row.card_number), state.references.make(row.card_number), row.level, row.points
        )

    return page_of(found, limit, item, lambda row: state.references.make(row.card_number))


HANDLERS = [list_points, list_categories, list_gifts, list_qualifying]
