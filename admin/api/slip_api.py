"""Slips of documents: what a customer at the desk takes home."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from admin.access import Visitor, needs
from admin.documents.slips import Slip, slip_of

from .handlers import api_get

TAG = "Slips"


@api_get("/api/v1/documents/{document_id:int}/slip", guards=[needs("documents")], tag=TAG)
def get_slip(request: Request[Visitor, Any, Any], document_id: FromPath[int]) -> Slip:
    """What a printed slip of a document says; card numbers are masked for everybody."""
    with request.app.state.service.database.read() as session:
        slip = slip_of(session, request.user, document_id)
    if slip is None:
        raise NotFoundException(detail="There is no such document.")
    return slip


HANDLERS = [get_slip]
