"""Key ceremonies: how far one is, and its record. Components and what custodians compare come from people alone."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.keys.ceremony import ceremonies_listed, ceremony_seen, parts_of, stop
from admin.models.ceremonies import CeremonyPart

from .handlers import Done, api_get, api_post, filled

TAG = "Key ceremonies"
REASON_LENGTH_MAX = 200


class CeremonyPartItem(msgspec.Struct):
    """One custodian; his check value once he has compared it."""

    number: int
    custodian_id: int
    name: str
    check_value: str
    entered_ms: int | None
    confirmed_ms: int | None
    whole_confirmed_ms: int | None


class CeremonyItem(msgspec.Struct):
    """One ceremony; its order is the document of the same number."""

    document_id: int
    purpose: int
    key_version: int
    method: str
    """enter: custodians bring components; draw: they get them at the key house."""
    phase: str
    """waiting, components, whole, done, aborted"""
    check_value: str
    """Of the whole key, once the ceremony was held."""
    began_ms: int | None
    ended_ms: int | None
    reason: str
    log_line_before: int
    log_mac_before: str
    log_line_after: int
    log_mac_after: str
    parts: list[CeremonyPartItem]


class CeremonyStop(msgspec.Struct, forbid_unknown_fields=True):
    """Why a ceremony ends without a key."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_LENGTH_MAX, pattern=r"^[^\x00]*$")]


@api_get("/api/v1/ceremonies", guards=[needs("key-custody")], tag=TAG)
def list_ceremonies(request: Request[Visitor, Any, Any]) -> list[CeremonyItem]:
    """The last ceremonies, newest first; those of one's own for who sees no keys."""
    with request.app.state.service.database.read() as session:
        rows = ceremonies_listed(session, request.user)
        return [_item(row, parts_of(session, row.document_id)) for row in rows]


@api_get(
    "/api/v1/ceremonies/{document_id:int}",
    guards=[needs("key-custody")],
    tag=TAG,
    pages=("GET /ceremonies/{document_id}/minutes",),
)
def get_ceremony(request: Request[Visitor, Any, Any], document_id: FromPath[int]) -> CeremonyItem:
    """One ceremony as it stands at this moment."""
    return _ceremony(request, document_id)


@api_post("/api/v1/ceremonies/{document_id:int}/stop", guards=[needs("key-custody")], tag=TAG, status=200)
def stop_ceremony(
    request: Request[Visitor, Any, Any], document_id: FromPath[int], data: JSONBody[CeremonyStop]
) -> Done:
    """Stop it: the key house wipes what was entered, and nothing is made."""
    _ceremony(request, document_id)
    stop(request.app.state.service, request.user, document_id, data.reason)
    return Done(str(document_id))


def _ceremony(request: Request[Visitor, Any, Any], document_id: int) -> CeremonyItem:
    with request.app.state.service.database.read() as session:
        row = ceremony_seen(session, request.user, document_id)
        if row is None:
            raise NotFoundException(detail="There is no such ceremony.")
        return _item(row, parts_of(session, document_id))


def _item(row: Any, parts: Any) -> CeremonyItem:
    is_held = row.phase == "done"
    return filled(
        CeremonyItem, row, check_value=row.check_value if is_held else "", parts=[_part(part) for part in parts]
    )


def _part(part: CeremonyPart) -> CeremonyPartItem:
    return filled(CeremonyPartItem, part, check_value=part.check_value if part.confirmed_at else "")


HANDLERS = [list_ceremonies, get_ceremony, stop_ceremony]
