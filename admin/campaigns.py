"""Campaigns: a name, a period, stores, whom it is for, the rules or the message that it runs on, and what it cost.

Those that `cardswitch admin load-facts` brings are the same records: they belong to the whole group, and their code is
the number that the files gave them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, Select, delete, func, insert, select, true
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.figures import APPROVED, newest_date
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.members.groups import GONE, group_seen, groups_seen, members_of_group
from admin.members.holdings import owners
from admin.models.campaigns import (
    CODE_LENGTH_MAX,
    NAME_LENGTH_MAX,
    STORES_PARTED_BY,
    Audience,
    Campaign,
    campaign_targets,
)
from admin.models.journal import daily_totals
from admin.models.members import Member
from admin.models.mirror import rulesets, stores
from admin.models.people import WHOLE_GROUP
from admin.service import Service
from switch.protocol.messages import MessageType

MESSAGE_LENGTH_MAX = 500
"""Seven parts of a short message in Chinese."""
SEGMENT_MAX = 64
_ = str


class CampaignState(enum.StrEnum):
    """Where a campaign stands on a day."""

    PLANNED = "planned"
    RUNNING = "running"
    ENDED = "ended"
    STOPPED = "stopped"


STATES: dict[str, str] = {
    CampaignState.PLANNED: _("Planned"),
    CampaignState.RUNNING: _("Running now"),
    CampaignState.ENDED: _("Ended"),
    CampaignState.STOPPED: _("Stopped"),
}


AUDIENCES: dict[int | str, str] = {
    Audience.EVERYBODY: _("Everybody"),
    Audience.SEGMENT: _("A segment, as it is at the time"),
    Audience.LIST: _("A list of cards, from a group of members"),
}


def group_choices(context: FormContext) -> dict[int | str, str]:
    """Groups of members that the visitor sees; 0: the list stays as it is."""
    found = context.session.scalars(groups_seen(context.visitor))
    return {0: translate("No group: the list stays as it is")} | {group.id: group.name for group in found}


class CampaignForm(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign."""

    name: Annotated[str, entry(_("Name"), min_length=2, max_length=NAME_LENGTH_MAX)]
    code: Annotated[
        str,
        entry(
            _("Campaign code"),
            max_length=CODE_LENGTH_MAX,
            hint=_("What files and papers call it, once. May be left empty."),
        ),
    ] = ""
    type: Annotated[
        str,
        entry(_("Kind"), max_length=NAME_LENGTH_MAX, hint=_("In your own words, such as coupons or double points.")),
    ] = ""
    from_date: Annotated[int, entry(_("First day"), "date", ge=1)]
    until_date: Annotated[int, entry(_("Last day"), "date", ge=1)]
    store_ids: Annotated[
        str,
        entry(_("Stores"), max_length=400, pattern=r"^[\d,，\s]*$", hint=_("Numbers, parted by commas. Empty: all.")),
    ] = ""
    target: Annotated[str, entry(_("For whom"), max_length=200, hint=_("In words."))] = ""
    audience: Annotated[
        str,
        entry(_("Whom it addresses"), "choice", choices=AUDIENCES, hint=_("Whose purchases the report counts.")),
    ] = Audience.EVERYBODY
    segment: Annotated[
        int,
        entry(_("Segment"), "integer", ge=0, le=SEGMENT_MAX, hint=_("That rules ask for, 1 to 64. 0: none.")),
    ] = 0
    group: Annotated[
        int,
        entry(_("Group of members"), "choice", choices=group_choices, hint=_("Its cards at this moment are the list.")),
    ] = 0
    ruleset: Annotated[int, entry(_("Set of rules"), "integer", ge=0, le=2**32 - 1, hint=_("0: none of its own."))] = 0
    message: Annotated[
        str,
        entry(
            _("Message to its members"),
            "area",
            hint=_("A short message; it is sent from the page of the campaign, to its list or to a group."),
            max_length=MESSAGE_LENGTH_MAX,
        ),
    ] = ""
    cost_minor: Annotated[
        int,
        entry(
            _("Cost"), "money", ge=0, le=10**14, hint=_("Besides discounts and points: printing, gifts, advertising.")
        ),
    ] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """The days are in order, and whom it addresses is named."""
        if self.until_date < self.from_date:
            yield "until_date", translate("The last day is before the first.")
        if self.audience == Audience.SEGMENT and not self.segment:
            yield "segment", translate("Name the segment that it addresses.")
        if self.group and self.audience != Audience.LIST:
            yield "group", translate("A group is for a campaign that addresses a list.")


