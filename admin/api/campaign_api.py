"""Campaigns: when, where, for whom, by which rules; and what their stores took."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from admin.access import Visitor, needs
from admin.campaigns import (
    CampaignForm,
    addressed_count,
    campaign_seen,
    campaigns_page,
    form_of,
    sales_of,
    save,
    state_on,
    stop,
)
from admin.figures import newest_date
from admin.forms import FormContext
from admin.models.campaigns import Campaign as CampaignRow
from admin.rights import Action

from .bodies import body_of, checked, form_handler, takes
from .handlers import Done, Limit, Number, Page, api_get, api_post, api_put, filled, page_of
from .order_api import Nothing
from .records import CampaignRecord

TAG = "Campaigns"
CHANGES = [needs("campaigns", Action.CHANGE)]


class CampaignItem(msgspec.Struct):
    """A campaign, as its form has it."""

    id: int
    stage: str
    """planned, running, ended or stopped."""
    organisation_id: int
    maker_id: int
    made_ms: int
    campaign: CampaignRecord


class CampaignSales(msgspec.Struct):
    """What the campaign's stores took in its period, and in the same number of days before it."""

    count: int
    amount_minor: int
    count_before: int
    amount_before_minor: int


class CampaignDetails(msgspec.Struct):
    """One campaign."""

    item: CampaignItem
    addressed_count: int
    """Accounts on its list."""
    stopped_date: int
    """0: nobody has stopped it."""
    sales: CampaignSales


CampaignBody = body_of(CampaignForm, "CampaignChange")


@api_get("/api/v1/campaigns", guards=[needs("campaigns")], tag=TAG)
def list_campaigns(request: Request[Visitor, Any, Any], before: Number = None, limit: Limit = 50) -> Page[CampaignItem]:
    """Campaigns, newest first."""
    with request.app.state.service.database.read() as session:
        today = newest_date(session)
        rows = campaigns_page(session, request.user, before, limit)
        return page_of(rows, limit, lambda row: _item(row, today), lambda row: row.id)


@api_get("/api/v1/campaigns/{campaign_id:int}", guards=[needs("campaigns")], tag=TAG)
def get_campaign(request: Request[Visitor, Any, Any], campaign_id: FromPath[int]) -> CampaignDetails:
    """One campaign, and what its stores took."""
    with request.app.state.service.database.read() as session:
        row = _campaign(request, session, campaign_id)
        sales = filled(CampaignSales, sales_of(session, request.user, row))
        return CampaignDetails(
            _item(row, newest_date(session)), addressed_count(session, campaign_id), row.stopped_date, sales
        )


def _make(request: Request[Visitor, Any, Any], data: Any) -> Done:
    """Make a campaign."""
    return _save(request, data, 0)


def _change(request: Request[Visitor, Any, Any], campaign_id: FromPath[int], data: Any) -> Done:
    """Change a campaign."""
    with request.app.state.service.database.read() as session:
        _campaign(request, session, campaign_id)
    return _save(request, data, campaign_id)


make_campaign = takes(
    api_post("/api/v1/campaigns", guards=CHANGES, tag=TAG, pages=("POST /campaigns/new",)), _make, CampaignBody
)
put_campaign = takes(
    api_put(
        "/api/v1/campaigns/{campaign_id:int}",
        guards=CHANGES,
        tag=TAG,
        pages=("GET /campaigns/{campaign_id}/change", "POST /campaigns/{campaign_id}/change"),
    ),
    _change,
    CampaignBody,
)
get_campaign_form = form_handler(
    "/api/v1/campaigns/form", CampaignForm, guards=CHANGES, tag=TAG, pages=("GET /campaigns/new",)
)


@api_post("/api/v1/campaigns/{campaign_id:int}/stop", guards=CHANGES, tag=TAG, status=200)
def stop_campaign(request: Request[Visitor, Any, Any], campaign_id: FromPath[int], data: JSONBody[Nothing]) -> Done:
    """End a campaign before its day."""
    with request.app.state.service.database.read() as session:
        _campaign(request, session, campaign_id)
    stop(request.app.state.service, request.user, campaign_id)
    return Done(str(campaign_id))


def _save(request: Request[Visitor, Any, Any], data: Any, campaign_id: int) -> Done:
    state, form = request.app.state, checked(request, CampaignForm, data)
    with state.service.database.read() as session:
        context = FormContext(session, request.user, state.references)
        return Done(str(save(state.service, request.user, context, form, campaign_id)))


def _campaign(request: Request[Visitor, Any, Any], session: Any, campaign_id: int) -> CampaignRow:
    row = campaign_seen(session, request.user, campaign_id)
    if row is None:
        raise NotFoundException(detail="There is no such campaign.")
    return row


def _item(row: CampaignRow, today: int) -> CampaignItem:
    return filled(CampaignItem, row, stage=state_on(row, today).value, campaign=filled(CampaignRecord, form_of(row)))


HANDLERS = [list_campaigns, get_campaign, make_campaign, put_campaign, get_campaign_form, stop_campaign]
