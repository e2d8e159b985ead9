"""What members want: to be written to or not, after purchases too, by which channel, in which hours.

A row is made when somebody asks the member, on its page or by a program, or
when it answers a message with a word of `STOP_WORDS`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.audit import Actor
from admin.errors import RefusedError
from admin.members.records import member_to_change
from admin.models.members import Member
from admin.models.messaging import MemberWish, Willing
from admin.parameters import CONSENT, UNLESS_REFUSED
from admin.service import Service

from .hours import MINUTES_PER_DAY

_ = str
MODULE = "members"
CHANNELS: dict[str, str] = {"message": _("Short message"), "telephone": _("Telephone"), "email": _("E-mail")}
WILLING: dict[int, str] = {
    Willing.UNASKED: _("Not asked"),
    Willing.YES: _("Wants messages"),
    Willing.NO: _("Wants no messages"),
}
STOP_WORDS = frozenset({"t", "td", "n", "stop", "unsubscribe", "退订", "退訂", "退订td", "取消", "停止"})
"""Answers that withdraw the consent, alone in the message: `STOP` and the words of networks in China."""


def asks_to_stop(text: str) -> bool:
    """Whether an answer withdraws the consent."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(one for one in plain if one.isalnum()) in STOP_WORDS


def wishes_of(session: Session, numbers: Sequence[int]) -> dict[int, MemberWish]:
    """What some members want, by member; those whom nobody asked are missing."""
    return {row.member_id: row for row in session.scalars(select(MemberWish).where(MemberWish.member_id.in_(numbers)))}


def needs_yes(service: Service) -> bool:
    """Whether only those are written to who have said yes."""
    return service.parameters.text(CONSENT, service.now()) != UNLESS_REFUSED


def is_willing(wish: MemberWish | None, *, needs_yes: bool) -> bool:
    """Whether a member may be written to."""
    willing = wish.willing if wish else Willing.UNASKED
    return willing == Willing.YES or (willing == Willing.UNASKED and not needs_yes)


def willing_condition(*, needs_yes: bool) -> ColumnElement[bool]:
    """Condition on `members` that they may be written to."""
    asked = select(MemberWish.member_id)
    if needs_yes:
        return Member.id.in_(asked.where(MemberWish.willing == Willing.YES))
    return Member.id.not_in(asked.where(MemberWish.willing == Willing.NO))


def put_wish(
    service: Service,
    visitor: Visitor,
    member_id: int,
    *,
    willing: int,
    wants_purchases: bool,
    channel: str,
    from_minute: int,
    until_minute: int,
    source: str = "page",
) -> None:
    """Note what a member wants."""
    if willing not in WILLING or channel not in CHANNELS:
        raise RefusedError("Choose one of the list.")
    if not 0 <= from_minute < until_minute <= MINUTES_PER_DAY:
        raise RefusedError("The hours begin before they end, within one day.")
    with service.database.write() as session:
        member_to_change(session, visitor, member_id)
        row = session.get(MemberWish, member_id)
        before = _said(row) if row else None
        row = row or MemberWish(member_id=member_id)
        row.willing, row.wants_purchases, row.channel = willing, wants_purchases and willing != Willing.NO, channel
        row.from_minute, row.until_minute = from_minute, until_minute
        row.source, row.changed_at = source, service.now()
        session.add(row)
        service.audit.append(
            session, visitor, MODULE, "change wish", f"member {member_id}", before=before, after=_said(row)
        )


def withdraw(service: Service, session: Session, actor: Actor, member_id: int, source: str = "answer") -> None:
    """Write no more to a member, who has said so in an answer, or as a record that was merged into this one."""
    row = session.get(MemberWish, member_id) or MemberWish(
        member_id=member_id, channel="message", from_minute=0, until_minute=MINUTES_PER_DAY
    )
    row.willing, row.wants_purchases = Willing.NO, False
    row.source, row.changed_at = source, service.now()
    session.add(row)
    service.audit.append(session, actor, MODULE, "change wish", f"member {member_id}", after=_said(row), by=source)


def carry_refusal(service: Service, session: Session, actor: Actor, survivor_id: int, merged_id: int) -> None:
    """Who wanted no messages under one record gets none under the one that it was merged into; undoing leaves it so."""
    wishes = wishes_of(session, [survivor_id, merged_id])
    own, other = wishes.get(survivor_id), wishes.get(merged_id)
    if other is not None and other.willing == Willing.NO and (own is None or own.willing != Willing.NO):
        withdraw(service, session, actor, survivor_id, "merge")


def wants_purchases_condition(*, needs_yes: bool) -> ColumnElement[bool]:
    """Condition on wishes: a message after each purchase."""
    if needs_yes:
        return and_(MemberWish.wants_purchases, MemberWish.willing == Willing.YES)
    return and_(
        MemberWish.wants_purchases, or_(MemberWish.willing == Willing.YES, MemberWish.willing == Willing.UNASKED)
    )


def _said(row: MemberWish) -> dict[str, object]:
    return {
        "willing": row.willing,
        "purchases": row.wants_purchases,
        "channel": row.channel,
        "from": row.from_minute,
        "until": row.until_minute,
    }
