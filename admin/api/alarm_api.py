"""Alarms, newest first, with both sightings."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.alarms import OPEN_STATES
from admin.i18n import translate
from admin.lists.alarms import alarm_seen, find_alarms, others_of
from admin.models.mirror import cards
from admin.pages.alarm_words import TO_DO, WHAT

from .handlers import Limit, Number, Page, Text, api_get
from .words import ALARM_STATE_WORDS, ALARM_WORDS, STATUS_WORDS, number_of

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


class AlarmDetails(msgspec.Struct):
    """One alarm, what it means, what to do, and the last others of the same terminals."""

    alarm: Alarm
    meaning: str
    to_do: list[str]
    card_status: str
    """Empty: the card is not the visitor's to see."""
    others: list[Alarm]


@api_get("/api/v1/alarms", guards=[needs("alarms")], tag=TAG, pages=("GET /alarms/live",))
def list_alarms(
    request: Request[Visitor, Any, Any],
    stage: Text = "",
    kind: Text = "",
    store: Number = None,
    before: Number = None,
    limit: Limit = 50,
) -> Page[Alarm]:
    """Alarms of the visitor's stores; a program that wants to be told at once subscribes to alarm.raised."""
    with request.app.state.service.database.read() as session:
        rows, last = find_alarms(
            session,
            request.user,
            state=number_of(ALARM_STATE_WORDS, stage, "stage"),
            kind=number_of(ALARM_WORDS, kind, "kind"),
            store=store,
            before=before,
            limit=limit,
        )
    return Page([_item(request, row) for row in rows], str(last) if last else None)


@api_get("/api/v1/alarms/{sequence:int}", guards=[needs("alarms")], tag=TAG)
def get_alarm(request: Request[Visitor, Any, Any], sequence: FromPath[int]) -> AlarmDetails:
    """One alarm; documents of the kinds acknowledge-alarm, clear-alarm and confirm-alarm handle it."""
    visitor = request.user
    with request.app.state.service.database.read() as session:
        row = alarm_seen(session, visitor, sequence)
        if row is None:
            raise NotFoundException(detail="There is no such alarm.")
        card = session.execute(visitor.cards_seen(select(cards).where(cards.c.card_number == row.card_number))).first()
        others = others_of(session, visitor, row)
    is_open = row.state in OPEN_STATES
    return AlarmDetails(
        _item(request, row),
        translate(WHAT.get(row.alarm, "")),
        [translate(text) for text in TO_DO.get(row.alarm, ())] if is_open else [],
        STATUS_WORDS.get(card.status, "") if card is not None else "",
        [_item(request, one) for one in others],
    )


def _item(request: Request[Visitor, Any, Any], row: Any) -> Alarm:
    visitor, references = request.user, request.app.state.references
    return Alarm(
        sequence=row.sequence,
        kind=ALARM_WORDS.get(row.alarm, str(row.alarm)),
        state=ALARM_STATE_WORDS.get(row.state, str(row.state)),
        card=visitor.card_number(row.card_number) if row.card_number else "",
        card_reference=references.make(row.card_number) if row.card_number else "",
        first=Sighting(row.first_terminal_id, row.first_store_id, row.first_ms),
        second=Sighting(row.second_terminal_id, row.second_store_id, row.second_ms),
        operator_id=row.operator_id,
    )


HANDLERS = [list_alarms, get_alarm]
