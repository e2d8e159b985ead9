"""From a sending to a message for each member: some members at a time, and how far it has come, in one transaction.

The position moves only from where a portion began: killed anywhere, or run
twice at the same time, each member gets one message or one reason why not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.access import Visitor, visitor_of
from admin.errors import RefusedError
from admin.members.seals import Vault
from admin.members.today import today_of
from admin.models.members import ContactEntry, Member
from admin.models.messaging import (
    PROBLEM_LENGTH_MAX,
    MemberWish,
    MessageSending,
    MessageSkip,
    SendingStage,
    ShortMessage,
)
from admin.models.people import User
from admin.rights import Action
from admin.service import Service

from .connecting import gateway_of
from .hours import first_within
from .merging import fields_in, merged, values_of
from .outbox import SENDING, mobiles_of, new_message
from .text import PARTS_MAX, measured
from .wishes import is_willing, needs_yes, wishes_of
from .writing import audience_condition, signed

_ = str
PORTION_MEMBERS = 500
"""Of one transaction: some 50 ms of writing, so that pages do not wait."""


@dataclass(slots=True)
class _Portion:
    """What becomes of some members."""

    position: int
    last: int
    """Number of the last member gone through; 0: there are none left."""
    messages: list[ShortMessage] = field(default_factory=list)
    skips: list[MessageSkip] = field(default_factory=list)
    talks: list[ContactEntry] = field(default_factory=list)
    problem: str = ""


def running_sendings(service: Service) -> list[int]:
    """Sendings of which not all members were gone through."""
    with service.database.read() as session:
        query = select(MessageSending.id).where(MessageSending.stage == SendingStage.RUNNING)
        return list(session.scalars(query.order_by(MessageSending.id)))


def expand(service: Service, vault: Vault, sending_id: int, members_max: int = PORTION_MEMBERS) -> int:
    """Go through the next members of a sending; how many they were, 0 when it is done."""
    with service.database.read() as session:
        portion = _next_portion(service, vault, session, sending_id, members_max)
    if portion is None:
        return 0
    with service.database.write() as session:
        row = session.get(MessageSending, sending_id, with_for_update=True)
        if row is None or row.stage != SendingStage.RUNNING or row.position != portion.position:
            return 0  # cancelled meanwhile, or another process was faster
        if not portion.last:
            row.stage, row.ended_at = SendingStage.DONE, service.now()
            row.problem = portion.problem[:PROBLEM_LENGTH_MAX]
            return 0
        session.add_all([*portion.messages, *portion.skips, *portion.talks])
        row.position = portion.last
        row.message_count += len(portion.messages)
        row.skipped_count += len(portion.skips)
    return len(portion.messages) + len(portion.skips)


def maker_of(service: Service, session: Session, user_id: int) -> Visitor | None:
    """Who asked for a sending, with the rights of this moment; None when he may not send any more."""
    owner = session.get(User, user_id)
    if owner is None or not owner.is_enabled:
        return None
    visitor = visitor_of(session, owner, "", b"", None, modules_off=service.parameters.modules_off(service.now()))
    return visitor if visitor.may("messages", Action.ADD) else None


def _next_portion(
    service: Service, vault: Vault, session: Session, sending_id: int, members_max: int
) -> _Portion | None:
    row = session.get(MessageSending, sending_id)
    if row is None or row.stage != SendingStage.RUNNING:
        return None
    portion = _Portion(row.position, 0)
    maker = maker_of(service, session, row.maker_id)
    if maker is None:
        portion.problem = _("Who asked for it may not send any more.")
        return portion
    try:
        condition = audience_condition(session, maker, row.audience, row.target, today_of(session, service))
    except RefusedError as error:
        portion.problem = str(error)
        return portion
    query = maker.members_seen(select(Member).where(condition, Member.id > row.position))
    members = session.scalars(query.order_by(Member.id).limit(members_max)).all()
    if not members:
        return portion
    numbers = [member.id for member in members]
    fields = fields_in(row.body)
    values = values_of(session, members, fields, service.settings.currency)
    wishes, phones = wishes_of(session, numbers), mobiles_of(session, vault, numbers)
    signature, zone = gateway_of(session).signature, service.zone.now()
    is_yes_needed = needs_yes(service)
    portion.last = numbers[-1]
    for member in members:
        wish = wishes.get(member.id)
        one = merged(row.body, values[member.id])
        text = signed(signature, one.text)
        reason, detail = "", ""
        if not is_willing(wish, needs_yes=is_yes_needed):
            reason = "unwilling"
        elif row.by_channel and wish is not None and wish.channel != "message":
            reason = wish.channel
            portion.talks.append(_talk(service.now(), row, member, wish, one.text))
        elif member.id not in phones:
            reason = "no-number"
        elif one.missing:
            reason, detail = "missing", ", ".join(one.missing)
        elif len(measured(text).parts) > PARTS_MAX:
            reason = "too-long"
        if reason:
            portion.skips.append(MessageSkip(sending_id=sending_id, member_id=member.id, reason=reason, detail=detail))
            continue
        hours = (wish.from_minute, wish.until_minute) if wish else (0, 1440)
        portion.messages.append(
            new_message(
                service,
                vault,
                zone,
                member,
                phones[member.id],
                text,
                source=SENDING,
                source_key=f"sending {sending_id} member {member.id}",
                send_at=first_within(row.send_at, *hours, zone),
                sending_id=sending_id,
            )
        )
    return portion


def _talk(now: datetime, row: MessageSending, member: Member, wish: MemberWish, text: str) -> ContactEntry:
    """What is still to be done for a member who prefers another channel."""
    channel = "telephone" if wish.channel == "telephone" else "letter"
    return ContactEntry(
        member_id=member.id,
        time=now,
        kind="talk",
        channel=channel,
        is_incoming=False,
        content=text,
        is_open=True,
        user_id=row.maker_id,
    )
