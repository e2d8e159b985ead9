"""Rows of the audit log, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.models.audit import AuditRow
from admin.models.people import User


def find_audit_rows(
    session: Session,
    visitor: Visitor,
    *,
    user: str = "",
    module: str = "",
    object_: str = "",
    outcome: str = "",
    before: int | None = None,
    limit: int,
) -> tuple[Sequence[AuditRow], int | None]:
    """Rows that tell of users of the visitor's part of the organisation; detached from the session."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit + 1)
    if not visitor.sees_everything:
        query = query.where(AuditRow.user_id.in_(visitor.users_seen(select(User.id))))
    for column, text in (
        (AuditRow.user_name, user),
        (AuditRow.module, module),
        (AuditRow.object, object_),
        (AuditRow.outcome, outcome),
    ):
        if text:
            query = query.where(column == text)
    if before is not None:
        query = query.where(AuditRow.id < before)
    rows = session.scalars(query).all()
    session.expunge_all()
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None
