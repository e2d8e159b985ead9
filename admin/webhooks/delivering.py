"""Getting events to their receivers: signed, in order as long as all goes well, again with growing pauses when not."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from threading import Timer

from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.errors import RefusedError
from admin.models.interfaces import WebhookDelivery, WebhookSubscription
from admin.service import Service

from .addresses import Resolve, Target, addresses_of, read_address, resolve_name
from .subscriptions import DEAD, DELIVERED, WAITING, secret_of

BACKOFF_FIRST_S = 10
BACKOFF_MAX_S = 6 * 3600
"""Pauses double from the first one up to this."""
QUIET_MAX_S = 60
"""So long nothing is tried with a receiver that gave no answer; then one delivery finds out whether it does."""
DELIVERIES_PER_TURN = 50
PROBLEM_LENGTH_MAX = 200
DEADLINE_FACTOR = 2
"""A receiver that sends its answer drop by drop is hung up on after so many times the wait for one drop."""
STATUS_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: its status, or why there was none."""

    status: int
    problem: str = ""

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has it: any 2xx; redirects are not followed."""
        return 200 <= self.status < 300

    @property
    def is_silence(self) -> bool:
        """Whether the receiver as a whole is not well, not this event."""
        return self.status == 0 or self.status >= 500 or self.status == STATUS_TOO_MANY


Post = Callable[[Target, str, bytes, dict[str, str], float], Answer]
"""Sends a body to one of a target's IP addresses, within a time."""


def signature(secret: bytes, now_s: int, body: bytes) -> str:
    """Header `X-Cardswitch-Signature`: HMAC-SHA256 over `<seconds>.<body>`; the receiver refuses old seconds."""
    mac = hmac.new(secret, f"{now_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={now_s},v1={mac}"


def backoff_s(attempts: int) -> int:
    """Pause behind so many failed attempts."""
    return int(min(BACKOFF_FIRST_S * 2 ** min(attempts - 1, 30), BACKOFF_MAX_S))


def post(target: Target, address: str, body: bytes, headers: dict[str, str], timeout_s: float) -> Answer:
    """Send a body; only the status of the answer is read."""
    connection = Connection(target, address, timeout_s)
    deadline = Timer(timeout_s * DEADLINE_FACTOR, connection.hang_up)
    deadline.daemon = True
    deadline.start()
    try:
        connection.request("POST", target.path, body, headers)
        return Answer(connection.getresponse().status)
    except (OSError, HTTPException, ValueError) as error:
        return Answer(0, f"{type(error).__name__}: {error}"[:PROBLEM_LENGTH_MAX])
    finally:
        deadline.cancel()
        connection.close()


class Connection(HTTPConnection):
    """Connects to an address that was checked, whatever the name leads to by now."""

    def __init__(self, target: Target, address: str, timeout_s: float) -> None:
        super().__init__(target.host, target.port, timeout=timeout_s)
        self._target, self._address, self._timeout_s = target, address, timeout_s

    def connect(self) -> None:
        """To the address, with TLS for the name."""
        plain = socket.create_connection((self._address, self._target.port), self._timeout_s)
        self.sock = plain
        if self._target.scheme == "https":
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self._target.host)

    def hang_up(self) -> None:
        """End what waits for this connection, from another thread."""
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def due_subscriptions(service: Service) -> list[int]:
    """Subscriptions for which something is to be tried now."""
    now = service.now()
    with service.database.read() as session:
        rows = session.execute(
            select(WebhookSubscription.id, WebhookSubscription.quiet_until)
            .join(WebhookDelivery, WebhookDelivery.subscription_id == WebhookSubscription.id)
            .where(WebhookSubscription.is_enabled, WebhookDelivery.state == WAITING, WebhookDelivery.next_at <= now)
            .distinct()
        )
        return [number for number, quiet_until in rows if quiet_until is None or quiet_until <= now]


def deliver_due(service: Service, number: int, send: Post = post, resolve: Resolve = resolve_name) -> int:
    """Try what is due for a subscription, oldest first, until one gets no answer; how many were tried."""
    tried = 0
    for delivery_id in _due(service, number):
        answer = _try_one(service, number, delivery_id, send, resolve)
        if answer is None:
            break
        tried += 1
        if answer.is_silence:
            break
    return tried


def _due(service: Service, number: int) -> list[int]:
    with service.database.read() as session:
        query = (
            select(WebhookDelivery.id)
            .where(
                WebhookDelivery.state == WAITING,
                WebhookDelivery.subscription_id == number,
                WebhookDelivery.next_at <= service.now(),
            )
            .order_by(WebhookDelivery.id)
            .limit(DELIVERIES_PER_TURN)
        )
        return list(session.scalars(query))


def _try_one(service: Service, number: int, delivery_id: int, send: Post, resolve: Resolve) -> Answer | None:
    now = service.now()
    with service.database.read() as session:
        row, delivery = session.get(WebhookSubscription, number), session.get(WebhookDelivery, delivery_id)
        if row is None or delivery is None or not row.is_enabled or delivery.state != WAITING:
            return None
        body, kind = delivery.body.encode(), delivery.kind
        address, attempt = row.address, delivery.attempts + 1
        try:
            target = read_address(address, service.settings)
            secret = secret_of(service, row)
        except RefusedError as error:
            target, secret, refusal = None, b"", str(error)
    if target is None:
        answer = Answer(0, refusal[:PROBLEM_LENGTH_MAX])
    else:
        now_s = service.surroundings.now_ms() // 1000
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "cardswitch",
            "X-Cardswitch-Delivery": str(delivery_id),
            "X-Cardswitch-Event": kind,
            "X-Cardswitch-Attempt": str(attempt),
            "X-Cardswitch-Signature": signature(secret, now_s, body),
        }
        timeout_s = service.parameters.number("webhook_timeout_s", now)
        try:
            chosen = addresses_of(target, service.settings, resolve)[0]
            answer = send(target, chosen, body, headers, timeout_s)
        except (OSError, RefusedError, UnicodeError) as error:
            answer = Answer(0, f"{error}"[:PROBLEM_LENGTH_MAX])
    with service.database.write() as session:
        _note(service, session, number, delivery_id, answer)
    return answer


def _note(service: Service, session: Session, number: int, delivery_id: int, answer: Answer) -> None:
    delivery = session.get(WebhookDelivery, delivery_id, with_for_update=True)
    row = session.get(WebhookSubscription, number, with_for_update=True)
    if delivery is None or row is None:
        return
    now = service.now()
    delivery.attempts += 1
    delivery.tried_at, delivery.status, delivery.problem = now, answer.status, answer.problem
    if answer.is_delivered:
        delivery.state, row.quiet_until = DELIVERED, None
        return
    if delivery.attempts >= service.parameters.number("webhook_attempts_max", now):
        delivery.state = DEAD
    pause_s = backoff_s(delivery.attempts)
    delivery.next_at = now + timedelta(seconds=pause_s)
    if answer.is_silence:
        row.quiet_until = now + timedelta(seconds=min(pause_s, QUIET_MAX_S))
