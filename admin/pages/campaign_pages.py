"""Campaigns: the list, the form, and one campaign with what its stores took."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.campaigns import (
    AUDIENCES,
    STATES,
    CampaignForm,
    CampaignState,
    addressed_count,
    campaign_seen,
    campaigns_page,
    form_of,
    last_date_of,
    may_change,
    sales_of,
    save,
    state_on,
    stop,
)
from admin.errors import RefusedError
from admin.figures import newest_date
from admin.forms import Bound, FormContext, bind, fields_of
from admin.messaging.writing import sending_count
from admin.rights import Action

from .common import PAGE_ROWS, go, is_part_wanted, page, refusal_text, with_query
from .handlers import get
from .ledger_view import number_of

TONES: dict[str, str] = {CampaignState.RUNNING: "good", CampaignState.PLANNED: "warn", CampaignState.STOPPED: "bad"}


@get("/campaigns", guards=[needs("campaigns")])
def list_campaigns(request: Request[Visitor, Any, Any], before: FromQuery[str] = "") -> Template:
    """Campaigns, newest first."""
    with request.app.state.service.database.read() as session:
        found = campaigns_page(session, request.user, number_of(before), PAGE_ROWS)
        today = newest_date(session)
    rows = [(campaign, state_on(campaign, today)) for campaign in found[:PAGE_ROWS]]
    has_more = len(found) > PAGE_ROWS
    return page(
        request,
        "_campaign_rows.html" if is_part_wanted(request) else "campaigns.html",
        rows=rows,
        states=STATES,
        tones=TONES,
        is_first=not before,
        may_change=request.user.may("campaigns", Action.CHANGE),
        next_address=with_query("/campaigns", {"before": rows[-1][0].id}) if has_more else None,
    )


@get("/campaigns/new", guards=[needs("campaigns", Action.CHANGE)])
def new_campaign(request: Request[Visitor, Any, Any]) -> Template:
    """The form of a campaign."""
    return _form_page(request, 0, None, "")


@post("/campaigns/new", guards=[needs("campaigns", Action.CHANGE)], status_code=200)
async def do_new_campaign(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Make a campaign."""
    sent = await request.form()
    texts = {name: [str(text) for text in sent.getall(name)] for name in sent}
    return await to_thread.run_sync(_save, request, 0, texts)


@get("/campaigns/{campaign_id:int}", guards=[needs("campaigns")])
def show_campaign(request: Request[Visitor, Any, Any], campaign_id: FromPath[int]) -> Template:
    """One campaign."""
    with request.app.state.service.database.read() as session:
        campaign = campaign_seen(session, request.user, campaign_id)
        if campaign is None:
            raise NotFoundException(detail="There is no such campaign.")
        return page(
            request,
            "campaign.html",
            campaign=campaign,
            stage=state_on(campaign, newest_date(session)),
            states=STATES,
            tones=TONES,
            sales=sales_of(session, request.user, campaign),
            audiences=AUDIENCES,
            addressed=addressed_count(session, campaign_id),
            sending_count=sending_count(session, request.user, campaign_id),
            last_date=last_date_of(campaign),
            may_change=request.user.may("campaigns", Action.CHANGE) and may_change(request.user, campaign),
            may_read_reports=request.user.may("reports"),
        )


@get("/campaigns/{campaign_id:int}/change", guards=[needs("campaigns", Action.CHANGE)])
def change_campaign(request: Request[Visitor, Any, Any], campaign_id: FromPath[int]) -> Template:
    """The form of a campaign that there is."""
    return _form_page(request, campaign_id, None, "")


@post("/campaigns/{campaign_id:int}/change", guards=[needs("campaigns", Action.CHANGE)], status_code=200)
async def do_change_campaign(request: Request[Visitor, Any, Any], campaign_id: FromPath[int]) -> Response[Any]:
    """Change a campaign."""
    sent = await request.form()
    texts = {name: [str(text) for text in sent.getall(name)] for name in sent}
    return await to_thread.run_sync(_save, request, campaign_id, texts)


@post("/campaigns/{campaign_id:int}/stop", guards=[needs("campaigns", Action.CHANGE)], status_code=200)
async def do_stop_campaign(request: Request[Visitor, Any, Any], campaign_id: FromPath[int]) -> Response[Any]:
    """End a campaign before its day."""
    await to_thread.run_sync(stop, request.app.state.service, request.user, campaign_id)
    return go(request, f"/campaigns/{campaign_id}")


HANDLERS: list[Any] = [
    list_campaigns,
    new_campaign,
    do_new_campaign,
    show_campaign,
    change_campaign,
    do_change_campaign,
    do_stop_campaign,
]


def _form_page(
    request: Request[Visitor, Any, Any], campaign_id: int, bound: Bound[Any] | None, problem: str
) -> Template:
    with request.app.state.service.database.read() as session:
        filled = None
        if campaign_id:
            campaign = campaign_seen(session, request.user, campaign_id)
            if campaign is None or not may_change(request.user, campaign):
                raise NotFoundException(detail="There is no such campaign.")
            filled = form_of(campaign)
        context = FormContext(session, request.user, request.app.state.references)
        return page(
            request,
            "campaign_form.html",
            fields=fields_of(CampaignForm, context, bound, filled),
            problem=problem,
            campaign_id=campaign_id,
        )


def _save(request: Request[Visitor, Any, Any], campaign_id: int, texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    with service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        bound = bind(CampaignForm, texts, context)
        if bound.value is None:
            return _form_page(request, campaign_id, bound, "")
        try:
            number = save(service, request.user, context, bound.value, campaign_id)
        except RefusedError as error:
            return _form_page(request, campaign_id, bound, refusal_text(error))
    return go(request, f"/campaigns/{number}")
