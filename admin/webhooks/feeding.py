"""From tables to deliveries: events behind a subscription's position, and the position, in one transaction.

The position moves only from where this look began; a second feeder, or one that was killed, enqueues nothing twice.
A subscription whose queue is full is left alone until it is shorter: nothing is lost, and nobody else waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from admin.access import visitor_of
from admin.models.interfaces import WebhookDelivery, WebhookSubscription
from admin.models.people import User
from admin.references import References
from admin.service import Service

from .events import Event, Found, alarm_events, document_events, entry_events
from .subscriptions import DEAD, DELIVERED, WAITING

QUEUE_MAX = 2_000
"""Deliveries of one subscription that wait; events beyond are taken over when the receiver has caught up."""
PURGE_ROWS_MAX = 5_000
"""Old deliveries that one look removes."""


def feed(service: Service, references: References) -> int:
    """One look for all subscriptions; how many deliveries were enqueued."""
    with service.database.read() as session:
        numbers = list(session.scalars(select(WebhookSubscription.id).where(WebhookSubscription.is_enabled)))
    return sum(_feed_one(service, references, number) for number in numbers)


def purge(service: Service) -> int:
    """Remove deliveries that are over and older than the parameter says; how many."""
    now = service.now()
    before = now - timedelta(days=service.parameters.number("webhook_days_kept", now))
    old = (
        select(WebhookDelivery.id)
        .where(WebhookDelivery.state.in_((DELIVERED, DEAD)), WebhookDelivery.created_at < before)
        .limit(PURGE_ROWS_MAX)
    )
    with service.database.read() as session:
        numbers = list(session.scalars(old))
    if numbers:
        with service.database.write() as session:
            session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(numbers)))
    return len(numbers)


def _feed_one(service: Service, references: References, number: int) -> int:
    with service.database.read() as session:
        row = session.get(WebhookSubscription, number)
        owner = session.get(User, row.owner_id) if row else None
        if row is None or owner is None or not owner.is_enabled or _waiting(session, number) >= QUEUE_MAX:
            return 0
        visitor = visitor_of(session, owner, "", b"", None, modules_off=service.parameters.modules_off(service.now()))
        kinds = set(row.events.split())
        looked = {
            "entry_position": (row.entry_position, entry_events),
            "alarm_position": (row.alarm_position, alarm_events),
            "document_position": (row.document_position, document_events),
        }
        found = {
            name: (position, look(session, visitor, references, kinds, position))
            for name, (position, look) in looked.items()
        }
        known = _known(session, number, [event for _before, one in found.values() for event in one.events])
    moved = {
        name: (before, Found([event for event in one.events if event.event_id not in known], one.position))
        for name, (before, one) in found.items()
    }
    moved = {name: (before, one) for name, (before, one) in moved.items() if one.events or one.position != before}
    return _enqueue(service, number, moved) if moved else 0


def _enqueue(service: Service, number: int, moved: Mapping[str, tuple[int, Found]]) -> int:
    now = service.now()
    table: Any = WebhookSubscription.__table__
    events: list[Event] = [event for _before, found in moved.values() for event in found.events]
    with service.database.write() as session:
        done = session.execute(
            update(table)
            .where(table.c.id == number, *(table.c[name] == before for name, (before, _found) in moved.items()))
            .values({name: found.position for name, (_before, found) in moved.items()})
        )
        if done.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult
            return 0  # another feeder was faster, or the subscription has ended
        known = _known(session, number, events)  # another feeder may have been here since
        events = [event for event in events if event.event_id not in known]
        session.add_all(
            WebhookDelivery(
                subscription_id=number,
                event_id=event.event_id,
                kind=event.kind,
                body=event.body,
                state=WAITING,
                created_at=now,
                next_at=now,
            )
            for event in events
        )
    return len(events)


def _known(session: Session, number: int, events: Sequence[Event]) -> set[str]:
    """Which of these events the subscription has already: looks at documents go back a little."""
    if not events:
        return set()
    query = select(WebhookDelivery.event_id).where(
        WebhookDelivery.subscription_id == number, WebhookDelivery.event_id.in_([event.event_id for event in events])
    )
    return set(session.scalars(query))


def _waiting(session: Session, number: int) -> int:
    query = select(WebhookDelivery.id).where(
        WebhookDelivery.state == WAITING, WebhookDelivery.subscription_id == number
    )
    return session.scalar(select(func.count()).select_from(query.limit(QUEUE_MAX).subquery())) or 0
