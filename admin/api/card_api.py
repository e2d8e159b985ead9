"""Cards by state or number, one card with all that belongs to it, and what happened to it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.lists.cards import CardFilter, CardRow, card_details, card_of, find_cards
from admin.lists.entries import entries_of_card, entries_page
from admin.rights import Action
from switch.protocol.messages import CardFlag, MediumKind, MediumState

from .entry_api import Entry, entry_item
from .handlers import Key, Limit, Number, Page, Text, api_get, api_post
from .words import STATUS_WORDS, number_of

TAG = "Cards"


class Card(msgspec.Struct):
    """A card as lists show it."""

    reference: str
    number: str
    status: str
    type_code: int
    type_name: str
    organisation_id: int
    expiry_date: int
    balance_minor: int | None
    """null: it has no account yet."""


class Purse(msgspec.Struct):
    """Points of a category, or visits of a service: `kind` 1 or 2."""

    kind: int
    number: int
    amount: int
    expiry_date: int


class Medium(msgspec.Struct):
    """A chip, stripe, tag or code of the card."""

    medium_id: int
    kind: str
    state: str


class CardDetails(msgspec.Struct):
    """One card."""

    reference: str
    number: str
    status: str
    flags: list[str]
    type_code: int
    type_name: str
    organisation_id: int
    expiry_date: int
    balance_minor: int | None
    points_hundredths: int | None
    purses: list[Purse]
    media: list[Medium]
    other_cards: list[str]
    """References of cards that spend from the same account."""


class CardSearch(msgspec.Struct, forbid_unknown_fields=True):
    """A number, whole or its beginning; it is in the body, for addresses are logged."""

    number: Annotated[str, msgspec.Meta(min_length=1, max_length=40, description="As typed or scanned.")]
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    after: Annotated[str, msgspec.Meta(max_length=40)] = ""


@api_get("/api/v1/cards", guards=[needs("cards")], tag=TAG)
def list_cards(
    request: Request[Visitor, Any, Any], status: Text = "", after: Key = "", limit: Limit = 50
) -> Page[Card]:
    """Cards in the order of their numbers."""
    state = request.app.state
    with state.service.database.read() as session:
        rows, next_after = find_cards(
            session,
            request.user,
            state.references,
            state.service,
            CardFilter(status=number_of(STATUS_WORDS, status, "status")),
            after,
            limit,
        )
    if rows and request.user.may("cards", Action.SEE_UNMASKED):
        state.service.audit.looked(request.user, "cards", f"cards found: {len(rows)}")
    return Page([_item(row) for row in rows], next_after)


@api_post("/api/v1/cards/search", guards=[needs("cards")], tag=TAG, status=200)
def search_cards(request: Request[Visitor, Any, Any], data: JSONBody[CardSearch]) -> Page[Card]:
    """Cards whose number begins with what is given; with a masked view, by what is shown of it or by the whole."""
    state = request.app.state
    with state.service.database.read() as session:
        rows, next_after = find_cards(
            session,
            request.user,
            state.references,
            state.service,
            CardFilter(typed=data.number),
            data.after,
            data.limit,
        )
    if rows and request.user.may("cards", Action.SEE_UNMASKED):
        state.service.audit.looked(request.user, "cards", f"cards found: {len(rows)}")
    return Page([_item(row) for row in rows], next_after)


@api_get("/api/v1/cards/{reference:str}", guards=[needs("cards")], tag=TAG)
def get_card(request: Request[Visitor, Any, Any], reference: FromPath[str]) -> CardDetails:
    """One card with its account, purses and media."""
    state = request.app.state
    with state.service.database.read() as session:
        found = card_details(session, request.user, state.references, reference)
    if found is None:
        raise NotFoundException(detail="There is no such card.")
    if request.user.may("cards", Action.SEE_UNMASKED):
        state.service.audit.looked(request.user, "cards", f"card {reference}")
    card, account = found.card, found.account
    return CardDetails(
        reference=reference,
        number=found.shown_number,
        status=STATUS_WORDS.get(card.status, str(card.status)),
        flags=[str(flag.name).lower() for flag in CardFlag if card.flags & flag],
        type_code=card.card_type,
        type_name=found.type.name if found.type else "",
        organisation_id=card.issuing_organisation_id,
        expiry_date=card.expiry_date,
        balance_minor=request.user.held(account.balance_minor) if account else None,
        points_hundredths=request.user.held(account.points_hundredths) if account else None,
        purses=[
            Purse(row.purse >> 32, row.purse & 0xFFFF_FFFF, row.amount, row.expiry_date)
            for row in found.purses
            if request.user.may("balances")
        ],
        media=[
            Medium(row.medium_id, MediumKind(row.medium).name.lower(), MediumState(row.state).name.lower())
            for row in found.media
        ],
        other_cards=[other for other, _number in found.others],
    )


@api_get("/api/v1/cards/{reference:str}/entries", guards=[needs("cards")], tag=TAG)
def list_card_entries(
    request: Request[Visitor, Any, Any], reference: FromPath[str], before: Number = None, limit: Limit = 50
) -> Page[Entry]:
    """What happened to a card and to its account, newest first."""
    state = request.app.state
    with state.service.database.read() as session:
        card = card_of(session, request.user, state.references, reference)
        if card is None:
            raise NotFoundException(detail="There is no such card.")
        query = entries_of_card(card.card_number, card.account_number)
        rows, next_before = entries_page(session, query, request.user, state.references, before, limit)
    return Page([entry_item(row) for row in rows], str(next_before) if next_before else None)


def _item(row: CardRow) -> Card:
    return Card(
        reference=row.reference,
        number=row.number,
        status=STATUS_WORDS.get(row.status, str(row.status)),
        type_code=row.type_code,
        type_name=row.type_name,
        organisation_id=row.organisation_id,
        expiry_date=row.expiry_date,
        balance_minor=row.balance_minor,
    )


HANDLERS = [list_cards, search_cards, get_card, list_card_entries]
