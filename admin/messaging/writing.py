"""Writing to members: whom a text goes to, how many of them can be reached, and asking for it to be sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.campaigns import campaign_seen
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.members.groups import ADDED_AT_ONCE_MAX, GONE, group_seen, groups_seen, members_of_group
from admin.members.holdings import owners
from admin.models.campaigns import Audience, campaign_targets
from admin.models.members import ContactKind, Member, MemberContact, MemberState
from admin.models.messaging import MemberWish, MessageSending, SendingStage
from admin.service import Service

from .connecting import gateway_of
from .hours import read_local
from .merging import Merged, fields_in, merged, values_of
from .templates import refuse_faults
from .text import PARTS_MAX, TEXT_LENGTH_MAX, Measured, composed, measured
from .wishes import needs_yes, willing_condition

_ = str
MODULE = "messages"
DAYS_AHEAD_MAX = 31
"""Days of birthdays that one sending reaches over."""
EXAMPLES = 5
"""Members whose texts a preview shows."""
MEMBERS, GROUP, BIRTHDAYS, CAMPAIGN = "members", "group", "birthdays", "campaign"
AUDIENCES: dict[int | str, str] = {
    MEMBERS: _("Members by their numbers"),
    GROUP: _("A group of members"),
    BIRTHDAYS: _("Members who have their birthday"),
    CAMPAIGN: _("Members whom a campaign addresses"),
}
KEYS_PER_QUESTION = 500


def group_choices(context: FormContext) -> dict[int | str, str]:
    """Groups that the visitor sees."""
    found = {group.id: group.name for group in context.session.scalars(groups_seen(context.visitor))}
    return {0: translate("No group")} | found


class SendingForm(msgspec.Struct, frozen=True, kw_only=True):
    """A text and whom it goes to."""

    body: Annotated[str, entry(_("Message text"), "area", min_length=1, max_length=TEXT_LENGTH_MAX)]
    audience: Annotated[str, entry(_("To whom"), "choice", choices=AUDIENCES)] = MEMBERS
    members: Annotated[str, entry(_("Numbers of members"), "area", max_length=200_000, pattern=r"^[\d,，;\s]*$")] = ""
    group: Annotated[int, entry(_("Group of members"), "choice", choices=group_choices)] = 0
    days: Annotated[int, entry(_("Birthdays of so many days, today included"), "integer", ge=1, le=DAYS_AHEAD_MAX)] = 1
    campaign: Annotated[int, entry(_("Number of the campaign"), "integer", ge=0, le=2**53)] = 0
    send_at: Annotated[
        str,
        entry(_("Send at"), max_length=16, hint=_("By the clock at the stores, such as 2026-01-31 09:30. Empty: now.")),
    ] = ""
    by_channel: Annotated[
        bool,
        entry(_("Who prefers the telephone or e-mail gets no message, but an open talk in the contact log"), "check"),
    ] = False

    def problems(self) -> Iterator[tuple[str, str]]:
        """Whom it goes to is said."""
        if self.audience == MEMBERS and not numbers_in(self.members):
            yield "members", translate("Name at least one member.")
        if self.audience == GROUP and not self.group:
            yield "group", translate("Choose a group.")
        if self.audience == CAMPAIGN and not self.campaign:
            yield "campaign", translate("Name a campaign.")


@dataclass(frozen=True, slots=True)
class Example:
    """What one member would get."""

    member: Member
    merged: Merged
    measured: Measured


@dataclass(frozen=True, slots=True)
class Preview:
    """What a sending would do."""

    member_count: int
    unwilling_count: int
    without_number_count: int
    elsewhere_count: int
    """Who prefers another channel and gets a talk."""
    ready_count: int
    """Who would get a message, unless a field has nothing for them."""
    examples: Sequence[Example]
    measured: Measured
    """Of the first example; of the text itself when there is nobody."""


def numbers_in(text: str) -> list[int]:
    """Numbers of members that were typed, each once."""
    parts = "".join(one if one.isdecimal() else " " for one in text).split()
    return list(dict.fromkeys(int(part) for part in parts if part.isascii() and len(part) <= 15))


def birthdays_of(first: date, days: int) -> list[int]:
    """MMDD of so many days; 29 February counts on the 28th of other years."""
    found = []
    for n in range(days):
        day = first + timedelta(days=n)
        found.append(day.month * 100 + day.day)
        if found[-1] == 228 and (day + timedelta(days=1)).day == 1:
            found.append(229)
    return found


def target_of(session: Session, visitor: Visitor, form: SendingForm, today: date) -> str:
    """What a sending keeps of whom it goes to; `RefusedError` for what is not there."""
    if form.audience == MEMBERS:
        numbers = numbers_in(form.members)
        if len(numbers) > ADDED_AT_ONCE_MAX:
            raise RefusedError("At most {most} members at once.", most=ADDED_AT_ONCE_MAX)
        seen: set[int] = set()
        for start in range(0, len(numbers), KEYS_PER_QUESTION):
            chunk = numbers[start : start + KEYS_PER_QUESTION]
            seen |= set(session.scalars(visitor.members_seen(select(Member.id).where(Member.id.in_(chunk)))))
        if unknown := [number for number in numbers if number not in seen]:
            raise RefusedError("There is no member {number}.", number=", ".join(map(str, unknown[:5])))
        return ",".join(map(str, numbers))
    if form.audience == GROUP:
        if group_seen(session, visitor, form.group) is None:
            raise RefusedError("There is no such group.")
        return str(form.group)
    if form.audience == BIRTHDAYS:
        return ",".join(map(str, birthdays_of(today, form.days)))
    campaign = campaign_seen(session, visitor, form.campaign)
    if campaign is None:
        raise RefusedError("There is no such campaign.")
    if campaign.audience != Audience.LIST:
        raise RefusedError("This campaign addresses no list of members: choose a group to send its message to.")
    return str(form.campaign)


def audience_condition(
    session: Session, visitor: Visitor, audience: str, target: str, today: date
) -> ColumnElement[bool]:
    """Condition on `members` that a sending goes to them."""
    goes_on = Member.state.not_in(GONE)
    numbers = [int(part) for part in target.split(",") if part]
    if audience == MEMBERS:
        # Numbers are at most `ADDED_AT_ONCE_MAX`, fewer than either database takes as parameters.
        return and_(goes_on, Member.id.in_(numbers))
    if audience == GROUP:
        group = group_seen(session, visitor, numbers[0])
        if group is None:
            raise RefusedError("There is no such group.")
        return and_(goes_on, members_of_group(session, group, today))
    if audience == BIRTHDAYS:
        return and_(Member.birth_day.in_(numbers), Member.state.in_((MemberState.ACTIVE, MemberState.PENDING)))
    held = owners()
    addressed = select(held.c.member_id).join(
        campaign_targets, campaign_targets.c.account_number == held.c.account_number
    )
    return and_(goes_on, Member.id.in_(addressed.where(campaign_targets.c.campaign_id == numbers[0])))


def has_mobile() -> ColumnElement[bool]:
    """Condition on `members` that a mobile telephone is known."""
    contact = select(MemberContact.member_id).where(
        MemberContact.member_id == Member.id, MemberContact.kind == ContactKind.MOBILE
    )
    return contact.exists()


def preview(service: Service, session: Session, visitor: Visitor, form: SendingForm, today: date) -> Preview:
    """What sending a text would do now; `RefusedError` says what must not be sent, or who is not there."""
    body = composed(form.body)
    fields = fields_in(body)
    refuse_faults(session, body)
    target = target_of(session, visitor, form, today)
    condition = audience_condition(session, visitor, form.audience, target, today)

    def count(*further: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(Member).where(condition, *further)
        return int(session.scalar(visitor.members_seen(query)) or 0)

    willing = willing_condition(needs_yes=needs_yes(service))
    elsewhere = Member.id.in_(select(MemberWish.member_id).where(MemberWish.channel != "message"))
    member_count, willing_count = count(), count(willing)
    elsewhere_count = count(willing, elsewhere) if form.by_channel else 0
    ready = [willing, has_mobile(), *([~elsewhere] if form.by_channel else [])]
    ready_count = count(*ready)
    first = visitor.members_seen(select(Member).where(condition, *ready).order_by(Member.id).limit(EXAMPLES))
    members = session.scalars(first).all()
    signature = gateway_of(session).signature
    values = values_of(session, members, fields, service.settings.currency)
    examples = []
    for member in members:
        one = merged(body, values[member.id])
        examples.append(Example(member, one, measured(signed(signature, one.text))))
    return Preview(
        member_count=member_count,
        unwilling_count=member_count - willing_count,
        without_number_count=willing_count - elsewhere_count - ready_count,
        elsewhere_count=elsewhere_count,
        ready_count=ready_count,
        examples=examples,
        measured=examples[0].measured if examples else measured(signed(signature, body)),
    )


def signed(signature: str, text: str) -> str:
    """The text behind the sender's name."""
    return f"【{signature}】{text}" if signature else text


