"""Alarms as the switch raised them, newest first, with both sightings; handling them needs messages to the switch."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.lists.alarms import find_alarms
from admin.words import ALARM_KINDS, ALARM_STATES
from switch.protocol.messages import AlarmState

from .common import is_part_wanted, number_in, page, page_rows, with_query
from .handlers import get

TONES: dict[int, str] = {AlarmState.NEW: "bad", AlarmState.ACKNOWLEDGED: "warn", AlarmState.CONFIRMED: "bad"}


@get("/alarms", guards=[needs("alarms")])
def list_alarms(
    request: Request[Visitor, Any, Any], stage: FromQuery[str] = "", before: FromQuery[str] = ""
) -> Template:
    """Alarms that concern a store of the visitor's part of the organisation."""
    visitor, references = request.user, request.app.state.references
    wanted, start = number_in(stage), number_in(before)
    with request.app.state.service.database.read() as session:
        found, last = find_alarms(session, visitor, state=wanted, before=start, limit=page_rows(request))
    if (stage and wanted is None) or (before and start is None):
        found, last = [], None
    rows = [
        {
            "alarm": row,
            "card": visitor.card_number(row.card_number) if row.card_number else "",
            "reference": references.make(row.card_number) if row.card_number else "",
        }
        for row in found
    ]
    return page(
        request,
        "_alarm_rows.html" if is_part_wanted(request) else "alarms.html",
        rows=rows,
        stage=stage,
        kinds=ALARM_KINDS,
        states=ALARM_STATES,
        tones=TONES,
        is_first=not before,
        next_address=with_query("/alarms", {"stage": stage, "before": last}) if last else None,
    )


HANDLERS: list[Any] = [list_alarms]
