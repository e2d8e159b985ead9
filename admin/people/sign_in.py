"""Signing on and off: password, lock-out, dynamic password, sessions, the first administrator."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from admin.access import Visitor, visitor_of
from admin.audit import Actor
from admin.errors import RefusedError
from admin.models.people import WHOLE_GROUP, RoleAssignment, SetupToken, User, UserSession
from admin.service import Service

from .passwords import (
    TOTP_PURPOSE,
    TOTP_SECRET_BYTES,
    hash_password,
    is_password,
    new_totp_secret,
    seal_totp,
    step_of_code,
    unseal_totp,
)

TOKEN_BYTES = 32
SEEN_EVERY = timedelta(minutes=1)
SEEN_AT_LAST = timedelta(minutes=3)
"""After so long a page waits for a turn to write in order to note that a session or a token is used."""
SETUP_TOKEN_LASTS = timedelta(hours=24)
MODULE = "sign-in"


class SignIn(enum.Enum):
    """How an attempt ended."""

    DONE = "done"
    WRONG = "wrong"
    """Name or password; nobody is told which."""
    LOCKED = "locked"
    CODE_NEEDED = "code needed"
    CODE_WRONG = "code wrong"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Outcome of a sign-on; a token only with DONE."""

    outcome: SignIn
    token: str = ""
    locked_minutes: int = 0


def token_hash(token: str) -> bytes:
    """What the database knows of a token."""
    return hashlib.sha256(token.encode()).digest()


