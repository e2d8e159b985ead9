"""The inbox: messages of members, read, answered, and handed on as talks of the contact log or as opinions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.care.contacts import CONTACT_KINDS
from admin.care.opinions import add_opinion_row
from admin.care.tasks import OPINION_KINDS
from admin.errors import RefusedError
from admin.members.definitions import codes_of
from admin.members.identity import mask_phone
from admin.members.records import member_to_change
from admin.members.seals import Vault
from admin.models.members import ContactEntry, Member
from admin.models.messaging import IncomingMessage
from admin.rights import Action
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
    opinion_id: int | None


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
    """Note that a message was dealt with; with a kind it becomes a talk or an opinion: its number."""
    if kind and kind not in CONTACT_KINDS:
        raise RefusedError("Choose a kind of the list.")
    with service.database.write() as session:
        query = select(IncomingMessage).where(IncomingMessage.id == message_id, is_incoming_seen(visitor))
        row = session.scalar(query.with_for_update())
        if row is None:
            raise RefusedError("There is no such message.")
        if row.contact_id or row.opinion_id or (not row.is_open and not kind):
            raise RefusedError("This message was dealt with already.")
        if kind:
            if row.member_id is None:
                raise RefusedError("Nobody is known by this number: add it to a member first.")
            if kind in OPINION_KINDS and visitor.may("opinions", Action.ADD):
                row.opinion_id = _opinion(service, session, visitor, row, kind)
            else:
                row.contact_id = _talk(session, visitor, row, kind)
        row.is_open, row.handled_at, row.handled_by = False, service.now(), visitor.user_id
        service.audit.append(
            session,
            visitor,
            MODULE,
            "handle incoming",
            f"incoming {message_id}",
            kind=kind,
            contact=row.contact_id,
            opinion=row.opinion_id,
        )
        return row.opinion_id or row.contact_id


def _talk(session: Session, visitor: Visitor, row: IncomingMessage, kind: str) -> int:
    """An open talk of the contact log."""
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
    return talk.id


def _opinion(service: Service, session: Session, visitor: Visitor, row: IncomingMessage, kind: str) -> int:
    """A suggestion or complaint, to be handled to its end; what it is about is put right by who handles it."""
    areas = codes_of(session, "opinion")
    if not areas:
        raise RefusedError("There is nothing that opinions are about: fill in that code table first.")
    member = member_to_change(session, visitor, row.member_id or 0)
    opinion = add_opinion_row(
        service,
        session,
        visitor,
        kind=kind,
        area=max(areas),
        content=row.text,
        department_id=0,
        member=member,
        organisation_id=member.organisation_id,
        occurred_at=row.came_at,
    )
    return opinion.id


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
        opinion_id=row.opinion_id,
    )
