"""Terminals: the list, the page of one with its closes and documents, and the key file that is handed out once."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import Select, func, select

from admin.access import Visitor, needs
from admin.documents.key_files import has_key_file, take_key_file
from admin.documents.terminal_kinds import RIGHTS
from admin.documents.terminals import TERMINAL_ID_FIRST
from admin.lists.entries import entries_page
from admin.lists.terminals import Presence, TerminalFilter, close_lines, find_terminals, listed, presence_of
from admin.models.journal import entries
from admin.models.mirror import day_closes, terminals
from admin.rights import Action
from admin.signed_on import shown_address, shown_version
from admin.words import TERMINAL_STATUSES, type_name
from switch.protocol.messages import DayCloseState, MessageType, TerminalFlag, TerminalStatus

from .common import NUMBER_DIGITS_MAX, PAGE_ROWS, is_part_wanted, page, with_query
from .handlers import get, post

_ = str
TONES: dict[int, str] = {
    TerminalStatus.ACTIVE: "good",
    TerminalStatus.BLOCKED: "bad",
    TerminalStatus.QUARANTINED: "warn",
}
CLOSES: dict[int, str] = {DayCloseState.DIFFERS: _("Totals differ"), DayCloseState.CLOSED: _("Closed")}
CLOSE_TONES: dict[int, str] = {DayCloseState.DIFFERS: "bad", DayCloseState.CLOSED: "good"}
CLOSES_SHOWN = 14
PRESENCES: dict[str, str] = {
    Presence.SIGNED_ON: _("Signed on"),
    Presence.SIGNED_OFF: _("Signed off"),
    Presence.NEVER: _("Never heard of"),
    Presence.QUARANTINED: _("In quarantine"),
    Presence.BLOCKED: _("Blocked"),
    Presence.UNKNOWN: _("Not known now"),
}
PRESENCE_TONES: dict[str, str] = {
    Presence.SIGNED_ON: "good",
    Presence.QUARANTINED: "warn",
    Presence.BLOCKED: "bad",
}


@get("/terminals", guards=[needs("terminals")])
def list_terminals(
    request: Request[Visitor, Any, Any],
    q: FromQuery[str] = "",
    store: FromQuery[str] = "",
    stage: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Template:
    """Terminals of the visitor's stores, by number, with who is signed on right now."""
    visitor, sessions = request.user, request.app.state.signed_on.look()
    wanted = TerminalFilter(
        terminal_id=_number(q) if q else None,
        store_id=_number(store) if store else None,
        presence=Presence(stage) if stage in PRESENCES else None,
    )
    with request.app.state.service.database.read() as session:
        rows, last = find_terminals(
            session, visitor, sessions, wanted, after=_number(after) if after else None, limit=PAGE_ROWS
        )
    more = {"q": q, "store": store, "stage": stage, "after": last or ""}
    return page(
        request,
        "_terminal_rows.html" if is_part_wanted(request) else "terminals.html",
        rows=rows,
        sessions=sessions,
        q=q,
        store=store,
        stage=stage,
        **_words(visitor),
        is_first=not after,
        next_address=with_query("/terminals", more) if last else None,
    )


@get("/terminals/{terminal_id:int}", guards=[needs("terminals")])
def show_terminal(request: Request[Visitor, Any, Any], terminal_id: FromPath[int]) -> Template:
    """One terminal: place, rights, key, closes with their differences, last entries, and what may be done."""
    service, visitor = request.app.state.service, request.user
    with service.database.read() as session:
        row = session.execute(visitor.terminals_seen(listed().where(terminals.c.terminal_id == terminal_id))).first()
        if row is None:
            raise NotFoundException(detail="There is no such terminal.")
        closes = session.execute(
            select(day_closes)
            .where(day_closes.c.terminal_id == terminal_id)
            .order_by(day_closes.c.closed_date.desc())
            .limit(CLOSES_SHOWN)
        ).all()
        differences = close_lines(session, terminal_id, [close.closed_date for close in closes])
        counted = {
            close.closed_date: _counted(session, row.store_id, terminal_id, close.closed_date) for close in closes
        }
        last = _own_entries(row.store_id, terminal_id)
        shown, _next = entries_page(session, last, visitor, request.app.state.references, None)
        has_file = has_key_file(session, service, visitor, terminal_id)
    return page(
        request,
        "terminal.html",
        row=row,
        closes=closes,
        counted=counted,
        differences=differences,
        type_name=type_name,
        sessions=request.app.state.signed_on.look(),
        rows=shown[:10],
        has_file=has_file,
        is_own=terminal_id >= TERMINAL_ID_FIRST,
        rights_held=[bit for bit in RIGHTS if row.rights & bit],
        is_renewing=bool(row.flags & TerminalFlag.RENEW_KEY),
        **_words(visitor),
        is_first=True,
        next_address=None,
    )


@post("/terminals/{terminal_id:int}/key", guards=[needs("terminals", Action.CHANGE)])
def fetch_key(request: Request[Visitor, Any, Any], terminal_id: FromPath[int]) -> Response[bytes]:
    """The key file of a new terminal, once, to whoever made it; afterwards nobody has it but the switch."""
    service, visitor = request.app.state.service, request.user
    key = take_key_file(service, visitor, terminal_id)
    return Response(
        msgspec.json.encode(key),
        media_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="terminal-{terminal_id}.key"',
            "Cache-Control": "no-store",
        },
    )


HANDLERS: list[Any] = [list_terminals, show_terminal, fetch_key]


def _own_entries(store_id: int, terminal_id: int) -> Select[Any]:
    """Entries of a terminal; through its store, for which there is an index."""
    return select(entries).where(entries.c.store_id == store_id, entries.c.terminal_id == terminal_id)


def _counted(session: Any, store_id: int, terminal_id: int, date: int) -> int:
    """Requests of a terminal on a date, as they were followed: what its close must come to."""
    query = select(func.count()).where(
        entries.c.store_id == store_id,
        entries.c.terminal_id == terminal_id,
        entries.c.business_date == date,
        entries.c.part == 0,
        entries.c.type != MessageType.DAY_TOTALS,  # what asks for totals is not counted by it
    )
    return int(session.scalar(query) or 0)


def _words(visitor: Visitor) -> dict[str, Any]:
    return {
        "presence_of": presence_of,
        "presences": PRESENCES,
        "presence_tones": PRESENCE_TONES,
        "shown_address": partial(shown_address, is_whole=visitor.may("terminals", Action.CHANGE)),
        "shown_version": shown_version,
        "statuses": TERMINAL_STATUSES,
        "tones": TONES,
        "closings": CLOSES,
        "close_tones": CLOSE_TONES,
        "right_names": RIGHTS,
        "first_own": TERMINAL_ID_FIRST,
    }


def _number(text: str) -> int:
    """A number of an address; one that no terminal has where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX else -1
