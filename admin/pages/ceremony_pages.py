"""Key ceremonies: live progress, custodians who compare check values, minutes. Components are typed elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from admin.access import Visitor, needs
from admin.documents.ceremony_kinds import METHODS
from admin.documents.key_kinds import PURPOSES
from admin.documents.reading import names_of
from admin.errors import RefusedError
from admin.keys.ceremony import UNDER_WAY, ceremonies_listed, ceremony_seen, confirm, parts_of, stop
from admin.models.ceremonies import CeremonyPhase
from admin.models.documents import Document, DocumentState
from admin.rights import Action

from . import document_pages
from .common import go, is_part_wanted, page, refusal_text
from .handlers import get, post

_ = str
PHASES: dict[str, str] = {
    CeremonyPhase.WAITING: _("Waits for the key house"),
    CeremonyPhase.COMPONENTS: _("Components are entered"),
    CeremonyPhase.WHOLE: _("The whole key is compared"),
    CeremonyPhase.DONE: _("Held"),
    CeremonyPhase.ABORTED: _("Stopped"),
}
PHASE_TONES: dict[str, str] = {
    CeremonyPhase.COMPONENTS: "warn",
    CeremonyPhase.WHOLE: "warn",
    CeremonyPhase.DONE: "good",
    CeremonyPhase.ABORTED: "bad",
}


@dataclass
class CompareForm:
    """What a custodian reads off his form."""

    typed: str = ""


@dataclass
class StopForm:
    """Why a ceremony ends without a key."""

    reason: str = ""


@get("/ceremonies", guards=[needs("key-custody")])
def list_ceremonies(request: Request[Visitor, Any, Any]) -> Template:
    """Ceremonies, newest first."""
    visitor = request.user
    with request.app.state.service.database.read() as session:
        rows = ceremonies_listed(session, visitor)
        parts = {row.document_id: parts_of(session, row.document_id) for row in rows}
    return page(request, "ceremonies.html", rows=rows, parts=parts, **_words())


@get("/ceremonies/{document_id:int}", guards=[needs("key-custody")])
def show_ceremony(request: Request[Visitor, Any, Any], document_id: FromPath[int]) -> Template:
    """One ceremony as it stands at this moment."""
    return _page(request, document_id, "_ceremony.html" if is_part_wanted(request) else "ceremony.html")


@get("/ceremonies/{document_id:int}/minutes", guards=[needs("key-custody")])
def show_minutes(request: Request[Visitor, Any, Any], document_id: FromPath[int]) -> Template:
    """The record of a ceremony, to be printed and signed."""
    return _page(request, document_id, "ceremony_minutes.html")


@post("/ceremonies/{document_id:int}/compare", guards=[needs("key-custody", Action.CHANGE)])
def do_compare(
    request: Request[Visitor, Any, Any], document_id: FromPath[int], data: URLEncodedBody[CompareForm]
) -> Template | Response[Any]:
    """A custodian types the check value that his form says."""
    try:
        confirm(request.app.state.service, request.user, document_id, data.typed)
    except RefusedError as error:
        return _page(request, document_id, "ceremony.html", refusal_text(error))
    return go(request, f"/ceremonies/{document_id}")


@post("/ceremonies/{document_id:int}/stop", guards=[needs("key-custody")])
def do_stop(
    request: Request[Visitor, Any, Any], document_id: FromPath[int], data: URLEncodedBody[StopForm]
) -> Template | Response[Any]:
    """Somebody of the ceremony stops it."""
    try:
        stop(request.app.state.service, request.user, document_id, data.reason)
    except RefusedError as error:
        return _page(request, document_id, "ceremony.html", refusal_text(error))
    return go(request, f"/ceremonies/{document_id}")


HANDLERS: list[Any] = [list_ceremonies, show_ceremony, show_minutes, do_compare, do_stop]


def _page(request: Request[Visitor, Any, Any], document_id: int, template: str, problem: str = "") -> Template:
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        row = ceremony_seen(session, visitor, document_id)
        if row is None:
            raise NotFoundException(detail="There is no such ceremony.")
        document = session.get_one(Document, document_id)
        parts = parts_of(session, document_id)
        names = names_of(session, [document.maker_id, document.checker_id, row.ended_by])
    own = next((part for part in parts if part.custodian_id == visitor.user_id), None)
    is_running = document.state == DocumentState.RUNNING and row.phase in UNDER_WAY
    is_whole = row.phase == CeremonyPhase.WHOLE
    waits = (
        own is not None
        and is_running
        and (not own.whole_confirmed_at if is_whole else bool(own.check_value) and not own.confirmed_at)
    )
    takes_part = own is not None or visitor.user_id in (document.maker_id, document.checker_id)
    return page(
        request,
        template,
        http_status=409 if problem else 200,
        row=row,
        document=document,
        parts=parts,
        names=names,
        problem=problem,
        is_running=is_running,
        is_whole=is_whole,
        waits=waits,
        may_stop=is_running and takes_part,
        printed_at=service.now(),
        **_words(),
    )


def _words() -> dict[str, Any]:
    return {
        "phases": PHASES,
        "phase_tones": PHASE_TONES,
        "methods": METHODS,
        "purposes": PURPOSES,
        "states": document_pages.STATES,
        "tones": document_pages.TONES,
        "CeremonyPhase": CeremonyPhase,
    }
