"""Signing an order to the key house with a passkey: what it says, who has signed, and the device's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import MediaType, Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from admin.access import Visitor, needs
from admin.documents.reading import document_seen, names_of
from admin.documents.registry import KINDS
from admin.errors import RefusedError
from admin.keys.facts import desk_state
from admin.keys.overview import steps_of
from admin.keys.proofs import WORKERS, ProofRole, begin_proof, finish_proof, proofs_of, role_in, statement_of

from .common import go, page, refusal_text
from .handlers import get, post

_ = str
OFFICES: dict[str, str] = {ProofRole.AUTHOR: _("Ordered by"), ProofRole.APPROVER: _("Agreed to by")}


@dataclass
class SignedForm:
    """What the browser says that the device has signed (JSON)."""

    credential: str = ""
    next: str = ""


@get("/keys/orders/{document_id:int}/sign", guards=[needs("keys")])
def show_order(request: Request[Visitor, Any, Any], document_id: FromPath[int]) -> Template:
    """What an order says, and who has signed it."""
    return _page(request, document_id)


@post("/keys/orders/{document_id:int}/sign/options", guards=[needs("keys")])
def do_begin(request: Request[Visitor, Any, Any], document_id: FromPath[int]) -> Response[Any]:
    """What the device is asked."""
    try:
        content = begin_proof(request.app.state.service, request.user, document_id)
    except RefusedError as error:
        return Response(refusal_text(error), status_code=409, media_type=MediaType.TEXT)
    return Response(content.encode(), status_code=200, media_type=MediaType.JSON, headers={"Cache-Control": "no-store"})


@post("/keys/orders/{document_id:int}/sign", guards=[needs("keys")])
def do_sign(
    request: Request[Visitor, Any, Any], document_id: FromPath[int], data: URLEncodedBody[SignedForm]
) -> Template | Response[Any]:
    """Keep what it has signed, for the key house."""
    try:
        finish_proof(request.app.state.service, request.user, document_id, data.credential)
    except RefusedError as error:
        return _page(request, document_id, refusal_text(error))
    return go(request, f"/keys/orders/{document_id}/sign")


HANDLERS: list[Any] = [show_order, do_begin, do_sign]


def _page(request: Request[Visitor, Any, Any], document_id: int, problem: str = "") -> Template:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        document = document_seen(session, visitor, document_id)
        if document is None or KINDS[document.kind].worker not in WORKERS:
            raise NotFoundException(detail="There is no such order.")
        proofs = proofs_of(session, document_id)
        statement = statement_of(session, document)
        steps = steps_of(session, [document_id]).get(document_id, [])
        names = names_of(session, [document.maker_id, document.checker_id])
        _state, facts = desk_state(session, service.settings.partition)
        role = role_in(visitor, document)
    signers = [(ProofRole.AUTHOR, document.maker_id), (ProofRole.APPROVER, document.checker_id)]
    return page(
        request,
        "key_order_sign.html",
        http_status=409 if problem else 200,
        document=document,
        kind=KINDS[document.kind],
        signers=signers,
        offices=OFFICES,
        proofs=proofs,
        statement=statement,
        steps=steps,
        names=names,
        role=role,
        problem=problem,
        facts=facts,
    )
