"""The outbox: one row for each message to one member, what it may become, and looking at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select, true, update
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.members.identity import mask_phone
from admin.members.seals import Vault
from admin.models.members import ContactKind, Member, MemberContact
from admin.models.messaging import MessageSending, MessageSkip, MessageState, SendingStage, ShortMessage
from admin.rights import Action
from admin.service import Service

from .hours import day_of
from .text import measured
from .writing import sendings_seen

_ = str
MODULE = "messages"
SENDING, PURCHASE, JOURNEY = "sending", "purchase", "journey"
SOURCES: dict[str, str] = {
    SENDING: _("Written by somebody"),
    PURCHASE: _("After a purchase"),
    JOURNEY: _("A journey"),
}
STATES: dict[str, str] = {
    MessageState.SCHEDULED: _("Waits for its time"),
    MessageState.QUEUED: _("Being handed over"),
    MessageState.SENT: _("Sent"),
    MessageState.DELIVERED: _("Delivered to the telephone"),
    MessageState.FAILED: _("Not delivered"),
    MessageState.CANCELLED: _("Cancelled before sending"),
}
TONES: dict[str, str] = {
    MessageState.SCHEDULED: "warn",
    MessageState.QUEUED: "warn",
    MessageState.DELIVERED: "good",
    MessageState.FAILED: "bad",
}
REASONS: dict[str, str] = {
    "no-number": _("No mobile phone is known"),
    "unwilling": _("Wants no messages, or was not asked"),
    "missing": _("A merge field has nothing for this member"),
    "too-long": _("The text is too long for this member"),
    "telephone": _("Prefers the telephone: a talk waits in the contact log"),
    "email": _("Prefers e-mail: a talk waits in the contact log"),
}
REFERENCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message as a list shows it."""

    id: int
    member_id: int
    member: str
    phone: str
    """Masked, unless the visitor sees whole numbers of members and has asked for it."""
    text: str
    part_count: int
    state: str
    source: str
    send_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None
    attempts: int
    problem: str
    sending_id: int | None


def is_message_seen(visitor: Visitor) -> ColumnElement[bool]:
    """Condition on messages: those to members of the visitor's part."""
    if visitor.sees_everything:
        return true()
    return ShortMessage.organisation_id.in_(visitor.organisation_ids)


def mobiles_of(session: Session, vault: Vault, numbers: Sequence[int]) -> dict[int, str]:
    """The mobile telephone of members that have one: the preferred, else that of the record, else a further one."""
    found: dict[int, str] = {}
    query = select(MemberContact).where(MemberContact.member_id.in_(numbers), MemberContact.kind == ContactKind.MOBILE)
    for row in session.scalars(query.order_by(MemberContact.is_preferred, MemberContact.place.desc())):
        found[row.member_id] = vault.contact(row.member_id, row.place, row.value_sealed)
    return found


def new_message(
    service: Service,
    vault: Vault,
    zone: ZoneInfo,
    member: Member,
    phone: str,
    text: str,
    *,
    source: str,
    source_key: str,
    send_at: datetime,
    sending_id: int | None = None,
) -> ShortMessage:
    """A message to be added to the outbox; `source_key` can be there once."""
    reference = service.surroundings.random_bytes(REFERENCE_BYTES).hex()
    return ShortMessage(
        reference=reference,
        source_key=source_key,
        sending_id=sending_id,
        source=source,
        member_id=member.id,
        organisation_id=member.organisation_id,
        phone_sealed=vault.seal("short_messages", "phone", reference, phone),
        text=text,
        part_count=len(measured(text).parts),
        state=MessageState.SCHEDULED,
        send_at=send_at,
        day=day_of(send_at, zone),
        next_at=send_at,
        attempts=0,
        problem="",
        gateway_id="",
        made_at=service.now(),
    )


def phone_of(vault: Vault, row: ShortMessage) -> str:
    """The number that a message goes to."""
    return vault.open("short_messages", "phone", row.reference, row.phone_sealed)


