"""Which accounts and cards a member holds: what the switch says, unless a merge has moved them since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, Subquery, and_, func, select, union_all
from sqlalchemy.orm import Session, aliased

from admin.access import Visitor
from admin.models.holdings import MemberCard
from admin.models.members import Member
from admin.models.mirror import accounts, card_types, cards
from admin.service import Service

CARDS_SHOWN_MAX = 100


def owners(members: Sequence[int] | None = None) -> Subquery:
    """(account_number, member_id) of all accounts that somebody holds, or that some members hold."""
    by_switch = select(accounts.c.account_number, accounts.c.member.label("member_id")).where(
        accounts.c.member != 0, ~_moved().exists()
    )
    by_merge = select(MemberCard.account_number, MemberCard.member_id).where(_moved().exists())
    if members is not None:
        by_switch = by_switch.where(accounts.c.member.in_(members))
        by_merge = by_merge.where(MemberCard.member_id.in_(members))
    by_merge = by_merge.join(accounts, accounts.c.account_number == MemberCard.account_number)
    return union_all(by_switch, by_merge).subquery("owners")


def _moved() -> Any:
    """The link of a merge that holds for an account of the query around."""
    link = aliased(MemberCard)
    return (
        select(link.account_number)
        .where(link.account_number == accounts.c.account_number, link.switch_member == accounts.c.member)
        .correlate(accounts)
    )


def accounts_of(session: Session, member_id: int) -> list[int]:
    """Accounts that a member holds."""
    return sorted(session.scalars(select(owners([member_id]).c.account_number)))


def member_of(session: Session, account_number: int) -> int:
    """Who holds an account; 0: nobody who is known."""
    found = session.scalar(select(accounts.c.member).where(accounts.c.account_number == account_number))
    row = session.get(MemberCard, account_number) if found else None
    return row.member_id if row is not None and row.switch_member == found else int(found or 0)


def holders_of(session: Session, visitor: Visitor, account_numbers: Iterable[int]) -> dict[int, tuple[int, str]]:
    """(member, name) by account, of those whom the visitor may see."""
    wanted = [number for number in account_numbers if number]
    if not wanted or not visitor.may("members"):
        return {}
    moved = and_(MemberCard.account_number == accounts.c.account_number, MemberCard.switch_member == accounts.c.member)
    holder = func.coalesce(MemberCard.member_id, accounts.c.member)
    query = select(accounts.c.account_number, Member.id, Member.name).select_from(accounts)
    query = query.outerjoin(MemberCard, moved).join(Member, Member.id == holder)
    rows = session.execute(visitor.members_seen(query.where(accounts.c.account_number.in_(wanted))))
    return {row.account_number: (row.id, row.name) for row in rows}


def cards_of(session: Session, account_numbers: Iterable[int]) -> list[Row[Any]]:
    """Cards of accounts with their type's name and the account's balance and points, at most `CARDS_SHOWN_MAX`."""
    wanted = list(account_numbers)
    names = select(card_types.c.code, func.max(card_types.c.name).label("name")).group_by(card_types.c.code).subquery()
    query = (
        select(
            cards,
            names.c.name.label("type_name"),
            accounts.c.balance_minor,
            accounts.c.held_minor,
            accounts.c.points_hundredths,
        )
        .outerjoin(accounts, accounts.c.account_number == cards.c.account_number)
        .outerjoin(names, names.c.code == cards.c.card_type)
        .where(cards.c.account_number.in_(wanted))
        .order_by(cards.c.status, cards.c.card_number)
        .limit(CARDS_SHOWN_MAX)
    )
    return list(session.execute(query).all()) if wanted else []


def card_counts(session: Session, members: Iterable[int]) -> dict[int, int]:
    """Number of accounts by member."""
    held = owners(list(members))
    query = select(held.c.member_id, func.count()).group_by(held.c.member_id)
    return {int(member): int(count) for member, count in session.execute(query)}


def put_link(
    service: Service, session: Session, visitor: Visitor, account_number: int, member_id: int, reason: str
) -> None:
    """Let an account be a member's from now on, until the switch says something new."""
    said = session.scalar(select(accounts.c.member).where(accounts.c.account_number == account_number))
    session.merge(
        MemberCard(
            account_number=account_number,
            member_id=member_id,
            switch_member=int(said or 0),
            linked_at=service.now(),
            linked_by=visitor.user_id,
            reason=reason,
        )
    )
    session.flush()
