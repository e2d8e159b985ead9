"""Cards: search while typing, and the page of one card."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.lists.cards import card_details, find_cards
from admin.lists.entries import entries_of_card, entries_page
from admin.rights import Action
from admin.words import STATUS_TONES, STATUSES
from switch.protocol.messages import CardFlag, MediumKind, MediumState
from switch.protocol.terms import NO_COUNT_LIMIT, NO_LIMIT

from .common import is_part_wanted, number_in, page, page_rows, with_query
from .handlers import get

POINTS_PURSE, VISITS_PURSE = 1, 2


@get("/cards", guards=[needs("cards")])
def list_cards(
    request: Request[Visitor, Any, Any],
    q: FromQuery[str] = "",
    status: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Template:
    """Cards by the beginning of their number; all of them, in order, when nothing is typed."""
    state, visitor = request.app.state, request.user
    sees_unmasked = visitor.may("cards", Action.SEE_UNMASKED)
    with state.service.database.read() as session:
        rows, next_after = find_cards(
            session,
            visitor,
            state.references,
            typed=q,
            status=number_in(status),
            after=after,
            limit=page_rows(request),
        )
    if q and rows and sees_unmasked:
        state.service.audit.looked(visitor, "cards", f"cards found: {len(rows)}")
    return page(
        request,
        "_card_rows.html" if is_part_wanted(request) else "cards.html",
        rows=rows,
        q=q,
        status=status,
        statuses=STATUSES,
        tones=STATUS_TONES,
        has_more=next_after is not None,
        is_first=not after,
        sees_unmasked=sees_unmasked,
        next_address=with_query("/cards", {"q": q, "status": status, "after": next_after}),
    )


@get("/cards/{reference:str}", guards=[needs("cards")])
def show_card(request: Request[Visitor, Any, Any], reference: FromPath[str], before: FromQuery[str] = "") -> Template:
    """One card: state, purses, limits, media, history.  Not found also when it is not the visitor's to see."""
    state, visitor = request.app.state, request.user
    with state.service.database.read() as session:
        found = card_details(session, visitor, state.references, reference)
        if found is None:
            raise NotFoundException(detail="There is no such card.")
        history = entries_of_card(found.card.card_number, found.card.account_number)
        rows, next_before = entries_page(
            session, history, visitor, state.references, number_in(before), page_rows(request)
        )
    next_address = with_query(f"/cards/{reference}", {"before": next_before}) if next_before else None
    if is_part_wanted(request):
        return page(request, "_entry_rows.html", rows=rows, next_address=next_address, is_first=not before)
    if visitor.may("cards", Action.SEE_UNMASKED):
        state.service.audit.looked(visitor, "cards", f"card {reference}")
    return page(
        request,
        "card.html",
        card=found.card,
        reference=reference,
        shown_number=found.shown_number,
        account=found.account,
        type=found.type,
        limits=found.limits,
        holds=found.holds,
        waiting=found.waiting,
        media=found.media,
        others=found.others,
        flags=[flag.name for flag in CardFlag if found.card.flags & flag],
        purses=[(row.purse >> 32, row.purse & 0xFFFF_FFFF, row.amount, row.expiry_date) for row in found.purses],
        statuses=STATUSES,
        tones=STATUS_TONES,
        medium_kinds={kind: kind.name for kind in MediumKind},
        medium_states={kind: kind.name for kind in MediumState},
        NO_LIMIT=NO_LIMIT,
        NO_COUNT_LIMIT=NO_COUNT_LIMIT,
        rows=rows,
        is_first=not before,
        next_address=next_address,
    )


HANDLERS = [list_cards, show_card]
