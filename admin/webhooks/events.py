"""What one may be told of, and finding it: behind a position in the tables, for one visitor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor, mask_number
from admin.api.words import ALARM_WORDS, OPERATION_WORDS, STATUS_WORDS, TYPE_WORDS, code_word
from admin.database import from_ms, to_ms
from admin.models.documents import Document, DocumentState
from admin.models.journal import PART_BITS, entries
from admin.models.mirror import alarms, cards
from admin.references import References
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import CardOperation, MessageType

ROWS_MAX = 500
"""Events that one subscription takes over at a time."""
LOOK_BACK_MS = 10_000
"""Longer than a document's last transaction takes."""
SPAN_ENTRIES_MAX = 200_000
"""Entries that one look reaches over: a subscription to something rare must not read for long."""
APPROVED = (ResponseCode.APPROVED, ResponseCode.PARTIAL)
STATUS_STAYS = (CardOperation.BLACKLIST, CardOperation.UNBLACKLIST, CardOperation.CHARGE_FEE)

_ = str


@dataclass(frozen=True, slots=True)
class EventKind:
    """Something that one may be told of."""

    name: str
    label: str
    function: str
    """What one must be allowed to see."""


EVENTS: dict[str, EventKind] = {
    kind.name: kind
    for kind in (
        EventKind("entry.approved", _("A request was approved"), "entries"),
        EventKind("entry.refused", _("A request was refused"), "entries"),
        EventKind("card.status-changed", _("The state of a card has changed"), "cards"),
        EventKind("alarm.raised", _("An alarm was raised"), "alarms"),
        EventKind("document.finished", _("A document is done, or was done in part"), "documents"),
    )
}


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it is kept and sent."""

    event_id: str
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class Found:
    """Events behind a position, and where to look next time."""

    events: list[Event]
    position: int


def entry_events(session: Session, visitor: Visitor, references: References, kinds: set[str], position: int) -> Found:
    """Events that entries tell of; card numbers masked whoever subscribes, for they leave the house."""
    top = session.scalar(select(func.max(entries.c.id))) or 0
    top = min(top, position + (SPAN_ENTRIES_MAX << PART_BITS))
    conditions = _entry_conditions({kind for kind in kinds if _may(visitor, kind)})
    if not conditions or top <= position:
        return Found([], max(top, position))
    query: Select[Any] = select(entries).where(
        entries.c.id > position, entries.c.id <= top, entries.c.part == 0, or_(*conditions.values())
    )
    rows = session.execute(visitor.entries_seen(query).order_by(entries.c.id).limit(ROWS_MAX)).all()
    statuses = _statuses(session, [row.card_number for row in rows]) if "card.status-changed" in conditions else {}
    events = [event for row in rows for event in _of_entry(row, references, conditions.keys(), statuses)]
    return Found(events, rows[-1].id if len(rows) == ROWS_MAX else top)


def alarm_events(session: Session, visitor: Visitor, references: References, kinds: set[str], position: int) -> Found:
    """Alarms that were raised behind a position."""
    if "alarm.raised" not in kinds or not _may(visitor, "alarm.raised"):
        return Found([], max(position, session.scalar(select(func.max(alarms.c.sequence))) or 0))
    query = visitor.alarms_seen(select(alarms).where(alarms.c.sequence > position))
    top = session.scalar(select(func.max(alarms.c.sequence))) or 0
    rows = session.execute(query.order_by(alarms.c.sequence).limit(ROWS_MAX)).all()
    events = [
        _event(
            f"alarm-{row.sequence}",
            "alarm.raised",
            {
                "sequence": row.sequence,
                "time_ms": row.second_ms or row.first_ms,
                "alarm": ALARM_WORDS.get(row.alarm, str(row.alarm)),
                **_card(row.card_number, references),
                "first_store_id": row.first_store_id,
                "second_store_id": row.second_store_id,
            },
        )
        for row in rows
    ]
    return Found(events, rows[-1].sequence if len(rows) == ROWS_MAX else max(top, position))


def document_events(
    session: Session, visitor: Visitor, references: References, kinds: set[str], position: int
) -> Found:
    """Documents that have ended behind a moment.

    Moments are no strict order: two that end together are written one after the other.  So each look goes back a
    little, and whoever enqueues leaves out what is there already.
    """
    query = select(Document).where(Document.state.in_((DocumentState.DONE, DocumentState.PARTLY)))
    query = query.where(Document.ended_at >= from_ms(position - LOOK_BACK_MS)).order_by(Document.ended_at)
    if "document.finished" not in kinds or not _may(visitor, "document.finished"):
        return Found([], position)
    events = []
    for row in session.scalars(visitor.documents_seen(query).limit(ROWS_MAX)):
        assert row.ended_at is not None
        position = max(position, to_ms(row.ended_at))
        data = {
            "document_id": row.id,
            "document_kind": row.kind,
            "state": row.state,
            "ended_ms": to_ms(row.ended_at),
            "done_count": row.done_count,
            "refused_count": row.refused_count,
            "amount_minor": row.amount_minor,
        }
        events.append(_event(f"document-{row.id}-{to_ms(row.ended_at)}", "document.finished", data))
    return Found(events, position)


def _may(visitor: Visitor, kind: str) -> bool:
    return kind in EVENTS and visitor.may(EVENTS[kind].function)


def _entry_conditions(kinds: set[str]) -> dict[str, ColumnElement[bool]]:
    code, type_ = entries.c.code, entries.c.type
    changes = or_(
        type_ == int(MessageType.OPEN_CARD),
        and_(type_ == int(MessageType.OPERATE_CARD), entries.c.operation.not_in([int(one) for one in STATUS_STAYS])),
    )
    approved = code.in_([int(one) for one in APPROVED])
    known = {
        "entry.approved": approved,
        "entry.refused": ~approved,
        "card.status-changed": and_(approved, changes, entries.c.card_number != 0),
    }
    return {kind: known[kind] for kind in known if kind in kinds}


def _of_entry(row: Row[Any], references: References, kinds: Any, statuses: dict[int, int]) -> Iterator[Event]:
    is_approved = row.code in APPROVED
    about = {
        "sequence": row.sequence,
        "time_ms": row.time_ms,
        "business_date": row.business_date,
        "store_id": row.store_id,
        "terminal_id": row.terminal_id,
        "type": TYPE_WORDS.get(row.type, str(row.type)),
        "operation": OPERATION_WORDS.get(row.operation, "") if row.operation else "",
        "code": row.code,
        "code_name": code_word(row.code),
        **_card(row.card_number, references),
    }
    if (kind := "entry.approved" if is_approved else "entry.refused") in kinds:
        amounts = {"amount_minor": row.amount_minor, "value_minor": row.value_minor}
        yield _event(f"entry-{row.id}", kind, about | amounts | {"points_hundredths": row.points_hundredths})
    is_change = row.type == MessageType.OPEN_CARD or (
        row.type == MessageType.OPERATE_CARD and row.operation not in STATUS_STAYS
    )
    if is_approved and is_change and row.card_number and "card.status-changed" in kinds:
        status = statuses.get(row.card_number)
        word = STATUS_WORDS.get(status, str(status)) if status is not None else ""
        yield _event(f"status-{row.id}", "card.status-changed", about | {"status_now": word})


def _statuses(session: Session, numbers: list[int]) -> dict[int, int]:
    query = select(cards.c.card_number, cards.c.status).where(cards.c.card_number.in_(set(numbers)))
    return {row.card_number: row.status for row in session.execute(query)}


def _card(number: int, references: References) -> dict[str, str]:
    if not number:
        return {"card": "", "card_reference": ""}
    return {"card": mask_number(str(number)), "card_reference": references.make(number)}


def _event(event_id: str, kind: str, data: dict[str, Any]) -> Event:
    body = {"id": event_id, "kind": kind, "data": data}
    return Event(event_id, kind, msgspec.json.encode(body).decode())
