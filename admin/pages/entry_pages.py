"""The list of entries: filters in the address, pages by key, newest first."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template
from sqlalchemy import false

from admin.access import Visitor, needs
from admin.lists.entries import entries_by, entries_page
from admin.words import CODES, TYPES

from .common import is_part_wanted, number_in, page, page_rows, with_query
from .handlers import get


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
    query = entries_by(card=card, type_=number_in(type), code=number_in(code), store=number_in(store))
    if any(text and number_in(text) is None for text in (type, code, store)):
        query = query.where(false())
    with state.service.database.read() as session:
        rows, next_before = entries_page(
            session, query, visitor, state.references, number_in(before), page_rows(request)
        )
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


HANDLERS = [list_entries]
