"""Figures of the day, of all accounts, and of the follower."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request

from admin.access import Visitor, needs
from admin.figures import day_figures, lag

from .handlers import api_get
from .words import code_word

TAG = "Dashboard"


class Refusal(msgspec.Struct):
    """How often a reason was given."""

    code: int
    code_name: str
    count: int


class Day(msgspec.Struct):
    """The last business date that has entries, in the part of the organisation that is seen."""

    business_date: int
    entry_count: int
    approved_count: int
    refusals: list[Refusal]
    spent_minor: int
    recharged_minor: int


class Holdings(msgspec.Struct):
    """What all accounts of the group hold, and whether it equals the sum of all movements."""

    card_count: int
    balance_minor: int
    points_hundredths: int
    open_alarm_count: int
    is_conserved: bool


class Following(msgspec.Struct):
    """How far the tables are behind the switch."""

    sequence: int
    behind_bytes: int
    time_ms: int
    is_following: bool
    is_replay: bool


class Dashboard(msgspec.Struct):
    """What the first page shows."""

    day: Day | None
    """null: there are no entries."""
    holdings: Holdings | None
    """null for those who do not see the whole group."""
    following: Following


@api_get("/api/v1/dashboard", guards=[needs("dashboard")], tag=TAG)
def get_dashboard(request: Request[Visitor, Any, Any]) -> Dashboard:
    """Figures of now."""
    service, visitor = request.app.state.service, request.user
    now_ms = service.surroundings.now_ms()
    with service.database.read() as session:
        day = day_figures(session, visitor)
        held = request.app.state.holdings.get(session, now_ms) if visitor.sees_everything else None
        behind = lag(session, service.settings.partition, now_ms)
    return Dashboard(
        day=Day(
            business_date=day.business_date,
            entry_count=day.entry_count,
            approved_count=day.approved_count,
            refusals=[Refusal(code, code_word(code), count) for code, count in day.refusals],
            spent_minor=day.spent_minor,
            recharged_minor=day.recharged_minor,
        )
        if day
        else None,
        holdings=Holdings(
            held.card_count, held.balance_minor, held.points_hundredths, held.open_alarm_count, held.is_conserved
        )
        if held
        else None,
        following=Following(
            behind.sequence, behind.behind_bytes, behind.time_ms, behind.is_following, behind.is_replay
        ),
    )


HANDLERS = [get_dashboard]
