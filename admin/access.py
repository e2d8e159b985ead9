"""What one visitor may do and see: rights, the part of the organisation, masking.  The only place that decides it.

Handlers ask `visitor.may(...)` or carry a guard `needs(...)`; questions to the
database go through `cards_seen`, `entries_seen` and their like, so that no
page can forget the visitor's part of the tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from .models.documents import Document
from .models.interfaces import Passkey
from .models.journal import card_counts, entries
from .models.members import Member
from .models.mirror import alarms, cards, organisations, stores, terminals
from .models.people import WHOLE_GROUP, Department, User
from .rights import ALL_RIGHTS, Action, right, split_right
from .roles import rights_held

if TYPE_CHECKING:
    from .service import Service

SHOWN_AT_START, SHOWN_AT_END = 6, 4
"""Digits of a card number that everybody who sees the card may see."""
HIDDEN_MIN = 3
"""With fewer hidden digits a number could be guessed from its check digit."""


class StepUpNeededException(PermissionDeniedException):
    """The right is there; a fresh dynamic password is not."""

    def __init__(self, needed: str) -> None:
        super().__init__(detail="A fresh dynamic password is needed.")
        self.needed = needed


class PasswordChangeNeededException(PermissionDeniedException):
    """The initial password must be changed first."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-on user, as of this request: what was given or taken a moment ago counts."""

    user_id: int
    name: str
    full_name: str
    locale: str
    organisation_id: int
    """Root of what is seen; 0: everything."""
    organisation_ids: frozenset[int]
    """The root and all nodes below it; empty with root 0."""
    rights: frozenset[str]
    roles: tuple[str, ...]
    address: str
    session_hash: bytes
    stepped_up_until: datetime | None = None
    has_totp: bool = False
    has_passkey: bool = False
    must_change_password: bool = False
    token_id: int = 0
    """Token of a program that comes in the user's name; 0: the user himself."""
    is_token_stepped_up: bool = False
    """Whether the token was made with a fresh dynamic password: then it opens what demands one."""

    def may(self, function: str, action: Action = Action.VIEW) -> bool:
        """Whether the visitor holds a right."""
        return right(function, action) in self.rights

    @property
    def sees_everything(self) -> bool:
        """Whether the visitor belongs to the whole group."""
        return self.organisation_id == WHOLE_GROUP

    def cards_seen(self, query: Select[Any]) -> Select[Any]:
        """A question about `cards`, of those that the visitor's part of the organisation issued or has in stock."""
        if self.sees_everything:
            return query
        return query.where(
            or_(
                cards.c.issuing_organisation_id.in_(self.organisation_ids),
                cards.c.custody_store_id.in_(self._own_stores()),
            )
        )

    def card_counts_seen(self, query: Select[Any]) -> Select[Any]:
        """A question about `card_counts`: of the cards that `cards_seen` finds."""
        if self.sees_everything:
            return query
        return query.where(
            or_(
                card_counts.c.issuing_organisation_id.in_(self.organisation_ids),
                card_counts.c.custody_store_id.in_(self._own_stores()),
            )
        )

    def entries_seen(self, query: Select[Any]) -> Select[Any]:
        """A question about `entries`: of its stores, or of the cards that it issued."""
        if self.sees_everything:
            return query
        return query.where(
            or_(
                entries.c.accepting_organisation_id.in_(self.organisation_ids),
                entries.c.issuing_organisation_id.in_(self.organisation_ids),
            )
        )

    def terminals_seen(self, query: Select[Any]) -> Select[Any]:
        """A question about `terminals`: of its stores."""
        if self.sees_everything:
            return query
        return query.where(terminals.c.store_id.in_(self._own_stores()))

    def alarms_seen(self, query: Select[Any]) -> Select[Any]:
        """A question about `alarms`: those that were seen in one of its stores."""
        if self.sees_everything:
            return query
        return query.where(
            or_(alarms.c.first_store_id.in_(self._own_stores()), alarms.c.second_store_id.in_(self._own_stores()))
        )

    def stores_seen(self, query: Select[Any]) -> Select[Any]:
        """A question about `stores`."""
        return query if self.sees_everything else query.where(stores.c.organisation_id.in_(self.organisation_ids))

    def organisations_seen(self, query: Select[Any]) -> Select[Any]:
        """A question about `organisations`: its node and those below it."""
        if self.sees_everything:
            return query
        return query.where(organisations.c.organisation_id.in_(self.organisation_ids))

    def departments_seen(self, query: Select[Any]) -> Select[Any]:
        """A question about `departments`: those of its part of the organisation."""
        return query if self.sees_everything else query.where(Department.organisation_id.in_(self.organisation_ids))

    def users_seen(self, query: Select[Any]) -> Select[Any]:
        """A question about `users`: those of its part of the organisation."""
        return query if self.sees_everything else query.where(User.organisation_id.in_(self.organisation_ids))

    def members_seen(self, query: Select[Any]) -> Select[Any]:
        """A question about `members`: those whose record its part of the organisation owns."""
        return query if self.sees_everything else query.where(Member.organisation_id.in_(self.organisation_ids))

    def documents_seen(self, query: Select[Any]) -> Select[Any]:
        """A question about `documents`: those that were made in its part of the organisation."""
        return query if self.sees_everything else query.where(Document.organisation_id.in_(self.organisation_ids))

    def may_place_in(self, organisation_id: int) -> bool:
        """Whether the visitor may put somebody at a node."""
        return self.sees_everything or organisation_id in self.organisation_ids

    def held(self, value: int | None) -> int | None:
        """A holder's balance or points, for those who may see them; None for others."""
        return value if self.may("balances") else None

    def card_number(self, number: int, function: str = "cards") -> str:
        """A card number as the visitor may see it."""
        digits = str(number)
        return digits if self.may(function, Action.SEE_UNMASKED) else mask_number(digits)

    def _own_stores(self) -> Select[tuple[Any]]:
        return select(stores.c.store_id).where(stores.c.organisation_id.in_(self.organisation_ids))


