"""Alarms: the monitor, the list, and the page of one with both sightings; handled by documents."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import select

from admin.access import Visitor, needs
from admin.alarms import MONITOR_ROWS, last_change, open_alarms
from admin.documents.reading import names_of
from admin.lists.alarms import alarm_seen, find_alarms, others_of
from admin.models.mirror import cards
from admin.rights import Action
from admin.words import STATUS_TONES, STATUSES
from switch.protocol.messages import AlarmKind, AlarmState, CardStatus

from .alarm_words import TO_DO, WHAT, shown_alarm, words
from .common import NUMBER_DIGITS_MAX, PAGE_ROWS, is_part_wanted, page, with_query
from .handlers import get


@get("/alarms", guards=[needs("alarms")])
def list_alarms(
    request: Request[Visitor, Any, Any],
    stage: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    store: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """The open ones, live, and below all that concern a store of the visitor's part of the organisation."""
    visitor, references = request.user, request.app.state.references
    with request.app.state.service.database.read() as session:
        rows, last = find_alarms(
            session,
            visitor,
            state=_number(stage) if stage else None,
            kind=_number(kind) if kind else None,
            store=_number(store) if store else None,
            before=_number(before) if before else None,
            limit=PAGE_ROWS,
        )
        waiting = session.execute(open_alarms(visitor).limit(MONITOR_ROWS)).all()
        change = last_change(session, visitor)
    more = {"stage": stage, "kind": kind, "store": store, "before": last}
    return page(
        request,
        "_alarm_rows.html" if is_part_wanted(request) else "alarms.html",
        rows=[shown_alarm(row, visitor, references) for row in rows],
        waiting=[shown_alarm(row, visitor, references) for row in waiting],
        change=change,
        stage=stage,
        kind=kind,
        store=store,
        **words(),
        is_first=not before,
        next_address=with_query("/alarms", more) if last else None,
    )


@get("/alarms/{sequence:int}", guards=[needs("alarms")])
def show_alarm(request: Request[Visitor, Any, Any], sequence: FromPath[int]) -> Template:
    """One alarm: both sightings side by side, the card, others at the same terminals, what to do."""
    visitor, references = request.user, request.app.state.references
    with request.app.state.service.database.read() as session:
        row = alarm_seen(session, visitor, sequence)
        if row is None:
            raise NotFoundException(detail="There is no such alarm.")
        card = session.execute(visitor.cards_seen(select(cards).where(cards.c.card_number == row.card_number))).first()
        others = others_of(session, visitor, row)
        names = names_of(session, [row.operator_id])
    is_open = row.state in (AlarmState.NEW, AlarmState.ACKNOWLEDGED)
    return page(
        request,
        "alarm.html",
        row=shown_alarm(row, visitor, references),
        alarm=row,
        card=card,
        others=others,
        names=names,
        what=WHAT.get(row.alarm, ""),
        to_do=TO_DO.get(row.alarm, ()) if is_open else (),
        is_enumeration=row.alarm == AlarmKind.ENUMERATION,
        is_new=row.state == AlarmState.NEW,
        is_open=is_open,
        is_frozen=card is not None and card.status == CardStatus.FROZEN,
        may_handle=visitor.may("alarms", Action.CHANGE),
        statuses=STATUSES,
        status_tones=STATUS_TONES,
        **words(),
    )


HANDLERS: list[Any] = [list_alarms, show_alarm]


def _number(text: str) -> int:
    """A number of an address; one that no alarm has where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX else -1
