"""The call centre: telling of calls as they come, who it is, recordings."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.care import calls
from admin.database import to_ms
from admin.members.records import member_seen
from admin.pages.call_pages import new_contact, recording_of_call, recording_of_opinion
from admin.rights import Action

from .handlers import Done, Limit, Number, Page, Text, api_get, api_post, page_of

TAG = "Calls"
ADDS, CHANGES = [needs("calls", Action.ADD)], [needs("calls", Action.CHANGE)]
Line = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00]*$")]


class NewCall(msgspec.Struct, forbid_unknown_fields=True):
    """A call that comes in or goes out."""

    number: Annotated[str, msgspec.Meta(max_length=30, pattern=r"^[^\x00]*$")]
    """The other side's number."""
    agent: Annotated[str, msgspec.Meta(max_length=40, pattern=r"^[^\x00]*$")] = ""
    """Sign-on name of whose telephone it is; his screen shows it. Empty: the token's owner."""
    is_incoming: bool = True
    recording: Line = ""
    """File below the folder of recordings."""


class CallTaken(msgspec.Struct):
    """A call that was noted, and who it is."""

    id: int
    member_id: int
    """0: nobody is known under the number: `page` makes a new contact."""
    member: str
    page: str
    """Address of the page to open."""


class CallItem(msgspec.Struct):
    """A call of the log."""

    id: int
    time_ms: int
    is_incoming: bool
    number: str
    """Masked."""
    member_id: int
    member: str
    agent_id: int
    agent: str
    recording: str


class CallDialled(msgspec.Struct):
    """A call that begins: the number to dial, whole; the look is noted."""

    id: int
    number: str


class NewContact(msgspec.Struct, forbid_unknown_fields=True):
    """A caller whom nobody knew."""

    name: Annotated[str, msgspec.Meta(max_length=80, pattern=r"^[^\x00]*$")]


class RecordingNote(msgspec.Struct, forbid_unknown_fields=True):
    """The recording of a call, what was found in it, and the complaint that it is evidence for."""

    recording: Line = ""
    note: Annotated[str, msgspec.Meta(max_length=2_000, pattern=r"^[^\x00]*$")] = ""
    opinion: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 0


def _item(seen: calls.CallSeen) -> CallItem:
    row = seen.call
    return CallItem(
        row.id,
        to_ms(row.time),
        row.is_incoming,
        seen.number,
        row.member_id,
        seen.member,
        row.agent_id,
        seen.agent,
        row.recording,
    )


@api_get("/api/v1/calls", guards=[needs("calls")], tag=TAG, pages=("GET /calls/live",))
def list_calls(
    request: Request[Visitor, Any, Any],
    member: Number = None,
    whose: Text = "",
    before: Number = None,
    limit: Limit = 50,
) -> Page[CallItem]:
    """Calls, newest first; `whose` mine: one's own."""
    service = request.app.state.service
    with service.database.read() as session:
        rows = calls.calls_page(
            service, session, request.user, member=member or 0, whose=whose, before=before, limit=limit
        )
        return page_of(rows, limit, _item, lambda row: row.call.id)


@api_post("/api/v1/calls", guards=ADDS, tag=TAG)
def take_call(request: Request[Visitor, Any, Any], data: JSONBody[NewCall]) -> CallTaken:
    """Tell of a call as it comes; the answer says who it is, and the agent's screen shows it."""
    number = calls.take_call(request.app.state.service, request.user, **msgspec.structs.asdict(data))
    seen = _seen(request, number)
    row = seen.call
    page = f"/members/{row.member_id}/care" if row.member_id else f"/calls/{row.id}"
    return CallTaken(row.id, row.member_id, seen.member, page)


@api_get("/api/v1/calls/{call_id:int}", guards=[needs("calls")], tag=TAG)
def get_call(request: Request[Visitor, Any, Any], call_id: FromPath[int]) -> CallItem:
    """One call."""
    return _item(_seen(request, call_id))


@api_post("/api/v1/calls/{call_id:int}/member", guards=[needs("members", Action.ADD)], tag=TAG)
def make_contact(request: Request[Visitor, Any, Any], call_id: FromPath[int], data: JSONBody[NewContact]) -> Done:
    """Make a record of a caller whom nobody knew, to be verified; its number."""
    return Done(str(new_contact(request.app.state.service, request.user, call_id, data.name)))


@api_post("/api/v1/calls/{call_id:int}/recording", guards=CHANGES, tag=TAG, status=200)
def note_recording(
    request: Request[Visitor, Any, Any], call_id: FromPath[int], data: JSONBody[RecordingNote]
) -> CallItem:
    """Name the recording of a call, and attach it to a complaint as evidence."""
    _seen(request, call_id)
    calls.note_recording(
        request.app.state.service,
        request.user,
        call_id,
        recording=data.recording,
        note=data.note,
        opinion_id=data.opinion,
    )
    return _item(_seen(request, call_id))


@api_get("/api/v1/calls/{call_id:int}/recording", guards=CHANGES, tag=TAG)
def get_recording(request: Request[Visitor, Any, Any], call_id: FromPath[int]) -> Response[bytes]:
    """The sound of a call."""
    return recording_of_call(request, call_id)


@api_get("/api/v1/opinions/{opinion_id:int}/recording", guards=[needs("opinions", Action.CHANGE)], tag=TAG)
def get_evidence(request: Request[Visitor, Any, Any], opinion_id: FromPath[int]) -> Response[bytes]:
    """The sound that is attached to a complaint."""
    return recording_of_opinion(request, opinion_id)


@api_post("/api/v1/calls/dial/{member_id:int}", guards=ADDS, tag=TAG, pages=("GET /calls/dial/{member_id}",))
def dial(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> CallDialled:
    """Begin a call to a member: the number to dial."""
    service = request.app.state.service
    with service.database.read() as session:
        if member_seen(session, request.user, member_id) is None:
            raise NotFoundException(detail="There is no such member.")
    return CallDialled(*calls.dial(service, request.user, member_id))


def _seen(request: Request[Visitor, Any, Any], call_id: int) -> calls.CallSeen:
    service = request.app.state.service
    with service.database.read() as session:
        seen = calls.call_seen(service, session, request.user, call_id) if call_id < 2**63 else None
        if seen is None:
            raise NotFoundException(detail="There is no such call.")
        session.expunge_all()
    return seen


HANDLERS = [
    list_calls,
    take_call,
    get_call,
    make_contact,
    note_recording,
    get_recording,
    get_evidence,
    dial,
]
