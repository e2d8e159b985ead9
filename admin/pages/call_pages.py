"""The call centre: the log, the agent's screen that tells of a call as it comes, recordings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import get as async_get
from litestar import post as async_post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin import i18n
from admin.access import Visitor, needs
from admin.care import calls
from admin.care.opinions import opinion_seen
from admin.errors import RefusedError
from admin.members.drafts import MemberForm, draft_of
from admin.members.records import add_member
from admin.models.members import MemberState
from admin.people.sign_in import find_visitor
from admin.rights import Action

from .alarm_live import Monitor, live
from .common import go, is_part_wanted, number_in, page, page_rows, with_query
from .handlers import get
from .member_common import first, sent_texts
from .member_common import number_in as number_of_form
from .sign_in_pages import cookie_name

_ = str
ADDS, CHANGES = needs("calls", Action.ADD), needs("calls", Action.CHANGE)
CALL_CENTRE = 2
"""Code of `SOURCES`: the channel that captured the record."""


@get("/calls", guards=[needs("calls")])
def list_calls(
    request: Request[Visitor, Any, Any],
    member: FromQuery[str] = "",
    whose: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Calls, newest first."""
    service, limit = request.app.state.service, page_rows(request)
    filters = {"member": member, "whose": whose}
    with service.database.read() as session:
        found = calls.calls_page(
            service,
            session,
            request.user,
            member=number_in(member) or 0,
            whose=whose,
            before=number_in(before),
            limit=limit,
        )
        session.expunge_all()
    more = {**filters, "before": found[limit - 1].call.id} if len(found) > limit else None
    return page(
        request,
        "_call_rows.html" if is_part_wanted(request) else "calls.html",
        rows=found[:limit],
        filters=filters,
        is_first=not before,
        next_address=with_query("/calls", more) if more else None,
    )


