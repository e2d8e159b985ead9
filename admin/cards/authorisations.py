"""Card-type authorisation: granting, revoking, and asking whether somebody may make or issue just now.

Nobody makes or issues cards without one, administrators included, and nobody
grants himself one.  It is asked for when a document is shown, when it is
submitted, and again when it is approved or tried again.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.authorisations import AuthorisationUse, Task, TypeAuthorisation
from admin.models.documents import Document, DocumentState
from admin.models.people import User
from admin.service import Service

MODULE = "card-types"
GIVEN_BACK = (DocumentState.REJECTED, DocumentState.WITHDRAWN)


class AuthorisationState(enum.StrEnum):
    """Where an authorisation stands at a moment."""

    SCHEDULED = "scheduled"
    OPEN = "open"
    CLOSED = "closed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Grant:
    """An authorisation as a page shows it."""

    row: TypeAuthorisation
    user_name: str
    state: AuthorisationState
    used: int


def state_of(row: TypeAuthorisation, now: datetime) -> AuthorisationState:
    """Where it stands."""
    if row.revoked_at is not None:
        return AuthorisationState.REVOKED
    if now < row.from_at:
        return AuthorisationState.SCHEDULED
    return AuthorisationState.OPEN if now < row.until_at else AuthorisationState.CLOSED


def grants_page(
    session: Session,
    visitor: Visitor,
    now: datetime,
    *,
    card_type: int | None,
    before: int | None,
    limit: int,
) -> list[Grant]:
    """Authorisations of the visitor's people, newest first; one more than `limit` where there are more."""
    query: Any = select(TypeAuthorisation, User).join(User, User.id == TypeAuthorisation.user_id)
    query = visitor.users_seen(query)
    if card_type is not None:
        query = query.where(TypeAuthorisation.card_type == card_type)
    if before is not None:
        query = query.where(TypeAuthorisation.id < before)
    rows = session.execute(query.order_by(TypeAuthorisation.id.desc()).limit(limit + 1)).all()
    used = _used(session, [row.id for row, _ in rows])
    return [Grant(row, user.full_name, state_of(row, now), used.get(row.id, 0)) for row, user in rows]


def grant(
    service: Service,
    visitor: Visitor,
    *,
    card_type: int,
    user_id: int,
    tasks: int,
    from_at: datetime,
    until_at: datetime,
    cards_max: int | None,
    remark: str,
) -> int:
    """Let somebody make or issue cards of a type; the number of the authorisation."""
    if user_id == visitor.user_id:
        raise RefusedError("Nobody authorises himself. Ask another supervisor.")
    if until_at <= from_at:
        raise RefusedError("It must end after it begins.")
    with service.database.write() as session:
        user = session.scalar(visitor.users_seen(select(User).where(User.id == user_id, User.is_enabled)))
        if user is None:
            raise RefusedError("There is no such user in your part of the organisation.")
        row = TypeAuthorisation(
            card_type=card_type,
            user_id=user_id,
            tasks=tasks,
            from_at=from_at,
            until_at=until_at,
            cards_max=cards_max,
            remark=remark[:200],
            granted_by=visitor.user_id,
            granted_at=service.now(),
        )
        session.add(row)
        session.flush()
        service.audit.append(
            session,
            visitor,
            MODULE,
            "authorise",
            f"authorisation {row.id}",
            card_type=card_type,
            user=user.name,
            tasks=[task.name for task in Task if task & tasks],
            cards_max=cards_max,
        )
        return row.id


def revoke(service: Service, visitor: Visitor, authorisation_id: int) -> None:
    """End an authorisation at once; what is waiting under it cannot be approved any more."""
    with service.database.write() as session:
        query = select(TypeAuthorisation).join(User, User.id == TypeAuthorisation.user_id)
        row = session.scalar(visitor.users_seen(query.where(TypeAuthorisation.id == authorisation_id)))
        if row is None or row.revoked_at is not None:
            raise RefusedError("There is no such authorisation, or it was revoked already.")
        row.revoked_by, row.revoked_at = visitor.user_id, service.now()
        service.audit.append(session, visitor, MODULE, "revoke", f"authorisation {row.id}", card_type=row.card_type)


def find_open(
    session: Session, user_id: int, needs: Mapping[tuple[int, Task], int], now: datetime, *, locks: bool = False
) -> dict[int, int]:
    """Cards to take of each authorisation, for (type, task) -> cards; `RefusedError` names what is not covered."""
    taken: dict[int, int] = {}
    by_type: dict[int, tuple[Task, int]] = {}
    for (card_type, task), count in needs.items():
        tasks, most = by_type.get(card_type, (Task(0), 0))
        by_type[card_type] = (tasks | task, max(most, count))
    for card_type, (tasks, count) in sorted(by_type.items()):
        rows = _open(session, user_id, card_type, tasks, now, locks)
        if not rows:
            raise RefusedError(
                "You are not authorised to do this with cards of type {type} at this moment. Ask a supervisor for a"
                " card-type authorisation.",
                type=card_type,
            )
        used = _used(session, [row.id for row in rows])
        left = {row.id: None if row.cards_max is None else row.cards_max - used.get(row.id, 0) for row in rows}
        fitting = [row.id for row in rows if (rest := left[row.id]) is None or rest >= count]
        if not fitting:
            raise RefusedError(
                "Your authorisation for cards of type {type} covers {left} more, this would be {count}.",
                type=card_type,
                left=max(rest for rest in left.values() if rest is not None),
                count=count,
            )
        taken[fitting[0]] = count
    return taken


def take(session: Session, document: Document, needs: Mapping[tuple[int, Task], int], now: datetime) -> None:
    """Note what a document takes, or see that what it has taken is still open; `RefusedError` when it is not."""
    uses = session.scalars(select(AuthorisationUse).where(AuthorisationUse.document_id == document.id)).all()
    if not uses:
        for authorisation_id, count in find_open(session, document.maker_id, needs, now, locks=True).items():
            session.add(AuthorisationUse(document_id=document.id, authorisation_id=authorisation_id, card_count=count))
        return
    for use in uses:
        row = session.get_one(TypeAuthorisation, use.authorisation_id)
        if state_of(row, now) is not AuthorisationState.OPEN:
            raise RefusedError("The authorisation of its maker for cards of type {type} is over.", type=row.card_type)


def _open(
    session: Session, user_id: int, card_type: int, tasks: Task, now: datetime, locks: bool
) -> Sequence[TypeAuthorisation]:
    query = select(TypeAuthorisation).where(
        TypeAuthorisation.user_id == user_id,
        TypeAuthorisation.card_type == card_type,
        TypeAuthorisation.revoked_at.is_(None),
        TypeAuthorisation.from_at <= now,
        TypeAuthorisation.until_at > now,
        TypeAuthorisation.tasks.op("&")(int(tasks)) == int(tasks),
    )
    query = query.order_by(TypeAuthorisation.until_at, TypeAuthorisation.id)
    return session.scalars(query.with_for_update() if locks else query).all()


def _used(session: Session, authorisation_ids: Sequence[int]) -> dict[int, int]:
    """Cards that documents have taken of each; what was rejected or withdrawn does not count."""
    query = (
        select(AuthorisationUse.authorisation_id, func.sum(AuthorisationUse.card_count))
        .join(Document, Document.id == AuthorisationUse.document_id)
        .where(AuthorisationUse.authorisation_id.in_(authorisation_ids), Document.state.not_in(GIVEN_BACK))
        .group_by(AuthorisationUse.authorisation_id)
    )
    return {authorisation_id: int(count) for authorisation_id, count in session.execute(query)}
