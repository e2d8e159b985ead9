"""Looking after members: churn, birthdays, and one timeline of everything that happened; talks are in `admin.care`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.database import from_ms, to_ms
from admin.errors import RefusedError
from admin.models.audit import AuditRow
from admin.models.journal import entries
from admin.models.members import (
    ChurnRecord,
    ContactEntry,
    Member,
    MemberLevelChange,
    MemberRelative,
    MemberState,
)
from admin.service import Service

from .records import member_to_change
from .today import month_days
from .totals import business_date, member_sums

_ = str
MODULE = "members"
CHURN_STAGES: dict[str, str] = {
    "candidate": _("Suspected"),
    "confirmed": _("Confirmed"),
    "win-back": _("Being won back"),
    "recovered": _("Won back"),
    "lost": _("Lost for good"),
}


def churn_page(
    session: Session,
    visitor: Visitor,
    *,
    stage: str,
    kind: int | None,
    region: int | None,
    product: str,
    before: int | None,
    limit: int,
) -> Sequence[Any]:
    """(record of churn, member), newest first; one more than `limit` where there are more."""
    query: Any = select(ChurnRecord, Member).join(Member, Member.id == ChurnRecord.member_id)
    query = visitor.members_seen(query).order_by(ChurnRecord.id.desc()).limit(limit + 1)
    if stage:
        query = query.where(ChurnRecord.stage == stage[:12])
    if kind is not None:
        query = query.where(ChurnRecord.kind == kind)
    if region is not None:
        query = query.where(Member.region == region)
    if product:
        query = query.where(ChurnRecord.product.contains(product[:80], autoescape=True))
    if before is not None:
        query = query.where(ChurnRecord.id < before)
    return session.execute(query).all()


def put_churn(service: Service, visitor: Visitor, member_id: int, churn_id: int | None, **values: Any) -> int:
    """Note that a member stays away, or what became of it; a confirmed one makes the member lost, a return active."""
    if values["stage"] not in CHURN_STAGES:
        raise RefusedError("Choose a stage of the list.")
    with service.database.write() as session:
        member = member_to_change(session, visitor, member_id)
        row = session.get(ChurnRecord, churn_id) if churn_id else None
        if churn_id and (row is None or row.member_id != member_id):
            raise RefusedError("There is no such record of churn.")
        if row is None:
            row = ChurnRecord(member_id=member_id, created_at=service.now(), created_by=visitor.user_id)
            session.add(row)
        before = {"stage": row.stage} if churn_id else None
        for name, value in values.items():
            setattr(row, name, value)
        follow_churn(member, row.stage)
        session.flush()
        service.audit.append(
            session, visitor, MODULE, "put churn", f"member {member_id}", before=before, after={"stage": row.stage}
        )
        return row.id


def follow_churn(member: Member, stage: str) -> None:
    """A confirmed churn makes an active member lost, a return makes a lost one active."""
    if stage in ("confirmed", "lost") and member.state == MemberState.ACTIVE:
        member.state = MemberState.CHURNED
    elif stage == "recovered" and member.state == MemberState.CHURNED:
        member.state = MemberState.ACTIVE


def delete_churn(service: Service, visitor: Visitor, churn_id: int) -> int:
    """Remove a record of churn that was a mistake; the member's number."""
    with service.database.write() as session:
        row = session.get(ChurnRecord, churn_id)
        if row is None:
            raise RefusedError("There is no such record of churn.")
        member_id = row.member_id
        member_to_change(session, visitor, member_id)
        session.delete(row)
        service.audit.append(session, visitor, MODULE, "delete churn", f"member {member_id}", churn=churn_id)
        return member_id


