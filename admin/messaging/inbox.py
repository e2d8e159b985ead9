"""The inbox: messages of members, read, answered, and put into the contact log as talks to be dealt with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.care.contacts import CONTACT_KINDS
from admin.errors import RefusedError
from admin.members.identity import mask_phone
from admin.members.seals import Vault
from admin.models.members import ContactEntry, Member
from admin.models.messaging import IncomingMessage
from admin.service import Service

MODULE = "messages"


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A message as a list shows it."""

    id: int
    member_id: int | None
    member: str
    phone: str
    text: str
    came_at: datetime
    is_stop: bool
    is_open: bool
    contact_id: int | None


def is_incoming_seen(visitor: Visitor) -> ColumnElement[bool]:
    """Condition on the inbox: messages of members of the visitor's part; those of nobody are the group's."""
    if visitor.sees_everything:
        return true()
    return IncomingMessage.organisation_id.in_(visitor.organisation_ids)


def inbox_page(
    session: Session,
    visitor: Visitor,
    vault: Vault,
    *,
    stage: str = "",
    member_id: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[InboxRow]:
    """Messages, newest first, `stage` open or closed; one more than `limit` where there are more."""
    query: Any = select(IncomingMessage, Member.name).outerjoin(Member, Member.id == IncomingMessage.member_id)
    query = query.where(is_incoming_seen(visitor)).order_by(IncomingMessage.id.desc()).limit(limit + 1)
    if stage in ("open", "closed"):
        query = query.where(IncomingMessage.is_open.is_(stage == "open"))
    if member_id is not None:
        query = query.where(IncomingMessage.member_id == member_id)
    if before is not None:
        query = query.where(IncomingMessage.id < before)
    return [_row(vault, row, name) for row, name in session.execute(query)]


def close_incoming(service: Service, visitor: Visitor, message_id: int, *, kind: str = "") -> int | None:
    """Note that a message was dealt with; with a kind it becomes an open talk of the contact log: its number."""
    if kind and kind not in CONTACT_KINDS:
        raise RefusedError("Choose a kind of the list.")
    with service.database.write() as session:
        query = select(IncomingMessage).where(IncomingMessage.id == message_id, is_incoming_seen(visitor))
        row = session.scalar(query.with_for_update())
        if row is None:
            raise RefusedError("There is no such message.")
        if row.contact_id is not None or (not row.is_open and not kind):
            raise RefusedError("This message was dealt with already.")
        if kind:
            if row.member_id is None:
                raise RefusedError("Nobody is known by this number: add it to a member first.")
            talk = ContactEntry(
                member_id=row.member_id,
                time=row.came_at,
                kind=kind,
                channel="message",
                is_incoming=True,
                content=row.text,
                is_open=True,
                user_id=visitor.user_id,
            )
            session.add(talk)
            session.flush()
            row.contact_id = talk.id
        row.is_open, row.handled_at, row.handled_by = False, service.now(), visitor.user_id
        service.audit.append(
            session, visitor, MODULE, "handle incoming", f"incoming {message_id}", kind=kind, contact=row.contact_id
        )
        return row.contact_id


def open_count(session: Session, visitor: Visitor, count_max: int) -> int:
    """Messages that nobody has dealt with, at most so many are counted."""
    query = select(IncomingMessage.id).where(IncomingMessage.is_open, is_incoming_seen(visitor)).limit(count_max)
    return len(session.scalars(query).all())


def messages_of(session: Session, vault: Vault, member_id: int, limit: int) -> Sequence[InboxRow]:
    """The last messages of a member."""
    query = select(IncomingMessage).where(IncomingMessage.member_id == member_id)
    return [_row(vault, row, "") for row in session.scalars(query.order_by(IncomingMessage.id.desc()).limit(limit))]


def _row(vault: Vault, row: IncomingMessage, name: str | None) -> InboxRow:
    phone = vault.open("incoming_messages", "phone", row.gateway_id, row.phone_sealed)
    return InboxRow(
        id=row.id,
        member_id=row.member_id,
        member=name or "",
        phone=mask_phone(phone),
        text=row.text,
        came_at=row.came_at,
        is_stop=row.is_stop,
        is_open=row.is_open,
        contact_id=row.contact_id,
    )
