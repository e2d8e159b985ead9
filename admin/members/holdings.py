"""Which accounts and cards a member holds: what the switch says, unless the desk has said otherwise here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Subquery, func, literal_column, select, union_all
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.holdings import MemberCard
from admin.models.mirror import accounts, card_types, cards
from admin.service import Service

MODULE = "members"
CARDS_SHOWN_MAX = 100


def owners(members: Sequence[int] | None = None) -> Subquery:
    """(account_number, member_id) of all accounts that somebody holds, or that some members hold."""
    linked = select(MemberCard.account_number).where(MemberCard.account_number == accounts.c.account_number).exists()
    by_switch = select(accounts.c.account_number, accounts.c.member.label("member_id")).where(
        accounts.c.member != 0, ~linked
    )
    by_desk = select(MemberCard.account_number, MemberCard.member_id).where(MemberCard.member_id != 0)
    if members is not None:
        by_switch = by_switch.where(accounts.c.member.in_(members))
        by_desk = by_desk.where(MemberCard.member_id.in_(members))
    return union_all(by_switch, by_desk).subquery("owners")


def accounts_of(session: Session, member_id: int) -> list[int]:
    """Accounts that a member holds."""
    linked = select(MemberCard.account_number).where(MemberCard.account_number == accounts.c.account_number).exists()
    by_switch = select(accounts.c.account_number).where(accounts.c.member == member_id, ~linked)
    by_desk = select(MemberCard.account_number).where(MemberCard.member_id == member_id)
    return sorted({*session.scalars(by_switch), *session.scalars(by_desk)})


def member_of(session: Session, account_number: int) -> int:
    """Who holds an account; 0: nobody who is known."""
    row = session.get(MemberCard, account_number) if account_number else None
    if row is not None:
        return row.member_id
    found = session.scalar(select(accounts.c.member).where(accounts.c.account_number == account_number))
    return int(found or 0)


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
    wanted = list(members)
    linked = select(MemberCard.account_number).where(MemberCard.account_number == accounts.c.account_number).exists()
    one: ColumnElement[int] = literal_column("1")
    by_switch = select(accounts.c.member.label("member_id"), one.label("one")).where(
        accounts.c.member.in_(wanted), ~linked
    )
    by_desk = select(MemberCard.member_id, one.label("one")).where(MemberCard.member_id.in_(wanted))
    held = union_all(by_switch, by_desk).subquery()
    return {
        int(member): int(count)
        for member, count in session.execute(select(held.c.member_id, func.count()).group_by(held.c.member_id))
    }


def link_card(service: Service, visitor: Visitor, member_id: int, card_number: int, reason: str) -> None:
    """Say that a card's account is a member's; 0: nobody's. All cards of the account go along."""
    from .records import member_to_change

    with service.database.write() as session:
        card = session.execute(visitor.cards_seen(select(cards).where(cards.c.card_number == card_number))).first()
        if card is None:
            raise RefusedError("There is no such card in your part of the organisation.")
        if not card.account_number:
            raise RefusedError("The card has no account yet: issue it to the member.")
        if member_id:
            member_to_change(session, visitor, member_id)
        before = member_of(session, card.account_number)
        if before == member_id:
            raise RefusedError("The card is linked so already.")
        put_link(service, session, visitor, card.account_number, member_id, reason)
        for one in {before, member_id} - {0}:
            service.audit.append(
                session,
                visitor,
                MODULE,
                "link card",
                f"member {one}",
                before={"member": before},
                after={"member": member_id},
                card=visitor_mask(card_number),
                reason=reason,
            )


def put_link(
    service: Service, session: Session, visitor: Visitor, account_number: int, member_id: int, reason: str
) -> None:
    """Write a link of the desk in place of an earlier one."""
    session.merge(
        MemberCard(
            account_number=account_number,
            member_id=member_id,
            linked_at=service.now(),
            linked_by=visitor.user_id,
            reason=reason,
        )
    )


def visitor_mask(card_number: int) -> str:
    """A card number as the audit log has it: masked for everybody."""
    from admin.access import mask_number

    return mask_number(str(card_number))
