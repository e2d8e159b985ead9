"""Alarms, newest first, with both sightings."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request

from admin.access import Visitor, needs
from admin.lists.alarms import find_alarms

from .handlers import Limit, Number, Page, Text, api_get
from .words import ALARM_STATE_WORDS, ALARM_WORDS, number_of

TAG = "Alarms"


class Sighting(msgspec.Struct):
    """Where and when something was seen."""

    terminal_id: int
    store_id: int
    time_ms: int


class Alarm(msgspec.Struct):
    """Something that looks like fraud."""

    sequence: int
    """Entry that raised it; names the alarm."""
    kind: str
    state: str
    card: str
    card_reference: str
    first: Sighting
    second: Sighting
    operator_id: int


@api_get("/api/v1/alarms", guards=[needs("alarms")], tag=TAG)
def list_alarms(
    request: Request[Visitor, Any, Any], stage: Text = "", before: Number = None, limit: Limit = 50
) -> Page[Alarm]:
    """Alarms of the visitor's stores."""
    visitor, references = request.user, request.app.state.references
    wanted = number_of(ALARM_STATE_WORDS, stage, "stage")
    with request.app.state.service.database.read() as session:
        rows, last = find_alarms(session, visitor, state=wanted, before=before, limit=limit)
    return Page(
        [
            Alarm(
                sequence=row.sequence,
                kind=ALARM_WORDS.get(row.alarm, str(row.alarm)),
                state=ALARM_STATE_WORDS.get(row.state, str(row.state)),
                card=visitor.card_number(row.card_number) if row.card_number else "",
                card_reference=references.make(row.card_number) if row.card_number else "",
                first=Sighting(row.first_terminal_id, row.first_store_id, row.first_ms),
                second=Sighting(row.second_terminal_id, row.second_store_id, row.second_ms),
                operator_id=row.operator_id,
            )
            for row in rows
        ],
        str(last) if last else None,
    )


HANDLERS = [list_alarms]
