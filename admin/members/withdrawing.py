"""Undoing an import of members: whom it added and nobody has used since is withdrawn, some at a time.

A member is used once the record was changed, or holds a card, a level, a group, a tag, a talk, a purchase, or anything
else that somebody has noted: then he stays.  Members and the place behind them change in one transaction, so killed at
any moment it goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, exists, func, select
from sqlalchemy.orm import Session

from admin.access import Visitor, visitor_of
from admin.errors import RefusedError
from admin.models.consumption import Consumption
from admin.models.holdings import MemberCard
from admin.models.members import (
    ChurnRecord,
    ContactEntry,
    ImportStage,
    Member,
    MemberContact,
    MemberGroupEntry,
    MemberImport,
    MemberLevelChange,
    MemberMerge,
    MemberRelative,
    MemberState,
    MemberTag,
    MemberValue,
)
from admin.models.mirror import accounts
from admin.models.people import User
from admin.rights import Action
from admin.service import Service

from .importing import MEMBERS, MODULE, import_of
from .keys import keys_of
from .records import findable_of, lock_members, replace_keys
from .seals import Vault

ROWS_AT_ONCE = 100
"""Of one transaction: some 30 ms, for which others who write wait."""
FIRST_VERSION = 1


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What withdrawing an import would do."""

    unused_count: int
    """Members who would go."""
    used_count: int
    """Members whom it added and who stay."""


def withdrawal_of(session: Session, row: MemberImport) -> Withdrawal:
    """How many members of an import would go, and how many stay."""
    count = select(func.count()).select_from(Member).where(Member.import_id == row.id)
    unused = session.scalar(_unused(select(func.count()).select_from(Member).where(Member.import_id == row.id))) or 0
    return Withdrawal(unused, (session.scalar(count) or 0) - unused)


def begin_withdrawal(service: Service, visitor: Visitor, import_id: int) -> None:
    """Let the members whom an import has added be withdrawn; `RefusedError` where there is nothing to withdraw."""
    with service.database.write() as session:
        row = import_of(session, visitor, import_id)
        if row is None:
            raise RefusedError("There is no such import.")
        if row.kind != MEMBERS or row.stage not in (ImportStage.DONE, ImportStage.DROPPED):
            raise RefusedError("Only an import of members that has ended can be withdrawn.")
        found = withdrawal_of(session, row)
        if not found.unused_count:
            raise RefusedError("None of its members can be withdrawn: all were used since.")
        row.stage, row.withdrawn_behind = ImportStage.WITHDRAWING, 0
        service.audit.append(
            session,
            visitor,
            MODULE,
            "begin withdrawal",
            f"import {import_id}",
            unused=found.unused_count,
            used=found.used_count,
        )


def withdraw_some(service: Service) -> bool:
    """Withdraw some members of the oldest import that is being withdrawn; False when there is none."""
    with service.database.read() as session:
        query = select(MemberImport.id).where(MemberImport.stage == ImportStage.WITHDRAWING)
        import_id = session.scalar(query.order_by(MemberImport.id).limit(1))
    if import_id is None:
        return False
    vault = Vault(service)
    with service.database.write() as session:
        lock_members(service, session)
        row = session.scalars(select(MemberImport).where(MemberImport.id == import_id).with_for_update()).one()
        if row.stage != ImportStage.WITHDRAWING:
            return True
        user = session.get(User, row.created_by)
        visitor = visitor_of(session, user, "", b"", None) if user is not None else None
        if visitor is None or user is None or not (user.is_enabled and visitor.may(MODULE, Action.ADD)):
            row.stage = ImportStage.DONE
            return True
        ours = Member.import_id == import_id, Member.id > row.withdrawn_behind
        members = session.scalars(_unused(select(Member).where(*ours)).order_by(Member.id).limit(ROWS_AT_ONCE)).all()
        for member in members:
            replace_keys(session, member.id, keys_of(vault, findable_of(session, vault, member)), set())
            row.withdrawn_behind = member.id
        numbers = [member.id for member in members]
        for model in (MemberContact, MemberValue):
            session.execute(delete(model).where(model.member_id.in_(numbers)))
        session.execute(delete(Member).where(Member.id.in_(numbers)))
        row.withdrawn_count += len(numbers)
        if len(numbers) == ROWS_AT_ONCE:
            return True
        row.stage = ImportStage.WITHDRAWN
        service.audit.append(
            session, visitor, MODULE, "withdraw import", f"import {import_id}", withdrawn=row.withdrawn_count
        )
    return True


def _unused(query: Select[Any]) -> Select[Any]:
    """Members of a query whom nobody has used."""
    for model in (
        MemberRelative,
        MemberTag,
        MemberGroupEntry,
        MemberLevelChange,
        ContactEntry,
        ChurnRecord,
        Consumption,
    ):
        query = query.where(~exists().where(model.member_id == Member.id))
    others = Member.__table__.alias("others")
    return query.where(
        Member.version == FIRST_VERSION,
        Member.state.in_((MemberState.ACTIVE, MemberState.PENDING)),
        ~exists().where(accounts.c.member == Member.id),
        ~exists().where(MemberCard.member_id == Member.id),
        ~exists().where((MemberMerge.survivor_id == Member.id) | (MemberMerge.merged_id == Member.id)),
        ~exists().where(others.c.primary_id == Member.id),
        ~exists().where(others.c.merged_into_id == Member.id),
    )
