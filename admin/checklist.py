"""What is still missing before business can begin: shown to those who could do something about it, and asked by desks.

Business (cards, money, points, orders) is refused until the basic data is there: a store, a type of card, and a user
besides administrators.  The rest of the list is good advice, without which business can begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session

from switch.protocol.messages import KeyState
from switch.protocol.records import RecordKind

from .access import Visitor
from .errors import RefusedError
from .i18n import translate
from .models.interfaces import Passkey
from .models.mirror import MIRRORS, card_types, organisations, stores, terminals
from .models.people import RoleAssignment, User
from .rights import Action

ADMINISTRATOR = "administrator"
ADMINISTRATORS_WANTED = 2
"""One alone cannot be reset by anybody, and nobody could agree to what he makes."""

_ = str


@dataclass(frozen=True, slots=True)
class Item:
    """Something that an installation needs."""

    label: str
    hint: str
    address: str
    is_done: bool
    is_basic: bool = False
    """Business is refused without it."""


BUSINESS = frozenset(("cards", "money", "points", "orders"))
"""Functions whose documents are business."""
SET_UP_KINDS = frozenset(("put-points-category",))
"""Kinds of documents of these functions that set something up."""


def refuse_before_set_up(session: Session, function: str, kind: str) -> None:
    """`RefusedError` for business before the basic data is there; says what is missing."""
    if function not in BUSINESS or kind in SET_UP_KINDS:
        return
    missing = [translate(item.label) for item in basic_data(session) if not item.is_done]
    if missing:
        raise RefusedError(
            "Business begins when the basic data is there. Missing: {what}. The page Set-up says where to make it.",
            what=", ".join(missing),
        )


def basic_data(session: Session) -> list[Item]:
    """Stores, types and users, without which there is no business."""
    others = (
        select(User.id)
        .join(RoleAssignment, RoleAssignment.user_id == User.id)
        .where(User.is_enabled, RoleAssignment.role != ADMINISTRATOR)
    )
    wanted: tuple[tuple[str, str, str, bool], ...] = (
        (_("A store"), _("Sales happen in stores."), "/organisation", _has(session, stores)),
        (_("A card type"), _("It says what its cards may do."), "/card-types", _has(session, card_types)),
        (
            _("A user besides administrators"),
            _("Who sets an installation up is not who works at its desks."),
            "/users",
            session.scalar(others.limit(1)) is not None,
        ),
    )
    return [Item(*one, is_basic=True) for one in wanted]


def checklist(session: Session, visitor: Visitor) -> list[Item]:
    """What the visitor could see to, done or not; empty for those who set nothing up."""
    return whole_checklist(session, visitor) if visitor.sees_everything else []


def whole_checklist(session: Session, visitor: Visitor) -> list[Item]:
    """All that belongs to setting up and that the visitor could see to, basic data first."""
    store, card_type, user = basic_data(session)
    keys = MIRRORS[RecordKind.KEY].table
    administrators = _administrators(session)
    without = [one for one in administrators if not _has_second_factor(session, one)]
    wanted: tuple[tuple[str, Action, Item], ...] = (
        ("organisation", Action.CHANGE, store),
        ("card-types", Action.CHANGE, card_type),
        ("users", Action.ADD, user),
        (
            "organisation",
            Action.CHANGE,
            Item(
                _("Organisation"),
                _("Headquarters, then regions, stores and dealers below it."),
                "/organisation",
                _has(session, organisations),
            ),
        ),
        (
            "terminals",
            Action.CHANGE,
            Item(_("A terminal"), _("With its own key, in a store."), "/organisation", _has(session, terminals)),
        ),
        (
            "keys",
            Action.CHANGE,
            Item(
                _("An active issuer key"),
                _("Without one no medium can prove that it is no copy."),
                "/keys",
                session.scalar(select(func.count()).select_from(keys).where(keys.c.state == int(KeyState.ACTIVE))) != 0,
            ),
        ),
        (
            "users",
            Action.ADD,
            Item(
                _("A second administrator"),
                _("One alone cannot be helped by anybody, and four eyes need two."),
                "/users",
                len(administrators) >= ADMINISTRATORS_WANTED,
            ),
        ),
        (
            "users",
            Action.ADD,
            Item(
                _("A dynamic password or a passkey for every administrator"),
                _("Each sets it up on the own page."),
                "/account",
                bool(administrators) and not without,
            ),
        ),
    )
    return [item for function, action, item in wanted if visitor.may(function, action)]


def _administrators(session: Session) -> list[User]:
    query = (
        select(User)
        .join(RoleAssignment, RoleAssignment.user_id == User.id)
        .where(RoleAssignment.role == ADMINISTRATOR, User.is_enabled)
    )
    return list(session.scalars(query))


def _has_second_factor(session: Session, user: User) -> bool:
    passkey: Any = select(Passkey.id).where(Passkey.user_id == user.id).limit(1)
    return user.totp_sealed is not None or session.scalar(passkey) is not None


def _has(session: Session, table: Table) -> bool:
    return session.execute(select(table).limit(1)).first() is not None
