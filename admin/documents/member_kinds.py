"""What the switch is told of members: whose a card is, and at which level its rules see the holder."""

from __future__ import annotations

from typing import Annotated

import msgspec
from sqlalchemy import select

from admin.errors import RefusedError
from admin.forms import entry
from admin.members.holdings import member_of, owners
from admin.models.members import Member, MemberLevel, MemberState
from admin.models.mirror import accounts, cards
from switch.protocol.messages import MessageType

from .kind import Kind, Planning

_ = str
SETS_LEVEL, SETS_MEMBER = 2, 4
"""Bits of `SetCardRequest.sets`."""


class CardsOfMember(msgspec.Struct, frozen=True, kw_only=True):
    """Cards, and the member who holds them."""

    cards: Annotated[str, entry(_("Cards"), "cards", hint=_("One number per line."))]
    member: Annotated[int, entry(_("Member number"), "integer", ge=0, hint=_("0 takes the cards from their member."))]


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """Whose level the switch is told."""

    member: Annotated[int, entry(_("Member number"), "integer", ge=0, hint=_("0: all members."))] = 0


def plan_link(planning: Planning, form: CardsOfMember) -> None:
    """One request for each account: all its cards go along."""
    if form.member:
        query = planning.visitor.members_seen(select(Member.state).where(Member.id == form.member))
        state = planning.session.scalar(query)
        if state is None:
            raise RefusedError("There is no such member.")
        if state in (MemberState.MERGED, MemberState.CLOSED):
            raise RefusedError("This member has ended: choose one who goes on.")
    done: set[int] = set()
    for card in planning.cards(form.cards):
        shown = planning.visitor.card_number(card.card_number)
        if not card.account_number:
            planning.skip(shown, _("It has no account yet: issue it to the member."))
        elif card.account_number in done:
            planning.skip(shown, _("It goes along with another card of the same account."))
        elif _said(planning, card.account_number) == form.member:
            planning.skip(shown, _("It is so already."))
        else:
            done.add(card.account_number)
            planning.add(MessageType.SET_CARD, card_number=card.card_number, sets=SETS_MEMBER, member=form.member)


def _said(planning: Planning, account_number: int) -> int:
    """Whose the account is, to the switch and here; -1 when the two differ, so that the switch is told."""
    said = planning.session.scalar(select(accounts.c.member).where(accounts.c.account_number == account_number)) or 0
    return int(said) if member_of(planning.session, account_number) == said else -1


def plan_levels(planning: Planning, form: Levels) -> None:
    """One request for each account whose level in the switch is not that of its member."""
    held = owners([form.member] if form.member else None)
    one_card = select(cards.c.card_number).where(cards.c.account_number == held.c.account_number).limit(1)
    query = planning.visitor.members_seen(
        select(one_card.scalar_subquery().label("card_number"), MemberLevel.switch_level)
        .select_from(held)
        .join(Member, Member.id == held.c.member_id)
        .join(MemberLevel, MemberLevel.id == Member.level_id)
        .join(accounts, accounts.c.account_number == held.c.account_number)
        .where(MemberLevel.switch_level != 0, accounts.c.level != MemberLevel.switch_level)
        .order_by(held.c.account_number)
    )
    for card_number, level in planning.session.execute(query):
        if card_number:
            planning.add(MessageType.SET_CARD, card_number=card_number, sets=SETS_LEVEL, level=level)


KINDS: list[Kind[CardsOfMember] | Kind[Levels]] = [
    Kind(
        name="link-cards",
        label=_("Link cards to a member"),
        hint=_("The switch notes whose the cards are; entries from then on name the member."),
        function="members",
        form=CardsOfMember,
        plan=plan_link,
    ),
    Kind(
        name="member-levels",
        label=_("Tell the switch the levels of members"),
        hint=_("Rates of the next bill follow the level. Only accounts whose level differs are changed."),
        function="members",
        form=Levels,
        plan=plan_levels,
    ),
]
