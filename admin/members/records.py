"""Members are added, changed, verified, closed and deleted; every way in goes through here, imports too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, text, tuple_, update
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.activities import Attendee
from admin.models.care import CareTask, MemberDay, TaskState
from admin.models.consumption import Consumption
from admin.models.members import (
    ChurnRecord,
    ContactEntry,
    Member,
    MemberContact,
    MemberGroupEntry,
    MemberLevelChange,
    MemberMerge,
    MemberNumber,
    MemberRelative,
    MemberState,
    MemberTag,
    MemberValue,
    member_keys,
)
from admin.models.messaging import MemberWish
from admin.service import Service

from .drafts import Draft, NewRows, new_rows
from .holdings import accounts_of
from .identity import mask_email, mask_id_number, mask_phone
from .keys import ID_NUMBER, PHONE, Findable, keys_of, rows_of
from .seals import Vault

_ = str
MODULE = "members"
LOCK_NUMBER = 0x6D656D62
"""PostgreSQL's advisory lock of writers of members: numbers are given, and twins looked for, one after the other."""
NUMBER_MAX = 2**53 - 1
"""Numbers of members pass through JSON and spreadsheets, which keep 53 bits."""
KEYS_PER_QUESTION = 500
TRANSITIONS: dict[str, tuple[str, ...]] = {
    MemberState.PENDING: (MemberState.ACTIVE, MemberState.CLOSED),
    MemberState.ACTIVE: (MemberState.CHURNED, MemberState.CLOSED),
    MemberState.CHURNED: (MemberState.ACTIVE, MemberState.CLOSED),
    MemberState.CLOSED: (MemberState.ACTIVE,),
    MemberState.MERGED: (),
}
ENDED = (MemberState.MERGED, MemberState.CLOSED)


class TwinError(RefusedError):
    """Somebody with the same ID number or telephone is there already; `member_id` says who."""

    def __init__(self, message: str, member_id: int, **values: object) -> None:
        super().__init__(message, **values)
        self.member_id = member_id


def lock_members(service: Service, session: Session) -> None:
    """Wait for other writers of members; SQLite has one writer anyway."""
    if not service.database.is_sqlite:
        session.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})"))


def take_numbers(session: Session, count: int) -> int:
    """The first of so many new member numbers; the caller holds the lock."""
    row = session.get_one(MemberNumber, 1)
    first = row.next_number
    row.next_number += count
    session.flush()
    return first


def member_seen(session: Session, visitor: Visitor, member_id: int) -> Member | None:
    """A member, when its record is in the visitor's part of the organisation."""
    found: Member | None = session.scalar(visitor.members_seen(select(Member).where(Member.id == member_id)))
    return found


def member_to_change(session: Session, visitor: Visitor, member_id: int) -> Member:
    """A member that goes on; `RefusedError` for others."""
    member = member_seen(session, visitor, member_id)
    if member is None:
        raise RefusedError("There is no such member.")
    if member.state == MemberState.MERGED:
        raise RefusedError(
            "This record was merged into member {number}; change that one.", number=member.merged_into_id
        )
    return member


def twins_of(session: Session, vault: Vault, drafts: Sequence[Draft]) -> dict[bytes, int]:
    """Members that go on under the ID number or telephone of a draft, by key."""
    return members_of_keys(session, sorted({key for draft in drafts for key in twin_keys(vault, draft)}))


def members_of_keys(session: Session, wanted: Sequence[bytes]) -> dict[bytes, int]:
    """Members that go on and are found by such keys; the oldest where several are."""
    found: dict[bytes, int] = {}
    for start in range(0, len(wanted), KEYS_PER_QUESTION):
        query = (
            select(member_keys.c.key, member_keys.c.member_id)
            .join(Member, Member.id == member_keys.c.member_id)
            .where(member_keys.c.key.in_(wanted[start : start + KEYS_PER_QUESTION]), Member.state.not_in(ENDED))
            .order_by(member_keys.c.member_id.desc())
        )
        found |= {bytes(key): member_id for key, member_id in session.execute(query)}
    return found


def twin_keys(vault: Vault, draft: Draft) -> list[bytes]:
    """Keys by which the same person would be known: the ID number first, then the mobile telephone."""
    keys = [ID_NUMBER + vault.blind(ID_NUMBER, draft.id_number)] if draft.id_number else []
    mobile = draft.contacts.get(1, ("", ""))[1]
    return [*keys, PHONE + vault.blind(PHONE, mobile)] if mobile else keys


def _refuse_twins(session: Session, vault: Vault, draft: Draft, *, own: int, accepts_phone: bool) -> None:
    found = twins_of(session, vault, [draft])
    for key in twin_keys(vault, draft):
        twin = found.get(key, own)
        if twin == own:
            continue
        if key.startswith(ID_NUMBER):
            raise TwinError("Member {number} has this ID number already; open or merge that record.", twin, number=twin)
        if not accepts_phone:
            raise TwinError(
                "Member {number} has this mobile phone already. If they share it, say so below and save again.",
                twin,
                number=twin,
            )


