"""Entries, newest first: by card, type, answer and store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, false, or_, select, union_all
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.card_search import DIGITS_MAX, DIGITS_MIN, digits_of
from admin.members.holdings import holders_of
from admin.models.journal import NO_DEBIT, NOT_APPROVED, entries
from admin.references import References
from admin.rights import Action
from admin.words import code_name, type_name
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType
from switch.protocol.receipt_code import format_receipt_code

PAGE_ROWS = 50
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
    type: int
    operation: int
    type_name: str
    code: int
    code_name: str
    is_approved: bool
    card: str
    card_reference: str
    amount_minor: int
    value_minor: int | None
    """None, as balance and points: the visitor may not see what holders have, and moves add up to it."""
    balance_minor: int | None
    """None: the entry changed no account, or the visitor may not see balances."""
    points_hundredths: int | None
    receipt: str
    is_refundable: bool
    """A sale that the visitor may refund."""
    member: int = 0
    """Whose account it changed; 0: nobody's, or somebody's whom the visitor may not see."""
    member_name: str = ""


def entry_row(row: Row[Any], visitor: Visitor, references: References, holder: tuple[int, str] = (0, "")) -> EntryRow:
    """A row of the table for a visitor; `holder`: number and name of the account's member, as far as he may see."""
    return EntryRow(
        id=row.id,
        sequence=row.sequence,
        time_ms=row.time_ms,
        business_date=row.business_date,
        store_id=row.store_id,
        terminal_id=row.terminal_id,
        type=row.type,
        operation=row.operation,
        type_name=type_name(row.type, row.operation),
        code=row.code,
        code_name=code_name(row.code),
        is_approved=row.code in APPROVED,
        card=visitor.card_number(row.card_number) if row.card_number else "",
        card_reference=references.make(row.card_number) if row.card_number else "",
        amount_minor=row.amount_minor,
        value_minor=visitor.held(row.value_minor),
        balance_minor=visitor.held(row.balance_minor) if row.account_number else None,
        points_hundredths=visitor.held(row.points_hundredths),
        receipt=format_receipt_code(row.receipt_code) if row.receipt_code else "",
        is_refundable=(
            row.part == 0
            and row.type in (MessageType.DEBIT, MessageType.CAPTURE)
            and row.code in APPROVED
            and row.amount_minor > 0
            and visitor.may("money", Action.ADD)
        ),
        member=holder[0],
        member_name=holder[1],
    )


def entries_page(
    session: Session,
    query: Select[Any],
    visitor: Visitor,
    references: References,
    before: int | None,
    limit: int = PAGE_ROWS,
    types: Sequence[int] = (),
) -> tuple[list[EntryRow], int | None]:
    """One page of a question about entries, newest first, and the key that the next page begins behind.

    Of some `types`: those of each are walked on their own, since a recharge may lie behind a million debits.
    """
    query = visitor.entries_seen(query).order_by(entries.c.id.desc()).limit(limit + 1)
    if before:
        query = query.where(entries.c.id < before)
    if types:
        newest = [
            select(query.with_only_columns(entries.c.id).where(*of_type(type_)).subquery().c.id) for type_ in types
        ]
        found = union_all(*newest).subquery()
        query = select(entries).where(entries.c.id.in_(select(found.c.id))).order_by(entries.c.id.desc())
        query = query.limit(limit + 1)
    rows = session.execute(query).all()
    holders = holders_of(session, visitor, {row.account_number for row in rows[:limit]})
    shown = [entry_row(row, visitor, references, holders.get(row.account_number, (0, ""))) for row in rows[:limit]]
    return shown, shown[-1].id if len(rows) > limit else None


def of_type(type_: int) -> list[ColumnElement[bool]]:
    """Conditions for entries of a type, in the words of their index if they are in it."""
    return [entries.c.type == type_, *([NO_DEBIT] if type_ != MessageType.DEBIT else [])]


def of_code(code: int) -> list[ColumnElement[bool]]:
    """Conditions for entries with an answer, likewise."""
    return [entries.c.code == code, *([NOT_APPROVED] if code != ResponseCode.APPROVED else [])]


def entries_by(
    *, card: str = "", type_: int | None = None, code: int | None = None, store: int | None = None
) -> Select[Any]:
    """A question about entries; `card` is a whole number as it was typed."""
    query = select(entries)
    if type_ is not None:
        query = query.where(*of_type(type_))
    if code is not None:
        query = query.where(*of_code(code))
    if store is not None:
        query = query.where(entries.c.store_id == store)
    if card:
        digits = digits_of(card)
        is_card = DIGITS_MIN <= len(digits) <= DIGITS_MAX
        query = query.where(entries.c.card_number == int(digits) if is_card else false())
    return query


def entries_of_card(card_number: int, account_number: int) -> Select[Any]:
    """What happened to a card and to the account that it spends from."""
    mine = entries.c.card_number == card_number
    return select(entries).where(or_(mine, entries.c.account_number == account_number) if account_number else mine)
