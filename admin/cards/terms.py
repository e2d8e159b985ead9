"""Card types as the switch has them: the version in force, fees, names, whether cards were made of one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Row, exists, select
from sqlalchemy.orm import Session

from admin.models.mirror import card_types, cards, type_states
from switch.protocol.messages import CardStatus, CardTypeFlag, FeeKind, TypeState

FEES = struct.Struct("<12I")
NOT_MADE = (CardStatus.RESERVED, CardStatus.RELEASED)


def fees_of(version: Row[Any] | None) -> tuple[int, ...]:
    """Amount of each `FeeKind` in minor units; nothing without a version."""
    found: tuple[int, ...] = FEES.unpack(version.fees_minor) if version is not None else (0,) * len(FeeKind)
    return found


class Terms:
    """Card types of the group on a business date; each is asked for once."""

    def __init__(self, session: Session, today: int) -> None:
        self._session = session
        self._today = today

    @cached_property
    def _versions(self) -> dict[int, Row[Any]]:
        """Version in force of each type."""
        query = select(card_types).where(card_types.c.from_date <= self._today).order_by(card_types.c.from_date)
        return {row.code: row for row in self._session.execute(query)}

    @cached_property
    def states(self) -> dict[int, Row[Any]]:
        """State and author of each type, by code."""
        return {row.code: row for row in self._session.execute(select(type_states))}

    def in_force(self, code: int) -> Row[Any] | None:
        """The version that holds today; none for an unknown type, or one that begins later."""
        return self._versions.get(code)

    def state(self, code: int) -> int:
        """`TypeState`; 0 for an unknown type."""
        row = self.states.get(code)
        return row.state if row is not None else 0

    def fee_minor(self, code: int, kind: FeeKind) -> int:
        """A fee today."""
        return fees_of(self.in_force(code))[kind]

    def is_waivable(self, code: int, kind: FeeKind) -> bool:
        """Whether a fee may be waived."""
        version = self.in_force(code)
        return version is not None and (bool(version.fees_waivable >> kind & 1) or not fees_of(version)[kind])

    def is_from_balance(self, code: int, kind: FeeKind) -> bool:
        """Whether a fee may be taken from the balance."""
        version = self.in_force(code)
        return version is not None and (bool(version.fees_from_balance >> kind & 1) or not fees_of(version)[kind])

    def has_flag(self, code: int, flag: CardTypeFlag) -> bool:
        """Whether a choice is on today."""
        version = self.in_force(code)
        return version is not None and bool(version.flags & flag)


def type_names(session: Session) -> dict[int, str]:
    """Name of each type, that of its newest version; its number where it has none."""
    query = select(card_types.c.code, card_types.c.name).order_by(card_types.c.code, card_types.c.from_date)
    return {row.code: row.name or str(row.code) for row in session.execute(query)}


def approved_types(session: Session) -> dict[int, str]:
    """Types of which cards may be made: `code name` by code."""
    states = {row.code: row.state for row in session.execute(select(type_states.c.code, type_states.c.state))}
    return {
        code: f"{code} {name}" for code, name in type_names(session).items() if states.get(code) == TypeState.APPROVED
    }


def versions_of(session: Session, code: int) -> Sequence[Row[Any]]:
    """All versions of a type, newest first."""
    return session.execute(
        select(card_types).where(card_types.c.code == code).order_by(card_types.c.from_date.desc())
    ).all()


def is_in_use(session: Session, code: int) -> bool:
    """Whether a card of the type was made: from then on parts of it are frozen."""
    made = exists().where(cards.c.card_type == code, cards.c.status.not_in(NOT_MADE))
    return bool(session.scalar(select(made)))
