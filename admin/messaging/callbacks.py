"""What the gateway tells us: reports of delivery, and messages that came in; signed as our own webhooks are."""

from __future__ import annotations

import hmac
import re
from typing import Annotated

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from admin.audit import Actor
from admin.database import from_ms
from admin.errors import RefusedError
from admin.members.groups import GONE
from admin.members.identity import read_phone
from admin.members.keys import PHONE
from admin.members.seals import Vault
from admin.models.members import Member, member_keys
from admin.models.messaging import (
    GATEWAY_ID_LENGTH_MAX,
    PROBLEM_LENGTH_MAX,
    IncomingMessage,
    MessageState,
    ShortMessage,
)
from admin.service import Service
from admin.webhooks.delivering import signature

from .connecting import gateway_of, secret_of
from .hours import day_of
from .wishes import asks_to_stop, withdraw

MODULE = "messages"
ACTOR_NAME = "(message gateway)"
AGE_S_MAX = 300
"""A callback whose seconds are further from ours is an old one that somebody sends again."""
BODY_BYTES_MAX = 500_000
ROWS_MAX = 500
"""Reports and messages of one callback."""
INCOMING_LENGTH_MAX = 2_000
_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")
Identity = Annotated[str, msgspec.Meta(min_length=1, max_length=GATEWAY_ID_LENGTH_MAX, pattern=r"^[^\x00]*$")]


class Report(msgspec.Struct, frozen=True):
    """What became of a message."""

    reference: Annotated[str, msgspec.Meta(max_length=64)]
    state: str
    """delivered or failed; other words are kept for later and change nothing."""
    problem: Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")] = ""


class Incoming(msgspec.Struct, frozen=True):
    """A message from a telephone."""

    id: Identity
    sender: Annotated[str, msgspec.Meta(max_length=30)] = msgspec.field(name="from")
    text: Annotated[str, msgspec.Meta(max_length=INCOMING_LENGTH_MAX, pattern=r"^[^\x00]*$")]
    time_ms: Annotated[int, msgspec.Meta(ge=0, le=2**52)] = 0


class Callback(msgspec.Struct, frozen=True):
    """A request of the gateway."""

    reports: Annotated[list[Report], msgspec.Meta(max_length=ROWS_MAX)] = []
    incoming: Annotated[list[Incoming], msgspec.Meta(max_length=ROWS_MAX)] = []


class Taken(msgspec.Struct, frozen=True):
    """How many of them said something new."""

    reports: int
    incoming: int


def is_genuine(service: Service, header: str, body: bytes) -> bool:
    """Whether a callback was signed by our gateway just now: HMAC-SHA256 over `<seconds>.<body>`."""
    with service.database.read() as session:
        secret = secret_of(service, gateway_of(session))
    match = _SIGNATURE.fullmatch(header)
    if not secret or match is None:
        return False
    seconds = int(match[1])
    is_fresh = abs(service.surroundings.now_ms() // 1000 - seconds) <= AGE_S_MAX
    return hmac.compare_digest(signature(secret.encode(), seconds, body), header) and is_fresh


def take(service: Service, callback: Callback, address: str) -> Taken:
    """Note what the gateway has told; the same again changes nothing."""
    vault, actor = Vault(service), Actor(0, ACTOR_NAME, address)
    with service.database.write() as session:
        reports = sum(_take_report(service, session, report) for report in callback.reports)
        incoming = sum(_take_incoming(service, session, vault, actor, one) for one in callback.incoming)
        row = gateway_of(session)
        row.heard_at = service.now()
        session.add(row)
        service.audit.append(session, actor, MODULE, "callback", "gateway", reports=reports, incoming=incoming)
    return Taken(reports, incoming)


def _take_report(service: Service, session: Session, report: Report) -> bool:
    state = {"delivered": MessageState.DELIVERED, "failed": MessageState.FAILED}.get(report.state)
    if state is None:
        return False
    now = service.now()
    values = {"state": state, "ended_at": now, "problem": report.problem[:PROBLEM_LENGTH_MAX]}
    done = session.execute(
        update(ShortMessage)
        .where(
            ShortMessage.reference == report.reference,
            ShortMessage.state.in_((MessageState.QUEUED, MessageState.SENT)),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult


def _take_incoming(service: Service, session: Session, vault: Vault, actor: Actor, one: Incoming) -> bool:
    known = select(IncomingMessage.id).where(IncomingMessage.gateway_id == one.id)
    if session.scalar(known) is not None:
        return False
    phone = read_phone(one.sender) or one.sender
    members = members_with(session, vault, phone)
    member = _most_likely(session, members)
    came_at = from_ms(one.time_ms) if one.time_ms else service.now()
    is_stop = asks_to_stop(one.text)
    if is_stop:
        for each in members:
            withdraw(service, session, actor, each.id)
    session.add(
        IncomingMessage(
            gateway_id=one.id,
            phone_sealed=vault.seal("incoming_messages", "phone", one.id, phone),
            member_id=member.id if member else None,
            organisation_id=member.organisation_id if member else 0,
            text=one.text,
            came_at=min(came_at, service.now()),
            day=day_of(service.now(), service.zone.now()),
            is_stop=is_stop,
            is_open=not is_stop,
        )
    )
    session.flush()
    return True


def members_with(session: Session, vault: Vault, phone: str) -> list[Member]:
    """Members who go on and have a telephone number, oldest first."""
    key = PHONE + vault.blind(PHONE, phone)
    query = (
        select(Member)
        .join(member_keys, member_keys.c.member_id == Member.id)
        .where(member_keys.c.key == key, Member.state.not_in(GONE))
        .order_by(Member.id)
    )
    return list(session.scalars(query))


def _most_likely(session: Session, members: list[Member]) -> Member | None:
    """Of several with one number the one that was written to last, else the oldest."""
    if len(members) < 2:
        return members[0] if members else None
    numbers = [member.id for member in members]
    query = select(ShortMessage.member_id).where(ShortMessage.member_id.in_(numbers))
    last = session.scalar(query.order_by(ShortMessage.id.desc()).limit(1))
    return next((member for member in members if member.id == last), members[0])


def read_callback(body: bytes) -> Callback:
    """A callback; `RefusedError` says what does not fit."""
    if len(body) > BODY_BYTES_MAX:
        raise RefusedError("Expected at most {most} bytes.", most=BODY_BYTES_MAX)
    try:
        return msgspec.json.decode(body, type=Callback)
    except msgspec.DecodeError as error:
        raise RefusedError("This is no callback: {problem}.", problem=str(error)[:200]) from None
