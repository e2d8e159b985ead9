"""Entries of the journal, newest first."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.params import JSONBody

from admin.access import Visitor, needs
from admin.lists.entries import EntryRow, entries_by, entries_page

from .handlers import Limit, Number, Page, SmallNumber, Text, api_get, api_post
from .words import OPERATION_WORDS, TYPE_WORDS, code_word, number_of

TAG = "Entries"


class Entry(msgspec.Struct):
    """One entry, and what it did to one account."""

    id: int
    sequence: int
    time_ms: int
    business_date: int
    store_id: int
    terminal_id: int
    type: str
    operation: str
    """Of a card operation; else empty."""
    code: int
    code_name: str
    is_approved: bool
    card: str
    card_reference: str
    amount_minor: int
    value_minor: int | None
    """By what the account's balance changed."""
    balance_minor: int | None
    """None: it changed no account, or the token may not see balances and points."""
    points_hundredths: int | None
    receipt: str
    member: int
    """Whose account it changed; 0: nobody's whom the token may see."""
    member_name: str


class EntrySearch(msgspec.Struct, forbid_unknown_fields=True):
    """Entries of a card by its whole number; it is in the body, for addresses are logged."""

    card: Annotated[str, msgspec.Meta(min_length=8, max_length=40)]
    before: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


@api_get("/api/v1/entries", guards=[needs("entries")], tag=TAG)
def list_entries(
    request: Request[Visitor, Any, Any],
    type: Text = "",
    code: SmallNumber = None,
    store: Number = None,
    before: Number = None,
    limit: Limit = 50,
) -> Page[Entry]:
    """Entries of the visitor's stores and cards."""
    query = entries_by(type_=number_of(TYPE_WORDS, type, "type"), code=code, store=store)
    return _page(request, query, before, limit)


@api_post("/api/v1/entries/search", guards=[needs("entries")], tag=TAG, status=200)
def search_entries(request: Request[Visitor, Any, Any], data: JSONBody[EntrySearch]) -> Page[Entry]:
    """Entries of one card."""
    return _page(request, entries_by(card=data.card), data.before, data.limit)


def entry_item(row: EntryRow) -> Entry:
    """An entry for a program."""
    return Entry(
        id=row.id,
        sequence=row.sequence,
        time_ms=row.time_ms,
        business_date=row.business_date,
        store_id=row.store_id,
        terminal_id=row.terminal_id,
        type=TYPE_WORDS.get(row.type, str(row.type)),
        operation=OPERATION_WORDS.get(row.operation, str(row.operation)) if row.operation else "",
        code=row.code,
        code_name=code_word(row.code),
        is_approved=row.is_approved,
        card=row.card,
        card_reference=row.card_reference,
        amount_minor=row.amount_minor,
        value_minor=row.value_minor,
        balance_minor=row.balance_minor,
        points_hundredths=row.points_hundredths,
        receipt=row.receipt,
        member=row.member,
        member_name=row.member_name,
    )


def _page(request: Request[Visitor, Any, Any], query: Any, before: int | None, limit: int) -> Page[Entry]:
    state = request.app.state
    with state.service.database.read() as session:
        rows, next_before = entries_page(session, query, request.user, state.references, before, limit)
    return Page([entry_item(row) for row in rows], str(next_before) if next_before else None)


HANDLERS = [list_entries, search_entries]
