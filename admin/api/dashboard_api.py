"""Figures of the day, of all accounts, and of the follower."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request

from admin.access import Visitor, needs
from admin.checklist import checklist
from admin.figures import day_figures, lag, recent_days
from admin.i18n import translate

from .handlers import api_get, filled
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


class DaySums(msgspec.Struct):
    """One business date of the chart."""

    business_date: int
    spent_minor: int
    recharged_minor: int


class ToDo(msgspec.Struct):
    """Something that an installation needs before business can begin."""

    label: str
    hint: str
    address: str
    is_done: bool


class Heartbeat(msgspec.Struct):
    """What the switch did between two looks."""

    time_ms: int
    per_second_hundredths: int
    """Decisions written to its journal, hundredths of one a second."""
    sync_us: int | None
    """Mean time of a write to disk; null: there was none."""


class SwitchPulse(msgspec.Struct):
    """The switch itself, by its own counters; nothing for those who see a part of the group."""

    is_reachable: bool
    terminal_count: int
    is_disk_full: bool
    beats: list[Heartbeat]


class Dashboard(msgspec.Struct):
    """What the first page shows."""

    day: Day | None
    """null: there are no entries."""
    holdings: Holdings | None
    """null for those who do not see the whole group."""
    following: Following
    recent_days: list[DaySums]
    """The last business dates that have entries, oldest first."""
    checklist: list[ToDo]
    """What is to be set up, for those who could; empty for others."""


@api_get("/api/v1/dashboard", guards=[needs("dashboard")], tag=TAG, pages=("GET /",))
def get_dashboard(request: Request[Visitor, Any, Any]) -> Dashboard:
    """Figures of now."""
    service, visitor = request.app.state.service, request.user
    now_ms = service.surroundings.now_ms()
    with service.database.read() as session:
        day = day_figures(session, visitor)
        held = request.app.state.holdings.get(session, now_ms) if visitor.sees_everything else None
        behind = lag(session, service.settings.partition, now_ms)
        days = [DaySums(*day_of_chart) for day_of_chart in recent_days(session, visitor)]
        items = [
            ToDo(translate(item.label), translate(item.hint), item.address, item.is_done)
            for item in checklist(session, visitor)
        ]
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
        recent_days=days,
        checklist=items,
    )


@api_get("/api/v1/dashboard/pulse", guards=[needs("dashboard")], tag=TAG)
def get_pulse(request: Request[Visitor, Any, Any]) -> SwitchPulse:
    """The switch's own counters, at most a second old."""
    if not request.user.sees_everything:
        return SwitchPulse(is_reachable=False, terminal_count=0, is_disk_full=False, beats=[])
    figures = request.app.state.pulse.look()
    beats = [filled(Heartbeat, beat) for beat in figures.beats]
    return SwitchPulse(figures.is_reachable, figures.terminal_count, figures.is_disk_full, beats)


HANDLERS = [get_dashboard, get_pulse]