def send(service: Service, visitor: Visitor, form: SendingForm, today: date, expected: int | None) -> int:
    """Ask for a text to be sent; its number.  `expected`: how many messages the visitor was shown."""
    with service.database.read() as session:
        shown = preview(service, session, visitor, form, today)
        target = target_of(session, visitor, form, today)
        send_at = read_local(form.send_at, service.zone.now(), service.now())
    if shown.ready_count + shown.elsewhere_count == 0:
        raise RefusedError("Nobody of them can be sent a message: see why below.")
    if any(len(example.measured.parts) > PARTS_MAX for example in shown.examples):
        raise RefusedError("A message has at most {most} parts: make it shorter.", most=PARTS_MAX)
    if expected is not None and expected != shown.ready_count:
        raise RefusedError(
            "It would go to {count} members now, not to {expected}: look again, and confirm.",
            count=shown.ready_count,
            expected=expected,
        )
    with service.database.write() as session:
        row = MessageSending(
            organisation_id=visitor.organisation_id,
            maker_id=visitor.user_id,
            made_at=service.now(),
            body=composed(form.body),
            audience=form.audience,
            target=target,
            campaign_id=form.campaign if form.audience == CAMPAIGN else form.campaign or None,
            send_at=send_at,
            by_channel=form.by_channel,
            stage=SendingStage.RUNNING,
        )
        session.add(row)
        session.flush()
        service.audit.append(
            session,
            visitor,
            MODULE,
            "send",
            f"sending {row.id}",
            audience=form.audience,
            target=target[:200],
            messages=shown.ready_count,
        )
        return row.id


def sendings_seen(visitor: Visitor, query: Any) -> Any:
    """A question about sendings: those that were asked for in the visitor's part."""
    return (
        query if visitor.sees_everything else query.where(MessageSending.organisation_id.in_(visitor.organisation_ids))
    )


def sending_count(session: Session, visitor: Visitor, campaign_id: int) -> int:
    """How often the message of a campaign was asked to be sent, in the visitor's part."""
    query = select(func.count()).select_from(MessageSending).where(MessageSending.campaign_id == campaign_id)
    return int(session.scalar(sendings_seen(visitor, query)) or 0)
