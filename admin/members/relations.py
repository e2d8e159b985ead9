"""Primary and secondary members: a family or a company and those who belong to it, two levels deep."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.members import Member, MemberRelative
from admin.service import Service

from .drafts import DAY_DIVISOR
from .records import member_to_change

MODULE = "members"
SECONDARIES_SHOWN_MAX = 200
RELATIVES_MAX = 30


def secondaries_of(session: Session, member_id: int) -> list[Member]:
    """Members that are secondary to one."""
    query = select(Member).where(Member.primary_id == member_id).order_by(Member.id).limit(SECONDARIES_SHOWN_MAX)
    return list(session.scalars(query))


def set_primary(service: Service, visitor: Visitor, member_id: int, primary_id: int | None, relation: int) -> None:
    """Put a member under a primary one, under another, or (None) on its own; `RefusedError` for a loop."""
    with service.database.write() as session:
        from .records import lock_members

        lock_members(service, session)
        member = member_to_change(session, visitor, member_id)
        if primary_id is not None:
            if primary_id == member_id:
                raise RefusedError("A member cannot be its own primary member.")
            primary = member_to_change(session, visitor, primary_id)
            if primary.primary_id is not None:
                raise RefusedError(
                    "Member {number} is secondary itself, to {primary}: choose that one.",
                    number=primary_id,
                    primary=primary.primary_id,
                )
            if secondaries_of(session, member_id):
                raise RefusedError("This member has secondary members: give them another primary member first.")
        before = {"primary": member.primary_id, "relation": member.relation}
        member.primary_id, member.relation = primary_id, relation if primary_id is not None else 0
        member.version += 1
        after = {"primary": member.primary_id, "relation": member.relation}
        for one in {member_id, before["primary"], primary_id} - {None}:
            service.audit.append(
                session,
                visitor,
                MODULE,
                "set primary",
                f"member {one}",
                secondary=member_id,
                before=before,
                after=after,
            )


def move_secondaries(service: Service, visitor: Visitor, member_id: int, primary_id: int) -> int:
    """Give all secondaries of a member another primary one; how many."""
    with service.database.read() as session:
        numbers = [one.id for one in secondaries_of(session, member_id)]
        relations = {one.id: one.relation for one in secondaries_of(session, member_id)}
    for number in numbers:
        set_primary(service, visitor, number, primary_id, relations[number])
    return len(numbers)


def put_relative(
    service: Service,
    visitor: Visitor,
    member_id: int,
    relative_id: int | None,
    *,
    name: str,
    relation: int,
    birth_date: int,
) -> None:
    """Note a person of the household, change it, or (without a name) take it away."""
    with service.database.write() as session:
        member_to_change(session, visitor, member_id)
        rows = session.scalars(select(MemberRelative).where(MemberRelative.member_id == member_id)).all()
        row = next((one for one in rows if one.id == relative_id), None)
        if relative_id and row is None:
            raise RefusedError("There is no such person.")
        name = name.strip()
        if row is not None and not name:
            session.delete(row)
        elif not name or len(name) > 80:
            raise RefusedError("A name has 1 to {most} characters.", most=80)
        elif row is None and len(rows) >= RELATIVES_MAX:
            raise RefusedError("At most {most} persons.", most=RELATIVES_MAX)
        else:
            row = row or MemberRelative(member_id=member_id)
            row.name, row.relation, row.birth_date = name, relation, birth_date
            row.birth_day = birth_date % DAY_DIVISOR
            session.add(row)
        service.audit.append(session, visitor, MODULE, "change family", f"member {member_id}")
