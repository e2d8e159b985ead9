"""The audit log, newest first, and whether its chain holds."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.audit import first_fault
from admin.lists.audit_rows import find_audit_rows

from .common import is_part_wanted, number_in, page, page_rows, with_query
from .handlers import get


@get("/audit", guards=[needs("audit")])
def list_audit(
    request: Request[Visitor, Any, Any],
    user: FromQuery[str] = "",
    module: FromQuery[str] = "",
    object: FromQuery[str] = "",
    outcome: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Rows by user, module and object; those of the visitor's part of the organisation."""
    filters = {"user": user, "module": module, "object": object, "outcome": outcome}
    start = number_in(before)
    request.app.state.service.audit.settle_at_once()
    with request.app.state.service.database.read() as session:
        rows, last = find_audit_rows(
            session,
            request.user,
            user=user,
            module=module,
            object_=object,
            outcome=outcome,
            before=0 if before and start is None else start,
            limit=page_rows(request),
        )
    return page(
        request,
        "_audit_rows.html" if is_part_wanted(request) else "audit.html",
        rows=rows,
        filters=filters,
        is_first=not before,
        next_address=with_query("/audit", {**filters, "before": last}) if last else None,
    )


@get("/audit/check", guards=[needs("audit")])
def check_audit(request: Request[Visitor, Any, Any]) -> Template:
    """Compute the whole chain again."""
    return page(request, "audit_check.html", fault=first_fault(request.app.state.service.database))


HANDLERS: list[Any] = [list_audit, check_audit]
