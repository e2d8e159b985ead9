"""Two records of one person become one: what would move, moving it, and moving it back."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session, aliased

from admin.access import Visitor
from admin.audit import actor_of
from admin.errors import RefusedError
from admin.messaging.wishes import carry_refusal
from admin.models.calls import Call
from admin.models.care import CareTask, MemberDay, Opinion
from admin.models.consumption import Consumption
from admin.models.members import (
    ChurnRecord,
    ContactEntry,
    Member,
    MemberContact,
    MemberGroupEntry,
    MemberMerge,
    MemberRelative,
    MemberState,
    MemberTag,
)
from admin.service import Service

from .drafts import COLUMNS, FIRST_FURTHER_PLACE
from .holdings import accounts_of, put_link
from .keys import keys_of
from .records import findable_of, lock_members, member_to_change, replace_keys
from .seals import Vault

MODULE = "members"
NOT_FILLED = (0, "", None)
KEPT = ("name", "kind", "organisation_id", "source", "birth_day", "anniversary_day")
"""The survivor's in any case."""


class Moved(msgspec.Struct):
    """What a merge has moved to the survivor."""

    accounts: list[int] = []
    secondaries: list[int] = []
    contact_entries: list[int] = []
    relatives: list[int] = []
    churns: list[int] = []
    consumptions: list[int] = []
    tasks: list[int] = []
    """Those whose reminder the survivor has not had itself."""
    special_days: list[int] = []
    opinions: list[int] = []
    calls: list[int] = []
    contact_places: list[int] = []
    """Places of the survivor that contacts were copied to."""
    tags: list[str] = []
    groups: list[int] = []
    filled: list[str] = []
    """Columns that were empty and took the other record's value."""
    state: str = ""
    primary_id: int | None = None


def planned(session: Session, vault: Vault, survivor: Member, merged: Member) -> Moved:
    """What merging would move; nothing is written."""
    own_tags = set(session.scalars(select(MemberTag.tag).where(MemberTag.member_id == survivor.id)))
    own_groups = set(
        session.scalars(select(MemberGroupEntry.group_id).where(MemberGroupEntry.member_id == survivor.id))
    )
    tags = set(session.scalars(select(MemberTag.tag).where(MemberTag.member_id == merged.id)))
    groups = set(session.scalars(select(MemberGroupEntry.group_id).where(MemberGroupEntry.member_id == merged.id)))
    next_place = max([FIRST_FURTHER_PLACE - 1, *(row.place for row in _contacts(session, survivor.id))]) + 1
    known = {value for _kind, value in findable_of(session, vault, survivor).contacts}
    new = [value for _kind, value in findable_of(session, vault, merged).contacts if value not in known]
    return Moved(
        accounts=accounts_of(session, merged.id),
        secondaries=list(session.scalars(select(Member.id).where(Member.primary_id == merged.id))),
        contact_entries=_ids(session, ContactEntry, merged.id),
        relatives=_ids(session, MemberRelative, merged.id),
        churns=_ids(session, ChurnRecord, merged.id),
        consumptions=_ids(session, Consumption, merged.id),
        tasks=_tasks(session, survivor.id, merged.id),
        special_days=_ids(session, MemberDay, merged.id),
        opinions=_ids(session, Opinion, merged.id),
        calls=_ids(session, Call, merged.id),
        contact_places=list(range(next_place, next_place + len(new))),
        tags=sorted(tags - own_tags),
        groups=sorted(groups - own_groups),
        filled=[
            name
            for name in (*COLUMNS, "id_sealed")
            if name not in KEPT and name not in ("code",)
            if getattr(survivor, name) in NOT_FILLED and getattr(merged, name) not in NOT_FILLED
        ],
        state=merged.state,
        primary_id=merged.primary_id,
    )


def _ids(session: Session, model: Any, member_id: int) -> list[int]:
    return list(session.scalars(select(model.id).where(model.member_id == member_id)))