@dataclass(frozen=True, slots=True)
class Sales:
    """What the campaign's stores took in its period, and in the same number of days before it."""

    count: int
    amount_minor: int
    count_before: int
    amount_before_minor: int


def state_on(campaign: Campaign, business_date: int) -> CampaignState:
    """Where a campaign stands on a business date."""
    if campaign.stopped_date:
        return CampaignState.STOPPED
    if business_date < campaign.from_date:
        return CampaignState.PLANNED
    return CampaignState.ENDED if business_date > campaign.until_date else CampaignState.RUNNING


def is_campaign_seen(visitor: Visitor) -> ColumnElement[bool]:
    """Condition on campaigns: those of the visitor's part of the organisation, and those of the whole group."""
    if visitor.sees_everything:
        return true()
    return Campaign.organisation_id.in_([*visitor.organisation_ids, WHOLE_GROUP])


def campaigns_seen(visitor: Visitor, query: Select[Any]) -> Select[Any]:
    """A question about campaigns that the visitor sees."""
    return query.where(is_campaign_seen(visitor))


def campaigns_page(session: Session, visitor: Visitor, before: int | None, limit: int) -> Sequence[Campaign]:
    """Campaigns, newest first; one more than `limit` where there are more."""
    query = campaigns_seen(visitor, select(Campaign)).order_by(Campaign.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Campaign.id < before)
    return session.scalars(query).all()


def campaign_seen(session: Session, visitor: Visitor, campaign_id: int) -> Campaign | None:
    """A campaign, when the visitor may see it."""
    query = campaigns_seen(visitor, select(Campaign).where(Campaign.id == campaign_id))
    found: Campaign | None = session.scalar(query)
    return found


def form_of(campaign: Campaign) -> CampaignForm:
    """The form of a campaign that there is."""
    return CampaignForm(**{name: getattr(campaign, name) for name in KEPT_FIELDS})


def save(service: Service, visitor: Visitor, context: FormContext, form: CampaignForm, campaign_id: int = 0) -> int:
    """Make a campaign, or change one; its number."""
    numbers = store_numbers(form.store_ids)
    seen = set(
        context.session.scalars(visitor.stores_seen(select(stores.c.store_id).where(stores.c.store_id.in_(numbers))))
    )
    if seen != set(numbers):
        raise RefusedError("There is no such store in your part of the organisation.")
    known = select(rulesets.c.ruleset).where(rulesets.c.ruleset == form.ruleset)
    if form.ruleset and context.session.scalar(known) is None:
        raise RefusedError("There is no such set of rules.")
    with service.database.write() as session:
        if campaign_id:
            campaign = campaign_to_change(session, visitor, campaign_id)
        else:
            campaign = Campaign(
                organisation_id=visitor.organisation_id, maker_id=visitor.user_id, made_at=service.now()
            )
            session.add(campaign)
        twin = select(Campaign.id).where(Campaign.code == form.code, Campaign.id != campaign_id)
        with session.no_autoflush:
            if form.code and session.scalar(twin) is not None:
                raise RefusedError("There is a campaign with this code already.")
        for name in KEPT_FIELDS:
            setattr(campaign, name, getattr(form, name))
        campaign.store_ids = STORES_PARTED_BY.join(map(str, numbers))
        session.flush()
        addressed = _address_group(session, visitor, campaign.id, form.group, service) if form.group else None
        action = "change" if campaign_id else "add"
        detail: dict[str, Any] = {} if addressed is None else {"group": form.group, "addressed": addressed}
        service.audit.append(session, visitor, "campaigns", action, f"campaign {campaign.id}", name=form.name, **detail)
        return campaign.id


