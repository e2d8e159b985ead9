"""The card desk: what can be done to a card or to many, how a balance came about, media of a card, stock."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.cards.explaining import explain, movements
from admin.cards.stock import stock_of
from admin.documents.card_actions import actions_for, card_field, groups_for, is_possible
from admin.documents.kind import Planning
from admin.figures import newest_date
from admin.forms import AREA_LENGTH_MAX
from admin.i18n import translate
from admin.lists.cards import card_of, media_of
from admin.parameters import STOCK_CARDS
from admin.rights import Action
from switch.protocol.messages import MediumFlag, MediumKind, MediumState

from .handlers import Limit, Number, api_get, api_post, filled
from .words import OPERATION_WORDS, STATUS_WORDS, TYPE_WORDS, words_of

TAG = "Card desk"
MEDIUM_WORDS, MEDIUM_STATE_WORDS = words_of(MediumKind), words_of(MediumState)


class CardAction(msgspec.Struct):
    """A document that can be made about a card in its state."""

    group: str
    kind: str
    label: str
    field: str
    """The field of its form that takes the card."""


class CardsAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Cards, one per line: a number, a reference, or a range `first - last`."""

    cards: Annotated[str, msgspec.Meta(min_length=1, max_length=AREA_LENGTH_MAX, pattern=r"^[^\x00]*$")]


class StatusCount(msgspec.Struct):
    """How many cards are in a state."""

    status: str
    count: int


class PossibleCount(msgspec.Struct):
    """How many of the cards a kind of document would fit."""

    kind: str
    label: str
    count: int


class SkippedCards(msgspec.Struct):
    """What was not found, and why."""

    what: str
    why: str


class CardsRead(msgspec.Struct):
    """What a list of cards is, before anything is done."""

    statuses: list[StatusCount]
    possible: list[PossibleCount]
    skipped: list[SkippedCards]
    skipped_count: int


class BalanceMovement(msgspec.Struct):
    """One entry that changed an account, with the balance before and after."""

    id: int
    sequence: int
    time_ms: int
    type: str
    operation: str
    store_id: int
    before_minor: int
    value_minor: int
    after_minor: int
    points_hundredths: int
    points_after_hundredths: int


class MovementSum(msgspec.Struct):
    """All movements of one kind together."""

    type: str
    operation: str
    count: int
    value_minor: int
    points_hundredths: int


class BalanceExplained(msgspec.Struct):
    """How a balance came about: movements newest first, and sums by kind that equal what the account holds."""

    rows: list[BalanceMovement]
    next: str | None
    sums: list[MovementSum]
    value_minor: int
    points_hundredths: int
    balance_minor: int
    held_points_hundredths: int
    is_whole: bool


class CardMedium(msgspec.Struct):
    """A chip, stripe, tag or code of a card."""

    medium_id: int
    kind: str
    state: str
    key_version: int
    counter: int
    last_terminal_id: int
    last_store_id: int
    last_ms: int
    written_date: int
    fails: int
    has_stored_key: bool


class TypeStockItem(msgspec.Struct):
    """Cards of one type by status."""

    card_type: int
    counts: list[StatusCount]
    cost_minor: int
    """What the cards in stock cost the group."""
    in_stock_count: int
    other_count: int
    ended_count: int
    is_short: bool
    """Fewer are in stock than the parameter stock_cards_least wants."""


class PlaceStock(msgspec.Struct):
    """Cards of one type at one place."""

    number: int
    """Of a store (0: headquarters), or of the issuing organisation."""
    card_type: int
    count: int


class CardStock(msgspec.Struct):
    """How many cards are where."""

    types: list[TypeStockItem]
    stores: list[PlaceStock]
    """Cards in stock."""
    organisations: list[PlaceStock]
    """Cards given out, by who issued them."""


@api_get("/api/v1/cards/{reference:str}/actions", guards=[needs("cards")], tag=TAG, pages=("GET /desk",))
def list_actions(request: Request[Visitor, Any, Any], reference: FromPath[str]) -> list[CardAction]:
    """What can be done to a card, or to a number that no card has yet."""
    state, visitor = request.app.state, request.user
    if state.references.read(reference) is None:
        raise NotFoundException(detail="There is no such card.")
    with state.service.database.read() as session:
        card = card_of(session, visitor, state.references, reference)
    return [
        CardAction(translate(group), kind.name, translate(kind.label), card_field(kind) or "")
        for group, actions in actions_for(visitor, card, reference)
        for kind, _address in actions
    ]


