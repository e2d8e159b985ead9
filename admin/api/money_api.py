"""Recharges, refunds and transfers with their sums, and how much operators may do alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from litestar import Request
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.lists.entries import entries_page
from admin.money.limits import LimitForm, limits_seen, set_limit
from admin.points.ledger import MONEY_TYPES, Span, channels_of, ledger_query, totals
from admin.rights import Action

from .bodies import body_of, checked, takes
from .entry_api import Entry, entry_item
from .handlers import Limit, Number, SmallNumber, Text, api_get, api_put, filled
from .words import TYPE_WORDS, number_of

TAG = "Money"
Detail = TypeVar("Detail")
LimitBody = body_of(LimitForm, "OperatorLimitChange")


class MoneyEntry(msgspec.Struct):
    """An entry, with what the document that made it says of the payment."""

    entry: Entry
    channel: int
    """How it was paid: see the field `channel` of the document kind recharge-card; 0: not known."""
    payment_reference: str


class KindTotal(msgspec.Struct):
    """The sum of one kind of entries, over the whole span."""

    type: str
    count: int
    amount_minor: int
    value_minor: int
    points_hundredths: int


class MoneyLedger(msgspec.Struct):
    """Entries, newest first, and the sums of the whole span, whatever part of it this page shows."""

    rows: list[MoneyEntry]
    next: str | None
    totals: list[KindTotal]


class OperatorLimitItem(msgspec.Struct):
    """How much somebody may do without a second person."""

    user: str
    """Empty: everybody without a limit of his own."""
    money_minor_max: int
    points_hundredths_max: int
    money_minor_day_max: int
    points_hundredths_day_max: int


@api_get("/api/v1/money", guards=[needs("money")], tag=TAG)
def list_money(
    request: Request[Visitor, Any, Any],
    type: Text = "",
    since: SmallNumber = None,
    until: SmallNumber = None,
    before: Number = None,
    limit: Limit = 50,
) -> MoneyLedger:
    """Recharges, refunds, reversals and transfers; `since` and `until` are business dates."""
    span = span_of(MONEY_TYPES, type, since, until)
    entries, said, last, sums = ledger_part(request, MONEY_TYPES, span, before, limit, channels_of, with_points=False)
    rows = [MoneyEntry(entry, *said.get(entry.sequence, (0, ""))) for entry in entries]
    return MoneyLedger(rows, last, sums)


@api_get("/api/v1/money/limits", guards=[needs("money")], tag=TAG)
def list_limits(request: Request[Visitor, Any, Any]) -> list[OperatorLimitItem]:
    """How much operators may do alone; everybody's limit first."""
    with request.app.state.service.database.read() as session:
        return [filled(OperatorLimitItem, row, user=name) for name, row in limits_seen(session, request.user)]


def _put_limit(request: Request[Visitor, Any, Any], data: Any) -> list[OperatorLimitItem]:
    """Give somebody, or everybody, other limits; nobody his own."""
    service = request.app.state.service
    set_limit(service, request.user, checked(request, LimitForm, data))
    with service.database.read() as session:
        return [filled(OperatorLimitItem, row, user=name) for name, row in limits_seen(session, request.user)]


put_limit = takes(
    api_put(
        "/api/v1/money/limits",
        guards=[needs("money", Action.APPROVE)],
        tag=TAG,
        pages=("POST /money/limits",),
    ),
    _put_limit,
    LimitBody,
)


def ledger_part(
    request: Request[Visitor, Any, Any],
    types: Sequence[int],
    span: Span,
    before: int | None,
    limit: int,
    details_of: Callable[[Session, Sequence[int]], dict[int, Detail]],
    *,
    with_points: bool,
) -> tuple[list[Entry], dict[int, Detail], str | None, list[KindTotal]]:
    """A part of the ledger of some kinds: entries, what documents tell of them, where to go on, sums of the span."""
    state, visitor = request.app.state, request.user
    query = ledger_query(types, span, with_points=with_points)
    with state.service.database.read() as session:
        rows, last = entries_page(session, query, visitor, state.references, before, limit, types)
        details = details_of(session, [row.sequence for row in rows])
        sums = totals(session, visitor, types, span)
    return (
        [entry_item(row) for row in rows],
        details,
        str(last) if last else None,
        [filled(KindTotal, row, type=TYPE_WORDS.get(row.type, str(row.type))) for row in sums],
    )


def span_of(types: Sequence[int], type_: str, since: int | None, until: int | None) -> Span:
    """A span of a ledger as a program asks for it; the type is one of the ledger's."""
    words = {int(number): TYPE_WORDS[number] for number in types}
    return Span(number_of(words, type_, "type") or 0, since or 0, until or 0)


HANDLERS = [list_money, list_limits, put_limit]
