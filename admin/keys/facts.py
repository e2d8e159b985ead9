"""What the key desk tells of the key house: versions, states, officers; never a key."""

from __future__ import annotations

import msgspec
from sqlalchemy.orm import Session

from admin.models.security import KeyDeskState
from admin.service import Service

NOTE_LENGTH_MAX = 400
KEK, SIGN, LOG = 251, 252, 253
"""Keys that the key house keeps itself, as orders number them: beyond every purpose of the protocol."""


class RingKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the keyring, as the key desk tells of it: never the key."""

    purpose: int
    version: int
    state: str
    check_value: str
    kek_version: int
    partner: str = ""


class DeskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The keyring's side."""

    revision: int = 0
    keys: tuple[RingKey, ...] = ()
    keks: dict[str, int] = {}
    """Keys of the keyring by the version of the KEK that wraps them."""
    signs: tuple[int, ...] = ()
    """Versions of the key that signs the journal."""
    logs: tuple[int, ...] = ()
    """Versions of the key that seals keyring and key log."""
    in_use: dict[str, int] = {}
    """The version in use of each key that the key house keeps itself, by its number in orders."""
    officers: tuple[str, ...] = ()
    """Names on the key house's own list: with any on it, an order needs the passkeys of two of them."""
    half_done: tuple[str, ...] = ()
    """What was begun on one side and not finished on the other, in words."""

    def house_versions(self, key: int) -> list[int]:
        """Versions that there are of a key that the key house keeps itself (`KEK`, `SIGN` or `LOG`)."""
        if key == KEK:
            return sorted(int(version) for version in self.keks)
        return sorted(self.signs if key == SIGN else self.logs)


def desk_state(session: Session, partition: int) -> tuple[KeyDeskState | None, DeskFacts]:
    """What the key desk last said."""
    state = session.get(KeyDeskState, partition)
    return state, facts_in(state) if state is not None else DeskFacts()


def facts_in(state: KeyDeskState) -> DeskFacts:
    """The keyring's side out of what was kept of it."""
    return msgspec.json.decode(state.facts, type=DeskFacts)


def tell(service: Service, *, facts: DeskFacts | None = None, problem: str = "") -> None:
    """Say that the key desk is there, why it waits, and how the keyring stands."""
    partition, now_ms = service.settings.partition, service.surroundings.now_ms()
    with service.database.write() as session:
        state = session.get(KeyDeskState, partition)
        if state is None:
            state = KeyDeskState(partition=partition, heard_ms=now_ms, problem="", facts="{}")
            session.add(state)
        state.heard_ms, state.problem = now_ms, problem[:NOTE_LENGTH_MAX]
        if facts is not None:
            state.facts = msgspec.json.encode(facts).decode()
