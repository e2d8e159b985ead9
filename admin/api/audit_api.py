"""The audit log, newest first, and whether its chain holds."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request

from admin.access import Visitor, needs
from admin.audit import first_fault
from admin.database import to_ms
from admin.lists.audit_rows import find_audit_rows

from .handlers import Limit, Number, Page, Text, api_get

TAG = "Audit log"


class AuditItem(msgspec.Struct):
    """One act, refusal, or look at sensitive data."""

    id: int
    time_ms: int
    user_id: int
    user: str
    address: str
    module: str
    action: str
    object: str
    outcome: str
    detail: str
    """JSON, or empty."""


class Chain(msgspec.Struct):
    """Whether every row is there and as it was written."""

    is_whole: bool
    first_fault: int | None
    """Number of the first row that is missing or changed."""


@api_get("/api/v1/audit", guards=[needs("audit")], tag=TAG)
def list_audit(
    request: Request[Visitor, Any, Any],
    user: Text = "",
    module: Text = "",
    object: Text = "",
    outcome: Text = "",
    before: Number = None,
    limit: Limit = 50,
) -> Page[AuditItem]:
    """Rows that tell of users who are seen."""
    request.app.state.service.audit.settle_at_once()
    with request.app.state.service.database.read() as session:
        rows, last = find_audit_rows(
            session,
            request.user,
            user=user,
            module=module,
            object_=object,
            outcome=outcome,
            before=before,
            limit=limit,
        )
    return Page(
        [
            AuditItem(
                id=row.id,
                time_ms=to_ms(row.time),
                user_id=row.user_id,
                user=row.user_name,
                address=row.address,
                module=row.module,
                action=row.action,
                object=row.object,
                outcome=row.outcome,
                detail=row.detail,
            )
            for row in rows
        ],
        str(last) if last else None,
    )


@api_get("/api/v1/audit/chain", guards=[needs("audit")], tag=TAG, pages=("GET /audit/check",))
def check_chain(request: Request[Visitor, Any, Any]) -> Chain:
    """Compute the whole chain again."""
    fault = first_fault(request.app.state.service.database)
    return Chain(fault is None, fault)


HANDLERS = [list_audit, check_chain]
