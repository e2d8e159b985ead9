"""Terminals: place, rights, who is signed on right now, the last close with its differences."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import FromPath

from admin.access import Visitor, needs
from admin.lists.terminals import Presence, TerminalFilter, close_lines, find_terminals, presence_of
from admin.rights import Action
from admin.signed_on import Sessions, shown_address, shown_version
from switch.protocol.messages import DayCloseState, Right

from .handlers import Limit, Number, Page, Text, api_get
from .words import TYPE_WORDS

TAG = "Terminals"
CLOSE_WORDS = {int(DayCloseState.DIFFERS): "differs", int(DayCloseState.CLOSED): "closed"}
NUMBER_MAX = 2**32 - 1


class TerminalSession(msgspec.Struct):
    """One connection that is signed on at this moment."""

    signed_on_ms: int
    last_message_ms: int
    address: str
    """Whole for those who may change terminals, its network for others; empty: unknown."""
    protocol_version: int
    software_version: str
    key_version: int
    frame_count: int
    error_count: int


class CloseTotal(msgspec.Struct):
    """One type of request in the last close."""

    type: str
    till_count: int
    till_minor: int
    switch_count: int
    switch_minor: int
    is_different: bool


class Terminal(msgspec.Struct):
    """A terminal, and what it is doing at this moment."""

    terminal_id: int
    store_id: int
    presence: str
    """signed-on, signed-off, never, quarantined, blocked, or unknown: the switch could not be asked."""
    rights: list[str]
    key_version: int
    last_heard_ms: int | None
    request_count: int
    closed_date: int | None
    close_state: str
    sessions: list[TerminalSession]


class TerminalDetails(msgspec.Struct):
    """One terminal, with the figures of its last close."""

    terminal: Terminal
    close_totals: list[CloseTotal]


@api_get("/api/v1/terminals", guards=[needs("terminals")], tag=TAG)
def list_terminals(
    request: Request[Visitor, Any, Any],
    store: Number = None,
    presence: Text = "",
    after: Number = None,
    limit: Limit = 50,
) -> Page[Terminal]:
    """Terminals of the visitor's stores by number, with who is signed on."""
    words = [str(one) for one in Presence]
    if presence and presence not in words:
        message = f"Expected one of {', '.join(words)}, got {presence[:40]!r}"
        raise ValidationException(extra=[{"key": "presence", "message": message}])
    visitor, sessions = request.user, request.app.state.signed_on.look()
    wanted = TerminalFilter(store_id=store, presence=Presence(presence) if presence else None)
    with request.app.state.service.database.read() as session:
        rows, last = find_terminals(session, visitor, sessions, wanted, after=after, limit=limit)
    return Page([_terminal(row, visitor, sessions) for row in rows], str(last) if last else None)


@api_get("/api/v1/terminals/{terminal_id:int}", guards=[needs("terminals")], tag=TAG)
def show_terminal(request: Request[Visitor, Any, Any], terminal_id: FromPath[int]) -> TerminalDetails:
    """One terminal."""
    visitor, sessions = request.user, request.app.state.signed_on.look()
    rows: list[Any] = []
    with request.app.state.service.database.read() as session:
        if 0 < terminal_id <= NUMBER_MAX:
            rows, _last = find_terminals(session, visitor, sessions, TerminalFilter(terminal_id=terminal_id))
        if not rows:
            raise NotFoundException(detail="There is no such terminal.")
        date = rows[0].closed_date
        lines = close_lines(session, terminal_id, [date]).get(date, []) if date is not None else []
    totals = [
        CloseTotal(
            type=TYPE_WORDS.get(line.type, str(line.type)),
            till_count=line.till_count,
            till_minor=line.till_minor,
            switch_count=line.switch_count,
            switch_minor=line.switch_minor,
            is_different=line.is_different,
        )
        for line in lines
    ]
    return TerminalDetails(_terminal(rows[0], visitor, sessions), totals)


def _terminal(row: Any, visitor: Visitor, sessions: Sessions) -> Terminal:
    is_whole = visitor.may("terminals", Action.CHANGE)
    return Terminal(
        terminal_id=row.terminal_id,
        store_id=row.store_id,
        presence=str(presence_of(row, sessions)),
        rights=[str(bit.name).lower() for bit in Right if row.rights & bit],
        key_version=row.key_version,
        last_heard_ms=row.last_ms,
        request_count=row.entry_count or 0,
        closed_date=row.closed_date,
        close_state=CLOSE_WORDS.get(row.close_state, ""),
        sessions=[
            TerminalSession(
                signed_on_ms=one.signed_on_ms,
                last_message_ms=one.last_message_ms,
                address=shown_address(one.address, is_whole=is_whole),
                protocol_version=one.protocol_version,
                software_version=shown_version(one.software_version),
                key_version=one.key_version,
                frame_count=one.frame_count,
                error_count=one.error_count,
            )
            for one in sessions.of(row.terminal_id)
        ],
    )


HANDLERS = [list_terminals, show_terminal]