@api_post("/api/v1/cards/read", guards=[needs("cards")], tag=TAG, pages=("POST /desk",), status=200)
def read_cards(request: Request[Visitor, Any, Any], data: JSONBody[CardsAsked]) -> CardsRead:
    """Which cards a range or a list names, in which states, and what could be done to how many of them."""
    state, visitor = request.app.state, request.user
    counts: Counter[int] = Counter()
    possible: Counter[str] = Counter()
    kinds = {kind.name: kind for _, found in groups_for(visitor) for kind in found if card_field(kind) == "cards"}
    with state.service.database.read() as session:
        planning = Planning(session, visitor, state.references, state.service.now(), state.service.parameters)
        for card in planning.cards(data.cards):
            counts[card.status] += 1
            possible.update(name for name in kinds if is_possible(name, card))
    return CardsRead(
        _statuses(counts),
        [PossibleCount(name, translate(kinds[name].label), n) for name, n in possible.items()],
        [SkippedCards(what, translate(why)) for what, why in planning.skipped],
        planning.skipped_count,
    )


@api_get("/api/v1/cards/{reference:str}/balance", guards=[needs("cards"), needs("balances")], tag=TAG)
def explain_balance(
    request: Request[Visitor, Any, Any], reference: FromPath[str], before: Number = None, limit: Limit = 50
) -> BalanceExplained:
    """Every movement of a card's account, and sums that equal what it holds."""
    state, visitor = request.app.state, request.user
    with state.service.database.read() as session:
        card = card_of(session, visitor, state.references, reference)
        if card is None or not card.account_number:
            raise NotFoundException(detail="There is no such card, or it has no account yet.")
        rows = movements(session, card.account_number, before, limit)
        whole = explain(session, card.account_number)
    if visitor.may("cards", Action.SEE_UNMASKED):
        state.service.audit.looked(visitor, "cards", f"card {reference}")
    return filled(
        BalanceExplained,
        whole,
        rows=[filled(BalanceMovement, row, **_kind(row)) for row in rows[:limit]],
        next=str(rows[limit - 1].id) if len(rows) > limit else None,
        sums=[filled(MovementSum, one, **_kind(one)) for one in whole.sums],
    )


@api_get("/api/v1/cards/{reference:str}/media", guards=[needs("media")], tag=TAG)
def list_card_media(request: Request[Visitor, Any, Any], reference: FromPath[str]) -> list[CardMedium]:
    """The media of one card: state, key version, counter, last use."""
    state = request.app.state
    with state.service.database.read() as session:
        card = card_of(session, request.user, state.references, reference)
        if card is None:
            raise NotFoundException(detail="There is no such card.")
        rows = media_of(session, card)
    return [
        filled(
            CardMedium,
            row,
            kind=MEDIUM_WORDS.get(row.medium, str(row.medium)),
            state=MEDIUM_STATE_WORDS.get(row.state, str(row.state)),
            has_stored_key=bool(row.flags & MediumFlag.STORED_KEY),
        )
        for row in rows
    ]


@api_get("/api/v1/card-stock", guards=[needs("cards")], tag=TAG)
def get_stock(request: Request[Visitor, Any, Any]) -> CardStock:
    """How many cards of each type are where."""
    with request.app.state.service.database.read() as session:
        stock = stock_of(session, request.user, newest_date(session))
    types = sorted(stock.types.values(), key=lambda one: one.card_type)
    service = request.app.state.service
    least = service.parameters.number(STOCK_CARDS, service.now())
    return CardStock(
        [
            filled(TypeStockItem, one, counts=_statuses(one.counts), is_short=one.in_stock_count < least)
            for one in types
        ],
        [PlaceStock(store, type_, n) for (store, type_), n in sorted(stock.stores.items())],
        [PlaceStock(node, type_, n) for (node, type_), n in sorted(stock.organisations.items())],
    )


def _statuses(counts: Counter[int]) -> list[StatusCount]:
    return [StatusCount(STATUS_WORDS.get(status, str(status)), n) for status, n in sorted(counts.items())]


def _kind(row: Any) -> dict[str, str]:
    operation = OPERATION_WORDS.get(row.operation, str(row.operation)) if row.operation else ""
    return {"type": TYPE_WORDS.get(row.type, str(row.type)), "operation": operation}


HANDLERS = [list_actions, read_cards, explain_balance, list_card_media, get_stock]
