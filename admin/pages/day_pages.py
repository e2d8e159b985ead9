"""The business date: where it stands, its cut-over, and how the closes of all terminals stand."""

from __future__ import annotations

import datetime
from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.documents.terminals import TERMINAL_ID_FIRST
from admin.i18n import FIRST_DATE
from admin.models.journal import daily_totals
from admin.models.mirror import day_closes, switches, terminals
from switch.protocol.messages import DayCloseState, Right, TerminalStatus

from .common import PAGE_ROWS, is_part_wanted, page, with_query
from .handlers import get
from .terminal_pages import CLOSE_TONES, CLOSES

_ = str
NOT_CLOSED = 0
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
        query = _closes(visitor, shown)
        counts = _counts(session, query)
        if stage.isdecimal():
            query = query.where(func.coalesce(day_closes.c.state, NOT_CLOSED) == int(stage[:3]))
        if after.isdecimal():
            query = query.where(terminals.c.terminal_id > int(after[:18]))
        found = session.execute(query.order_by(terminals.c.terminal_id).limit(PAGE_ROWS + 1)).all()
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


def business_date(session: Session) -> int:
    """The date that runs, as far as the follower has heard."""
    begun = session.scalar(select(func.max(switches.c.business_date))) or 0
    return int(max(begun, session.scalar(select(func.max(daily_totals.c.business_date))) or 0))


def _closes(visitor: Visitor, date: int) -> Any:
    """Tills that sell, with their close of the date where there is one."""
    query = select(
        terminals.c.terminal_id,
        terminals.c.store_id,
        day_closes.c.state,
        day_closes.c.attempts,
        day_closes.c.message_count,
        day_closes.c.approved_minor,
        day_closes.c.last_sequence,
    ).outerjoin(day_closes, and_(day_closes.c.terminal_id == terminals.c.terminal_id, day_closes.c.closed_date == date))
    sells = and_(
        terminals.c.rights.op("&")(int(Right.PAY)) != 0,
        terminals.c.status != TerminalStatus.BLOCKED,
        terminals.c.terminal_id < TERMINAL_ID_FIRST,
    )
    return visitor.terminals_seen(query.where(or_(sells, day_closes.c.state.is_not(None))))


def _counts(session: Session, query: Any) -> dict[int, int]:
    """Terminals by the state of their close."""
    rows = query.subquery("closes")
    state = func.coalesce(rows.c.state, NOT_CLOSED)
    found = dict.fromkeys((NOT_CLOSED, int(DayCloseState.DIFFERS), int(DayCloseState.CLOSED)), 0)
    for number, count in session.execute(select(state, func.count()).group_by(state)):
        found[number] = count
    return found


def _date(text: str) -> int:
    try:
        return (datetime.date.fromisoformat(text) - FIRST_DATE).days
    except ValueError:
        return 0


def _text(day: int) -> str:
    return (FIRST_DATE + datetime.timedelta(days=day)).isoformat() if 0 <= day < DAYS_MAX else ""
