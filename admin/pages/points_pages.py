"""Points: the ledger with its sums, categories, gifts and who may have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.forms import FormContext
from admin.lists.entries import EntryRow
from admin.models.mirror import gifts, points_categories
from admin.parameters import STOCK_GIFTS
from admin.points.catalog_kinds import category_form, gift_form
from admin.points.ledger import POINTS_TYPES, gifts_of, qualifying
from admin.rights import Action
from switch.protocol.terms import NO_COUNT_LIMIT

from .common import PAGE_ROWS, is_part_wanted, page, with_query
from .handlers import get
from .ledger_view import filled_address, kinds_for, ledger_page, sequences_of


@get("/points", guards=[needs("points")])
def show_points(
    request: Request[Visitor, Any, Any],
    type: FromQuery[str] = "",
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Everything that moved points: newest first, with sums."""
    return ledger_page(
        request,
        "/points",
        "points.html",
        POINTS_TYPES,
        {"type": type, "since": since, "until": until, "before": before},
        with_points=True,
        notes=_gift_notes,
        kinds=kinds_for(
            request.user,
            "adjust-points",
            "adjust-points-list",
            "transfer-points",
            "backfill-points",
            "void-points",
            "convert-points",
            "redeem-gift",
        ),
    )


def _gift_notes(session: Session, rows: Sequence[EntryRow]) -> dict[int, str]:
    names = {row.gift_id: row.name for row in session.execute(select(gifts.c.gift_id, gifts.c.name))}
    return {
        sequence: f"{names.get(gift, gift)} × {pieces}"
        for sequence, (gift, pieces) in gifts_of(session, sequences_of(rows)).items()
        if gift
    }


@get("/points/categories", guards=[needs("points")])
def show_categories(request: Request[Visitor, Any, Any]) -> Template:
    """Currencies of points: rates, and how many there are of each."""
    with request.app.state.service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        rows = session.execute(select(points_categories).order_by(points_categories.c.category)).all()
        held = request.app.state.points_held.get(session, request.app.state.service.surroundings.now_ms())
        return page(
            request,
            "points_categories.html",
            rows=[(row, filled_address("put-points-category", category_form(row), context)) for row in rows],
            held=held,
            has_default=any(row.category == 0 for row in rows),
            may_change=request.user.may("points", Action.CHANGE),
        )


@get("/gifts", guards=[needs("gifts")])
def list_gifts(request: Request[Visitor, Any, Any]) -> Template:
    """What points buy."""
    with request.app.state.service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        rows = session.execute(select(gifts).order_by(gifts.c.gift_id)).all()
        return page(
            request,
            "gifts.html",
            rows=[(row, filled_address("put-gift", gift_form(row), context)) for row in rows],
            no_limit=NO_COUNT_LIMIT,
            least=request.app.state.service.parameters.number(STOCK_GIFTS, request.app.state.service.now()),
            may_change=request.user.may("gifts", Action.CHANGE),
            may_hand_out=request.user.may("gifts", Action.ADD),
        )


@get("/gifts/{gift_id:int}", guards=[needs("gifts")])
def show_gift(request: Request[Visitor, Any, Any], gift_id: FromPath[int], after: FromQuery[str] = "") -> Template:
    """Cards that may have a gift: level and points suffice."""
    state, visitor = request.app.state, request.user
    with state.service.database.read() as session:
        gift = session.execute(select(gifts).where(gifts.c.gift_id == gift_id)).first()
        if gift is None:
            raise NotFoundException(detail="There is no such gift.")
        found = qualifying(session, visitor, gift_id, state.references.read(after) or 0, PAGE_ROWS)
    rows = [
        (state.references.make(row.card_number), visitor.card_number(row.card_number), row.level, row.points)
        for row in found[:PAGE_ROWS]
    ]
    has_more = len(found) > PAGE_ROWS
    return page(
        request,
        "_gift_cards.html" if is_part_wanted(request) else "gift.html",
        gift=gift,
        rows=rows,
        is_first=not after,
        may_hand_out=visitor.may("gifts", Action.ADD),
        next_address=with_query(f"/gifts/{gift_id}", {"after": rows[-1][0]}) if has_more else None,
    )


HANDLERS: list[Any] = [show_points, show_categories, list_gifts, show_gift]
