"""The contact log: every talk with a member, searched by member, day, channel and text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.database import from_ms
from admin.errors import RefusedError
from admin.forms import DATE_MAX, DATE_MIN
from admin.i18n import midnight_ms
from admin.members.records import member_to_change
from admin.members.today import today_of
from admin.members.totals import business_date
from admin.models.care import CareTask, TaskState
from admin.models.members import NOTE_LENGTH_MAX, ContactEntry, Member
from admin.models.people import User
from admin.service import Service

_ = str
MODULE = "members"
CONTACT_KINDS: dict[str, str] = {
    "talk": _("Talk"),
    "complaint": _("Complaint"),
    "suggestion": _("Suggestion"),
    "visit": _("Visit"),
    "need": _("Need"),
    "survey": _("Survey"),
    "gift": _("Birthday gift"),
}
CHANNELS: dict[str, str] = {
    "store": _("Store"),
    "telephone": _("Telephone"),
    "message": _("Message"),
    "web": _("Web"),
    "letter": _("Letter"),
}
SATISFACTION_MAX = 5
NEXT_DAYS_MAX = 3_660
"""A next contact later than in ten years is a typing mistake."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of talks is filtered by; dates are days since 1970-01-01, 0 for none."""

    kind: str = ""
    channel: str = ""
    stage: str = ""
    """open, closed, or both."""
    typed: str = ""
    member: int = 0
    from_date: int = 0
    until_date: int = 0


def add_contact(service: Service, visitor: Visitor, member_id: int, **values: Any) -> int:
    """Note a talk with a member; a `next_date` (days since 1970-01-01) makes a task for that day."""
    if values["kind"] not in CONTACT_KINDS or values["channel"] not in CHANNELS:
        raise RefusedError("Choose a kind and a channel of the list.")
    if not values["content"].strip() or max(len(values["content"]), len(values["result"])) > NOTE_LENGTH_MAX:
        raise RefusedError("Write 1 to {most} characters about it.", most=NOTE_LENGTH_MAX)
    if not 0 <= values["satisfaction"] <= SATISFACTION_MAX:
        raise RefusedError("Satisfaction is a number from 1 to {most}.", most=SATISFACTION_MAX)
    with service.database.write() as session:
        member = member_to_change(session, visitor, member_id)
        row = put_contact_row(service, session, visitor, member, **values)
        service.audit.append(
            session, visitor, MODULE, "add contact", f"member {member_id}", kind=row.kind, channel=row.channel
        )
        return row.id


def put_contact_row(
    service: Service, session: Session, visitor: Visitor, member: Member, *, next_date: int = 0, **values: Any
) -> ContactEntry:
    """A talk and the task for the next one, within a transaction of the caller, who notes it."""
    today = business_date(today_of(session, service))
    if next_date and not today <= next_date <= today + NEXT_DAYS_MAX:
        raise RefusedError("The next contact is today or later, within ten years.")
    row = ContactEntry(member_id=member.id, time=service.now(), user_id=visitor.user_id, next_date=next_date, **values)
    session.add(row)
    session.flush()
    if next_date:
        session.add(
            CareTask(
                kind="callback",
                state=TaskState.OPEN,
                member_id=member.id,
                reference=row.id,
                organisation_id=member.organisation_id,
                subject=values["content"].strip()[:120],
                due_date=next_date,
                made_at=service.now(),
                made_by=visitor.user_id,
                assigned_to=visitor.user_id,
            )
        )
        session.flush()
    return row


def close_contact(service: Service, visitor: Visitor, contact_id: int, result: str) -> int:
    """Note what came of an open talk; the member's number."""
    if not result.strip() or len(result) > NOTE_LENGTH_MAX:
        raise RefusedError("Write 1 to {most} characters about it.", most=NOTE_LENGTH_MAX)
    with service.database.write() as session:
        row = session.get(ContactEntry, contact_id)
        if row is None:
            raise RefusedError("There is no such talk.")
        member_to_change(session, visitor, row.member_id)
        if not row.is_open:
            raise RefusedError("This talk is closed already.")
        row.result, row.is_open = result.strip(), False
        service.audit.append(session, visitor, MODULE, "close contact", f"member {row.member_id}", contact=contact_id)
        return row.member_id


def contacts_seen(visitor: Visitor) -> Select[Any]:
    """(contact, member) of the visitor's part of the organisation, newest first."""
    query: Any = select(ContactEntry, Member).join(Member, Member.id == ContactEntry.member_id)
    return visitor.members_seen(query).order_by(ContactEntry.id.desc())


def contacts_page(
    session: Session, visitor: Visitor, wanted: Wanted, *, before: int | None, limit: int
) -> Sequence[Any]:
    """(contact, member, user's name), newest first; one more than `limit` where there are more."""
    query = contacts_seen(visitor).outerjoin(User, User.id == ContactEntry.user_id).add_columns(User.full_name)
    if wanted.kind:
        query = query.where(ContactEntry.kind == wanted.kind[:20])
    if wanted.channel:
        query = query.where(ContactEntry.channel == wanted.channel[:20])
    if wanted.stage in ("open", "closed"):
        query = query.where(ContactEntry.is_open.is_(wanted.stage == "open"))
    if wanted.member:
        query = query.where(ContactEntry.member_id == wanted.member)
    if wanted.from_date:
        query = query.where(ContactEntry.time >= midnight(wanted.from_date))
    if wanted.until_date:
        query = query.where(ContactEntry.time < midnight(wanted.until_date + 1))
    if wanted.typed:
        text = wanted.typed[:80]
        query = query.where(
            ContactEntry.content.contains(text, autoescape=True) | ContactEntry.result.contains(text, autoescape=True)
        )
    if before is not None:
        query = query.where(ContactEntry.id < before)
    return session.execute(query.limit(limit + 1)).all()


def midnight(day: int) -> datetime:
    """When a day (since 1970-01-01) begins at the stores."""
    return from_ms(midnight_ms(max(DATE_MIN, min(day, DATE_MAX))))
