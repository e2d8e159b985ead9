"""Queries under a name: kept, shared by a right, changed by who has made them."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Select, delete, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.queries import NAME_LENGTH_MAX, ReportSchedule, SavedQuery
from admin.rights import ALL_RIGHTS, FUNCTIONS, Action, right
from admin.service import Service

from .definition import Definition
from .fields import Subject
from .registry import SUBJECTS

MODULE = "reports"
QUERIES_MAX = 200
"""Of one user: more is a list that nobody reads."""


def share_choices() -> dict[str, str]:
    """(right, English label of its function) that a query or a timer's report may be shared with."""
    return {right(name, Action.VIEW): one.label for name, one in FUNCTIONS.items() if Action.VIEW in one.actions}


def check_right(name: str) -> str:
    """A right that something may be shared with; empty: nobody."""
    if name and name not in ALL_RIGHTS:
        raise RefusedError("Choose one of the list.")
    return name


def definition_in(row: SavedQuery) -> Definition:
    """What a kept query asks."""
    return msgspec.json.decode(row.definition, type=Definition)


def queries_seen(visitor: Visitor) -> Select[Any]:
    """One's own, and those that are shared with a right that one holds."""
    return (
        select(SavedQuery)
        .where(or_(SavedQuery.owner_id == visitor.user_id, SavedQuery.shared_right.in_(visitor.rights)))
        .order_by(SavedQuery.name, SavedQuery.id)
    )


def list_queries(session: Session, visitor: Visitor) -> list[tuple[SavedQuery, Subject]]:
    """Queries that the visitor may use, by name, each with the kind of records that it asks for."""
    found = []
    for row in session.scalars(queries_seen(visitor)):
        subject = SUBJECTS.get(definition_in(row).subject)
        if subject is not None and visitor.may(subject.function):
            found.append((row, subject))
    return found


def query_seen(session: Session, visitor: Visitor, number: int) -> SavedQuery | None:
    """A query that the visitor may use: shared with him, and about records that he may see."""
    row: SavedQuery | None = session.scalar(queries_seen(visitor).where(SavedQuery.id == number))
    if row is None:
        return None
    subject = SUBJECTS.get(definition_in(row).subject)
    return row if subject is not None and visitor.may(subject.function) else None


def save_query(
    service: Service, visitor: Visitor, number: int, *, name: str, shared_right: str, definition: Definition
) -> int:
    """Keep a query, or change one's own; its number. The definition was built before, so it is good."""
    name = name.strip()
    if not name or len(name) > NAME_LENGTH_MAX or "\0" in name:
        raise RefusedError("A name has 1 to {most} characters.", most=NAME_LENGTH_MAX)
    check_right(shared_right)
    if shared_right and not visitor.may(MODULE, Action.ADD):
        raise RefusedError("Only who may hand reports in may share a query; keep it for yourself.")
    with service.database.write() as session:
        row = _own(session, visitor, number) if number else None
        if row is None:
            count = len(session.scalars(select(SavedQuery.id).where(SavedQuery.owner_id == visitor.user_id)).all())
            if count >= QUERIES_MAX:
                raise RefusedError("You have {most} queries already: delete one first.", most=QUERIES_MAX)
            row = SavedQuery(owner_id=visitor.user_id, made_at=service.now())
            session.add(row)
        row.name, row.shared_right, row.changed_at = name, shared_right, service.now()
        row.definition = msgspec.json.encode(definition).decode()
        session.flush()
        service.audit.append(
            session,
            visitor,
            MODULE,
            "save query",
            f"query {row.id}",
            name=name,
            shared=shared_right,
            definition=msgspec.to_builtins(definition),
        )
        return row.id


def delete_query(service: Service, visitor: Visitor, number: int) -> None:
    """Remove one's own query; one that a timer runs stays until its timer is gone."""
    with service.database.write() as session:
        row = _own(session, visitor, number)
        if session.scalar(select(ReportSchedule.id).where(ReportSchedule.query_id == number).limit(1)) is not None:
            raise RefusedError("A timer runs this query: its results would lose what they were asked with.")
        session.execute(delete(SavedQuery).where(SavedQuery.id == row.id))
        service.audit.append(session, visitor, MODULE, "delete query", f"query {number}", name=row.name)


def _own(session: Session, visitor: Visitor, number: int) -> SavedQuery:
    row = session.get(SavedQuery, number)
    if row is None or row.owner_id != visitor.user_id:
        raise RefusedError("Only who has made a query changes it. Save it under a name of your own.")
    return row
