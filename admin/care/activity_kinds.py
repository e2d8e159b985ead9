"""Points for those who took part in an activity: a document, in which each attendee is once."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy import CursorResult, select, update

from admin.documents.kind import Kind, Planning
from admin.errors import RefusedError
from admin.forms import entry
from admin.members.holdings import accounts_of
from admin.models.activities import Attendee
from admin.models.documents import Document
from admin.models.mirror import cards
from admin.money.limits import points_bounds
from admin.rights import Action
from switch.protocol.card_terms import CardStatus
from switch.protocol.messages import MessageType

from .activities import activity_choices, activity_seen, attendees_of, is_credited

_ = str
LATER = _("Attendees were credited by another document meanwhile. Look at it again.")


class CreditActivity(msgspec.Struct, frozen=True, kw_only=True):
    """Points for the attendees of an activity who have none yet."""

    activity: Annotated[int, entry(_("Activity"), "choice", choices=activity_choices)]


def _waiting(planning: Planning, activity_id: int) -> list[tuple[int, int, str]]:
    """(member, document of before, name) of the visitor's own attendees that no document credits."""
    return [
        (one.member_id, one.document_id, name)
        for one, name, state in attendees_of(planning.session, planning.visitor, activity_id)
        if name is not None and not is_credited(one, state)
    ]


def _card_of(planning: Planning, member_id: int) -> int:
    """The active card of a member that has been longest in use; 0: none."""
    numbers = accounts_of(planning.session, member_id)
    query = select(cards.c.card_number).where(cards.c.account_number.in_(numbers), cards.c.status == CardStatus.ACTIVE)
    return planning.session.scalar(query.order_by(cards.c.activated_date, cards.c.card_number).limit(1)) or 0


def _plan(planning: Planning, form: CreditActivity) -> None:
    activity = activity_seen(planning.session, planning.visitor, form.activity)
    if activity is None:
        raise RefusedError("There is no such activity in your part of the organisation.")
    if not activity.points_hundredths:
        raise RefusedError("This activity gives no points.")
    for member_id, _before, name in _waiting(planning, activity.id):
        number = _card_of(planning, member_id)
        if not number:
            planning.skip(name, _("Holds no active card."))
            continue
        planning.add(
            MessageType.ADJUST_POINTS,
            card_number=number,
            points_hundredths=activity.points_hundredths,
            subject=name[:80],
        )
        planning.counts[member_id] += 1


def _claim(planning: Planning, document: Document, form: CreditActivity) -> None:
    """Note who is credited, in the transaction that submits the document: nobody is in two."""
    session = planning.session
    if not planning.counts:  # asked again when it is approved or tried again
        return
    waiting = {member: before for member, before, _name in _waiting(planning, form.activity)}
    for member_id in planning.counts:
        if member_id not in waiting:
            raise RefusedError(LATER)
        claimed: Any = session.execute(
            update(Attendee)
            .where(
                Attendee.activity_id == form.activity,
                Attendee.member_id == member_id,
                Attendee.document_id == waiting[member_id],
            )
            .values(document_id=document.id)
        )
        assert isinstance(claimed, CursorResult)
        if claimed.rowcount != 1:
            raise RefusedError(LATER)


KINDS: list[Kind[Any]] = [
    Kind(
        name="credit-activity",
        label=_("Points for attendees of an activity"),
        hint=_("Each attendee gets them once, on the card that has been longest in use."),
        function="points",
        action=Action.ADD,
        form=CreditActivity,
        plan=_plan,
        bounds=points_bounds,
        permits=_claim,
        asks_why=True,
    )
]
