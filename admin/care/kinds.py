"""Kinds of tasks: which reminders there are, and what can be set of each."""

from __future__ import annotations

import enum
from dataclasses import dataclass

_ = str
COUNT_MAX = 500
"""Tasks of one kind that a day makes, unless its setting says otherwise: a team of twenty does no more, and a mistake
in a setting does not make a million."""
COUNT_MAX_MOST = 5_000
"""The most that the setting may say: more are written in one transaction than other writers should wait for."""
DAYS_MAX = 400


class Unit(enum.StrEnum):
    """What the amount of a reminder is, and how it is typed."""

    NONE = "none"
    MONEY = "money"
    POINTS = "points"
    CARDS = "cards"


@dataclass(frozen=True, slots=True)
class TaskKind:
    """A kind of task; with `days` or `amount` what the reminder has for a setting."""

    name: str
    label: str
    is_reminder: bool = True
    is_visit: bool = False
    """Whether the customer is visited or called: then a result and a score are needed to close it."""
    days_label: str = ""
    """Empty: on the day itself."""
    days: int = 0
    unit: Unit = Unit.NONE
    amount_label: str = ""
    amount: int = 0
    is_on: bool = False
    """Whether it is on in a new installation: those are that follow from what a clerk has typed."""
    first_days: int = 0
    """So far the first run looks into the past."""
    looks_back_days: int = 7
    """So far a later run does, after a standstill."""
    is_resumed: bool = False
    """Whether a day that was full is gone on with on the next; others are dropped, for a late greeting is none."""
    is_snapshot: bool = False
    """Whether it looks at what is now, not at dates."""


AHEAD = _("Days before")
AFTER = _("Days after the purchase; 0: on the same day")
TASK_KINDS: dict[str, TaskKind] = {
    kind.name: kind
    for kind in (
        TaskKind("birthday", _("Birthday"), is_on=True),
        TaskKind("birthday-ahead", _("Birthday soon"), days_label=AHEAD, days=7, first_days=-1),
        TaskKind("family-birthday", _("Birthday in the family"), days_label=AHEAD),
        TaskKind("anniversary", _("Anniversary"), days_label=AHEAD, days=1, is_on=True),
        TaskKind("special-day", _("Special day"), days_label=AHEAD, is_on=True),
        TaskKind("festival", _("Festival"), days_label=AHEAD, days=3, is_on=True),
        TaskKind(
            "silent",
            _("No purchase for long"),
            is_visit=True,
            days_label=_("Days without a purchase"),
            days=90,
            first_days=366,
            looks_back_days=366,
            is_resumed=True,
        ),
        TaskKind(
            "follow-up",
            _("Visit after a purchase"),
            is_visit=True,
            days_label=AFTER,
            days=3,
            unit=Unit.MONEY,
            amount_label=_("Purchases of a day from"),
        ),
        TaskKind("callback", _("Agreed next contact"), is_reminder=False, is_visit=True),
        TaskKind("visit", _("Visit"), is_reminder=False, is_visit=True),
        TaskKind("card-expiry", _("Card ends"), days_label=AHEAD, days=30, is_resumed=True),
        TaskKind(
            "points-expiry",
            _("Points end with their card"),
            days_label=AHEAD,
            days=30,
            unit=Unit.POINTS,
            amount_label=_("Points from"),
            amount=100_00,
            is_resumed=True,
        ),
        TaskKind(
            "low-balance",
            _("Low balance"),
            unit=Unit.MONEY,
            amount_label=_("Balance of a card that was used, below"),
            amount=20_00,
        ),
        TaskKind(
            "stock-low",
            _("Few cards in stock"),
            unit=Unit.CARDS,
            amount_label=_("Cards of a type in a store, fewer than"),
            amount=20,
            is_snapshot=True,
        ),
        TaskKind(
            "stock-high",
            _("Too many cards in stock"),
            unit=Unit.CARDS,
            amount_label=_("Cards of a type in a store, more than"),
            amount=10_000,
            is_snapshot=True,
        ),
    )
}
REMINDERS = tuple(kind for kind in TASK_KINDS.values() if kind.is_reminder)
VISITS = tuple(kind.name for kind in TASK_KINDS.values() if kind.is_visit)
STATES: dict[str, str] = {"open": _("Open"), "done": _("Done"), "skipped": _("Skipped")}
STATE_TONES = {"open": "warn", "done": "good"}
