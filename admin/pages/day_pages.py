"""The business date: where it stands, its cut-over, and how the closes of all terminals stand."""

from __future__ import annotations

import datetime
from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.i18n import FIRST_DATE
from admin.lists.closes import NOT_CLOSED, business_date, close_counts, closes_page
from admin.models.mirror import switches

from .common import PAGE_ROWS, is_part_wanted, page, with_query
from .handlers import get
from .terminal_pages import CLOSE_TONES, CLOSES

_ = str
DAYS_MAX = 2_900_000
"""About the year 9900: Python's dates end soon after."""


@get("/business-day", guards=[needs("business-day")])
def show_day(
    request: Request[Visitor, Any, Any],
    date: FromQuery[str] = "",
    stage: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Template:
    """Closes of one business date, those that differ first to be found by the filter."""
    visitor = request.user
    with request.app.state.service.database.read() as session:
        today = business_date(session)
        shown = _date(date) or today
        counts = close_counts(session, visitor, shown)
        found = closes_page(
            session,
            visitor,
            shown,
            state=int(stage[:3]) if stage.isdecimal() else None,
            after=int(after[:18]) if after.isdecimal() else None,
            limit=PAGE_ROWS,
        )
        switch = session.execute(select(switches)).first()
    rows = found[:PAGE_ROWS]
    more = {"date": date, "stage": stage, "after": rows[-1].terminal_id if len(found) > PAGE_ROWS else ""}
    return page(
        request,
        "_day_rows.html" if is_part_wanted(request) else "day.html",
        rows=rows,
        today=today,
        date=shown,
        date_text=_text(shown),
        tomorrow_text=_text(today + 1),
        stage=stage,
        counts=counts,
        switch=switch,
        closings={**CLOSES, NOT_CLOSED: _("Not closed")},
        close_tones=CLOSE_TONES,
        is_first=not after,
        next_address=with_query("/business-day", more) if len(found) > PAGE_ROWS else None,
    )


HANDLERS: list[Any] = [show_day]


def _date(text: str) -> int:
    try:
        return (datetime.date.fromisoformat(text) - FIRST_DATE).days
    except ValueError:
        return 0


def _text(day: int) -> str:
    return (FIRST_DATE + datetime.timedelta(days=day)).isoformat() if 0 <= day < DAYS_MAX else ""
