"""Alarms as the switch raised them, newest first, with both sightings; handling them needs messages to the switch."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.params import FromQuery
from litestar.response import Template
from sqlalchemy import false, select

from admin.access import Visitor, needs
from admin.models.mirror import alarms
from admin.words import ALARM_KINDS, ALARM_STATES
from switch.protocol.messages import AlarmState

from .common import PAGE_ROWS, is_part_wanted, page, with_query
from .entry_pages import NUMBER_DIGITS_MAX
from .handlers import get

TONES: dict[int, str] = {AlarmState.NEW: "bad", AlarmState.ACKNOWLEDGED: "warn", AlarmState.CONFIRMED: "bad"}


@get("/alarms", guards=[needs("alarms")])
def list_alarms(
    request: Request[Visitor, Any, Any], stage: FromQuery[str] = "", before: FromQuery[str] = ""
) -> Template:
    """Alarms that concern a store of the visitor's part of the organisation."""
    visitor, references = request.user, request.app.state.references
    query = visitor.alarms_seen(select(alarms)).order_by(alarms.c.sequence.desc()).limit(PAGE_ROWS + 1)
    for column, text, is_key in ((alarms.c.state, stage, False), (alarms.c.sequence, before, True)):
        if text:
            number = int(text) if text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX else None
            query = query.where(false() if number is None else column < number if is_key else column == number)
    with request.app.state.service.database.read() as session:
        found = session.execute(query).all()
    rows = [
        {
            "alarm": row,
            "card": visitor.card_number(row.card_number) if row.card_number else "",
            "reference": references.make(row.card_number) if row.card_number else "",
        }
        for row in found[:PAGE_ROWS]
    ]
    last = found[PAGE_ROWS - 1].sequence if len(found) > PAGE_ROWS else None
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
