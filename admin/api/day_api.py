"""The business date with the closes of all terminals, and the key file of a new terminal."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.params import FromPath
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.documents.key_files import take_key_file
from admin.lists.closes import NOT_CLOSED, business_date, close_counts, closes_page
from admin.models.mirror import switches
from admin.rights import Action
from switch.protocol.messages import DayCloseState

from .handlers import Limit, Number, SmallNumber, Text, api_get, api_post, filled, page_of
from .words import number_of, words_of

TAG = "Business day"
CLOSE_WORDS = {NOT_CLOSED: "not-closed", **words_of(DayCloseState)}


class KeyFile(msgspec.Struct):
    """The key of a new terminal, told once: store it where the terminal reads it, and nowhere else."""

    terminal_id: int
    key: str


class DayClose(msgspec.Struct):
    """How the close of a terminal stands."""

    terminal_id: int
    store_id: int
    state: str
    attempts: int | None
    message_count: int | None
    approved_minor: int | None


class CloseCount(msgspec.Struct):
    """How many terminals are in a state of their close."""

    state: str
    count: int


class BusinessDay(msgspec.Struct):
    """A business date, and the closes of all terminals that sell."""

    date: int
    today: int
    """The date that runs, as far as the follower has heard."""
    timezone: str
    cut_over_minutes: int
    counts: list[CloseCount]
    rows: list[DayClose]
    next: str | None


@api_post("/api/v1/terminals/{terminal_id:int}/key", guards=[needs("terminals", Action.CHANGE)], tag=TAG, status=200)
def fetch_key(request: Request[Visitor, Any, Any], terminal_id: FromPath[int]) -> KeyFile:
    """The key of a new terminal, once, for whoever made it."""
    return filled(KeyFile, take_key_file(request.app.state.service, request.user, terminal_id))


@api_get("/api/v1/business-day", guards=[needs("business-day")], tag=TAG)
def get_day(
    request: Request[Visitor, Any, Any],
    date: SmallNumber = None,
    stage: Text = "",
    after: Number = None,
    limit: Limit = 50,
) -> BusinessDay:
    """The closes of a business date, of the one that runs without `date`; `stage` is a state of the close."""
    state = number_of(CLOSE_WORDS, stage, "stage")
    with request.app.state.service.database.read() as session:
        today = business_date(session)
        shown = date if date is not None else today
        counts = close_counts(session, request.user, shown)
        rows = closes_page(session, request.user, shown, state=state, after=after, limit=limit)
        switch = session.execute(select(switches)).first()
    page = page_of(rows, limit, lambda row: filled(DayClose, row, state=CLOSE_WORDS[row.state or 0]), _number)
    return BusinessDay(
        date=shown,
        today=today,
        timezone=switch.timezone if switch else "UTC",
        cut_over_minutes=switch.cut_over_minutes if switch else 0,
        counts=[CloseCount(CLOSE_WORDS[number], count) for number, count in counts.items()],
        rows=page.rows,
        next=page.next,
    )


def _number(row: Any) -> int:
    return int(row.terminal_id)


HANDLERS = [get_day, fetch_key]
