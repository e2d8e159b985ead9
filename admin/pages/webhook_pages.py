"""Webhooks: who is told of what, what was delivered and what was not, trying again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Template
from sqlalchemy import func, select

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.models.interfaces import WebhookDelivery, WebhookSubscription
from admin.rights import Action
from admin.webhooks.events import EVENTS
from admin.webhooks.subscriptions import (
    DEAD,
    DELIVERED,
    WAITING,
    change_subscription,
    deliveries_seen,
    end_subscription,
    make_subscription,
    redeliver,
    subscriptions_seen,
)

from .common import go, is_part_wanted, number_in, page, page_rows, refusal_text, with_query
from .handlers import get, post

_ = str
STATES = {WAITING: _("Waiting"), DELIVERED: _("Delivered"), DEAD: _("Given up")}
TONES = {WAITING: "warn", DELIVERED: "good", DEAD: "bad"}


@dataclass
class WebhookForm:
    """What the page of a webhook sends; `events` has one value per ticked box."""

    name: str = ""
    address: str = ""
    events: list[str] | str = field(default_factory=list)
    is_enabled: str = ""

    @property
    def kinds(self) -> list[str]:
        """The events; a form with one ticked box sends a text, not a list."""
        return [self.events] if isinstance(self.events, str) else self.events


@get("/webhooks", guards=[needs("webhooks")])
def list_webhooks(request: Request[Visitor, Any, Any]) -> Template:
    """Subscriptions, and how much waits or was given up."""
    with request.app.state.service.database.read() as session:
        rows = list(session.scalars(subscriptions_seen(request.user)))
        counted = select(WebhookDelivery.subscription_id, WebhookDelivery.state, func.count()).group_by(
            WebhookDelivery.subscription_id, WebhookDelivery.state
        )
        counts = {(number, state): count for number, state, count in session.execute(counted)}
        session.expunge_all()
    now = request.app.state.service.now()
    return page(request, "webhooks.html", rows=rows, counts=counts, now=now, events=EVENTS)


@get("/webhooks/new", guards=[needs("webhooks", Action.ADD)])
def new_webhook(request: Request[Visitor, Any, Any]) -> Template:
    """Form for a new subscription."""
    return _form(request, 0, WebhookForm(is_enabled="on"), "")


@post("/webhooks/new", guards=[needs("webhooks", Action.ADD)])
def do_make_webhook(request: Request[Visitor, Any, Any], data: URLEncodedBody[WebhookForm]) -> Response[Any]:
    """Make a subscription, and show its secret for the only time."""
    try:
        number, secret = make_subscription(
            request.app.state.service, request.user, name=data.name, address=data.address, events=data.kinds
        )
    except RefusedError as error:
        return _form(request, 0, data, refusal_text(error))
    return page(request, "webhook_made.html", secret=secret, number=number)


@get("/webhooks/deliveries", guards=[needs("webhooks")])
def list_deliveries(
    request: Request[Visitor, Any, Any],
    webhook: FromQuery[str] = "",
    stage: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """What was sent, what waits, what was given up; newest first."""
    limit, start = page_rows(request), number_in(before)
    query = deliveries_seen(request.user, stage if stage in STATES else "", number_in(webhook)).limit(limit + 1)
    if start is not None:
        query = query.where(WebhookDelivery.id < start)
    with request.app.state.service.database.read() as session:
        rows = [tuple(row) for row in session.execute(query)]
        session.expunge_all()
    last = rows[limit - 1][0].id if len(rows) > limit else None
    filters = {"webhook": webhook, "stage": stage}
    return page(
        request,
        "_delivery_rows.html" if is_part_wanted(request) else "deliveries.html",
        rows=rows[:limit],
        filters=filters,
        states=STATES,
        tones=TONES,
        events=EVENTS,
        is_first=not before,
        next_address=with_query("/webhooks/deliveries", {**filters, "before": last}) if last else None,
    )


@post("/webhooks/deliveries/{delivery_id:int}/again", guards=[needs("webhooks", Action.CHANGE)])
def do_redeliver(request: Request[Visitor, Any, Any], delivery_id: FromPath[int]) -> Response[Any]:
    """Send an event again."""
    redeliver(request.app.state.service, request.user, delivery_id)
    return go(request, "/webhooks/deliveries")


@get("/webhooks/{webhook_id:int}", guards=[needs("webhooks")])
def show_webhook(request: Request[Visitor, Any, Any], webhook_id: FromPath[int]) -> Template:
    """A subscription."""
    with request.app.state.service.database.read() as session:
        row = session.scalar(subscriptions_seen(request.user).where(WebhookSubscription.id == webhook_id))
        if row is None:
            raise NotFoundException(detail="There is no such webhook.")
        form = WebhookForm(row.name, row.address, row.events.split(), "on" if row.is_enabled else "")
    return _form(request, webhook_id, form, "")


@post("/webhooks/{webhook_id:int}", guards=[needs("webhooks", Action.CHANGE)])
def do_change_webhook(
    request: Request[Visitor, Any, Any], webhook_id: FromPath[int], data: URLEncodedBody[WebhookForm]
) -> Response[Any]:
    """Change a subscription."""
    try:
        change_subscription(
            request.app.state.service,
            request.user,
            webhook_id,
            name=data.name,
            address=data.address,
            events=data.kinds,
            is_enabled=bool(data.is_enabled),
        )
    except RefusedError as error:
        return _form(request, webhook_id, data, refusal_text(error))
    return go(request, "/webhooks")


@post("/webhooks/{webhook_id:int}/delete", guards=[needs("webhooks", Action.DELETE)])
def do_end_webhook(request: Request[Visitor, Any, Any], webhook_id: FromPath[int]) -> Response[Any]:
    """End a subscription."""
    end_subscription(request.app.state.service, request.user, webhook_id)
    return go(request, "/webhooks")


def _form(request: Request[Visitor, Any, Any], number: int, form: WebhookForm, problem: str) -> Template:
    return page(
        request,
        "webhook.html",
        http_status=409 if problem else 200,
        number=number,
        form=form,
        problem=problem,
        events=EVENTS,
        may_save=request.user.may("webhooks", Action.CHANGE if number else Action.ADD),
    )


HANDLERS: list[Any] = [
    list_webhooks,
    new_webhook,
    do_make_webhook,
    list_deliveries,
    do_redeliver,
    show_webhook,
    do_change_webhook,
    do_end_webhook,
]
