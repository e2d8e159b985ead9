"""Users by name; nothing secret leaves this module."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.models.people import User


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as those see him who may see users."""

    id: int
    name: str
    full_name: str
    organisation_id: int
    department_id: int | None
    is_enabled: bool
    locked_until: datetime | None
    has_totp: bool
    last_login_at: datetime | None
    roles: list[str]


def user_row(user: User) -> UserRow:
    """A user without anything secret, to keep beyond its session."""
    return UserRow(
        id=user.id,
        name=user.name,
        full_name=user.full_name,
        organisation_id=user.organisation_id,
        department_id=user.department_id,
        is_enabled=user.is_enabled,
        locked_until=user.locked_until,
        has_totp=user.totp_sealed is not None,
        last_login_at=user.last_login_at,
        roles=sorted(assignment.role for assignment in user.assignments),
    )


def find_users(
    session: Session, visitor: Visitor, *, typed: str, after: str, limit: int
) -> tuple[list[UserRow], str | None]:
    """Users of the visitor's part of the organisation, and the name that the next page begins behind."""
    query = visitor.users_seen(select(User)).order_by(User.name).limit(limit + 1)
    if typed:
        in_name = User.name.contains(typed.lower(), autoescape=True)
        query = query.where(or_(in_name, User.full_name.contains(typed, autoescape=True)))
    if after:
        query = query.where(User.name > after)
    rows = [user_row(user) for user in session.scalars(query)]
    return rows[:limit], rows[limit - 1].name if len(rows) > limit else None