KEPT_FIELDS = [name for name in CampaignForm.__struct_fields__ if name != "group"]
"""A group is asked once: what is kept is the list that came of it."""


def campaign_to_change(session: Session, visitor: Visitor, campaign_id: int) -> Campaign:
    """A campaign of the visitor's own part; `RefusedError` for others."""
    campaign = campaign_seen(session, visitor, campaign_id)
    if campaign is None:
        raise RefusedError("There is no such campaign.")
    if not may_change(visitor, campaign):
        raise RefusedError("This campaign belongs to headquarters: make one of your own.")
    return campaign


def may_change(visitor: Visitor, campaign: Campaign) -> bool:
    """Whether a campaign belongs to the visitor's part; that of the whole group is changed by who sees all."""
    return visitor.may_place_in(campaign.organisation_id)


def _address_group(session: Session, visitor: Visitor, campaign_id: int, group_id: int, service: Service) -> int:
    """Make the accounts of a group's members, as of now, a campaign's list; how many they are."""
    group = group_seen(session, visitor, group_id)
    if group is None:
        raise RefusedError("There is no such group.")
    held = owners()
    inside = members_of_group(session, group, service.now().date())
    found = visitor.members_seen(
        select(held.c.account_number, Campaign.id)
        .join(Member, Member.id == held.c.member_id)
        .join(Campaign, Campaign.id == campaign_id)
        .where(inside, Member.state.not_in(GONE))
    )
    session.execute(delete(campaign_targets).where(campaign_targets.c.campaign_id == campaign_id))
    session.execute(insert(campaign_targets).from_select(["account_number", "campaign_id"], found))
    return addressed_count(session, campaign_id)


def addressed_count(session: Session, campaign_id: int) -> int:
    """Accounts on the list of a campaign."""
    query = select(func.count()).where(campaign_targets.c.campaign_id == campaign_id)
    return int(session.scalar(query) or 0)


def stop(service: Service, visitor: Visitor, campaign_id: int) -> None:
    """End a campaign before its day; what its rules do ends with their set."""
    with service.database.write() as session:
        campaign = campaign_to_change(session, visitor, campaign_id)
        if campaign.stopped_date:
            raise RefusedError("This campaign has been stopped already.")
        # One that is called off before its first day has no day at all: its last one is the day before.
        campaign.stopped_date = min(max(newest_date(session), campaign.from_date - 1), campaign.until_date)
        last_date = campaign.stopped_date
        service.audit.append(session, visitor, "campaigns", "stop", f"campaign {campaign_id}", last_date=last_date)


def last_date_of(campaign: Campaign) -> int:
    """Last business date on which it ran or will run."""
    return min(campaign.until_date, campaign.stopped_date or campaign.until_date)


def sales_of(session: Session, visitor: Visitor, campaign: Campaign) -> Sales:
    """Approved sales of the campaign's stores, in its period and before; all customers, not only its own."""
    last_date = last_date_of(campaign)
    days = last_date - campaign.from_date + 1
    during = _sales(session, visitor, campaign, campaign.from_date, last_date)
    before = _sales(session, visitor, campaign, campaign.from_date - days, campaign.from_date - 1)
    return Sales(*during, *before)


def _sales(session: Session, visitor: Visitor, campaign: Campaign, first: int, last: int) -> tuple[int, int]:
    columns = daily_totals.c
    query = select(func.sum(columns.entry_count), func.sum(columns.amount_minor)).where(
        columns.type == MessageType.DEBIT, columns.code.in_(APPROVED), columns.business_date.between(first, last)
    )
    if numbers := store_numbers(campaign.store_ids):
        query = query.where(columns.store_id.in_(numbers))
    if not visitor.sees_everything:
        query = query.where(columns.accepting_organisation_id.in_(visitor.organisation_ids))
    count, amount_minor = session.execute(query).one()
    return int(count or 0), int(amount_minor or 0)


def store_numbers(text: str) -> list[int]:
    """Numbers of stores, each once."""
    return list(dict.fromkeys(int(part) for part in re.split(r"[,，\s]+", text) if part.isdecimal() and len(part) < 11))
