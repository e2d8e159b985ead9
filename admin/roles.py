"""Which roles there are and what they hold: those of `rights.py`, and those that operators have made."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from .models.interfaces import CustomRole
from .rights import ALL_RIGHTS, ROLES, Role


def roles_now(session: Session) -> dict[str, Role]:
    """All roles by name: those of the service, then those that were made, by name."""
    made = session.scalars(select(CustomRole).order_by(CustomRole.name))
    return ROLES | {row.name: Role(row.name, row.label, rights_in(row)) for row in made}


def rights_held(session: Session, names: Iterable[str]) -> frozenset[str]:
    """All rights of some roles; a role that there is no more gives none."""
    wanted = set(names)
    rights: set[str] = set().union(*(ROLES[name].rights for name in wanted if name in ROLES))
    if made := wanted - ROLES.keys():
        for row in session.scalars(select(CustomRole).where(CustomRole.name.in_(made))):
            rights |= rights_in(row)
    return frozenset(rights)


def rights_in(row: CustomRole) -> frozenset[str]:
    """Rights of a role that was made, as far as this version knows them."""
    return frozenset(row.rights.split()) & ALL_RIGHTS
