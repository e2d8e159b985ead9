"""What the pages of money and points share: a span of dates in the address, rows with what documents say of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Request
from litestar.response import Template

from admin.access import Visitor
from admin.documents.kind import Kind
from admin.documents.registry import KINDS
from admin.forms import FormContext, declared, texts_of
from admin.i18n import FIRST_DATE
from admin.lists.entries import EntryRow, entries_page
from admin.points.ledger import Span, ledger_query, totals
from admin.words import TYPES

from .common import NUMBER_DIGITS_MAX, is_part_wanted, page, with_query


def span_of(type_: str, since: str, until: str) -> Span:
    """A span as the address has it; what cannot be read does not bound."""
    number = int(type_) if type_.isdecimal() and len(type_) <= NUMBER_DIGITS_MAX else 0
    return Span(number, _day(since), _day(until))


def _day(text: str) -> int:
    try:
        return (date.fromisoformat(text) - FIRST_DATE).days
    except ValueError:
        return 0


def number_of(text: str) -> int | None:
    """A number of an address; None for none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX else None


def kinds_for(visitor: Visitor, *names: str) -> list[Kind[Any]]:
    """Those kinds that the visitor may make."""
    return [kind for name in names if (kind := KINDS[name]) and visitor.may(kind.function, kind.action)]


def filled_address(kind_name: str, form: msgspec.Struct, context: FormContext) -> str:
    """The form of a kind, filled in; what is as it is by default is left out."""
    defaults = {one.name: one.default for one in declared(type(form)) if not one.is_required}
    texts = [
        (name, text)
        for name, given in texts_of(form, context).items()
        if name not in defaults or defaults[name] != getattr(form, name)
        for text in given or [""]
    ]
    return f"/documents/new/{kind_name}?{urlencode(texts)}"


def ledger_page(
    request: Request[Visitor, Any, Any],
    address: str,
    template: str,
    types: Sequence[int],
    filters: dict[str, str],
    *,
    with_points: bool,
    notes: Any,
    **context: Any,
) -> Template:
    """A ledger: its rows, their notes by entry (`notes(session, rows)`), and sums by kind."""
    state, visitor = request.app.state, request.user
    span = span_of(filters["type"], filters["since"], filters["until"])
    query = ledger_query(types, span, with_points=with_points)
    with state.service.database.read() as session:
        before = number_of(filters["before"])
        rows, next_before = entries_page(session, query, visitor, state.references, before, types=types)
        said: dict[int, str] = notes(session, rows)
        sums = totals(session, visitor, types, span)
    kept = {name: value for name, value in filters.items() if name != "before"}
    return page(
        request,
        "_ledger_rows.html" if is_part_wanted(request) else template,
        rows=rows,
        notes=said,
        sums=sums,
        filters=filters,
        types={number: TYPES[number] for number in types},
        address=address,
        is_first=not filters["before"],
        next_address=with_query(address, {**kept, "before": next_before}) if next_before else None,
        **context,
    )


def sequences_of(rows: Sequence[EntryRow]) -> list[int]:
    """Entries of a page."""
    return [row.sequence for row in rows]
