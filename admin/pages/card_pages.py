"""Cards: search while typing, and the page of one card."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import ColumnElement, Row, Select, false, or_, select, true

from admin.access import Visitor, needs
from admin.card_search import DIGITS_MAX, DIGITS_MIN, between, conditions, digits_of
from admin.cards.history import chain_of, documents_about
from admin.cards.terms import fees_of, type_names, versions_of
from admin.cards.types import version_in_force
from admin.documents.card_actions import actions_for
from admin.documents.card_planning import FEES
from admin.documents.reading import names_of
from admin.documents.registry import KINDS
from admin.i18n import FIRST_DATE
from admin.models.journal import entries
from admin.models.mirror import (
    accounts,
    card_limits,
    cards,
    holds,
    media,
    organisations,
    pending_points,
    purses,
    stores,
)
from admin.rights import Action
from admin.words import STATUS_TONES, STATUSES
from switch.protocol.messages import CardFlag, MediumKind, MediumState
from switch.protocol.terms import NO_COUNT_LIMIT, NO_LIMIT

from .card_type_pages import today_of
from .common import PAGE_ROWS, is_part_wanted, page, with_query
from .document_pages import STATES as DOCUMENT_STATES
from .document_pages import TONES as DOCUMENT_TONES
from .entry_pages import NUMBER_DIGITS_MAX, entries_page
from .handlers import get

POINTS_PURSE, VISITS_PURSE = 1, 2
DATE_MAX = 2**31
"""Beyond every date that a card may have."""


@dataclass(frozen=True, slots=True)
class CardRow:
    """A card as a list shows it."""

    reference: str
    number: str
    status: int
    flags: list[str]
    type_name: str
    balance_minor: int | None
    expiry_date: int
    store_id: int
    organisation_id: int


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
    """Cards by the beginning of their number and by what they are; all of them, in order, without a filter."""
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
    query: Select[Any] = select(cards, accounts.c.balance_minor).outerjoin(
        accounts, accounts.c.account_number == cards.c.account_number
    )
    query = visitor.cards_seen(query).order_by(cards.c.card_number)
    for column, text in (
        (cards.c.status, status),
        (cards.c.card_type, type),
        (cards.c.custody_store_id, store),
        (cards.c.issuing_organisation_id, organisation),
    ):
        if text:
            query = query.where(column == int(text) if _is_number(text) else false())
    if member:  # by the accounts of the member, of which there is an index: the other way round all cards are read
        owned: Any = (
            select(accounts.c.account_number).where(accounts.c.member == int(member)) if _is_number(member) else [0]
        )
        query = query.where(cards.c.account_number.in_(owned))
    if expires_from or expires_until:
        query = query.where(cards.c.expiry_date.between(_date(expires_from, 1), _date(expires_until, DATE_MAX)))
    spans = _spans(q, sees_unmasked=sees_unmasked) if q else [true()]
    if (behind := state.references.read(after)) is not None:
        query = query.where(cards.c.card_number > behind)
    with state.service.database.read() as session:
        names = type_names(session)
        nodes = session.execute(visitor.organisations_seen(select(organisations))).all()
        store_ids = session.scalars(visitor.stores_seen(select(stores.c.store_id)).order_by(stores.c.store_id)).all()
        found: list[Row[Any]] = []
        for span in spans:
            found += session.execute(query.where(span).limit(PAGE_ROWS + 1 - len(found))).all()
            if len(found) > PAGE_ROWS:
                break
    rows = [
        CardRow(
            reference=state.references.make(row.card_number),
            number=visitor.card_number(row.card_number),
            status=row.status,
            flags=[flag.name or "" for flag in CardFlag if row.flags & flag],
            type_name=names.get(row.card_type, str(row.card_type)),
            balance_minor=row.balance_minor,
            expiry_date=row.expiry_date,
            store_id=row.custody_store_id,
            organisation_id=row.issuing_organisation_id,
        )
        for row in found[:PAGE_ROWS]
    ]
    has_more = len(found) > PAGE_ROWS
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
        next_address=with_query("/cards", {**filters, "after": rows[-1].reference}) if has_more else None,
    )


@get("/cards/{reference:str}", guards=[needs("cards")])
def show_card(request: Request[Visitor, Any, Any], reference: FromPath[str], before: FromQuery[str] = "") -> Template:
    """One card: state, purses, limits, media, history.  Not found also when it is not the visitor's to see."""
    state, visitor = request.app.state, request.user
    number = state.references.read(reference)
    with state.service.database.read() as session:
        card = session.execute(visitor.cards_seen(select(cards).where(cards.c.card_number == (number or 0)))).first()
        if card is None:
            raise NotFoundException(detail="There is no such card.")
        account_number = card.account_number
        account = session.execute(select(accounts).where(accounts.c.account_number == account_number)).first()
        versions = versions_of(session, card.card_type)
        type_ = version_in_force(versions, today_of(session)) or next(iter(versions), None)
        documents = documents_about(session, visitor, card.card_number)
        maker_names = names_of(session, [one.maker_id for one in documents])
        parts = session.execute(select(purses).where(purses.c.account_number == account_number)).all()
        context = {
            "limits": session.execute(select(card_limits).where(card_limits.c.card_number == card.card_number)).first(),
            "holds": session.execute(select(holds).where(holds.c.account_number == account_number)).all(),
            "waiting": session.execute(
                select(pending_points).where(pending_points.c.account_number == account_number)
            ).all(),
            "media": session.execute(select(media).where(media.c.card_number == card.card_number)).all(),
            "others": [
                (state.references.make(other), visitor.card_number(other))
                for other in session.scalars(
                    select(cards.c.card_number)
                    .where(cards.c.account_number == account_number, cards.c.card_number != card.card_number)
                    .limit(PAGE_ROWS)
                )
                if account_number
            ],
            "chain": [
                (state.references.make(one.card_number), visitor.card_number(one.card_number), one.status)
                for one in chain_of(session, visitor, card)
            ],
        }
        mine = entries.c.card_number == card.card_number
        history = select(entries).where(
            or_(mine, entries.c.account_number == account_number) if account_number else mine
        )
        start = int(before) if before.isdecimal() and len(before) <= NUMBER_DIGITS_MAX else None
        rows, next_before = entries_page(session, history, visitor, state.references, start)
    address = f"/cards/{reference}"
    if is_part_wanted(request):
        next_address = with_query(address, {"before": next_before}) if next_before else None
        return page(
            request,
            "_card_entry_rows.html",
            rows=rows,
            shown_number=visitor.card_number(card.card_number),
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
        shown_number=visitor.card_number(card.card_number),
        account=account,
        type=type_,
        flags=[flag.name for flag in CardFlag if card.flags & flag],
        purses=[(row.purse >> 32, row.purse & 0xFFFF_FFFF, row.amount, row.expiry_date) for row in parts],
        statuses=STATUSES,
        tones=STATUS_TONES,
        medium_kinds={kind: kind.name for kind in MediumKind},
        medium_states={kind: kind.name for kind in MediumState},
        NO_LIMIT=NO_LIMIT,
        NO_COUNT_LIMIT=NO_COUNT_LIMIT,
        actions=actions_for(visitor, card, reference),
        fees=[(FEES[kind], fee_minor) for kind, fee_minor in enumerate(fees_of(type_)) if fee_minor],
        documents=documents,
        kinds=KINDS,
        document_states=DOCUMENT_STATES,
        document_tones=DOCUMENT_TONES,
        names=maker_names,
        rows=rows,
        is_first=not before,
        next_address=with_query(address, {"before": next_before}) if next_before else None,
        **context,
    )


def _spans(text: str, *, sees_unmasked: bool) -> list[ColumnElement[bool]]:
    """Conditions for what was typed: the beginning of a number, or, for those who see whole numbers, first - last."""
    bounds = [digits_of(part) for part in text.split(" - ")]
    if sees_unmasked and len(bounds) == 2 and all(DIGITS_MIN <= len(digits) <= DIGITS_MAX for digits in bounds):
        return between(cards.c.card_number, int(bounds[0]), int(bounds[1]))
    return conditions(cards.c.card_number, text, sees_unmasked=sees_unmasked)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX


def _date(text: str, other: int) -> int:
    """A day such as 2026-01-31 as days since 1970-01-01; `other` for anything else."""
    try:
        return (date.fromisoformat(text) - FIRST_DATE).days
    except ValueError:
        return other


HANDLERS = [list_cards, show_card]
