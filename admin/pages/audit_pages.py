"""The audit log, newest first, and whether its chain holds."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template
from sqlalchemy import false, select

from admin.access import Visitor, needs
from admin.audit import first_fault
from admin.models.audit import AuditRow
from admin.models.people import User

from .common import PAGE_ROWS, is_part_wanted, page, with_query
from .handlers import get


@get("/audit", guards=[needs("audit")])
def list_audit(
    request: Request[Visitor, Any, Any],
    user: FromQuery[str] = "",
    module: FromQuery[str] = "",
    object: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Rows by user, module and object; those of the visitor's part of the organisation."""
    visitor = request.user
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(PAGE_ROWS + 1)
    if not visitor.sees_everything:
        query = query.where(AuditRow.user_id.in_(visitor.users_seen(select(User.id))))
    filters = {"user": user, "module": module, "object": object}
    for column, text in ((AuditRow.user_name, user), (AuditRow.module, module), (AuditRow.object, object)):
        if text:
            query = query.where(column == text)
    if before:
        query = query.where(AuditRow.id < int(before) if before.isdecimal() and len(before) < 19 else false())
    with request.app.state.service.database.read() as session:
        found = session.scalars(query).all()
        rows = list(found[:PAGE_ROWS])
        session.expunge_all()
    return page(
        request,
        "_audit_rows.html" if is_part_wanted(request) else "audit.html",
        rows=rows,
        filters=filters,
        is_first=not before,
        next_address=with_query("/audit", {**filters, "before": rows[-1].id}) if len(found) > PAGE_ROWS else None,
    )


@get("/audit/check", guards=[needs("audit")])
def check_audit(request: Request[Visitor, Any, Any]) -> Template:
    """Compute the whole chain again."""
    return page(request, "audit_check.html", fault=first_fault(request.app.state.service.database))


HANDLERS: list[Any] = [list_audit, check_audit]
