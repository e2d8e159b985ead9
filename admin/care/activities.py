"""Activities of members: what and how it was, who took part, and points for each of them, once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import CARD_DIGITS, DATE_MAX, FormContext, entry
from admin.members.holdings import member_of
from admin.members.records import member_seen
from admin.models.activities import Activity, Attendee
from admin.models.documents import Document, DocumentState
from admin.models.members import NAME_LENGTH_MAX, NOTE_LENGTH_MAX, Member, MemberState
from admin.models.mirror import cards
from admin.service import Service

_ = str
MODULE = "activities"
ADDED_AT_ONCE_MAX = 500
SHOWN_MAX = 50
ATTENDEES_MAX = 5_000
"""Of one activity: its points are one document, whose requests are sent in some seconds."""
POINTS_MAX = 10**9
DEAD = (DocumentState.REJECTED, DocumentState.WITHDRAWN)
"""States of a document that will never credit anything."""
MEMBER_DIGITS = re.compile(r"\d{1,7}")
"""Shorter than any card number."""


class ActivityForm(msgspec.Struct, kw_only=True, frozen=True):
    """An activity."""

    name: Annotated[str, entry(_("Name"), min_length=1, max_length=NAME_LENGTH_MAX)]
    date: Annotated[int, entry(_("Day"), "date", ge=1, le=DATE_MAX)]
    place: Annotated[str, entry(_("Place"), max_length=NAME_LENGTH_MAX)] = ""
    content: Annotated[str, entry(_("Content"), "area", max_length=NOTE_LENGTH_MAX)] = ""
    course: Annotated[str, entry(_("How it went"), "area", max_length=NOTE_LENGTH_MAX)] = ""
    points_hundredths: Annotated[
        int, entry(_("Points for each attendee"), "points", ge=0, le=POINTS_MAX, hint=_("Empty: no points."))
    ] = 0


class AttendeesForm(msgspec.Struct, kw_only=True, frozen=True):
    """Members who took part."""

    members: Annotated[
        str,
        entry(
            _("Members"),
            "area",
            max_length=10_000,
            hint=_("Member numbers or whole card numbers, one per line. Nobody is entered twice."),
        ),
    ]


def activities_seen(visitor: Visitor) -> Select[Any]:
    """Activities of the visitor's part of the organisation and of the whole group, newest first."""
    query = select(Activity).order_by(Activity.id.desc())
    if visitor.sees_everything:
        return query
    return query.where(Activity.organisation_id.in_([0, *visitor.organisation_ids]))


def activities_page(session: Session, visitor: Visitor, before: int | None, limit: int) -> Sequence[Any]:
    """(activity, number of attendees), newest first; one more than `limit` if there are more."""
    counted = select(func.count()).where(Attendee.activity_id == Activity.id).correlate(Activity).scalar_subquery()
    query = activities_seen(visitor).add_columns(counted).limit(limit + 1)
    if before is not None:
        query = query.where(Activity.id < before)
    return session.execute(query).all()


def activity_seen(session: Session, visitor: Visitor, activity_id: int) -> Activity | None:
    """An activity that the visitor may see."""
    found: Activity | None = session.scalar(activities_seen(visitor).where(Activity.id == activity_id))
    return found


def attendees_of(session: Session, visitor: Visitor, activity_id: int) -> Sequence[Any]:
    """(attendee, member's name or None where it is not the visitor's, state of the document or None)."""
    whose: Any = select(Member.id, Member.name)
    mine = visitor.members_seen(whose).subquery("mine")
    query = (
        select(Attendee, mine.c.name, Document.state)
        .outerjoin(mine, mine.c.id == Attendee.member_id)
        .outerjoin(Document, Document.id == Attendee.document_id)
        .where(Attendee.activity_id == activity_id)
        .order_by(Attendee.member_id)
    )
    return session.execute(query).all()


def attended_by(session: Session, visitor: Visitor, member_id: int) -> Sequence[Activity]:
    """The last activities that a member took part in."""
    inside = select(Attendee.activity_id).where(Attendee.member_id == member_id)
    return session.scalars(activities_seen(visitor).where(Activity.id.in_(inside)).limit(SHOWN_MAX)).all()


def is_credited(attendee: Attendee, state: str | None) -> bool:
    """Whether a document credits this attendee, or has."""
    return bool(attendee.document_id) and state is not None and state not in DEAD