def _tasks(session: Session, survivor_id: int, merged_id: int) -> list[int]:
    own = aliased(CareTask)
    same = exists().where(own.member_id == survivor_id, own.kind == CareTask.kind, own.reference == CareTask.reference)
    return list(session.scalars(select(CareTask.id).where(CareTask.member_id == merged_id, ~same)))


def _contacts(session: Session, member_id: int) -> list[MemberContact]:
    return list(session.scalars(select(MemberContact).where(MemberContact.member_id == member_id)))


def pair(session: Session, visitor: Visitor, survivor_id: int, merged_id: int) -> tuple[Member, Member]:
    """Both records; `RefusedError` when they cannot become one."""
    if survivor_id == merged_id:
        raise RefusedError("Choose two different members.")
    survivor = member_to_change(session, visitor, survivor_id)
    merged = member_to_change(session, visitor, merged_id)
    if merged.id == survivor.primary_id or survivor.id == merged.primary_id:
        raise RefusedError("One of the two is secondary to the other: separate them first.")
    if survivor.primary_id is not None:
        children = select(Member.id).where(Member.primary_id == merged.id)
        if session.scalar(children.limit(1)) is not None:
            raise RefusedError("The record that ends has secondary members, and the other one is secondary itself.")
    return survivor, merged


def merge(service: Service, visitor: Visitor, survivor_id: int, merged_id: int, reason: str) -> int:
    """Merge a record into another one, which keeps all cards and the history; number of the merge."""
    vault = Vault(service)
    with service.database.write() as session:
        lock_members(service, session)
        survivor, merged = pair(session, visitor, survivor_id, merged_id)
        moved = planned(session, vault, survivor, merged)
        old_keys = keys_of(vault, findable_of(session, vault, survivor))
        for account in moved.accounts:
            put_link(service, session, visitor, account, survivor_id, f"merge of {merged_id}")
        _point(session, moved, survivor_id)
        session.add_all(MemberTag(member_id=survivor_id, tag=tag) for tag in moved.tags)
        session.add_all(MemberGroupEntry(group_id=group, member_id=survivor_id) for group in moved.groups)
        _copy_contacts(session, vault, survivor, merged, moved)
        _fill(vault, survivor, merged, moved.filled)
        carry_refusal(service, session, actor_of(visitor), survivor_id, merged_id)
        merged.state, merged.merged_into_id, merged.primary_id = MemberState.MERGED, survivor_id, None
        for one in (survivor, merged):
            one.version, one.changed_at = one.version + 1, service.now()
        session.flush()
        replace_keys(session, survivor_id, old_keys, keys_of(vault, findable_of(session, vault, survivor)))
        row = MemberMerge(
            survivor_id=survivor_id,
            merged_id=merged_id,
            moved=msgspec.json.encode(moved).decode(),
            reason=reason.strip()[:200],
            created_at=service.now(),
            created_by=visitor.user_id,
        )
        session.add(row)
        session.flush()
        for number in (survivor_id, merged_id):
            service.audit.append(
                session,
                visitor,
                MODULE,
                "merge",
                f"member {number}",
                survivor=survivor_id,
                merged=merged_id,
                cards=len(moved.accounts),
                filled=moved.filled,
                reason=row.reason,
            )
        return row.id


