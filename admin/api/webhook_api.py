"""Webhooks: who is told of what; deliveries, and trying one again."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.database import to_ms
from admin.i18n import translate
from admin.models.interfaces import WebhookDelivery, WebhookSubscription
from admin.rights import Action
from admin.webhooks.addresses import ADDRESS_LENGTH_MAX
from admin.webhooks.events import EVENTS
from admin.webhooks.subscriptions import (
    NAME_LENGTH_MAX,
    change_subscription,
    deliveries_seen,
    end_subscription,
    make_subscription,
    redeliver,
    subscriptions_seen,
)

from .handlers import Done, Limit, Number, Option, Page, Text, api_delete, api_get, api_post, api_put, filled

TAG = "Webhooks"
NO_ZERO = r"^[^\x00]*$"
Kinds = Annotated[list[Annotated[str, msgspec.Meta(max_length=40)]], msgspec.Meta(min_length=1, max_length=20)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH_MAX, pattern=NO_ZERO)]
Address = Annotated[str, msgspec.Meta(min_length=1, max_length=ADDRESS_LENGTH_MAX)]


class Webhook(msgspec.Struct):
    """A subscription; its secret was shown once."""

    id: int
    name: str
    address: str
    events: list[str]
    is_enabled: bool


class NewWebhook(msgspec.Struct, forbid_unknown_fields=True):
    """A subscription to be made."""

    name: Name
    address: Address
    events: Kinds


class WebhookChange(NewWebhook, forbid_unknown_fields=True):
    """All that may be changed about a subscription."""

    is_enabled: bool = True


class WebhookMade(msgspec.Struct):
    """A new subscription, and the secret that signs what it sends: told this once."""

    id: int
    secret: str


class Delivery(msgspec.Struct):
    """One event for one subscription."""

    id: int
    webhook_id: int
    event_id: str
    kind: str
    state: str
    attempts: int
    status: int
    problem: str
    created_ms: int
    tried_ms: int | None


@api_get("/api/v1/webhooks", guards=[needs("webhooks")], tag=TAG)
def list_webhooks(request: Request[Visitor, Any, Any]) -> list[Webhook]:
    """All subscriptions of users who are seen."""
    with request.app.state.service.database.read() as session:
        return [
            Webhook(row.id, row.name, row.address, row.events.split(), row.is_enabled)
            for row in session.scalars(subscriptions_seen(request.user))
        ]


@api_get("/api/v1/webhooks/{webhook_id:int}", guards=[needs("webhooks")], tag=TAG)
def get_webhook(request: Request[Visitor, Any, Any], webhook_id: FromPath[int]) -> Webhook:
    """One subscription."""
    with request.app.state.service.database.read() as session:
        row = session.scalar(subscriptions_seen(request.user).where(WebhookSubscription.id == webhook_id))
        if row is None:
            raise NotFoundException(detail="There is no such webhook.")
        return filled(Webhook, row, events=row.events.split())


@api_get("/api/v1/webhook-events", guards=[needs("webhooks")], tag=TAG)
def list_events(request: Request[Visitor, Any, Any]) -> list[Option]:
    """The events that a subscription may name."""
    return [Option(name, translate(kind.label)) for name, kind in EVENTS.items()]


@api_post(
    "/api/v1/webhooks",
    guards=[needs("webhooks", Action.ADD)],
    tag=TAG,
    pages=("GET /webhooks/new", "POST /webhooks/new"),
)
def make_webhook(request: Request[Visitor, Any, Any], data: JSONBody[NewWebhook]) -> WebhookMade:
    """A new subscription."""
    number, secret = make_subscription(
        request.app.state.service, request.user, name=data.name, address=data.address, events=data.events
    )
    return WebhookMade(number, secret)


@api_put(
    "/api/v1/webhooks/{webhook_id:int}",
    guards=[needs("webhooks", Action.CHANGE)],
    tag=TAG,
    pages=("POST /webhooks/{webhook_id}",),
)
def put_webhook(request: Request[Visitor, Any, Any], webhook_id: FromPath[int], data: JSONBody[WebhookChange]) -> Done:
    """Change a subscription."""
    change_subscription(
        request.app.state.service,
        request.user,
        webhook_id,
        name=data.name,
        address=data.address,
        events=data.events,
        is_enabled=data.is_enabled,
    )
    return Done(str(webhook_id))


@api_delete(
    "/api/v1/webhooks/{webhook_id:int}",
    guards=[needs("webhooks", Action.DELETE)],
    tag=TAG,
    pages=("POST /webhooks/{webhook_id}/delete",),
)
def end_webhook(request: Request[Visitor, Any, Any], webhook_id: FromPath[int]) -> None:
    """End a subscription, with what still waits for it."""
    end_subscription(request.app.state.service, request.user, webhook_id)


@api_get("/api/v1/deliveries", guards=[needs("webhooks")], tag=TAG, pages=("GET /webhooks/deliveries",))
def list_deliveries(
    request: Request[Visitor, Any, Any],
    webhook: Number = None,
    stage: Text = "",
    before: Number = None,
    limit: Limit = 50,
) -> Page[Delivery]:
    """Deliveries, newest first; `stage` is waiting, delivered or dead."""
    query = deliveries_seen(request.user, stage, webhook).limit(limit + 1)
    if before is not None:
        query = query.where(WebhookDelivery.id < before)
    with request.app.state.service.database.read() as session:
        rows = [
            Delivery(
                id=row.id,
                webhook_id=row.subscription_id,
                event_id=row.event_id,
                kind=row.kind,
                state=row.state,
                attempts=row.attempts,
                status=row.status,
                problem=row.problem,
                created_ms=to_ms(row.created_at),
                tried_ms=to_ms(row.tried_at) if row.tried_at else None,
            )
            for row, _name in session.execute(query)
        ]
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)


@api_post(
    "/api/v1/deliveries/{delivery_id:int}/again",
    guards=[needs("webhooks", Action.CHANGE)],
    tag=TAG,
    pages=("POST /webhooks/deliveries/{delivery_id}/again",),
    status=200,
)
def send_again(request: Request[Visitor, Any, Any], delivery_id: FromPath[int]) -> Done:
    """Send an event again, from the first attempt on."""
    redeliver(request.app.state.service, request.user, delivery_id)
    return Done(str(delivery_id))


HANDLERS = [
    list_webhooks,
    get_webhook,
    list_events,
    make_webhook,
    put_webhook,
    end_webhook,
    list_deliveries,
    send_again,
]