def sign_in(service: Service, name: str, password: str, code: str, address: str) -> Attempt:
    """Check a name, a password and, where one is set up, a dynamic password; a new session when all are right."""
    name = name.strip().lower()[:40]
    now = service.now()
    with service.database.read() as session:
        known_hash = session.scalar(select(User.password_hash).where(User.name == name, User.is_enabled)) or ""
    is_right = is_password(known_hash, password)  # a tenth of a second: not while holding the database
    with service.database.write() as session:
        user = session.scalar(select(User).where(User.name == name).with_for_update())
        actor = Actor(user.id if user else 0, name, address)
        is_right = is_right and user is not None and user.is_enabled and user.password_hash == known_hash
        if user is not None and user.locked_until is not None and now < user.locked_until:
            service.audit.append(session, actor, MODULE, "sign-in", outcome="refused", reason="locked")
            return Attempt(SignIn.LOCKED, locked_minutes=-(-int((user.locked_until - now).total_seconds()) // 60))
        if user is None or not is_right:
            return _fail(service, session, user, actor, SignIn.WRONG, "name or password")
        if user.totp_sealed is not None:
            if not code:
                return Attempt(SignIn.CODE_NEEDED)
            if not _take_code(service, session, user, code):
                return _fail(service, session, user, actor, SignIn.CODE_WRONG, "dynamic password")
        user.failures, user.locked_until, user.last_login_at = 0, None, now
        token = begin_session(service, session, user, address, is_stepped_up=user.totp_sealed is not None)
        service.audit.append(session, actor, MODULE, "sign-in")
        return Attempt(SignIn.DONE, token)


def begin_session(service: Service, session: Session, user: User, address: str, *, is_stepped_up: bool) -> str:
    """Token of a new session."""
    now = service.now()
    token = service.surroundings.random_bytes(TOKEN_BYTES).hex()
    session.add(
        UserSession(
            token_hash=token_hash(token),
            user_id=user.id,
            created_at=now,
            seen_at=now,
            ends_at=now + timedelta(hours=service.parameters.number("session_hours_max", now)),
            stepped_up_until=step_up_end(service) if is_stepped_up else None,
            address=address,
        )
    )
    _remove_old(service, session)
    return token


def sign_out(service: Service, visitor: Visitor) -> None:
    """End the visitor's session."""
    with service.database.write() as session:
        session.execute(delete(UserSession).where(UserSession.token_hash == visitor.session_hash))
        service.audit.append(session, visitor, MODULE, "sign-out")


def end_sessions(session: Session, user_id: int, but: bytes = b"") -> None:
    """End all sessions of a user (but one): after a change of password, role or state."""
    session.execute(delete(UserSession).where(UserSession.user_id == user_id, UserSession.token_hash != but))


def find_visitor(service: Service, token: str, address: str) -> Visitor | None:
    """Who a browser with this token is, now; None when the session has ended or the user may no longer."""
    hash_ = token_hash(token)
    now = service.now()
    with service.database.read() as session:
        found = session.get(UserSession, hash_)
        if found is None or not _is_alive(service, found):
            return None
        user = session.get(User, found.user_id)
        if user is None or not user.is_enabled:
            return None
        off = service.parameters.modules_off(now)
        visitor = visitor_of(session, user, address, hash_, found.stepped_up_until, modules_off=off)
        unseen = now - found.seen_at
    if unseen >= SEEN_EVERY:
        with service.database.write_if_free(is_late=unseen >= SEEN_AT_LAST) as free:
            if free is not None:
                free.execute(update(UserSession).where(UserSession.token_hash == hash_).values(seen_at=now))
    return visitor


def step_up(service: Service, visitor: Visitor, code: str) -> bool:
    """Take a dynamic password; it opens for some minutes what demands one.  Wrong ones count towards the lock-out."""
    with service.database.write() as session:
        user = session.get(User, visitor.user_id, with_for_update=True)
        assert user is not None
        if user.totp_sealed is None:
            raise RefusedError("Set up a dynamic password first.")
        if not _take_code(service, session, user, code):
            _fail(service, session, user, Actor(user.id, user.name, visitor.address), SignIn.CODE_WRONG, "step-up")
            if user.locked_until is not None:
                end_sessions(session, user.id)
            return False
        user.failures = 0
        session.execute(
            update(UserSession)
            .where(UserSession.token_hash == visitor.session_hash)
            .values(stepped_up_until=step_up_end(service))
        )
        service.audit.append(session, visitor, MODULE, "step-up")
    return True


def begin_totp(service: Service) -> str:
    """A fresh secret for a dynamic password; it counts when a first code has proved that the app has it."""
    return new_totp_secret(service.surroundings.random_bytes(TOTP_SECRET_BYTES))


def confirm_totp(service: Service, visitor: Visitor, secret: str, code: str) -> None:
    """Keep a secret whose first code is right; `RefusedError` when it is not, or when there is one already.

    A code was given just now, so modules that ask for one are open: a second one could only be had after half a minute.
    """
    with service.database.write() as session:
        user = session.get(User, visitor.user_id, with_for_update=True)
        assert user is not None
        if user.totp_sealed is not None:
            raise RefusedError("There is a dynamic password already; an administrator can take it away.")
        step = step_of_code(secret, code, service.surroundings.now_ms() // 1000, 0)
        if step is None:
            raise RefusedError("The code is wrong or too old; wait for the next one and type it again.")
        user.totp_sealed = seal_totp(service, TOTP_PURPOSE, secret, user.id)
        user.totp_step = step
        session.execute(
            update(UserSession)
            .where(UserSession.token_hash == visitor.session_hash)
            .values(stepped_up_until=step_up_end(service))
        )
        service.audit.append(session, visitor, MODULE, "set up dynamic password", f"user {user.id}")


def change_password(service: Service, visitor: Visitor, old: str, new: str) -> None:
    """Change one's own password; other sessions end."""
    hashed = hash_password(new)
    with service.database.read() as session:
        known_hash = session.scalar(select(User.password_hash).where(User.id == visitor.user_id)) or ""
    if not is_password(known_hash, old):
        service.audit.refused(visitor, MODULE, "change password", f"user {visitor.user_id}")
        raise RefusedError("The present password is wrong.")
    if old == new:
        raise RefusedError("The new password is the present one; choose another.")
    with service.database.write() as session:
        user = session.get(User, visitor.user_id, with_for_update=True)
        assert user is not None
        if user.password_hash != known_hash:
            raise RefusedError("The present password is wrong.")
        user.password_hash, user.must_change_password = hashed, False
        end_sessions(session, user.id, but=visitor.session_hash)
        service.audit.append(session, visitor, MODULE, "change password", f"user {user.id}")


def make_setup_token(service: Service) -> str:
    """Token for the set-up page; `RefusedError` when there is a user already."""
    token = service.surroundings.random_bytes(TOKEN_BYTES).hex()
    with service.database.write() as session:
        _refuse_when_set_up(session)
        session.execute(delete(SetupToken))
        session.add(SetupToken(token_hash=token_hash(token), ends_at=service.now() + SETUP_TOKEN_LASTS))
    return token


def is_set_up(service: Service) -> bool:
    """Whether there is a first administrator."""
    with service.database.read() as session:
        return session.scalar(select(func.count()).select_from(User)) != 0


def make_first_administrator(service: Service, token: str, name: str, full_name: str, password: str) -> None:
    """The first user, with every right; the token is used up."""
    hashed = hash_password(password)
    with service.database.write() as session:
        found = session.get(SetupToken, token_hash(token))
        if found is None or service.now() >= found.ends_at:
            raise RefusedError("The set-up token is wrong or too old; run cardswitch admin setup-token again.")
        _refuse_when_set_up(session)
        user = User(
            name=clean_name(name),
            full_name=full_name.strip() or name,
            organisation_id=WHOLE_GROUP,
            password_hash=hashed,
            must_change_password=False,
            created_at=service.now(),
        )
        session.add(user)
        session.flush()
        session.add(RoleAssignment(user_id=user.id, role="administrator", given_by=user.id, given_at=service.now()))
        session.execute(delete(SetupToken))
        service.audit.append(
            session, Actor(user.id, user.name, ""), "users", "add", f"user {user.id}", roles=["administrator"]
        )


def clean_name(name: str) -> str:
    """A user's name as it is kept; `RefusedError` when it cannot be one."""
    name = name.strip().lower()
    if not 2 <= len(name) <= 40 or not all(c.isalnum() or c in "._-" for c in name):
        raise RefusedError("A user name has 2 to 40 letters, digits, dots, hyphens or underscores.")
    return name


def _refuse_when_set_up(session: Session) -> None:
    if session.scalar(select(func.count()).select_from(User)):
        raise RefusedError("There are users already: sign on, or ask an administrator.")


def _take_code(service: Service, session: Session, user: User, code: str) -> bool:
    """Whether a dynamic password is right and new; a code is good once, also for two requests at the same time."""
    assert user.totp_sealed is not None
    secret = unseal_totp(service, TOTP_PURPOSE, user.totp_sealed, user.id)
    step = step_of_code(secret, code, service.surroundings.now_ms() // 1000, user.totp_step)
    if step is None:
        return False
    taken = session.execute(
        update(User).where(User.id == user.id, User.totp_step < step).values(totp_step=step),
        execution_options={"synchronize_session": False},
    )
    session.refresh(user, ["totp_step"])
    return bool(taken.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult


def _fail(service: Service, session: Session, user: User | None, actor: Actor, outcome: SignIn, reason: str) -> Attempt:
    if user is not None:
        user.failures += 1
        now = service.now()
        if user.failures >= service.parameters.number("failures_max", now):
            user.locked_until = now + timedelta(minutes=service.parameters.number("lockout_minutes", now))
            user.failures = 0
    service.audit.append(session, actor, MODULE, "sign-in", outcome="refused", reason=reason)
    return Attempt(outcome)


def _is_alive(service: Service, found: UserSession) -> bool:
    now = service.now()
    idle_end = found.seen_at + timedelta(minutes=service.parameters.number("session_minutes", now))
    return now < min(found.ends_at, idle_end)


def _remove_old(service: Service, session: Session) -> None:
    now = service.now()
    idle_since = now - timedelta(minutes=service.parameters.number("session_minutes", now))
    session.execute(delete(UserSession).where(or_(UserSession.ends_at <= now, UserSession.seen_at <= idle_since)))


def step_up_end(service: Service) -> datetime:
    """Until when a fresh dynamic password given now is good."""
    now = service.now()
    return now + timedelta(minutes=service.parameters.number("step_up_minutes", now))
