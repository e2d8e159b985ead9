"""Tokens of programs: making one (shown once) and revoking it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from litestar import Request, Response
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Template

from admin.access import Visitor, needs
from admin.errors import RefusedError
from admin.models.interfaces import ApiToken
from admin.people.tokens import make_token, revoke_token, tokens_seen
from admin.rights import FUNCTIONS, Action, right
from admin.service import Service

from .common import go, is_part_wanted, number_in, page, page_rows, refusal_text, with_query
from .handlers import get, post

DAYS_AT_FIRST = 90


@dataclass
class TokenForm:
    """What the page of a new token sends; `rights` has one value per ticked box."""

    name: str = ""
    days: str = str(DAYS_AT_FIRST)
    rights: list[str] | str = field(default_factory=list)

    @property
    def right_names(self) -> list[str]:
        """The rights; a form with one ticked box sends a text, not a list."""
        return [self.rights] if isinstance(self.rights, str) else self.rights


@get("/tokens", guards=[needs("tokens")])
def list_tokens(request: Request[Visitor, Any, Any], before: FromQuery[str] = "") -> Template:
    """One's own tokens; those of all who are seen, for those who may change users."""
    service: Service = request.app.state.service
    limit, start = page_rows(request), number_in(before)
    query = tokens_seen(request.user).limit(limit + 1)
    if start is not None:
        query = query.where(ApiToken.id < start)
    with service.database.read() as session:
        found: list[tuple[ApiToken, str]] = [(token, owner) for token, owner in session.execute(query)]
        session.expunge_all()
    last = found[limit - 1][0].id if len(found) > limit else None
    return page(
        request,
        "_token_rows.html" if is_part_wanted(request) else "tokens.html",
        rows=found[:limit],
        now=service.now(),
        is_first=not before,
        next_address=with_query("/tokens", {"before": last}) if last else None,
    )


@get("/tokens/new", guards=[needs("tokens", Action.ADD)])
def new_token(request: Request[Visitor, Any, Any]) -> Template:
    """Form for a new token."""
    return _form(request, TokenForm(), "")


@post("/tokens/new", guards=[needs("tokens", Action.ADD)])
def do_make_token(request: Request[Visitor, Any, Any], data: URLEncodedBody[TokenForm]) -> Response[Any]:
    """Make a token, and show it for the only time."""
    try:
        _number, token = make_token(
            request.app.state.service,
            request.user,
            name=data.name,
            scopes=data.right_names,
            days=number_in(data.days.strip()) or 0,
        )
    except RefusedError as error:
        return _form(request, data, refusal_text(error))
    return page(request, "token_made.html", token=token, name=data.name)


@post("/tokens/{token_id:int}/revoke", guards=[needs("tokens", Action.DELETE)])
def do_revoke_token(request: Request[Visitor, Any, Any], token_id: FromPath[int]) -> Response[Any]:
    """End a token at once."""
    revoke_token(request.app.state.service, request.user, token_id)
    return go(request, "/tokens")


def _form(request: Request[Visitor, Any, Any], form: TokenForm, problem: str) -> Template:
    service: Service = request.app.state.service
    return page(
        request,
        "token.html",
        http_status=409 if problem else 200,
        form=form,
        problem=problem,
        functions=FUNCTIONS,
        right=right,
        may_save=True,
        days_max=service.parameters.number("token_days_max", service.now()),
    )


HANDLERS: list[Any] = [list_tokens, new_token, do_make_token, do_revoke_token]
