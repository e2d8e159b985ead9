"""Groups of members: lists that are kept by hand, conditions that are asked each time, and snapshots of conditions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, delete, func, insert, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.members import NAME_LENGTH_MAX, Member, MemberGroup, MemberGroupEntry, MemberState
from admin.models.people import WHOLE_GROUP
from admin.service import Service

from .conditions import Condition, compiled

MODULE = "members"
ADDED_AT_ONCE_MAX = 10_000
"""Members put on a list by one act, from what a person has typed or ticked."""
KEYS_PER_QUESTION = 500


def groups_seen(visitor: Visitor) -> Select[Any]:
    """Groups of the visitor's part of the organisation, and those of the whole group."""
    query = select(MemberGroup).order_by(MemberGroup.name, MemberGroup.id)
    if visitor.sees_everything:
        return query
    mine = MemberGroup.organisation_id.in_([*visitor.organisation_ids, WHOLE_GROUP])
    return query.where(mine)


def group_seen(session: Session, visitor: Visitor, group_id: int) -> MemberGroup | None:
    """A group, when the visitor may see it."""
    found: MemberGroup | None = session.scalar(groups_seen(visitor).where(MemberGroup.id == group_id))
    return found


def condition_of(group: MemberGroup) -> Condition | None:
    """What the members of a group have in common; None for a list."""
    return msgspec.json.decode(group.condition, type=Condition) if group.condition else None


def members_of_group(session: Session, group: MemberGroup, today: date) -> ColumnElement[bool]:
    """Condition on `members` that they are in a group now."""
    condition = condition_of(group)
    if condition is None:
        return Member.id.in_(select(MemberGroupEntry.member_id).where(MemberGroupEntry.group_id == group.id))
    return compiled(session, condition, today)


def count_of(session: Session, visitor: Visitor, condition: ColumnElement[bool]) -> int:
    """Number of members for whom it holds now, in the visitor's part of the organisation."""
    query = select(func.count()).select_from(Member).where(condition, Member.state.not_in(GONE))
    return int(session.scalar(visitor.members_seen(query)) or 0)


GONE = (MemberState.MERGED, MemberState.CLOSED)
"""Not counted and not written to."""


def save_group(
    service: Service,
    visitor: Visitor,
    group_id: int | None,
    *,
    name: str,
    note: str,
    condition: Condition | None,
    today: date,
) -> int:
    """Make a group or change one; a condition is tried before it is kept."""
    name = name.strip()
    if not name or len(name) > NAME_LENGTH_MAX:
        raise RefusedError("A name has 1 to {most} characters.", most=NAME_LENGTH_MAX)
    with service.database.write() as session:
        if condition is not None:
            compiled(session, condition, today)
        if group_id is None:
            group = MemberGroup(
                organisation_id=visitor.organisation_id, created_at=service.now(), created_by=visitor.user_id
            )
            session.add(group)
        else:
            group = group_to_change(session, visitor, group_id)
            if bool(group.condition) != (condition is not None):
                raise RefusedError("A list stays a list, and a condition a condition: make another group.")
        twin = select(MemberGroup.id).where(
            MemberGroup.name == name,
            MemberGroup.organisation_id == group.organisation_id,
            MemberGroup.id != (group_id or 0),
        )
        with session.no_autoflush:
            if session.scalar(twin) is not None:
                raise RefusedError("There is a group with this name already.")
        before = {"name": group.name, "condition": group.condition} if group_id else None
        group.name, group.note = name, note.strip()[:200]
        group.condition = msgspec.json.encode(condition).decode() if condition is not None else ""
        session.flush()
        after = {"name": name, "condition": group.condition}
        service.audit.append(session, visitor, MODULE, "save group", f"group {group.id}", before=before, after=after)
        return group.id


def group_to_change(session: Session, visitor: Visitor, group_id: int) -> MemberGroup:
    """A group of the visitor's own part; `RefusedError` for others."""
    group = group_seen(session, visitor, group_id)
    if group is None:
        raise RefusedError("There is no such group.")
    if not visitor.may_place_in(group.organisation_id):
        raise RefusedError("This group belongs to headquarters: make one of your own.")
    return group


