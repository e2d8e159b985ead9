"""Money: the ledger of recharges and refunds with its sums, how much operators may do alone, tools for repairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anyio import to_thread
from litestar import Request, Response, post
from litestar.params import FromQuery
from litestar.response import Template
from sqlalchemy.orm import Session

from admin.access import Visitor, needs
from admin.documents.bounds import Measure
from admin.documents.registry import KINDS
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, bind, fields_of
from admin.i18n import translate
from admin.lists.entries import EntryRow
from admin.money.kinds import CHANNELS
from admin.money.limits import LimitForm, limit_of, limits_seen, set_limit, used_today
from admin.money.repairs import REPAIRS
from admin.points.ledger import MONEY_TYPES, channels_of
from admin.rights import Action

from .common import go, page, refusal_text
from .handlers import get
from .ledger_view import kinds_for, ledger_page, sequences_of


@get("/money", guards=[needs("money")])
def show_money(
    request: Request[Visitor, Any, Any],
    type: FromQuery[str] = "",
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Template:
    """Recharges, refunds, reversals, transfers: newest first, with sums."""
    return ledger_page(
        request,
        "/money",
        "money.html",
        MONEY_TYPES,
        {"type": type, "since": since, "until": until, "before": before},
        with_points=False,
        notes=_channel_notes,
        kinds=kinds_for(request.user, "recharge-card", "recharge-cards", "transfer-value", "load-visits"),
    )


def _channel_notes(session: Session, rows: Sequence[EntryRow]) -> dict[int, str]:
    return {
        sequence: " · ".join(
            part for part in (translate(CHANNELS.get(channel, "")) if channel else "", reference) if part
        )
        for sequence, (channel, reference) in channels_of(session, sequences_of(rows)).items()
    }


@get("/repairs", guards=[needs("documents")], sync_to_thread=False)
def show_repairs(request: Request[Visitor, Any, Any]) -> Template:
    """One tool per error."""
    visitor = request.user
    rows = [
        (repair, kind, bool(kind and visitor.may(kind.function, kind.action)))
        for repair in REPAIRS
        for kind in (KINDS.get(repair.tool),)
    ]
    return page(request, "repairs.html", rows=rows)


@get("/money/limits", guards=[needs("money")])
def show_limits(request: Request[Visitor, Any, Any]) -> Template:
    """How much operators may do alone."""
    return _limits(request, None, "")


@post("/money/limits", guards=[needs("money", Action.APPROVE)], status_code=200)
async def do_limits(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Give somebody other limits."""
    sent = await request.form()
    texts = {name: [str(text) for text in sent.getall(name)] for name in sent}
    return await to_thread.run_sync(_set_limits, request, texts)


def _set_limits(request: Request[Visitor, Any, Any], texts: dict[str, list[str]]) -> Response[Any]:
    service = request.app.state.service
    with service.database.read() as session:
        bound = bind(LimitForm, texts, FormContext(session, request.user, request.app.state.references))
    if bound.value is None:
        return _limits(request, bound, "")
    try:
        set_limit(service, request.user, bound.value)
    except RefusedError as error:
        return _limits(request, bound, refusal_text(error))
    return go(request, "/money/limits")


def _limits(request: Request[Visitor, Any, Any], bound: Bound[Any] | None, problem: str) -> Template:
    with request.app.state.service.database.read() as session:
        context = FormContext(session, request.user, request.app.state.references)
        own, now = limit_of(session, request.user.user_id), request.app.state.service.now()
        used_minor = used_today(session, request.user, now, Measure.MONEY)
        used_hundredths = used_today(session, request.user, now, Measure.POINTS)
        return page(
            request,
            "money_limits.html",
            rows=limits_seen(session, request.user),
            used_minor=used_minor,
            used_hundredths=used_hundredths,
            left_minor=max(0, own.money_minor_day_max - used_minor),
            left_hundredths=max(0, own.points_hundredths_day_max - used_hundredths),
            fields=fields_of(LimitForm, context, bound),
            problem=problem,
            may_change=request.user.may("money", Action.APPROVE),
        )


HANDLERS: list[Any] = [show_money, show_repairs, show_limits, do_limits]