def outbox_page(
    session: Session,
    visitor: Visitor,
    vault: Vault,
    *,
    day: int | None,
    state: str = "",
    source: str = "",
    member_id: int | None = None,
    sending_id: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[OutboxRow]:
    """Messages, newest first, of a day (None: of all); one more than `limit` where there are more."""
    wanted: list[ColumnElement[bool]] = []
    for condition, value in (
        (ShortMessage.day == day, day),
        (ShortMessage.state == state[:10], state),
        (ShortMessage.source == source[:12], source),
        (ShortMessage.member_id == member_id, member_id),
        (ShortMessage.sending_id == sending_id, sending_id),
        (ShortMessage.id < (before or 0), before),
    ):
        if value not in (None, ""):
            wanted.append(condition)
    if day is not None and not visitor.sees_everything:
        # Owner by owner, each a walk along an index: a store's few messages are not looked for among all of a day.
        found: list[int] = []
        for owner in visitor.organisation_ids:
            own = select(ShortMessage.id).where(ShortMessage.organisation_id == owner, *wanted)
            found += session.scalars(own.order_by(ShortMessage.id.desc()).limit(limit + 1))
        wanted = [ShortMessage.id.in_(sorted(found, reverse=True)[: limit + 1])]
    query: Any = select(ShortMessage, Member.name).outerjoin(Member, Member.id == ShortMessage.member_id)
    query = query.where(is_message_seen(visitor), *wanted).order_by(ShortMessage.id.desc()).limit(limit + 1)
    return [outbox_row(vault, row, name or "") for row, name in session.execute(query)]


def outbox_row(vault: Vault, row: ShortMessage, name: str, *, is_whole: bool = False) -> OutboxRow:
    """A message with its number, masked unless said otherwise."""
    phone = phone_of(vault, row)
    return OutboxRow(
        id=row.id,
        member_id=row.member_id,
        member=name,
        phone=phone if is_whole else mask_phone(phone),
        text=row.text,
        part_count=row.part_count,
        state=row.state,
        source=row.source,
        send_at=row.send_at,
        sent_at=row.sent_at,
        ended_at=row.ended_at,
        attempts=row.attempts,
        problem=row.problem,
        sending_id=row.sending_id,
    )


def message_seen(session: Session, visitor: Visitor, message_id: int) -> ShortMessage | None:
    """A message, when its member is in the visitor's part."""
    found: ShortMessage | None = session.scalar(
        select(ShortMessage).where(ShortMessage.id == message_id, is_message_seen(visitor))
    )
    return found


def may_see_whole(visitor: Visitor) -> bool:
    """Whether numbers are shown whole on the page of one message, which notes the look."""
    return visitor.may("members", Action.SEE_UNMASKED)


def cancel_message(service: Service, visitor: Visitor, message_id: int) -> None:
    """Take back a message whose time has not come."""
    with service.database.write() as session:
        row = message_seen(session, visitor, message_id)
        if row is None:
            raise RefusedError("There is no such message.")
        if _cancel(service, session, ShortMessage.id == message_id) != 1:
            raise RefusedError("This message is being sent already, or was.")
        service.audit.append(session, visitor, MODULE, "cancel message", f"message {message_id}")


def sending_seen(session: Session, visitor: Visitor, sending_id: int) -> MessageSending | None:
    """A sending of the visitor's part."""
    found: MessageSending | None = session.scalar(
        sendings_seen(visitor, select(MessageSending).where(MessageSending.id == sending_id))
    )
    return found


def cancel_sending(service: Service, visitor: Visitor, sending_id: int) -> int:
    """Make no further messages of a sending, and take back those that wait; how many those are."""
    with service.database.write() as session:
        row = sending_seen(session, visitor, sending_id)
        if row is None:
            raise RefusedError("There is no such sending.")
        row = session.get_one(MessageSending, sending_id, with_for_update=True)
        was_running = row.stage == SendingStage.RUNNING
        count = _cancel(service, session, ShortMessage.sending_id == sending_id)
        if not was_running and not count:
            raise RefusedError("All messages of this sending are being sent already, or were.")
        if was_running:
            row.stage, row.ended_at = SendingStage.CANCELLED, service.now()
        service.audit.append(session, visitor, MODULE, "cancel sending", f"sending {sending_id}", messages=count)
        return count


def skips_page(session: Session, sending_id: int, after: int | None, limit: int) -> list[tuple[MessageSkip, str]]:
    """(passed over, name) of a sending, by number of member; one more than `limit` where there are more."""
    query = (
        select(MessageSkip, Member.name)
        .outerjoin(Member, Member.id == MessageSkip.member_id)
        .where(MessageSkip.sending_id == sending_id, MessageSkip.member_id > (after or 0))
        .order_by(MessageSkip.member_id)
        .limit(limit + 1)
    )
    return [(skip, name or "") for skip, name in session.execute(query)]


def _cancel(service: Service, session: Session, condition: ColumnElement[bool]) -> int:
    done: Any = session.execute(
        update(ShortMessage)
        .where(condition, ShortMessage.state == MessageState.SCHEDULED)
        .values(state=MessageState.CANCELLED, ended_at=service.now())
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount)
