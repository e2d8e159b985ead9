"""The live monitor: server-sent events out of the follower's tables.

Each event is the list of open alarms as it is now, its id the entry that last
changed one.  So a browser that comes back with Last-Event-ID gets nothing
when nothing has changed, and all of it when something has.  Streams are
bounded in number and in time, and end when the visitor may no longer see them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from litestar import Request, get
from litestar.exceptions import HTTPException
from litestar.response import Response, Stream
from litestar.status_codes import HTTP_406_NOT_ACCEPTABLE, HTTP_503_SERVICE_UNAVAILABLE

from admin import i18n
from admin.access import Visitor, needs
from admin.alarms import MONITOR_ROWS, last_change, open_alarms, raised_after
from admin.people.sign_in import find_visitor
from admin.store_names import store_names_now

from .alarm_words import shown_alarm, words
from .sign_in_pages import cookie_name

EVENT_STREAM = "text/event-stream"
NUMBER_DIGITS_MAX = 18


@dataclass
class Monitor:
    """Bounds of live streams; one per process."""

    look_s: float = 1.0
    """Between two looks at the table."""
    looks_max: int = 900
    """A stream ends then, and the browser comes back: so a proxy or a forgotten tab holds nothing for ever."""
    beat_looks: int = 15
    """A line without meaning that often, so that proxies do not cut a quiet stream; the session is checked, too."""
    streams_max: int = 200
    stream_count: int = 0


def live(
    request: Request[Visitor, Any, Any],
    events: Callable[[Request[Visitor, Any, Any], Monitor, int], AsyncIterator[str]],
) -> Stream:
    """A stream of server-sent events, which begins behind the one that the browser saw last (-1: it saw none).

    `HTTPException` for who asks for something else, and while as many are open as there may be.
    """
    monitor: Monitor = request.app.state.monitor
    if EVENT_STREAM not in request.headers.get("accept", ""):
        raise HTTPException(status_code=HTTP_406_NOT_ACCEPTABLE, detail="Ask for text/event-stream.")
    if monitor.stream_count >= monitor.streams_max:
        raise HTTPException(
            status_code=HTTP_503_SERVICE_UNAVAILABLE, detail="Too many live pages.", headers={"Retry-After": "10"}
        )
    seen = request.headers.get("last-event-id", "")
    last = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) <= NUMBER_DIGITS_MAX else -1
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(events(request, monitor, last), media_type=EVENT_STREAM, headers=headers)


@get("/alarms/live", guards=[needs("alarms")])
async def stream_alarms(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Open alarms, whenever one is raised or handled."""
    return live(request, _events)


async def _events(request: Request[Visitor, Any, Any], monitor: Monitor, last: int) -> AsyncIterator[str]:
    service, locale = request.app.state.service, i18n.locale_now.get()
    visitor: Visitor | None = request.user
    token = request.cookies.get(cookie_name(request), "")
    monitor.stream_count += 1
    try:
        for look in range(1, monitor.looks_max + 1):
            assert visitor is not None
            change, event = await to_thread.run_sync(_look, request, visitor, locale, last)
            if event:
                last = change
                yield event
            if look % monitor.beat_looks == 0:
                yield ": still here\n\n"
                visitor = await to_thread.run_sync(find_visitor, service, token, request.user.address)
                if visitor is None or not visitor.may("alarms"):
                    return
            await asyncio.sleep(monitor.look_s)
    finally:
        monitor.stream_count -= 1


def _look(request: Request[Visitor, Any, Any], visitor: Visitor, locale: str, last: int) -> tuple[int, str]:
    """(last change, events to send); no event when nothing has changed."""
    with request.app.state.service.database.read() as session:
        change = last_change(session, visitor)
        if change == last:
            return last, ""
        rows = session.execute(open_alarms(visitor).limit(MONITOR_ROWS)).all()
        raised = raised_after(session, visitor, last) if last >= 0 else 0
    i18n.locale_now.set(locale)  # of this thread's own context
    i18n.zone_now.set(request.app.state.service.zone.now)
    store_names_now.set(request.app.state.service.store_names)
    references = request.app.state.references
    environment = request.app.state.environment
    context = {"rows": [shown_alarm(row, visitor, references) for row in rows], "is_live": True, **words()}
    html = environment.get_template("_alarm_monitor.html").render(context)
    lines = "".join(f"data: {line}\n" for line in html.splitlines())
    event = f"id: {change}\n{lines}\n"
    return change, event + (f"event: alarm\ndata: {raised}\n\n" if raised else "")


HANDLERS: list[Any] = [stream_alarms]
