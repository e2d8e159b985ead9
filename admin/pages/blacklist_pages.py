"""The blacklist: who is on it, since when, through which store, why; on and off it by documents."""

from __future__ import annotations

import datetime
from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.blacklist import BlacklistFilter, blacklist_count, blacklist_page
from admin.i18n import FIRST_DATE
from admin.words import STATUSES

from .common import NUMBER_DIGITS_MAX, PAGE_ROWS, is_part_wanted, page, with_query
from .handlers import get


@get("/blacklist", guards=[needs("blacklist")])
def list_blacklist(
    request: Request[Visitor, Any, Any],
    q: FromQuery[str] = "",
    reason: FromQuery[str] = "",
    since: FromQuery[str] = "",
    store: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Template:
    """Cards on the blacklist that the visitor sees, by number."""
    visitor, references = request.user, request.app.state.references
    wanted = BlacklistFilter(reason[:200], _date(since), _number(store) if store else None)
    with request.app.state.service.database.read() as session:
        found = blacklist_page(session, visitor, wanted, typed=q, after=references.read(after), limit=PAGE_ROWS)
        count = session.scalar(blacklist_count(visitor))
    rows = [
        {
            "row": row,
            "card": visitor.card_number(row.card_number),
            "reference": references.make(row.card_number),
        }
        for row in found[:PAGE_ROWS]
    ]
    last = rows[-1]["reference"] if len(found) > PAGE_ROWS else None
    filters = {"q": q, "reason": reason, "since": since, "store": store}
    return page(
        request,
        "_blacklist_rows.html" if is_part_wanted(request) else "blacklist.html",
        rows=rows,
        count=count,
        filters=filters,
        statuses=STATUSES,
        is_first=not after,
        next_address=with_query("/blacklist", {**filters, "after": last}) if last else None,
    )


HANDLERS: list[Any] = [list_blacklist]


def _date(text: str) -> int:
    try:
        return (datetime.date.fromisoformat(text) - FIRST_DATE).days
    except ValueError:
        return 0


def _number(text: str) -> int:
    """A number of an address; one that no store has where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX else -1
