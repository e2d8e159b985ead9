"""The slip of a document, for the desk's printer."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template

from admin.access import Visitor, needs
from admin.documents.card_planning import TENDERS
from admin.documents.slips import slip_of

from .common import page
from .handlers import get


@get("/documents/{document_id:int}/slip", guards=[needs("documents")])
def show_slip(request: Request[Visitor, Any, Any], document_id: FromPath[int]) -> Template:
    """What the customer takes home."""
    with request.app.state.service.database.read() as session:
        slip = slip_of(session, request.user, document_id)
    if slip is None:
        raise NotFoundException(detail="There is no such document.")
    return page(request, "document_slip.html", slip=slip, tenders=TENDERS)


HANDLERS: list[Any] = [show_slip]
