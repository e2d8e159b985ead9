"""Handing messages to the gateway: at least once each, always under the same reference, so that it can refuse repeats.

Killed between the gateway's answer and the note of it, a message is handed
over again; a gateway that keeps references answers `repeated` and sends it
once.  One that does not may send it twice.  Nothing can be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from admin.errors import RefusedError
from admin.members.seals import Vault
from admin.models.messaging import (
    GATEWAY_ID_LENGTH_MAX,
    PROBLEM_LENGTH_MAX,
    MessageState,
    ShortMessage,
)
from admin.service import Service
from admin.webhooks.delivering import backoff_s

from .connecting import gateway_of, token_of
from .gateway import (
    ACCEPTED,
    MESSAGES_PER_REQUEST,
    REFUSED,
    REPEATED,
    Gateway,
    Handed,
    HttpGateway,
    Result,
    SilenceError,
)
from .outbox import phone_of
from .text import alphabet_of
from .wishes import is_willing, needs_yes, wishes_of

_ = str
QUEUED_AT_ONCE = 2_000
"""Messages whose time has come that one look takes."""
VALID_HOURS = 48
"""A message that could not be handed over for so long is not sent any more: greetings come in time or not at all."""


def queue_due(service: Service) -> int:
    """Take the messages whose time has come; those to members who want none any more are cancelled."""
    now = service.now()
    is_yes_needed = needs_yes(service)
    due = (
        select(ShortMessage.id, ShortMessage.member_id)
        .where(ShortMessage.state == MessageState.SCHEDULED, ShortMessage.next_at <= now)
        .order_by(ShortMessage.next_at)
        .limit(QUEUED_AT_ONCE)
    )
    with service.database.read() as session:
        if session.execute(due.limit(1)).first() is None:
            return 0
    with service.database.write() as session:
        rows = session.execute(due).all()
        wishes = wishes_of(session, [member_id for _id, member_id in rows])
        willing = [id_ for id_, member_id in rows if is_willing(wishes.get(member_id), needs_yes=is_yes_needed)]
        unwilling = sorted({id_ for id_, _member in rows} - set(willing))
        _move(session, willing, MessageState.SCHEDULED, state=MessageState.QUEUED)
        _move(
            session,
            unwilling,
            MessageState.SCHEDULED,
            state=MessageState.CANCELLED,
            problem=_("The member wants no messages any more."),
            ended_at=now,
        )
    return len(rows)


def gateway_for(service: Service) -> tuple[Gateway, int] | None:
    """(the gateway, messages in a second) of the installation; None while none is connected."""
    with service.database.read() as session:
        row = gateway_of(session)
        if not row.is_enabled or not row.address:
            return None
        timeout_s = service.parameters.number("message_timeout_s", service.now())
        return HttpGateway(service.settings, row.address, token_of(service, row), timeout_s), row.per_second


def hand_over(service: Service, vault: Vault, gateway: Gateway, count_max: int) -> int:
    """Hand over what waits, oldest first; how many were answered.  `SilenceError` when the gateway does not answer."""
    answered = 0
    while answered < count_max:
        with service.database.read() as session:
            rows = _waiting(service, session, min(MESSAGES_PER_REQUEST, count_max - answered))
            expired = [row.id for row in rows if service.now() - row.send_at > timedelta(hours=VALID_HOURS)]
            handed = [_handed(vault, row) for row in rows if row.id not in expired]
            numbers = {row.reference: row.id for row in rows}
        if not rows:
            break
        if expired:
            _fail(service, expired, _("It could not be handed over in time."))
        if handed:
            try:
                results = gateway.send(handed)
            except SilenceError as silence:
                _note_gateway(service, silence.reason)
                raise
            _note_gateway(service, "")
            with service.database.write() as session:
                for one in handed:
                    _note(service, session, numbers[one.reference], results.get(one.reference))
        answered += len(rows)
    return answered


def _waiting(service: Service, session: Session, limit: int) -> Sequence[ShortMessage]:
    query = select(ShortMessage).where(ShortMessage.state == MessageState.QUEUED, ShortMessage.next_at <= service.now())
    return session.scalars(query.order_by(ShortMessage.next_at, ShortMessage.id).limit(limit)).all()


def _handed(vault: Vault, row: ShortMessage) -> Handed:
    try:
        phone = phone_of(vault, row)
    except RefusedError:  # the service's secret was replaced: the gateway will say that this is no number
        phone = ""
    return Handed(row.reference, phone, row.text, alphabet_of(row.text), row.part_count)


def _note(service: Service, session: Session, message_id: int, result: Result | None) -> None:
    """What the gateway has answered; a report that was faster than its answer stays."""
    now = service.now()
    status, problem = (result.status, result.problem) if result else ("", _("The gateway said nothing about it."))
    values: dict[str, Any] = {"attempts": ShortMessage.attempts + 1, "problem": problem[:PROBLEM_LENGTH_MAX]}
    if result and status in (ACCEPTED, REPEATED):
        values |= {"state": MessageState.SENT, "sent_at": now, "gateway_id": result.id[:GATEWAY_ID_LENGTH_MAX]}
        values["problem"] = ""
    elif status == REFUSED:
        values |= {"state": MessageState.FAILED, "ended_at": now}
    else:
        attempts = (session.scalar(select(ShortMessage.attempts).where(ShortMessage.id == message_id)) or 0) + 1
        if attempts >= service.parameters.number("message_attempts_max", now):
            values |= {"state": MessageState.FAILED, "ended_at": now}
        else:
            values["next_at"] = now + timedelta(seconds=backoff_s(attempts))
    _move(session, [message_id], MessageState.QUEUED, **values)


def _fail(service: Service, numbers: Sequence[int], problem: str) -> None:
    with service.database.write() as session:
        _move(
            session,
            numbers,
            MessageState.QUEUED,
            state=MessageState.FAILED,
            problem=problem,
            ended_at=service.now(),
        )


def _move(session: Session, numbers: Sequence[int], from_state: str, **values: Any) -> None:
    """Change messages that are still in a state; others were faster with the rest."""
    if numbers:
        session.execute(
            update(ShortMessage)
            .where(ShortMessage.id.in_(numbers), ShortMessage.state == from_state)
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def _note_gateway(service: Service, problem: str) -> None:
    """Whether the gateway answers, for the page; written when it changes."""
    problem = problem[:PROBLEM_LENGTH_MAX]
    with service.database.read() as session:
        if gateway_of(session).problem == problem:
            return
    with service.database.write() as session:
        row = gateway_of(session)
        row.problem, row.heard_at = problem, row.heard_at if problem else service.now()
        session.add(row)
