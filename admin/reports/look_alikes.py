"""Customers just below a level of spend, and those who have moved up to it since the period before."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import case, select

from admin.forms import entry

from .change import ChangeParameters, changes
from .ranking import CARD, MEMBER
from .report import BASIS_POINTS, Column, ColumnKind, Query, Report, Scope, money

_ = str
MOVED_UP, JUST_BELOW = 1, 2
STATES = {MOVED_UP: _("Moved up"), JUST_BELOW: _("Just below")}


class LevelParameters(ChangeParameters, kw_only=True, frozen=True):
    """Which level, and how near is near."""

    level_minor: Annotated[int, entry(_("Level of spend"), "money", ge=1)] = 50_000
    near_bp: Annotated[int, entry(_("Near: so many percent below"), "percent", ge=1, le=BASIS_POINTS)] = 2_000


def _look_alikes(scope: Scope, parameters: LevelParameters) -> Query:
    one = changes(scope, parameters)
    level = parameters.level_minor
    floor = level - level * parameters.near_bp // BASIS_POINTS
    state = case(
        ((one.c.now_minor >= level) & (one.c.before_minor < level), MOVED_UP),
        ((one.c.now_minor >= floor) & (one.c.now_minor < level), JUST_BELOW),
        else_=0,
    )
    return (
        select(one, state.label("state"), (level - one.c.now_minor).label("missing_minor"))
        .where(state != 0)
        .order_by(state, one.c.now_minor.desc(), one.c.member, one.c.account_number)
    )


REPORTS = (
    Report(
        "look-alikes",
        "customers",
        _("Customers near a level"),
        _("Who spent a little less than a level in the period, and who reached it and had not in the period before."),
        (
            Column("state", _("State"), ColumnKind.WORD, words=STATES),
            CARD,
            MEMBER,
            money("before_minor", _("Before")),
            money("now_minor", _("Now")),
            money("missing_minor", _("Missing"), is_summed=False),
        ),
        _look_alikes,
        LevelParameters,
    ),
)