@async_post("/calls", guards=[ADDS], status_code=200)
async def do_call(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Note a call by hand, as the telephone system would tell of it."""
    texts = await sent_texts(request)
    service = request.app.state.service

    def act() -> int:
        return calls.take_call(service, request.user, number=first(texts, "number"))

    return go(request, f"/calls/{await to_thread.run_sync(act)}")


@get("/calls/{call_id:int}", guards=[needs("calls")])
def show_call(request: Request[Visitor, Any, Any], call_id: FromPath[int]) -> Template:
    """One call: who it is, or the form of a new contact."""
    service = request.app.state.service
    with service.database.read() as session:
        seen = calls.call_seen(service, session, request.user, call_id)
        if seen is None:
            raise NotFoundException(detail="There is no such call.")
        session.expunge_all()
    return page(request, "call.html", seen=seen, call=seen.call)


@async_post("/calls/{call_id:int}/member", guards=[needs("members", Action.ADD)], status_code=200)
async def do_new_contact(request: Request[Visitor, Any, Any], call_id: FromPath[int]) -> Response[Any]:
    """Make a record of a caller whom nobody knows, to be verified."""
    texts = await sent_texts(request)
    number = await to_thread.run_sync(
        new_contact, request.app.state.service, request.user, call_id, first(texts, "name")
    )
    return go(request, f"/members/{number}/care")


def new_contact(service: Any, visitor: Visitor, call_id: int, name: str) -> int:
    """A record of a caller, to be verified, and the call put under it; the member's number."""
    from admin.models.calls import Call

    if not 1 <= len(name.strip()) <= 80:
        raise RefusedError("A name has 1 to {most} characters.", most=80)
    with service.database.read() as session:
        seen = calls.call_seen(service, session, visitor, call_id)
        if seen is None:
            raise RefusedError("There is no such call.")
        if seen.call.member_id:
            raise RefusedError("The caller is known already.")
        number = calls.whole_number(service, seen.call)
    form = MemberForm(name=name.strip(), mobile=number, source=CALL_CENTRE, organisation_id=visitor.organisation_id)
    member_id = add_member(service, visitor, draft_of(form, []), state=MemberState.PENDING)
    with service.database.write() as session:
        row = session.get_one(Call, call_id)
        row.member_id = member_id
        service.audit.append(session, visitor, calls.MODULE, "link call", f"call {call_id}", member=member_id)
    return member_id


@async_post("/calls/{call_id:int}/recording", guards=[CHANGES], status_code=200)
async def do_recording(request: Request[Visitor, Any, Any], call_id: FromPath[int]) -> Response[Any]:
    """Name the recording of a call, note what was found in it, attach it to a complaint."""
    texts = await sent_texts(request)
    service = request.app.state.service

    def act() -> None:
        calls.note_recording(
            service,
            request.user,
            call_id,
            recording=first(texts, "recording"),
            note=first(texts, "note"),
            opinion_id=number_of_form(texts, "opinion"),
        )

    await to_thread.run_sync(act)
    return go(request, f"/calls/{call_id}")


@get("/calls/{call_id:int}/recording", guards=[CHANGES])
def play_recording(request: Request[Visitor, Any, Any], call_id: FromPath[int]) -> Response[bytes]:
    """The recording of a call, for the browser to play."""
    return recording_of_call(request, call_id)


def recording_of_call(request: Request[Visitor, Any, Any], call_id: int) -> Response[bytes]:
    """The recording of a call that the visitor may see."""
    service = request.app.state.service
    with service.database.read() as session:
        seen = calls.call_seen(service, session, request.user, call_id) if call_id < 2**63 else None
        if seen is None or not seen.call.recording:
            raise NotFoundException(detail="There is no recording.")
        name = seen.call.recording
    return sound(service, request.user, name, f"call {call_id}")


@get("/opinions/{opinion_id:int}/recording", guards=[needs("opinions", Action.CHANGE)])
def play_evidence(request: Request[Visitor, Any, Any], opinion_id: FromPath[int]) -> Response[bytes]:
    """The recording that is attached to a complaint."""
    return recording_of_opinion(request, opinion_id)


def recording_of_opinion(request: Request[Visitor, Any, Any], opinion_id: int) -> Response[bytes]:
    """The recording of a complaint that the visitor may see."""
    service = request.app.state.service
    with service.database.read() as session:
        row = opinion_seen(session, request.user, opinion_id) if opinion_id < 2**63 else None
        if row is None or not row.recording:
            raise NotFoundException(detail="There is no recording.")
        name = row.recording
    return sound(service, request.user, name, f"opinion {opinion_id}")


def sound(service: Any, visitor: Visitor, name: str, about: str) -> Response[bytes]:
    """A recording as a browser plays it; never anything else of the machine."""
    content, media_type = calls.recording_file(service, visitor, name, about)
    headers = {"Cache-Control": "no-store", "Content-Disposition": "inline"}
    return Response(content, media_type=media_type, headers=headers)


@get("/calls/dial/{member_id:int}", guards=[ADDS])
def do_dial(request: Request[Visitor, Any, Any], member_id: FromPath[int]) -> Template:
    """Call a member with one click: the call is noted, and the telephone program gets the number."""
    call_id, number = calls.dial(request.app.state.service, request.user, member_id)
    answer = page(request, "call_dial.html", call_id=call_id, member_id=member_id, number=number)
    answer.headers["Refresh"] = f"0; url=tel:{number}"  # its digits alone: `identity.read_phone` has read it
    return answer


@async_get("/calls/live", guards=[needs("calls")])
async def stream_calls(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """The agent's incoming calls, as they come."""
    return live(request, _events)


async def _events(request: Request[Visitor, Any, Any], monitor: Monitor, last: int) -> AsyncIterator[str]:
    service, locale = request.app.state.service, i18n.locale_now.get()
    visitor: Visitor | None = request.user
    token = request.cookies.get(cookie_name(request), "")
    monitor.stream_count += 1
    try:
        for look in range(1, monitor.looks_max + 1):
            assert visitor is not None
            newest, event = await to_thread.run_sync(_look, request, visitor, locale, last)
            last = newest
            if event:
                yield event
            if look % monitor.beat_looks == 0:
                yield ": still here\n\n"
                visitor = await to_thread.run_sync(find_visitor, service, token, request.user.address)
                if visitor is None or not visitor.may("calls"):
                    return
            await asyncio.sleep(monitor.look_s)
    finally:
        monitor.stream_count -= 1


def _look(request: Request[Visitor, Any, Any], visitor: Visitor, locale: str, last: int) -> tuple[int, str]:
    """(newest call, event to send); the calls that were there before the page was opened are no news."""
    service = request.app.state.service
    with service.database.read() as session:
        newest = calls.last_call(session, visitor)
        if last < 0 or newest <= last:
            return max(last, newest), ""
        seen = calls.call_seen(service, session, visitor, newest)
        session.expunge_all()
    i18n.locale_now.set(locale)  # of this thread's own context
    html = request.app.state.environment.get_template("_call_pop.html").render(seen=seen, call=seen.call if seen else 0)
    lines = "".join(f"data: {line}\n" for line in html.splitlines())
    return newest, f"id: {newest}\n{lines}\nevent: call\ndata: {newest}\n\n"


HANDLERS: list[Any] = [
    list_calls,
    do_call,
    show_call,
    do_new_contact,
    do_recording,
    play_recording,
    play_evidence,
    do_dial,
    stream_calls,
]
