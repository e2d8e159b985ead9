"""Pay of employees: what was agreed with whom, from which day on."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from litestar import Request, Response
from litestar import post as async_post
from litestar.response import Template

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.forms import Bound, FormContext, bind, fields_of
from admin.people.pay import PayForm, pay_page, put_terms
from admin.rights import Action

from .common import go, page, refusal_text
from .handlers import get
from .member_common import sent_texts

TERMS_SHOWN_MAX = 500


@get("/pay", guards=[needs("pay")])
def list_pay(request: Request[Visitor, Any, Any]) -> Template:
    """Terms of all employees of the visitor's part, newest first."""
    return _page(request, None, "")


@async_post("/pay", guards=[needs("pay", Action.CHANGE)], status_code=200)
async def do_pay(request: Request[Visitor, Any, Any]) -> Response[Any]:
    """Agree on pay."""
    texts = await sent_texts(request)
    return await to_thread.run_sync(_save, request, texts)


HANDLERS: list[Any] = [list_pay, do_pay]


def _page(request: Request[Visitor, Any, Any], bound: Bound[PayForm] | None, problem: str) -> Template:
    state, visitor = request.app.state, request.user
    with state.service.database.read() as session:
        rows, _next = pay_page(session, visitor, "", TERMS_SHOWN_MAX)
        fields = fields_of(PayForm, FormContext(session, visitor, state.references), bound)
    return page(
        request,
        "pay.html",
        http_status=409 if problem else 200,
        rows=rows,
        fields=fields,
        problem=problem,
        may_change=visitor.may("pay", Action.CHANGE),
    )


def _save(request: Request[Visitor, Any, Any], texts: dict[str, list[str]]) -> Response[Any]:
    state = request.app.state
    with state.service.database.read() as session:
        bound = bind(PayForm, texts, FormContext(session, request.user, state.references))
    if bound.value is None:
        return _page(request, bound, "")
    try:
        put_terms(state.service, request.user, bound.value)
    except RefusedError as error:
        return _page(request, bound, refusal_text(error))
    return go(request, "/pay")
