"""Tokens of programs: made for an owner, with some of his rights, until a day; shown once, kept as a hash."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session

from admin.access import Visitor, is_stepped_up, visitor_of
from admin.errors import RefusedError
from admin.models.interfaces import ApiToken
from admin.models.people import User
from admin.rights import ALL_RIGHTS, Action, split_right
from admin.service import Service

from .sign_in import SEEN_AT_LAST, SEEN_EVERY, TOKEN_BYTES, token_hash

MODULE = "tokens"
PREFIX = "cst_"
"""Lets people and scanners of source code see what they have before them."""
NAME_LENGTH_MAX = 80
TOKENS_MAX = 50
"""Of one owner, that still open something: more are forgotten ones."""
NOT_BY_TOKEN = frozenset({"tokens.add"})
"""A token that makes tokens would outlive its end."""


def make_token(service: Service, visitor: Visitor, *, name: str, scopes: Iterable[str], days: int) -> tuple[int, str]:
    """(number, token) of a new token of the visitor's; the token itself is told here and never again."""
    name, wanted, now = name.strip(), frozenset(scopes), service.now()
    days_max = service.parameters.number("token_days_max", now)
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        raise RefusedError("A name has {least} to {most} characters.", least=1, most=NAME_LENGTH_MAX)
    if not 1 <= days <= days_max:
        raise RefusedError("A token ends after {least} to {most} days.", least=1, most=days_max)
    if unknown := wanted - ALL_RIGHTS:
        raise RefusedError("There is no right {name}.", name=sorted(unknown)[0][:40])
    if not wanted:
        raise RefusedError("Choose at least one right; a token without any opens nothing.")
    if visitor.token_id or wanted & NOT_BY_TOKEN:
        raise RefusedError("A token cannot make tokens; a person makes them.")
    if wanted - visitor.rights:
        raise RefusedError("Nobody gives a token rights that he lacks himself.")
    has_fresh_code = is_stepped_up(visitor, now)
    demanding = [one for one in wanted if service.parameters.asks_for_step_up(*split_right(one), now)]
    if demanding and not has_fresh_code:
        raise RefusedError("Give a fresh dynamic password first: {name} asks for it.", name=sorted(demanding)[0])
    token = PREFIX + service.surroundings.random_bytes(TOKEN_BYTES).hex()
    with service.database.write() as session:
        live = session.scalars(_live(select(ApiToken.id), service).where(ApiToken.owner_id == visitor.user_id)).all()
        if len(live) >= TOKENS_MAX:
            raise RefusedError("{count} tokens are enough; revoke those that are not used.", count=TOKENS_MAX)
        row = ApiToken(
            token_hash=token_hash(token),
            owner_id=visitor.user_id,
            name=name,
            scopes=" ".join(sorted(wanted)),
            is_stepped_up=has_fresh_code,
            created_at=now,
            ends_at=now + timedelta(days=days),
        )
        session.add(row)
        session.flush()
        after = {"name": name, "scopes": sorted(wanted), "days": days}
        service.audit.append(session, visitor, MODULE, "add", f"token {row.id}", after=after)
        return row.id, token


def tokens_seen(visitor: Visitor) -> Select[ApiToken, str]:
    """A question about tokens: one's own; those of all whom the visitor sees, for those who may change users."""
    query = select(ApiToken, User.name).join(User, User.id == ApiToken.owner_id).order_by(ApiToken.id.desc())
    if visitor.may("users", Action.CHANGE):
        return query.where(or_(ApiToken.owner_id == visitor.user_id, User.id.in_(visitor.users_seen(select(User.id)))))
    return query.where(ApiToken.owner_id == visitor.user_id)


def revoke_token(service: Service, visitor: Visitor, token_id: int) -> None:
    """End a token at once."""
    with service.database.write() as session:
        found = session.execute(tokens_seen(visitor).where(ApiToken.id == token_id)).first()
        if found is None:
            raise RefusedError("There is no such token.")
        token, _owner = found
        if token.revoked_at is None:
            token.revoked_at, token.revoked_by = service.now(), visitor.user_id
            service.audit.append(session, visitor, MODULE, "delete", f"token {token.id}", before=token.name)


def end_tokens(service: Service, session: Session, user_id: int, by: int) -> None:
    """End all tokens of a user: his password was reset, or he may no longer sign on."""
    session.execute(
        update(ApiToken)
        .where(ApiToken.owner_id == user_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=service.now(), revoked_by=by)
    )


def find_token_visitor(service: Service, token: str, address: str) -> Visitor | None:
    """Whom a program with this token acts for, with the rights that both have; None when it opens nothing now."""
    now = service.now()
    with service.database.read() as session:
        row = session.scalar(_live(select(ApiToken), service).where(ApiToken.token_hash == token_hash(token)))
        if row is None:
            return None
        user = session.get(User, row.owner_id)
        if user is None or not user.is_enabled:
            return None
        visitor = visitor_of(
            session,
            user,
            address,
            b"",
            None,
            token=(row.id, frozenset(row.scopes.split()), row.is_stepped_up),
            modules_off=service.parameters.modules_off(now),
        )
        unseen = now - row.used_at if row.used_at is not None else SEEN_AT_LAST
    if unseen >= SEEN_EVERY:
        with service.database.write_if_free(is_late=unseen >= SEEN_AT_LAST) as free:
            if free is not None:
                used = update(ApiToken).where(ApiToken.id == visitor.token_id)
                free.execute(used.values(used_at=now, used_from=address))
    return visitor


def _live(query: Select[Any], service: Service) -> Select[Any]:
    return query.where(ApiToken.revoked_at.is_(None), ApiToken.ends_at > service.now())
