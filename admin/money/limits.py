"""Who may do how much alone: above it, a document of money or points waits for a second person."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.documents.kind import Planning
from admin.errors import RefusedError
from admin.forms import entry
from admin.models.money import OperatorLimit
from admin.models.people import User
from admin.service import Service

EVERYBODY = 0
MONEY_ALONE_MINOR_MAX = 5_000_00
"""Until somebody sets another: the most that the trade keeps on one prepaid card in a name."""
POINTS_ALONE_HUNDREDTHS_MAX = 10_000_00
"""Until somebody sets another: about what 10,000.00 spent earn."""
_ = str


class LimitForm(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one operator, or of everybody who has none of his own."""

    user_name: Annotated[str, entry(_("User name"), hint=_("Empty: everybody without a limit of his own."))] = ""
    money_minor_max: Annotated[int, entry(_("Money alone, at most"), "money", ge=0, le=10**14)]
    points_hundredths_max: Annotated[int, entry(_("Points alone, at most"), "points", ge=0, le=10**14)]


def limit_of(session: Session, user_id: int) -> OperatorLimit:
    """What a user may do alone: his own row, else everybody's, else the defaults above."""
    own = session.get(OperatorLimit, user_id) or session.get(OperatorLimit, EVERYBODY)
    return own or OperatorLimit(
        user_id=EVERYBODY,
        money_minor_max=MONEY_ALONE_MINOR_MAX,
        points_hundredths_max=POINTS_ALONE_HUNDREDTHS_MAX,
    )


def money_above_limit(planning: Planning, _form: object) -> bool:
    """Whether the plan moves more money than its maker may move alone."""
    moved_minor = sum(abs(order.amount_minor) for order in planning.orders)
    return moved_minor > limit_of(planning.session, planning.visitor.user_id).money_minor_max


def points_above_limit(planning: Planning, _form: object) -> bool:
    """Whether the plan changes more points, given and taken added up, than its maker may change alone."""
    changed = sum(abs(order.points_hundredths) for order in planning.orders)
    return changed > limit_of(planning.session, planning.visitor.user_id).points_hundredths_max


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
        before: dict[str, Any] = (
            {} if row is None else {"money_was": row.money_minor_max, "points_was": row.points_hundredths_max}
        )
        if row is None:
            session.add(row := OperatorLimit(user_id=user_id, money_minor_max=0, points_hundredths_max=0))
        row.money_minor_max, row.points_hundredths_max = form.money_minor_max, form.points_hundredths_max
        service.audit.append(
            session,
            visitor,
            "money",
            "limits",
            f"user {user_id}",
            money=form.money_minor_max,
            points=form.points_hundredths_max,
            **before,
        )
