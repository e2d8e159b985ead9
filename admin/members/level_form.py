"""The form of a level of members."""

from __future__ import annotations

from typing import Annotated

import msgspec

from admin.forms import Kind, entry

_ = str


class LevelForm(msgspec.Struct, frozen=True, kw_only=True):
    """A level as people type it."""

    name: Annotated[str, entry(_("Name"), max_length=40)]
    rank: Annotated[int, entry(_("Rank"), Kind.INTEGER, ge=1, le=1_000, hint=_("Higher is better."))]
    period_days: Annotated[int, entry(_("Period in days"), Kind.INTEGER, ge=1, le=3_660)] = 365
    spent_minor_min: Annotated[
        int, entry(_("Spent in the period, at least"), Kind.MONEY, ge=0, hint=_("0: not asked for."))
    ] = 0
    points_hundredths_min: Annotated[int, entry(_("Points earned, at least"), Kind.POINTS, ge=0)] = 0
    visits_min: Annotated[int, entry(_("Visits, at least"), Kind.INTEGER, ge=0, le=100_000)] = 0
    needs_all: Annotated[bool, entry(_("All of these must be reached"), Kind.CHECK)] = False
    moves_down: Annotated[bool, entry(_("Is lost again when they are missed"), Kind.CHECK)] = False
    switch_level: Annotated[
        int, entry(_("Level in the switch's rules"), Kind.INTEGER, ge=0, le=255, hint=_("0: rates do not follow it."))
    ] = 0