def delete_group(service: Service, visitor: Visitor, group_id: int) -> None:
    """Remove a group; its members stay."""
    with service.database.write() as session:
        group = group_to_change(session, visitor, group_id)
        if session.scalar(select(MemberGroup.id).where(MemberGroup.frozen_from_id == group_id).limit(1)) is not None:
            raise RefusedError("Snapshots were made of this group: delete them first.")
        session.execute(delete(MemberGroupEntry).where(MemberGroupEntry.group_id == group_id))
        session.delete(group)
        service.audit.append(session, visitor, MODULE, "delete group", f"group {group_id}", before={"name": group.name})


def freeze_group(service: Service, visitor: Visitor, group_id: int, name: str, today: date) -> int:
    """Write down who is in a group now, as a list of its own."""
    list_id = save_group(service, visitor, None, name=name, note="", condition=None, today=today)
    with service.database.write() as session:
        group = group_seen(session, visitor, group_id)
        if group is None:
            raise RefusedError("There is no such group.")
        made = session.get_one(MemberGroup, list_id)
        made.frozen_from_id = group.id
        inside = visitor.members_seen(
            select(Member.id).where(members_of_group(session, group, today), Member.state.not_in(GONE))
        )
        rows = inside.add_columns(MemberGroup.id).join(MemberGroup, MemberGroup.id == list_id)
        session.execute(insert(MemberGroupEntry).from_select(["member_id", "group_id"], rows))
        count = session.scalar(select(func.count()).select_from(MemberGroupEntry).where(_in(list_id)))
        service.audit.append(
            session, visitor, MODULE, "freeze group", f"group {group_id}", snapshot=list_id, members=count
        )
    return list_id


def put_in_list(service: Service, visitor: Visitor, group_id: int, numbers: Iterable[int], *, is_member: bool) -> int:
    """Put members on a list or take them off; how many it changed."""
    wanted = sorted(set(numbers))
    if len(wanted) > ADDED_AT_ONCE_MAX:
        raise RefusedError("At most {most} members at once.", most=ADDED_AT_ONCE_MAX)
    changed = 0
    with service.database.write() as session:
        group = group_to_change(session, visitor, group_id)
        if group.condition:
            raise RefusedError("The members of this group follow from its condition; a list can be changed by hand.")
        for start in range(0, len(wanted), KEYS_PER_QUESTION):
            chunk = wanted[start : start + KEYS_PER_QUESTION]
            known = set(session.scalars(visitor.members_seen(select(Member.id).where(Member.id.in_(chunk)))))
            inside = set(
                session.scalars(
                    select(MemberGroupEntry.member_id).where(_in(group_id), MemberGroupEntry.member_id.in_(chunk))
                )
            )
            if is_member:
                rows = [{"group_id": group_id, "member_id": number} for number in sorted(known - inside)]
                if rows:
                    session.execute(insert(MemberGroupEntry), rows)
                changed += len(rows)
            else:
                gone = known & inside
                session.execute(
                    delete(MemberGroupEntry).where(_in(group_id), MemberGroupEntry.member_id.in_(sorted(gone)))
                )
                changed += len(gone)
        action = "put in group" if is_member else "take out of group"
        service.audit.append(session, visitor, MODULE, "change group", f"group {group_id}", act=action, members=changed)
    return changed


def _in(group_id: int) -> ColumnElement[bool]:
    return MemberGroupEntry.group_id == group_id


def groups_of_member(session: Session, visitor: Visitor, member_id: int, today: date) -> list[MemberGroup]:
    """Groups that a member is in now, lists and conditions."""
    found = []
    lists = select(MemberGroupEntry.group_id).where(MemberGroupEntry.member_id == member_id)
    mine = groups_seen(visitor).where(or_(MemberGroup.id.in_(lists), MemberGroup.condition != ""))
    for group in session.scalars(mine.limit(50)):
        if group.condition:
            try:
                holds = members_of_group(session, group, today)
            except RefusedError:  # a code that was withdrawn since
                continue
            if session.scalar(select(Member.id).where(Member.id == member_id, holds)) is None:
                continue
        found.append(group)
    return found
