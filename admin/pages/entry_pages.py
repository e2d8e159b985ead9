"""The list of entries: filters in the address, pages by key, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template
from sqlalchemy import Row, Select, false, select
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.card_search import DIGITS_MAX, DIGITS_MIN, digits_of
from admin.models.journal import entries
from admin.references import References
from admin.rights import Action
from admin.words import CODES, TYPES, code_name, type_name
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType
from switch.protocol.receipt_code import format_receipt_code

from .common import PAGE_ROWS, is_part_wanted, page, with_query
from .handlers import get

NUMBER_DIGITS_MAX = 18
"""Of a number in an address; all such numbers fit 64 bits."""
APPROVED = (ResponseCode.APPROVED, ResponseCode.PARTIAL)


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as a list shows it: everything masked and named already."""

    id: int
    sequence: int
    time_ms: int
    business_date: int
    store_id: int
    terminal_id: int
    type_name: str
    code: int
    code_name: str
    is_approved: bool
    card: str
    card_reference: str
    amount_minor: int
    value_minor: int
    balance_minor: int | None
    """None: the entry changed no account."""
    points_hundredths: int
    receipt: str
    is_refundable: bool
    """A sale that the visitor may refund."""


def entry_row(row: Row[Any], visitor: Visitor, references: References) -> EntryRow:
    """A row of the table for a visitor."""
    return EntryRow(
        id=row.id,
        sequence=row.sequence,
        time_ms=row.time_ms,
        business_date=row.business_date,
        store_id=row.store_id,
        terminal_id=row.terminal_id,
        type_name=type_name(row.type, row.operation),
        code=row.code,
        code_name=code_name(row.code),
        is_approved=row.code in APPROVED,
        card=visitor.card_number(row.card_number) if row.card_number else "",
        card_reference=references.make(row.card_number) if row.card_number else "",
        amount_minor=row.amount_minor,
        value_minor=row.value_minor,
        balance_minor=row.balance_minor if row.account_number else None,
        points_hundredths=row.points_hundredths,
        receipt=format_receipt_code(row.receipt_code) if row.receipt_code else "",
        is_refundable=(
            row.part == 0
            and row.type in (MessageType.DEBIT, MessageType.CAPTURE)
            and row.code in APPROVED
            and row.amount_minor > 0
            and visitor.may("money", Action.ADD)
        ),
    )


def entries_page(
    session: Session, query: Select[Any], visitor: Visitor, references: References, before: int | None
) -> tuple[list[EntryRow], int | None]:
    """One page of a question about entries, newest first, and the key that the next page begins behind."""
    query = visitor.entries_seen(query).order_by(entries.c.id.desc()).limit(PAGE_ROWS + 1)
    if before:
        query = query.where(entries.c.id < before)
    rows = session.execute(query).all()
    shown = [entry_row(row, visitor, references) for row in rows[:PAGE_ROWS]]
    return shown, shown[-1].id if len(rows) > PAGE_ROWS else None


@get("/entries", guards=[needs("entries")])
def list_entries(
    request: Request[Visitor, Any, Any],
    card: FromQuery[str] = "",
    type: FromQuery[str] = "",
    code: FromQuery[str] = "",
    store: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Entries of the visitor's part of the organisation."""
    state, visitor = request.app.state, request.user
    filters = {"card": card, "type": type, "code": code, "store": store}
    query = select(entries)
    for column, text in ((entries.c.type, type), (entries.c.code, code), (entries.c.store_id, store)):
        if text:
            query = query.where(column == int(text) if _is_number(text) else false())
    if card:
        digits = digits_of(card)
        query = query.where(entries.c.card_number == int(digits) if _is_card(digits) else false())
    with state.service.database.read() as session:
        start = int(before) if _is_number(before) else None
        rows, next_before = entries_page(session, query, visitor, state.references, start)
    return page(
        request,
        "_entry_rows.html" if is_part_wanted(request) else "entries.html",
        rows=rows,
        filters=filters,
        types=TYPES,
        codes=CODES,
        next_address=with_query("/entries", {**filters, "before": next_before}) if next_before else None,
        is_first=not before,
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX


def _is_card(digits: str) -> bool:
    return DIGITS_MIN <= len(digits) <= DIGITS_MAX


HANDLERS = [list_entries]