def add_member(
    service: Service,
    visitor: Visitor,
    draft: Draft,
    *,
    number: int = 0,
    state: MemberState = MemberState.ACTIVE,
    accepts_phone: bool = False,
) -> int:
    """A new member; its number. `number`: one that the switch knows already; 0: the next one."""
    vault = Vault(service)
    if not visitor.may_place_in(draft.columns["organisation_id"]):
        raise RefusedError("You may only place members in your own part of the organisation.")
    with service.database.write() as session:
        lock_members(service, session)
        _refuse_twins(session, vault, draft, own=0, accepts_phone=accepts_phone)
        check_code(session, draft.columns["code"], 0)
        member_id = claim_number(session, number) if number else take_numbers(session, 1)
        rows = new_rows(vault, member_id, draft, state=state, now=service.now(), user_id=visitor.user_id)
        insert_members(session, [rows])
        service.audit.append(
            session,
            visitor,
            MODULE,
            "add",
            f"member {member_id}",
            after={"organisation": rows.member["organisation_id"]},
        )
        return member_id


def claim_number(session: Session, number: int) -> int:
    """A number that was chosen; the next ones are given behind it."""
    if not 0 < number <= NUMBER_MAX:
        raise RefusedError("A member number is a number from 1 to {most}.", most=NUMBER_MAX)
    if session.get(Member, number) is not None:
        raise RefusedError("Member {number} is there already.", number=number)
    row = session.get_one(MemberNumber, 1)
    row.next_number = max(row.next_number, number + 1)
    return number


def check_code(session: Session, code: str | None, own: int) -> None:
    """Refuse a number of another system that somebody else has."""
    if code and (twin := session.scalar(select(Member.id).where(Member.code == code, Member.id != own))) is not None:
        raise TwinError("Member {number} has this own number already.", twin, number=twin)


def insert_members(session: Session, rows: Sequence[NewRows]) -> None:
    """Write new members, many at a time."""
    tables: tuple[tuple[Any, list[dict[str, Any]]], ...] = (
        (Member.__table__, [one.member for one in rows]),
        (MemberContact.__table__, [part for one in rows for part in one.contacts]),
        (member_keys, sorted((part for one in rows for part in one.keys), key=lambda part: part["key"])),
        (MemberValue.__table__, [part for one in rows for part in one.values]),
    )
    for table, parts in tables:
        if parts:
            session.execute(insert(table), parts)


def change_member(
    service: Service, visitor: Visitor, member_id: int, draft: Draft, *, version: int, accepts_phone: bool = False
) -> None:
    """Change a record; `RefusedError` when somebody else has changed it since `version`."""
    vault = Vault(service)
    with service.database.write() as session:
        lock_members(service, session)
        member = member_to_change(session, visitor, member_id)
        if member.version != version:
            raise RefusedError("Somebody else has changed this record meanwhile; load it again.")
        owner = draft.columns["organisation_id"]
        if owner != member.organisation_id and not visitor.may_place_in(owner):
            raise RefusedError("You may only place members in your own part of the organisation.")
        _refuse_twins(session, vault, draft, own=member_id, accepts_phone=accepts_phone)
        check_code(session, draft.columns["code"], member_id)
        before, after = update_member(service, session, vault, member, draft)
        service.audit.append(session, visitor, MODULE, "change", f"member {member_id}", before=before, after=after)


