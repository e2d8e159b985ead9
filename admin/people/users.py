"""Who may make, change and empower whom: users are disabled, never erased, and nobody gives what he lacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.interfaces import Passkey
from admin.models.people import Department, RoleAssignment, User
from admin.roles import rights_held, roles_now
from admin.service import Service

from .passwords import hash_password
from .sign_in import clean_name, end_sessions
from .tokens import end_tokens

MODULE = "users"


def user_seen(session: Session, visitor: Visitor, user_id: int) -> User | None:
    """A user, when the visitor may see it."""
    found: User | None = session.scalar(visitor.users_seen(select(User).where(User.id == user_id)))
    return found


def add_user(
    service: Service,
    visitor: Visitor,
    *,
    name: str,
    full_name: str,
    organisation_id: int,
    roles: Iterable[str],
    password: str,
    department_id: int | None = None,
) -> int:
    """A new user, who must change the password at the first sign-on; its number."""
    hashed = hash_password(password)
    if not visitor.may_place_in(organisation_id):
        raise RefusedError("You may only place users in your own part of the organisation.")
    with service.database.write() as session:
        wanted = _checked_roles(session, visitor, roles)
        name = clean_name(name)
        if session.scalar(select(User.id).where(User.name == name)) is not None:
            raise RefusedError("There is a user with this name already.")
        user = User(
            name=name,
            full_name=full_name.strip() or name,
            organisation_id=organisation_id,
            department_id=_checked_department(session, visitor, department_id),
            password_hash=hashed,
            created_at=service.now(),
        )
        session.add(user)
        session.flush()
        _assign(service, session, visitor, user, wanted)
        service.audit.append(
            session,
            visitor,
            MODULE,
            "add",
            f"user {user.id}",
            after={"name": name, "organisation": organisation_id, "roles": sorted(wanted)},
        )
        return user.id


def change_user(
    service: Service,
    visitor: Visitor,
    user_id: int,
    *,
    full_name: str,
    organisation_id: int,
    roles: Iterable[str],
    is_enabled: bool,
    department_id: int | None = None,
) -> None:
    """Change a user; what it may do changes with its next request."""
    wanted = set(roles)
    with service.database.write() as session:
        user = _user(session, visitor, user_id)
        held = {assignment.role for assignment in user.assignments}
        before: dict[str, Any] = {
            "full_name": user.full_name,
            "organisation": user.organisation_id,
            "department": user.department_id,
            "roles": sorted(held),
            "enabled": user.is_enabled,
        }
        if user.id == visitor.user_id and (wanted != held or not is_enabled or organisation_id != user.organisation_id):
            raise RefusedError("Nobody changes his own roles, place or state; ask another administrator.")
        if organisation_id != user.organisation_id and not visitor.may_place_in(organisation_id):
            raise RefusedError("You may only place users in your own part of the organisation.")
        _checked_roles(session, visitor, wanted ^ held)  # neither giving nor taking what one lacks
        user.full_name = full_name.strip() or user.name
        user.organisation_id, user.is_enabled = organisation_id, is_enabled
        if department_id != user.department_id:
            user.department_id = _checked_department(session, visitor, department_id)
        for assignment in [one for one in user.assignments if one.role not in wanted]:
            user.assignments.remove(assignment)
        session.flush()
        _assign(service, session, visitor, user, wanted - held)
        if not is_enabled:
            end_sessions(session, user.id)
            end_tokens(service, session, user.id, visitor.user_id)
        after = {
            "full_name": user.full_name,
            "organisation": organisation_id,
            "department": department_id,
            "roles": sorted(wanted),
            "enabled": is_enabled,
        }
        service.audit.append(session, visitor, MODULE, "change", f"user {user.id}", before=before, after=after)


def reset_password(service: Service, visitor: Visitor, user_id: int, password: str) -> None:
    """Give a user a password to begin with; opens a lock, takes the dynamic password, passkeys and tokens away."""
    hashed = hash_password(password)
    with service.database.write() as session:
        user = _user(session, visitor, user_id)
        if user.id == visitor.user_id:
            raise RefusedError("Change your own password on your own page.")
        _checked_roles(session, visitor, {assignment.role for assignment in user.assignments})
        user.password_hash, user.must_change_password = hashed, True
        user.failures, user.locked_until, user.totp_sealed = 0, None, None
        end_sessions(session, user.id)
        end_tokens(service, session, user.id, visitor.user_id)
        session.execute(delete(Passkey).where(Passkey.user_id == user.id))
        service.audit.append(session, visitor, MODULE, "reset password", f"user {user.id}")


def _user(session: Session, visitor: Visitor, user_id: int) -> User:
    if (user := user_seen(session, visitor, user_id)) is None:
        raise RefusedError("There is no such user.")
    return user


def _checked_department(session: Session, visitor: Visitor, department_id: int | None) -> int | None:
    if department_id is None:
        return None
    found = session.scalar(visitor.departments_seen(select(Department.id).where(Department.id == department_id)))
    if found is None:
        raise RefusedError("There is no such department.")
    return department_id


def _checked_roles(session: Session, visitor: Visitor, roles: Iterable[str]) -> set[str]:
    wanted = set(roles)
    if unknown := wanted - roles_now(session).keys():
        raise RefusedError("There is no role {role}.", role=sorted(unknown)[0])
    if rights_held(session, wanted) - visitor.rights:
        raise RefusedError("Nobody gives or takes a role with rights that he lacks himself.")
    return wanted


def _assign(service: Service, session: Session, visitor: Visitor, user: User, roles: Iterable[str]) -> None:
    for role in sorted(roles):
        session.add(RoleAssignment(user_id=user.id, role=role, given_by=visitor.user_id, given_at=service.now()))
    session.flush()
