"""Who may do how much alone: above it, a document of money or points waits for a second person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.documents.bounds import AloneBound, Measure, day_of, used_on
from admin.documents.kind import Planning
from admin.errors import RefusedError
from admin.forms import entry
from admin.i18n import translate
from admin.models.money import OperatorLimit
from admin.models.people import User
from admin.service import Service

EVERYBODY = 0
MONEY_ALONE_MINOR_MAX = 5_000_00
"""Until somebody sets another: the most that the trade keeps on one prepaid card in a name."""
POINTS_ALONE_HUNDREDTHS_MAX = 10_000_00
"""Until somebody sets another: about what 10,000.00 spent earn."""
DOCUMENTS_PER_DAY = 4
"""Until somebody sets another: a day takes as much alone as so many documents at their bound."""
_ = str
PER_DAY_HINT = _("All documents of a day that went without a second person. Empty: four times as much.")


class LimitForm(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one operator, or of everybody who has none of his own."""

    user_name: Annotated[str, entry(_("User name"), hint=_("Empty: everybody without a limit of his own."))] = ""
    money_minor_max: Annotated[int, entry(_("Money alone, at most"), "money", ge=0, le=10**14)]
    points_hundredths_max: Annotated[int, entry(_("Points alone, at most"), "points", ge=0, le=10**14)]
    money_minor_day_max: (
        Annotated[int, entry(_("Money alone in a day"), "money", hint=PER_DAY_HINT, ge=0, le=10**14)] | None
    ) = None
    points_hundredths_day_max: (
        Annotated[int, entry(_("Points alone in a day"), "points", hint=PER_DAY_HINT, ge=0, le=10**14)] | None
    ) = None

    @property
    def values(self) -> dict[str, int]:
        """The limits by name, with those of a day where they were left empty."""
        money, points = self.money_minor_day_max, self.points_hundredths_day_max
        return {
            "money_minor_max": self.money_minor_max,
            "points_hundredths_max": self.points_hundredths_max,
            "money_minor_day_max": self.money_minor_max * DOCUMENTS_PER_DAY if money is None else money,
            "points_hundredths_day_max": self.points_hundredths_max * DOCUMENTS_PER_DAY if points is None else points,
        }

    def problems(self) -> Iterator[tuple[str, str]]:
        """A day takes at least one document."""
        values = self.values
        for name in ("money_minor", "points_hundredths"):
            if values[f"{name}_day_max"] < values[f"{name}_max"]:
                yield f"{name}_day_max", translate("A day takes at least as much as one document.")


def limit_of(session: Session, user_id: int) -> OperatorLimit:
    """What a user may do alone: his own row, else everybody's, else the defaults above."""
    own = session.get(OperatorLimit, user_id) or session.get(OperatorLimit, EVERYBODY)
    return own or OperatorLimit(
        user_id=EVERYBODY,
        money_minor_max=MONEY_ALONE_MINOR_MAX,
        points_hundredths_max=POINTS_ALONE_HUNDREDTHS_MAX,
        money_minor_day_max=MONEY_ALONE_MINOR_MAX * DOCUMENTS_PER_DAY,
        points_hundredths_day_max=POINTS_ALONE_HUNDREDTHS_MAX * DOCUMENTS_PER_DAY,
    )


def money_bounds(planning: Planning, _form: object) -> list[AloneBound]:
    """How much money the plan's maker may move alone: in a document, and in a day."""
    limit = limit_of(planning.session, planning.visitor.user_id)
    moved_minor = sum(abs(order.amount_minor) for order in planning.orders)
    used_minor = used_today(planning.session, planning.visitor, planning.now, Measure.MONEY)
    return [
        AloneBound(_("Money of one document"), Measure.MONEY, moved_minor, limit.money_minor_max),
        AloneBound(
            _("Money of a day"), Measure.MONEY, moved_minor, limit.money_minor_day_max, used_minor, is_daily=True
        ),
    ]


def points_bounds(planning: Planning, _form: object) -> list[AloneBound]:
    """How many points, given and taken added up, the plan's maker may change alone: in a document, and in a day."""
    limit = limit_of(planning.session, planning.visitor.user_id)
    changed = sum(abs(order.points_hundredths) for order in planning.orders)
    used = used_today(planning.session, planning.visitor, planning.now, Measure.POINTS)
    return [
        AloneBound(_("Points of one document"), Measure.POINTS, changed, limit.points_hundredths_max),
        AloneBound(_("Points of a day"), Measure.POINTS, changed, limit.points_hundredths_day_max, used, is_daily=True),
    ]


def used_today(session: Session, visitor: Visitor, now: datetime, measure: Measure) -> int:
    """What a visitor's documents of this day took alone."""
    return used_on(session, visitor.user_id, day_of(session, now), measure)


def limits_seen(session: Session, visitor: Visitor) -> list[tuple[str, OperatorLimit]]:
    """(full name, limits) of the users whom a visitor sees; everybody's first, with an empty name."""
    rows = [("", limit_of(session, EVERYBODY))]
    query = visitor.users_seen(select(User).join(OperatorLimit, OperatorLimit.user_id == User.id)).order_by(User.name)
    for user in session.scalars(query):
        rows.append((f"{user.full_name} ({user.name})", session.get_one(OperatorLimit, user.id)))
    return rows


def set_limit(service: Service, visitor: Visitor, form: LimitForm) -> None:
    """Give somebody, or everybody, other limits; nobody his own."""
    with service.database.write() as session:
        user_id = EVERYBODY
        if form.user_name:
            user = session.scalar(visitor.users_seen(select(User).where(User.name == form.user_name)))
            if user is None:
                raise RefusedError("There is no such user.")
            user_id = user.id
        elif not visitor.sees_everything:
            raise RefusedError("Everybody's limits are set by those who see the whole group.")
        if user_id == visitor.user_id:
            raise RefusedError("Nobody changes his own limits.")
        row = session.get(OperatorLimit, user_id)
        detail: dict[str, Any] = dict(form.values)
        if row is not None:
            detail |= {f"{name}_was": getattr(row, name) for name in form.values}
        if row is None:
            session.add(row := OperatorLimit(user_id=user_id, **form.values))
        for name, value in form.values.items():
            setattr(row, name, value)
        service.audit.append(session, visitor, "money", "limits", f"user {user_id}", **detail)
