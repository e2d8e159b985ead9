"""The business date as a document: its cut-over."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy import func, select

from admin.errors import RefusedError
from admin.forms import entry
from admin.models.mirror import switches
from switch.protocol.messages import MessageType

from .kind import Kind, Planning, subject

_ = str


class CutOver(msgspec.Struct, frozen=True, kw_only=True):
    """The date to begin."""

    date: Annotated[int, entry(_("Business date to begin"), "date", hint=_("The day after the one that runs."))]


def business_date(planning: Planning) -> int:
    """The date that runs, as far as the follower has heard; 0 before it has heard anything."""
    begun = planning.session.scalar(select(func.max(switches.c.business_date)))
    return max(int(begun or 0), planning.today)


def _cut_over(planning: Planning, form: CutOver) -> None:
    today = business_date(planning)
    if form.date != today + 1:
        raise RefusedError("Only the next business date can be begun.")
    planning.add(MessageType.CUT_OVER, subject=subject(_("Begin the next business date")), next_date=form.date)


KINDS: list[Kind[Any]] = [
    Kind(
        name="cut-over",
        label=_("Begin the next business date"),
        hint=_(
            "Before the clock does it. Requests of the date before are taken for one more date; limits per date begin"
            " anew; rules, prices and types of the new date hold. It cannot be taken back."
        ),
        function="business-day",
        form=CutOver,
        plan=_cut_over,
        is_central=True,
    ),
]
