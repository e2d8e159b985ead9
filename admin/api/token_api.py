"""Tokens of programs: which there are, and ending one.  They are made on their page, by a person."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.params import FromPath

from admin.access import Visitor, needs
from admin.database import to_ms
from admin.models.interfaces import ApiToken
from admin.people.tokens import revoke_token, tokens_seen
from admin.rights import Action

from .handlers import Limit, Number, Page, api_delete, api_get

TAG = "Tokens"


class Token(msgspec.Struct):
    """A token, without what it is."""

    id: int
    owner: str
    name: str
    scopes: list[str]
    created_ms: int
    ends_ms: int
    used_ms: int | None
    is_revoked: bool


@api_get("/api/v1/tokens", guards=[needs("tokens")], tag=TAG)
def list_tokens(request: Request[Visitor, Any, Any], before: Number = None, limit: Limit = 50) -> Page[Token]:
    """One's own, newest first; those of all who are seen, for those who may change users."""
    query = tokens_seen(request.user).limit(limit + 1)
    if before is not None:
        query = query.where(ApiToken.id < before)
    with request.app.state.service.database.read() as session:
        rows = [
            Token(
                id=token.id,
                owner=owner,
                name=token.name,
                scopes=token.scopes.split(),
                created_ms=to_ms(token.created_at),
                ends_ms=to_ms(token.ends_at),
                used_ms=to_ms(token.used_at) if token.used_at else None,
                is_revoked=token.revoked_at is not None,
            )
            for token, owner in session.execute(query)
        ]
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)


@api_delete(
    "/api/v1/tokens/{token_id:int}",
    guards=[needs("tokens", Action.DELETE)],
    tag=TAG,
    pages=("POST /tokens/{token_id}/revoke",),
)
def end_token(request: Request[Visitor, Any, Any], token_id: FromPath[int]) -> None:
    """End a token at once."""
    revoke_token(request.app.state.service, request.user, token_id)


HANDLERS = [list_tokens, end_token]