def update_member(
    service: Service, session: Session, vault: Vault, member: Member, draft: Draft
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bring a record to a draft; what was and what is, masked, of the fields that differ."""
    old_keys = keys_of(vault, findable_of(session, vault, member))
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name, value in draft.columns.items():
        if (old := getattr(member, name)) != value:
            before[name], after[name] = old, value
            setattr(member, name, value)
    if draft.id_number is not None:
        old_number = vault.id_number(member.id, member.id_sealed) if member.id_sealed else ""
        if old_number != draft.id_number:
            before["id_number"], after["id_number"] = mask_id_number(old_number), mask_id_number(draft.id_number)
            member.id_sealed = vault.seal_id_number(member.id, draft.id_number) if draft.id_number else None
    for place, (kind, value) in draft.contacts.items():
        row = session.get(MemberContact, (member.id, place))
        old_value = vault.contact(member.id, place, row.value_sealed) if row else ""
        if old_value == value:
            continue
        before[kind], after[kind] = mask(kind, old_value), mask(kind, value)
        if row is not None and not value:
            session.delete(row)
        elif value:
            row = row or MemberContact(member_id=member.id, place=place, kind=kind)
            row.value_sealed = vault.seal_contact(member.id, place, value)
            session.add(row)
    session.flush()
    contacts = session.scalars(select(MemberContact).where(MemberContact.member_id == member.id)).all()
    for contact in contacts:
        contact.is_preferred = contact.place == draft.preferred_place
    for value_row in draft.values:
        session.merge(
            MemberValue(
                member_id=member.id,
                field_id=value_row.field_id,
                text=value_row.text or "",
                number=value_row.number or 0,
            )
        )
        after[f"field {value_row.field_id}"] = value_row.text or value_row.number
    if "organisation_id" in before:  # what is to be done for the member goes along
        moved = update(CareTask).where(CareTask.member_id == member.id, CareTask.state == TaskState.OPEN)
        session.execute(moved.values(organisation_id=member.organisation_id))
    member.changed_at, member.version = service.now(), member.version + 1
    session.flush()
    replace_keys(session, member.id, old_keys, keys_of(vault, findable_of(session, vault, member)))
    return before, after


def findable_of(session: Session, vault: Vault, member: Member) -> Findable:
    """What a member's keys are made of, opened."""
    rows = session.scalars(select(MemberContact).where(MemberContact.member_id == member.id)).all()
    return Findable(
        member.name,
        member.code or "",
        vault.id_number(member.id, member.id_sealed) if member.id_sealed else "",
        tuple((row.kind, vault.contact(member.id, row.place, row.value_sealed)) for row in rows),
    )


def replace_keys(session: Session, member_id: int, old: set[bytes], new: set[bytes]) -> None:
    """Bring the keys of a member from one set to another."""
    if gone := old - new:
        pairs = [(key, member_id) for key in gone]
        session.execute(delete(member_keys).where(tuple_(member_keys.c.key, member_keys.c.member_id).in_(pairs)))
    if added := new - old:
        session.execute(insert(member_keys), list(rows_of(member_id, added)))


def mask(kind: str, value: str) -> str:
    """A contact value as everybody may see it."""
    return mask_email(value) if kind == "email" else mask_phone(value)


def set_state(service: Service, visitor: Visitor, member_id: int, state: str, reason: str) -> None:
    """Verify, lose, win back or close a member; `RefusedError` where the states do not follow each other."""
    with service.database.write() as session:
        lock_members(service, session)
        member = member_to_change(session, visitor, member_id)
        if state not in TRANSITIONS.get(member.state, ()):
            raise RefusedError("A member cannot go from this state to that one.")
        if state == MemberState.CLOSED and accounts_of(session, member_id):
            raise RefusedError("The member still holds cards: take them back or link them to somebody else first.")
        before, member.state = member.state, state
        member.changed_at, member.version = service.now(), member.version + 1
        service.audit.append(
            session,
            visitor,
            MODULE,
            "set state",
            f"member {member_id}",
            before={"state": before},
            after={"state": state},
            reason=reason,
        )


def delete_member(service: Service, visitor: Visitor, member_id: int) -> None:
    """Remove a record without cards, and so without entries; others can only be closed."""
    vault = Vault(service)
    with service.database.write() as session:
        lock_members(service, session)
        member = member_to_change(session, visitor, member_id)
        if accounts_of(session, member_id):
            raise RefusedError("The member has cards: close the record instead of deleting it.")
        others = select(Member.id).where((Member.primary_id == member_id) | (Member.merged_into_id == member_id))
        if session.scalar(others.limit(1)) is not None:
            raise RefusedError("Other members belong to this one: give them another primary member first.")
        merges = select(MemberMerge.id).where(
            (MemberMerge.survivor_id == member_id) | (MemberMerge.merged_id == member_id)
        )
        if session.scalar(merges.limit(1)) is not None:
            raise RefusedError("The record was merged with another one once: close it instead of deleting it.")
        replace_keys(session, member_id, keys_of(vault, findable_of(session, vault, member)), set())
        for model in (
            MemberContact,
            MemberRelative,
            MemberValue,
            MemberTag,
            MemberGroupEntry,
            MemberLevelChange,
            ContactEntry,
            ChurnRecord,
            Consumption,
            MemberWish,
            CareTask,
            MemberDay,
            Attendee,
        ):
            session.execute(delete(model).where(model.member_id == member_id))
        session.delete(member)
        service.audit.append(session, visitor, MODULE, "delete", f"member {member_id}")


def set_tags(service: Service, visitor: Visitor, member_id: int, tags: Iterable[str], *, length_max: int) -> None:
    """Put these words on a member in place of those that are there."""
    wanted = {tag.strip() for tag in tags if tag.strip()}
    if any(len(tag) > length_max for tag in wanted):
        raise RefusedError("A tag has at most {most} characters.", most=length_max)
    with service.database.write() as session:
        member_to_change(session, visitor, member_id)
        before = set(session.scalars(select(MemberTag.tag).where(MemberTag.member_id == member_id)))
        session.execute(delete(MemberTag).where(MemberTag.member_id == member_id))
        session.add_all(MemberTag(member_id=member_id, tag=tag) for tag in wanted)
        service.audit.append(
            session, visitor, MODULE, "tag", f"member {member_id}", before=sorted(before), after=sorted(wanted)
        )