def activity_choices(context: FormContext) -> Mapping[int | str, str]:
    """Activities with points, newest first."""
    query = activities_seen(context.visitor).where(Activity.points_hundredths > 0).limit(200)
    return {row.id: row.name for row in context.session.scalars(query)}


def save_activity(service: Service, visitor: Visitor, form: ActivityForm, activity_id: int = 0) -> int:
    """Add or change an activity; its number. Points stay once somebody was credited."""
    with service.database.write() as session:
        row = _to_change(session, visitor, activity_id) if activity_id else None
        before: dict[str, Any] | None = None
        if row is None:
            row = Activity(
                organisation_id=visitor.organisation_id, created_at=service.now(), created_by=visitor.user_id
            )
            session.add(row)
        else:
            before = {"name": row.name, "points": row.points_hundredths}
            credited = any(is_credited(one, state) for one, _name, state in attendees_of(session, visitor, row.id))
            if credited and form.points_hundredths != row.points_hundredths:
                raise RefusedError("Attendees were credited already: the points stay what they were.")
        for name in ActivityForm.__struct_fields__:
            setattr(row, name, getattr(form, name))
        session.flush()
        after = {"name": row.name, "points": row.points_hundredths}
        action = "change" if activity_id else "add"
        service.audit.append(session, visitor, MODULE, action, f"activity {row.id}", before=before, after=after)
        return row.id


def add_attendees(service: Service, visitor: Visitor, activity_id: int, form: AttendeesForm) -> int:
    """Enter who took part; how many are new. `RefusedError` names a line that is nobody."""
    lines = list(dict.fromkeys(line.strip() for line in re.split(r"[\s,;，；]+", form.members) if line.strip()))
    if not 0 < len(lines) <= ADDED_AT_ONCE_MAX:
        raise RefusedError("Enter 1 to {most} members at once.", most=ADDED_AT_ONCE_MAX)
    with service.database.write() as session:
        row = _to_change(session, visitor, activity_id)
        there = set(session.scalars(select(Attendee.member_id).where(Attendee.activity_id == row.id)))
        numbers = {_member(session, visitor, line) for line in lines}
        if len(there | numbers) > ATTENDEES_MAX:
            raise RefusedError("An activity has at most {most} attendees.", most=ATTENDEES_MAX)
        session.add_all(
            Attendee(activity_id=row.id, member_id=number, added_at=service.now(), added_by=visitor.user_id)
            for number in sorted(numbers - there)
        )
        added = len(numbers - there)
        service.audit.append(session, visitor, MODULE, "add attendees", f"activity {row.id}", members=added)
        return added


def remove_attendee(service: Service, visitor: Visitor, activity_id: int, member_id: int) -> None:
    """Take out somebody who did not take part; who was credited stays."""
    with service.database.write() as session:
        row = _to_change(session, visitor, activity_id)
        attendee = session.get(Attendee, (row.id, member_id))
        if attendee is None:
            raise RefusedError("There is no such attendee.")
        document = session.get(Document, attendee.document_id) if attendee.document_id else None
        if is_credited(attendee, document.state if document else None):
            raise RefusedError("This attendee was credited: take the points back first.")
        session.delete(attendee)
        service.audit.append(session, visitor, MODULE, "remove attendee", f"activity {row.id}", member=member_id)


def _member(session: Session, visitor: Visitor, line: str) -> int:
    """Who a line names; `RefusedError` for nobody, without saying whether somebody else's member is."""
    number = 0
    if MEMBER_DIGITS.fullmatch(line):
        number = int(line)
    elif CARD_DIGITS.fullmatch(line):
        account = session.scalar(select(cards.c.account_number).where(cards.c.card_number == int(line)))
        number = member_of(session, account) if account else 0
    member = member_seen(session, visitor, number) if number else None
    if member is None or member.state == MemberState.MERGED:
        raise RefusedError("{line} is no member of your part of the organisation.", line=line[:4] + "…")
    return member.id


def _to_change(session: Session, visitor: Visitor, activity_id: int) -> Activity:
    row = activity_seen(session, visitor, activity_id)
    if row is None or not visitor.may_place_in(row.organisation_id):
        raise RefusedError("There is no such activity in your part of the organisation.")
    return row