def undo(service: Service, visitor: Visitor, merge_id: int) -> int:
    """Take a merge back: what it moved goes back, as far as it is there; number of the record that lives again."""
    vault = Vault(service)
    with service.database.write() as session:
        lock_members(service, session)
        row = session.get(MemberMerge, merge_id)
        if row is None:
            raise RefusedError("There is no such merge.")
        survivor = member_to_change(session, visitor, row.survivor_id)
        merged = session.get_one(Member, row.merged_id)
        if row.undone_at is not None or merged.merged_into_id != survivor.id or merged.state != MemberState.MERGED:
            raise RefusedError("This merge was taken back already.")
        later = select(MemberMerge.id).where(
            MemberMerge.survivor_id == survivor.id, MemberMerge.id > merge_id, MemberMerge.undone_at.is_(None)
        )
        if session.scalar(later.limit(1)) is not None:
            raise RefusedError("Another record was merged into this member later: take that back first.")
        moved = msgspec.json.decode(row.moved, type=Moved)
        old_keys = keys_of(vault, findable_of(session, vault, survivor))
        held = set(accounts_of(session, survivor.id))
        for account in moved.accounts:
            if account in held:  # not when it was linked to somebody else meanwhile
                put_link(service, session, visitor, account, merged.id, f"merge {merge_id} taken back")
        _point(session, moved, merged.id)
        for tag in moved.tags:
            if (tagged := session.get(MemberTag, (survivor.id, tag))) is not None:
                session.delete(tagged)
        for group in moved.groups:
            if (inside := session.get(MemberGroupEntry, (group, survivor.id))) is not None:
                session.delete(inside)
        for place in moved.contact_places:
            if (contact := session.get(MemberContact, (survivor.id, place))) is not None:
                session.delete(contact)
        for name in moved.filled:
            _empty(survivor, name)
        merged.state, merged.merged_into_id, merged.primary_id = moved.state, None, moved.primary_id
        row.undone_at = service.now()
        for one in (survivor, merged):
            one.version, one.changed_at = one.version + 1, service.now()
        session.flush()
        replace_keys(session, survivor.id, old_keys, keys_of(vault, findable_of(session, vault, survivor)))
        for number in (survivor.id, merged.id):
            service.audit.append(session, visitor, MODULE, "undo merge", f"member {number}", merge=merge_id)
        return merged.id


def _point(session: Session, moved: Moved, member_id: int) -> None:
    """Let rows that moved belong to a member."""
    for model, numbers in (
        (ContactEntry, moved.contact_entries),
        (MemberRelative, moved.relatives),
        (ChurnRecord, moved.churns),
        (Consumption, moved.consumptions),
        (CareTask, moved.tasks),
        (MemberDay, moved.special_days),
        (Opinion, moved.opinions),
        (Call, moved.calls),
    ):
        session.execute(update(model).where(model.id.in_(numbers)).values(member_id=member_id))
    session.execute(update(Member).where(Member.id.in_(moved.secondaries)).values(primary_id=member_id))


def _copy_contacts(session: Session, vault: Vault, survivor: Member, merged: Member, moved: Moved) -> None:
    known = {value for _kind, value in findable_of(session, vault, survivor).contacts}
    places = iter(moved.contact_places)
    for row in _contacts(session, merged.id):
        value = vault.contact(merged.id, row.place, row.value_sealed)
        if value not in known:
            place = next(places)
            session.add(
                MemberContact(
                    member_id=survivor.id,
                    place=place,
                    kind=row.kind,
                    value_sealed=vault.seal_contact(survivor.id, place, value),
                    is_preferred=False,
                    note=row.note,
                )
            )


DERIVED = {"birth_date": "birth_day", "anniversary_date": "anniversary_day", "id_sealed": "id_kind"}


def _fill(vault: Vault, survivor: Member, merged: Member, names: list[str]) -> None:
    for name in names:
        value = getattr(merged, name)
        if name == "id_sealed":
            value = vault.seal_id_number(survivor.id, vault.id_number(merged.id, value))
        setattr(survivor, name, value)
        if name in DERIVED:
            setattr(survivor, DERIVED[name], getattr(merged, DERIVED[name]))


def _empty(survivor: Member, name: str) -> None:
    value = getattr(survivor, name)
    setattr(survivor, name, None if name in ("id_sealed", "manager_id") else "" if isinstance(value, str) else 0)
    if name in DERIVED:
        setattr(survivor, DERIVED[name], 0)