def find_churn(service: Service, visitor: Visitor, today: date, silent_days: int) -> int:
    """Suspect all members of the visitor's part who once bought and did not for so many days; how many are new."""
    sums = member_sums()
    open_ = select(ChurnRecord.member_id).where(ChurnRecord.stage.in_(("candidate", "confirmed", "win-back")))
    quiet = visitor.members_seen(
        select(Member.id).where(
            Member.state == MemberState.ACTIVE,
            Member.id.in_(
                select(sums.c.member_id).where(
                    sums.c.last_date > 0, sums.c.last_date <= business_date(today) - silent_days
                )
            ),
            Member.id.not_in(open_),
        )
    )
    with service.database.write() as session:
        numbers = session.scalars(quiet).all()
        session.add_all(
            ChurnRecord(
                member_id=number, stage="candidate", created_at=service.now(), created_by=visitor.user_id, reason=""
            )
            for number in numbers
        )
        service.audit.append(session, visitor, MODULE, "find churn", "", days=silent_days, found=len(numbers))
    return len(numbers)


@dataclass(frozen=True, slots=True)
class Anniversary:
    """A day to remember."""

    day: date
    what: str
    """birthday, anniversary or relative."""
    member: Member
    name: str
    """Who has it: the member or a relative."""
    years: int


def anniversaries(
    session: Session, visitor: Visitor, first: date, days: int, *, rows_max: int = 500
) -> list[Anniversary]:
    """Birthdays and anniversaries of so many days; 29 February is kept on the 28th in other years."""
    found: list[Anniversary] = []
    for n in range(days):
        day = first + timedelta(days=n)
        keys = month_days(day)
        goes_on = Member.state.in_((MemberState.ACTIVE, MemberState.PENDING))
        left = rows_max - len(found)
        if left <= 0:
            break
        for what, column, born in (
            ("birthday", Member.birth_day, Member.birth_date),
            ("anniversary", Member.anniversary_day, Member.anniversary_date),
        ):
            whose: Any = select(Member, born).where(column.in_(keys), goes_on).order_by(Member.id)
            found += [
                Anniversary(day, what, member, member.name, day.year - date_ // 10_000)
                for member, date_ in session.execute(visitor.members_seen(whose).limit(left))
            ]
        relatives: Any = (
            select(Member, MemberRelative)
            .join(MemberRelative, MemberRelative.member_id == Member.id)
            .where(MemberRelative.birth_day.in_(keys), goes_on)
        )
        found += [
            Anniversary(day, "relative", member, relative.name, day.year - relative.birth_date // 10_000)
            for member, relative in session.execute(visitor.members_seen(relatives).limit(left))
        ]
    return found


# ------------------------------------------------------------------------- timeline


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened with a member."""

    time: datetime
    kind: str
    """entry, contact, level, change."""
    row: Any


def timeline(
    session: Session, member: Member, account_numbers: Sequence[int], before: datetime | None, rows_max: int
) -> list[Event]:
    """What happened with a member, newest first: entries of its accounts, talks, levels, changes of the record."""
    events: list[Event] = []
    limit = rows_max + 1

    def earlier(column: Any) -> list[ColumnElement[bool]]:
        return [column < before] if before is not None else []

    if account_numbers:
        early = [entries.c.time_ms < to_ms(before)] if before is not None else []
        for account in account_numbers:
            query = select(entries).where(entries.c.account_number == account, *early)
            rows = session.execute(query.order_by(entries.c.id.desc()).limit(limit))
            events += [Event(from_ms(row.time_ms), "entry", row) for row in rows]
    talks = select(ContactEntry).where(ContactEntry.member_id == member.id, *earlier(ContactEntry.time))
    events += [
        Event(row.time, "contact", row) for row in session.scalars(talks.order_by(ContactEntry.id.desc()).limit(limit))
    ]
    moves = select(MemberLevelChange).where(MemberLevelChange.member_id == member.id, *earlier(MemberLevelChange.time))
    events += [
        Event(row.time, "level", row)
        for row in session.scalars(moves.order_by(MemberLevelChange.id.desc()).limit(limit))
    ]
    changes = select(AuditRow).where(
        AuditRow.object == f"member {member.id}",
        AuditRow.action.not_in(("looked", "set level")),
        AuditRow.outcome == "done",
        *earlier(AuditRow.time),
    )
    events += [
        Event(row.time, "change", row) for row in session.scalars(changes.order_by(AuditRow.id.desc()).limit(limit))
    ]
    events.sort(key=lambda event: event.time, reverse=True)
    return events[:limit]
