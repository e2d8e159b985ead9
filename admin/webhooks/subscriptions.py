"""Who is told of what: making, changing and ending subscriptions; trying a delivery again."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.database import to_ms
from admin.errors import RefusedError
from admin.models.interfaces import WebhookDelivery, WebhookSubscription
from admin.models.journal import entries
from admin.models.mirror import alarms
from admin.models.people import User
from admin.sealing import NotOpenedError, seal, unseal
from admin.service import Service

from .addresses import read_address
from .events import EVENTS

SECRET_PURPOSE = "webhooks"
MODULE = "webhooks"
SECRET_BYTES = 32
SECRET_PREFIX = "cwh_"
NAME_LENGTH_MAX = 80
SUBSCRIPTIONS_MAX = 50
"""Each asks the tables once a second."""
WAITING, DELIVERED, DEAD = "waiting", "delivered", "dead"


def subscriptions_seen(visitor: Visitor) -> Select[WebhookSubscription]:
    """A question about subscriptions: those of the users whom the visitor sees."""
    owners = visitor.users_seen(select(User.id))
    return select(WebhookSubscription).where(WebhookSubscription.owner_id.in_(owners)).order_by(WebhookSubscription.id)


def make_subscription(
    service: Service, visitor: Visitor, *, name: str, address: str, events: Iterable[str]
) -> tuple[int, str]:
    """(number, secret) of a new subscription, which begins with what happens from now on."""
    name, wanted = name.strip(), _checked(visitor, events)
    address = _checked_address(service, name, address)
    secret = SECRET_PREFIX + service.surroundings.random_bytes(SECRET_BYTES).hex()
    with service.database.write() as session:
        if (session.scalar(select(func.count()).select_from(WebhookSubscription)) or 0) >= SUBSCRIPTIONS_MAX:
            raise RefusedError(
                "{count} subscriptions are enough; end those that are not used.", count=SUBSCRIPTIONS_MAX
            )
        row = WebhookSubscription(
            owner_id=visitor.user_id,
            name=name,
            address=address,
            secret_sealed=b"",
            events=" ".join(wanted),
            created_at=service.now(),
            entry_position=session.scalar(select(func.max(entries.c.id))) or 0,
            alarm_position=session.scalar(select(func.max(alarms.c.sequence))) or 0,
            document_position=to_ms(service.now()),
        )
        session.add(row)
        session.flush()
        row.secret_sealed = seal_secret(service, row.id, secret)
        after = {"name": name, "address": address, "events": wanted}
        service.audit.append(session, visitor, MODULE, "add", f"webhook {row.id}", after=after)
        return row.id, secret


def change_subscription(
    service: Service,
    visitor: Visitor,
    subscription_id: int,
    *,
    name: str,
    address: str,
    events: Iterable[str],
    is_enabled: bool,
) -> None:
    """Change a subscription; one that is switched on again goes on where it stood."""
    name, wanted = name.strip(), _checked(visitor, events)
    address = _checked_address(service, name, address)
    with service.database.write() as session:
        row = _subscription(session, visitor, subscription_id)
        before = {"name": row.name, "address": row.address, "events": row.events.split(), "enabled": row.is_enabled}
        row.name, row.address, row.events, row.is_enabled = name, address, " ".join(wanted), is_enabled
        row.quiet_until = None
        after = {"name": name, "address": address, "events": wanted, "enabled": is_enabled}
        service.audit.append(session, visitor, MODULE, "change", f"webhook {row.id}", before=before, after=after)


def end_subscription(service: Service, visitor: Visitor, subscription_id: int) -> None:
    """End a subscription, with what still waits for it."""
    with service.database.write() as session:
        row = _subscription(session, visitor, subscription_id)
        before = {"name": row.name, "address": row.address, "events": row.events.split()}
        session.execute(delete(WebhookDelivery).where(WebhookDelivery.subscription_id == row.id))
        session.delete(row)
        service.audit.append(session, visitor, MODULE, "delete", f"webhook {subscription_id}", before=before)


def deliveries_seen(
    visitor: Visitor, state: str = "", subscription_id: int | None = None
) -> Select[WebhookDelivery, str]:
    """A question about deliveries of the subscriptions that the visitor sees, newest first."""
    owners = visitor.users_seen(select(User.id))
    query = (
        select(WebhookDelivery, WebhookSubscription.name)
        .join(WebhookSubscription, WebhookSubscription.id == WebhookDelivery.subscription_id)
        .where(WebhookSubscription.owner_id.in_(owners))
        .order_by(WebhookDelivery.id.desc())
    )
    if state:
        query = query.where(WebhookDelivery.state == state)
    if subscription_id is not None:
        query = query.where(WebhookDelivery.subscription_id == subscription_id)
    return query


def redeliver(service: Service, visitor: Visitor, delivery_id: int) -> None:
    """Send an event again, from the first attempt on, at once."""
    with service.database.write() as session:
        found = session.execute(deliveries_seen(visitor).where(WebhookDelivery.id == delivery_id)).first()
        if found is None:
            raise RefusedError("There is no such delivery.")
        row: WebhookDelivery = found[0]
        before = row.state
        row.state, row.attempts, row.next_at, row.problem = WAITING, 0, service.now(), ""
        subscription = session.get(WebhookSubscription, row.subscription_id)
        if subscription is not None:
            subscription.quiet_until = None
        service.audit.append(session, visitor, MODULE, "redeliver", f"delivery {row.id}", before=before)


def seal_secret(service: Service, subscription_id: int, secret: str) -> bytes:
    """A secret under the service's key, bound to its subscription."""
    return seal(service, SECRET_PURPOSE, f"webhook {subscription_id}", secret.encode())


def secret_of(service: Service, row: WebhookSubscription) -> bytes:
    """The secret that signs; `RefusedError` when the service's own secret was replaced."""
    try:
        return unseal(service, SECRET_PURPOSE, f"webhook {row.id}", row.secret_sealed)
    except NotOpenedError:
        raise RefusedError(
            "The secret of this webhook cannot be read: make it anew, or restore the service's."
        ) from None


def _subscription(session: Session, visitor: Visitor, subscription_id: int) -> WebhookSubscription:
    found = session.scalars(subscriptions_seen(visitor).where(WebhookSubscription.id == subscription_id)).first()
    if found is None:
        raise RefusedError("There is no such webhook.")
    return found


def _checked(visitor: Visitor, events: Iterable[str]) -> list[str]:
    wanted = sorted(set(events))
    if not wanted:
        raise RefusedError("Choose at least one kind of event.")
    for kind in wanted:
        if kind not in EVENTS:
            raise RefusedError("There is no event {name}.", name=kind[:40])
        if not visitor.may(EVENTS[kind].function):
            raise RefusedError("Nobody subscribes to what he may not see himself.")
    return wanted


def _checked_address(service: Service, name: str, address: str) -> str:
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        raise RefusedError("A name has {least} to {most} characters.", least=1, most=NAME_LENGTH_MAX)
    address = address.strip()
    read_address(address, service.settings)
    return address
