"""Cards: search while typing, and the page of one card."""

from __future__ import annotations

from datetime import date
from typing import Any

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.cards.history import documents_about
from admin.cards.terms import fees_of, type_names
from admin.documents.card_actions import actions_for
from admin.documents.card_planning import FEES
from admin.documents.reading import names_of
from admin.documents.registry import KINDS
from admin.i18n import FIRST_DATE
from admin.lists.cards import CardFilter, card_details, find_cards
from admin.lists.entries import entries_of_card, entries_page
from admin.models.mirror import organisations, stores
from admin.rights import Action
from admin.words import STATUS_TONES, STATUSES
from switch.protocol.messages import CardFlag, MediumKind, MediumState
from switch.protocol.terms import NO_COUNT_LIMIT, NO_LIMIT

from .common import is_part_wanted, number_in, page, page_rows, with_query
from .document_pages import STATES as DOCUMENT_STATES
from .document_pages import TONES as DOCUMENT_TONES
from .handlers import get

POINTS_PURSE, VISITS_PURSE = 1, 2
NOTHING = -1
"""What a filter asks for that is no number: nothing has it."""


@get("/cards", guards=[needs("cards")])
def list_cards(
    request: Request[Visitor, Any, Any],
    q: FromQuery[str] = "",
    status: FromQuery[str] = "",
    type: FromQuery[str] = "",
    store: FromQuery[str] = "",
    organisation: FromQuery[str] = "",
    member: FromQuery[str] = "",
    expires_from: FromQuery[str] = "",
    expires_until: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Template:
    """Cards by the beginning of their number, by their member and by what they are; all of them without a filter."""
    state, visitor = request.app.state, request.user
    sees_unmasked = visitor.may("cards", Action.SEE_UNMASKED)
    filters = {
        "q": q,
        "status": status,
        "type": type,
        "store": store,
        "organisation": organisation,
        "member": member,
        "expires_from": expires_from,
        "expires_until": expires_until,
    }
    wanted = CardFilter(
        typed=q,
        status=_wanted(status),
        type_code=_wanted(type),
        store_id=_wanted(store),
        organisation_id=_wanted(organisation),
        member=_wanted(member),
        expires_from=_date(expires_from),
        expires_until=_date(expires_until),
    )
    with state.service.database.read() as session:
        rows, next_after = find_cards(
            session, visitor, state.references, state.service, wanted, after, page_rows(request)
        )
        names = type_names(session)
        nodes = session.execute(visitor.organisations_seen(select(organisations))).all()
        store_ids = session.scalars(visitor.stores_seen(select(stores.c.store_id)).order_by(stores.c.store_id)).all()
    if q and rows and sees_unmasked:
        state.service.audit.looked(visitor, "cards", f"cards found: {len(rows)}")
    return page(
        request,
        "_card_rows.html" if is_part_wanted(request) else "cards.html",
        rows=rows,
        filters=filters,
        has_filter=any(filters.values()),
        statuses=STATUSES,
        tones=STATUS_TONES,
        type_names=names,
        nodes=nodes,
        store_ids=store_ids,
        is_first=not after,
        sees_unmasked=sees_unmasked,
        next_address=with_query("/cards", {**filters, "after": next_after}) if next_after else None,
    )


@get("/cards/{reference:str}", guards=[needs("cards")])
def show_card(request: Request[Visitor, Any, Any], reference: FromPath[str], before: FromQuery[str] = "") -> Template:
    """One card: state, purses, limits, media, history.  Not found also when it is not the visitor's to see."""
    state, visitor = request.app.state, request.user
    with state.service.database.read() as session:
        found = card_details(session, visitor, state.references, reference)
        if found is None:
            raise NotFoundException(detail="There is no such card.")
        card = found.card
        documents = documents_about(session, visitor, card.card_number)
        maker_names = names_of(session, [one.maker_id for one in documents])
        history = entries_of_card(card.card_number, card.account_number)
        rows, next_before = entries_page(
            session, history, visitor, state.references, number_in(before), page_rows(request)
        )
    next_address = with_query(f"/cards/{reference}", {"before": next_before}) if next_before else None
    if is_part_wanted(request):
        return page(
            request,
            "_card_entry_rows.html",
            rows=rows,
            shown_number=found.shown_number,
            next_address=next_address,
            is_first=not before,
        )
    if visitor.may("cards", Action.SEE_UNMASKED):
        state.service.audit.looked(visitor, "cards", f"card {reference}")
    return page(
        request,
        "card.html",
        card=card,
        reference=reference,
        shown_number=found.shown_number,
        account=found.account,
        type=found.type,
        holder=found.holder,
        chain=found.chain,
        others=found.others,
        limits=found.limits,
        holds=found.holds,
        waiting=found.waiting,
        media=found.media,
        flags=[flag.name for flag in CardFlag if card.flags & flag],
        purses=[(row.purse >> 32, row.purse & 0xFFFF_FFFF, row.amount, row.expiry_date) for row in found.purses],
        statuses=STATUSES,
        tones=STATUS_TONES,
        medium_kinds={kind: kind.name for kind in MediumKind},
        medium_states={kind: kind.name for kind in MediumState},
        NO_LIMIT=NO_LIMIT,
        NO_COUNT_LIMIT=NO_COUNT_LIMIT,
        actions=actions_for(visitor, card, reference),
        fees=[(FEES[kind], fee_minor) for kind, fee_minor in enumerate(fees_of(found.type)) if fee_minor],
        documents=documents,
        kinds=KINDS,
        document_states=DOCUMENT_STATES,
        document_tones=DOCUMENT_TONES,
        names=maker_names,
        rows=rows,
        is_first=not before,
        next_address=next_address,
    )


def _wanted(text: str) -> int | None:
    """The number that a filter asks for; `NOTHING` for what is no number, None without a filter."""
    if not text:
        return None
    number = number_in(text)
    return NOTHING if number is None else number


def _date(text: str) -> int | None:
    """A day such as 2026-01-31 as days since 1970-01-01; None for anything else."""
    try:
        return (date.fromisoformat(text) - FIRST_DATE).days
    except ValueError:
        return None


HANDLERS = [list_cards, show_card]
