"""Card-type authorisation: who may make and issue cards of which type, when, and how many."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as post_async
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from admin.access import Visitor, needs
from admin.cards.authorisation_form import TASKS, Authorisation, authorise
from admin.cards.authorisations import AuthorisationState, grants_page, revoke
from admin.cards.terms import type_names
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, bind, fields_of
from admin.rights import Action

from .common import PAGE_ROWS, go, is_part_wanted, number_in, page, refusal_text, with_query
from .handlers import get, post

_ = str
STATES: dict[str, str] = {
    AuthorisationState.SCHEDULED: _("Begins later"),
    AuthorisationState.OPEN: _("Open"),
    AuthorisationState.CLOSED: _("Over"),
    AuthorisationState.REVOKED: _("Revoked"),
}
TONES: dict[str, str] = {
    AuthorisationState.SCHEDULED: "warn",
    AuthorisationState.OPEN: "good",
    AuthorisationState.REVOKED: "bad",
}


@get("/authorisations", guards=[needs("card-types")])
def list_authorisations(
    request: Request[Visitor, Any, Any], type: FromQuery[str] = "", before: FromQuery[str] = ""
) -> Template:
    """Authorisations of the visitor's people, newest first."""
    service = request.app.state.service
    with service.database.read() as session:
        found = grants_page(
            session,
            request.user,
            service.now(),
            card_type=number_in(type),
            before=number_in(before),
            limit=PAGE_ROWS,
        )
        names = type_names(session)
    rows, has_more = found[:PAGE_ROWS], len(found) > PAGE_ROWS
    return page(
        request,
        "_authorisation_rows.html" if is_part_wanted(request) else "authorisations.html",
        rows=rows,
        type=type,
        type_names=names,
        tasks=TASKS,
        states=STATES,
        tones=TONES,
        is_first=not before,
        may_grant=request.user.may("card-types", Action.APPROVE),
        next_address=with_query("/authorisations", {"type": type, "before": rows[-1].row.id}) if has_more else None,
    )


@get("/authorisations/new", guards=[needs("card-types", Action.APPROVE)])
def new_authorisation(request: Request[Visitor, Any, Any], type: FromQuery[str] = "") -> Template:
    """The form."""
    state = request.app.state
    with state.service.database.read() as session:
        context = FormContext(session, request.user, state.references)
        defaults = {field.name: list(field.values) for field in fields_of(Authorisation, context)}
        drawn = fields_of(Authorisation, context, Bound(None, typed={**defaults, "card_type": [type] if type else []}))
    return page(request, "authorisation_form.html", fields=drawn, problem="")


@post_async("/authorisations/new", guards=[needs("card-types", Action.APPROVE)], status_code=200)
async def do_authorise(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Grant it."""
    sent = await request.form()
    texts = {name: [str(text) for text in sent.getall(name)] for name in sent}
    return await to_thread.run_sync(_grant, request, texts)


@post("/authorisations/{authorisation_id:int}/revoke", guards=[needs("card-types", Action.APPROVE)])
def do_revoke(request: Request[Visitor, Any, Any], authorisation_id: FromPath[int]) -> Response[Any]:
    """End it at once."""
    revoke(request.app.state.service, request.user, authorisation_id)
    return go(request, "/authorisations")


def _grant(request: Request[Visitor, Any, Any], texts: dict[str, list[str]]) -> Response[Any]:
    state = request.app.state
    with state.service.database.read() as session:
        context = FormContext(session, request.user, state.references)
        bound = bind(Authorisation, texts, context)
        drawn = fields_of(Authorisation, context, bound)
    form = bound.value
    if form is None:
        return page(request, "authorisation_form.html", fields=drawn, problem="")
    try:
        authorise(state.service, request.user, form)
    except RefusedError as error:
        return page(request, "authorisation_form.html", http_status=409, fields=drawn, problem=refusal_text(error))
    return go(request, with_query("/authorisations", {"type": form.card_type}))


HANDLERS: list[Any] = [list_authorisations, new_authorisation, do_authorise, do_revoke]
