"""Campaigns: a name, a period, stores, whom it is for, and the rules or the message that it runs on."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.figures import APPROVED
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.journal import daily_totals
from admin.models.mirror import rulesets, stores
from admin.models.money import Campaign
from admin.service import Service
from switch.protocol.messages import MessageType

MESSAGE_LENGTH_MAX = 500
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


class CampaignForm(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign."""

    name: Annotated[str, entry(_("Name"), min_length=2, max_length=80)]
    from_date: Annotated[int, entry(_("First day"), "date", ge=1)]
    until_date: Annotated[int, entry(_("Last day"), "date", ge=1)]
    store_ids: Annotated[
        str,
        entry(_("Stores"), max_length=400, pattern=r"^[\d,，\s]*$", hint=_("Numbers, parted by commas. Empty: all.")),
    ] = ""
    target: Annotated[str, entry(_("For whom"), max_length=200)] = ""
    segment: Annotated[
        int,
        entry(_("Segment"), "integer", ge=0, le=SEGMENT_MAX, hint=_("That rules ask for, 1 to 64. 0: everybody.")),
    ] = 0
    ruleset: Annotated[int, entry(_("Set of rules"), "integer", ge=0, le=2**32 - 1, hint=_("0: none of its own."))] = 0
    message: Annotated[str, entry(_("Message to its members"), "area", max_length=MESSAGE_LENGTH_MAX)] = ""

    def problems(self) -> Iterator[tuple[str, str]]:
        """The days are in order."""
        if self.until_date < self.from_date:
            yield "until_date", translate("The last day is before the first.")


@dataclass(frozen=True, slots=True)
class Sales:
    """What the campaign's stores took in its period, and in the same number of days before it."""

    count: int
    amount_minor: int
    count_before: int
    amount_before_minor: int


def state_on(campaign: Campaign, business_date: int) -> CampaignState:
    """Where a campaign stands on a business date."""
    if campaign.is_stopped:
        return CampaignState.STOPPED
    if business_date < campaign.from_date:
        return CampaignState.PLANNED
    return CampaignState.ENDED if business_date > campaign.until_date else CampaignState.RUNNING


def campaigns_seen(visitor: Visitor, query: Select[Any]) -> Select[Any]:
    """A question about campaigns: those of the visitor's part of the organisation."""
    return query if visitor.sees_everything else query.where(Campaign.organisation_id.in_(visitor.organisation_ids))


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
    return CampaignForm(**{name: getattr(campaign, name) for name in CampaignForm.__struct_fields__})


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
            campaign = campaign_seen(session, visitor, campaign_id)
            if campaign is None:
                raise RefusedError("There is no such campaign.")
        else:
            campaign = Campaign(
                organisation_id=visitor.organisation_id, maker_id=visitor.user_id, made_at=service.now()
            )
            session.add(campaign)
        for name in CampaignForm.__struct_fields__:
            setattr(campaign, name, getattr(form, name))
        campaign.store_ids = ", ".join(map(str, numbers))
        session.flush()
        action = "change" if campaign_id else "add"
        service.audit.append(session, visitor, "campaigns", action, f"campaign {campaign.id}", name=form.name)
        return campaign.id


def stop(service: Service, visitor: Visitor, campaign_id: int) -> None:
    """End a campaign before its day; what its rules do ends with their set."""
    with service.database.write() as session:
        campaign = campaign_seen(session, visitor, campaign_id)
        if campaign is None:
            raise RefusedError("There is no such campaign.")
        campaign.is_stopped = True
        service.audit.append(session, visitor, "campaigns", "stop", f"campaign {campaign_id}")


def sales_of(session: Session, visitor: Visitor, campaign: Campaign) -> Sales:
    """Approved sales of the campaign's stores, in its period and before; all customers, not only its own."""
    days = campaign.until_date - campaign.from_date + 1
    during = _sales(session, visitor, campaign, campaign.from_date, campaign.until_date)
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