def mask_number(digits: str) -> str:
    """`620000******0001`; a number with less than `HIDDEN_MIN` digits between is hidden whole."""
    hidden = len(digits) - SHOWN_AT_START - SHOWN_AT_END
    if hidden < HIDDEN_MIN:
        return "*" * len(digits)
    return digits[:SHOWN_AT_START] + "*" * hidden + digits[-SHOWN_AT_END:]


def mask_phone(phone: str) -> str:
    """`138****5678`."""
    return phone[:3] + "*" * max(0, len(phone) - 7) + phone[-4:] if len(phone) > 7 else "*" * len(phone)


def subtree(session: Session, root: int) -> frozenset[int]:
    """A node of the organisation and all below it; empty for the whole group."""
    if root == WHOLE_GROUP:
        return frozenset()
    children: dict[int, list[int]] = {}
    for number, parent in session.execute(select(organisations.c.organisation_id, organisations.c.parent_id)):
        children.setdefault(parent, []).append(number)
    found, waiting = {root}, [root]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:  # the switch forbids rings; a page must not hang if there is one
                found.add(child)
                waiting.append(child)
    return frozenset(found)


def visitor_of(
    session: Session,
    user: User,
    address: str,
    session_hash: bytes,
    stepped_up_until: datetime | None,
    *,
    token: tuple[int, frozenset[str], bool] | None = None,
    modules_off: frozenset[str] = frozenset(),
) -> Visitor:
    """What a user may do and see at this moment; by a token (number, scopes, stepped up) only what it was made for.

    `modules_off`: modules that the installation has switched off, whose rights nobody has.
    """
    token_id, scopes, is_token_stepped_up = token or (0, ALL_RIGHTS, False)
    roles = tuple(sorted(assignment.role for assignment in user.assignments))
    return Visitor(
        user_id=user.id,
        name=user.name,
        full_name=user.full_name,
        locale=user.locale,
        organisation_id=user.organisation_id,
        organisation_ids=subtree(session, user.organisation_id),
        rights=frozenset(
            name for name in rights_held(session, roles) & scopes if split_right(name)[0] not in modules_off
        ),
        roles=roles,
        address=address,
        session_hash=session_hash,
        stepped_up_until=stepped_up_until,
        has_totp=user.totp_sealed is not None,
        has_passkey=session.scalar(select(Passkey.id).where(Passkey.user_id == user.id).limit(1)) is not None,
        must_change_password=user.must_change_password,
        token_id=token_id,
        is_token_stepped_up=is_token_stepped_up,
    )


def needs(function: str, action: Action = Action.VIEW) -> Guard:
    """Guard of a handler: the visitor holds the right, and for some rights has given a dynamic password just now."""
    needed = right(function, action)

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        visitor = connection.scope.get("user")
        if not isinstance(visitor, Visitor):
            raise NotAuthorizedException(detail="Sign on first.")
        if visitor.must_change_password:
            raise PasswordChangeNeededException(detail="Change your password first.")
        service = connection.app.state.service
        await to_thread.run_sync(demand, service, visitor, function, action, connection.scope["path"])

    guard.needed = needed  # type: ignore[attr-defined]  # what the test of the matrix reads
    return guard


def demand(service: Service, visitor: Visitor, function: str, action: Action, path: str) -> None:
    """Go on only with a right, and with a fresh dynamic password where it asks for one; a refusal is noted."""
    needed = right(function, action)
    if needed not in visitor.rights:
        service.audit.refused(visitor, function, action.value, path)
        raise PermissionDeniedException(detail=f"The right {needed} is needed.")
    now = service.now()
    if not is_stepped_up(visitor, now) and service.parameters.asks_for_step_up(function, action, now):
        raise StepUpNeededException(needed)


def is_stepped_up(visitor: Visitor, now: datetime) -> bool:
    """Whether a fresh dynamic password was given; for a token, when it was made."""
    if visitor.token_id:
        return visitor.is_token_stepped_up
    return visitor.stepped_up_until is not None and now < visitor.stepped_up_until
