"""Dealers: shops of the group that somebody else runs, with what is below each."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.lists.organisation import dealers_seen

from .common import is_part_wanted, number_in, page, page_rows, with_query
from .handlers import get


@get("/dealers", guards=[needs("organisation")])
def list_dealers(request: Request[Visitor, Any, Any], q: FromQuery[str] = "", after: FromQuery[str] = "") -> Template:
    """Dealers of the visitor's part of the organisation, by number."""
    with request.app.state.service.database.read() as session:
        rows, last = dealers_seen(session, request.user, typed=q, after=number_in(after), limit=page_rows(request))
    return page(
        request,
        "_dealer_rows.html" if is_part_wanted(request) else "dealers.html",
        rows=rows,
        q=q,
        is_first=not after,
        next_address=with_query("/dealers", {"q": q, "after": last}) if last else None,
    )


HANDLERS: list[Any] = [list_dealers]
