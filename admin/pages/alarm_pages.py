"""Alarms: the monitor, the list, and the page of one with both sightings; handled by documents."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import and_, or_, select

from admin.access import Visitor, needs
from admin.alarms import MONITOR_ROWS, last_change, open_alarms
from admin.documents.reading import names_of
from admin.models.mirror import alarms, cards
from admin.rights import Action
from admin.words import STATUS_TONES, STATUSES
from switch.protocol.messages import AlarmKind, AlarmState, CardStatus

from .alarm_words import TO_DO, WHAT, shown_alarm, words
from .common import NUMBER_DIGITS_MAX, PAGE_ROWS, is_part_wanted, page, with_query
from .handlers import get

OTHERS_SHOWN = 10


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
    query = visitor.alarms_seen(select(alarms)).order_by(alarms.c.sequence.desc()).limit(PAGE_ROWS + 1)
    for column, text in ((alarms.c.state, stage), (alarms.c.alarm, kind)):
        if text:
            query = query.where(column == _number(text))
    if store:
        number = _number(store)
        query = query.where(or_(alarms.c.first_store_id == number, alarms.c.second_store_id == number))
    if before:
        query = query.where(alarms.c.sequence < _number(before))
    with request.app.state.service.database.read() as session:
        found = session.execute(query).all()
        waiting = session.execute(open_alarms(visitor).limit(MONITOR_ROWS)).all()
        change = last_change(session, visitor)
    last = found[PAGE_ROWS - 1].sequence if len(found) > PAGE_ROWS else None
    more = {"stage": stage, "kind": kind, "store": store, "before": last}
    return page(
        request,
        "_alarm_rows.html" if is_part_wanted(request) else "alarms.html",
        rows=[shown_alarm(row, visitor, references) for row in found[:PAGE_ROWS]],
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
        row = session.execute(visitor.alarms_seen(select(alarms).where(alarms.c.sequence == sequence))).first()
        if row is None:
            raise NotFoundException(detail="There is no such alarm.")
        card = session.execute(visitor.cards_seen(select(cards).where(cards.c.card_number == row.card_number))).first()
        at = [number for number in (row.first_terminal_id, row.second_terminal_id) if number]
        same = or_(alarms.c.first_terminal_id.in_(at), alarms.c.second_terminal_id.in_(at))
        others = session.execute(
            visitor.alarms_seen(
                select(alarms.c.sequence, alarms.c.alarm, alarms.c.state).where(
                    and_(same, alarms.c.sequence != sequence)
                )
            )
            .order_by(alarms.c.sequence.desc())
            .limit(OTHERS_SHOWN)
        ).all()
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
