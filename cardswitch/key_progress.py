"""How far rotations are: media, terminals and stored keys by the version that they rest on.

Read from the switch; where it has more records than it lists, from the balance store of its data directory, which is
some moments behind.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hsm.key_states import Purpose
from switch._directory import open_directory
from switch.ledger import Ledger
from switch.protocol.layout import Packed, layout_of
from switch.protocol.messages import MediumFlag, MediumKind, MediumState, TerminalFlag
from switch.protocol.records import CardKeyRecord, CardRecord, KeyRecord, MediumRecord, RecordKind, TerminalRecord
from terminals.till_calls import RecordsNotListedError

from .desk import Desk
from .output import CommandError

T = TypeVar("T", bound=Packed)

PIN_VERSION_AT = next(placed.offset for placed in layout_of(CardRecord).fields if placed.name == "pin_key_version")
STORE_WAIT_S = 1.0
STORE_TRIES = 300
"""The balance store is up to a minute behind; five mean that nobody brings it on."""

MEDIUM_OF = {
    Purpose.CHIP: MediumKind.CHIP,
    Purpose.CODE: MediumKind.CODE,
    Purpose.JITTER: MediumKind.STRIPE,
    Purpose.STRIPE: MediumKind.STRIPE,
    Purpose.TAG: MediumKind.TAG,
}
"""Whose media rest on a master key; a stripe rests on two."""


@dataclass(slots=True)
class Progress:
    """Counts, and where they are from."""

    media: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Active media with derived keys, by (MediumKind, key version last seen)."""
    media_with_keys: int = 0
    """Active media whose own random key is stored: no master key concerns them."""
    terminals: Counter[int] = field(default_factory=Counter)
    """Terminals by storage key version."""
    terminal_keys: Counter[int] = field(default_factory=Counter)
    """Terminals by the version of their own key."""
    terminals_renewing: int = 0
    """Terminals that are asked to renew their key."""
    terminals_changing: int = 0
    """Terminals that have sent a new key and not signed on with it yet."""
    card_keys: Counter[int] = field(default_factory=Counter)
    """Stored keys of media by storage key version."""
    pins: Counter[int] = field(default_factory=Counter)
    """Cards with a PIN, by the version of the PIN key that seals it."""
    source: str = "the switch"

    def resting(self, purpose: Purpose) -> dict[int, int] | None:
        """What rests on each version of a purpose; None where nobody can count it."""
        if purpose is Purpose.STORAGE:
            return dict(self.terminals + self.card_keys)
        if purpose is Purpose.PIN:
            return dict(self.pins)
        medium = MEDIUM_OF.get(purpose)
        if medium is None:
            return None
        return {version: count for (kind, version), count in self.media.items() if kind == medium}


class Pins:
    """Cards with a PIN, by the version of its key: of the switch, or of the balance store where there are too many."""

    def __init__(self, desk: Desk, data: Path) -> None:
        self._desk, self._data = desk, data

    async def count(self) -> Counter[int]:
        """How many cards by version."""
        counts: Counter[int] = Counter()
        async for card in self._each():
            counts[card.pin_key_version] += 1
        return counts

    async def on(self, version: int) -> list[CardRecord]:
        """The cards of one version, by card number; none is left out."""
        found = [card async for card in self._each() if card.pin_key_version == version]
        return sorted(found, key=lambda card: card.card_number)

    async def _each(self) -> AsyncIterator[CardRecord]:
        has_begun = False
        try:
            async for record in self._desk.client.records(RecordKind.CARD):
                assert isinstance(record, CardRecord)
                has_begun = True
                if record.pin_key_version:
                    yield record
            return
        except RecordsNotListedError:
            if has_begun:  # it became too many just now: begin anew, or some count twice
                raise
        async for card in self._each_stored():
            yield card

    async def _each_stored(self) -> AsyncIterator[CardRecord]:
        """As the store has them once it has the last change of a PIN key.

        A new PIN is sealed under the ACTIVE version, so from then on nothing comes to another.
        """
        keys = await self._desk.records(RecordKind.KEY, KeyRecord, Purpose.PIN, owner=Purpose.PIN)
        changed = max((key.last_sequence for key in keys), default=0)
        ledger = Ledger(open_directory(self._data).ledger, readonly=True)
        try:
            for _ in range(STORE_TRIES):
                with ledger.snapshot() as snapshot:
                    if snapshot.checkpoint().next_sequence > changed:
                        for record in snapshot.records(RecordKind.CARD):
                            if record[PIN_VERSION_AT]:
                                yield CardRecord.decode(record)
                        return
                await asyncio.sleep(STORE_WAIT_S)
        finally:
            ledger.close()
        raise CommandError(
            f"PINs: expected the balance store of {self._data} to have entry {changed:,}, the last change of a PIN key,"
            f" got none within {STORE_TRIES * STORE_WAIT_S:g} s; is this the data directory of that switch?"
        )


class Records:
    """Records of the switch, or of its balance store where there are too many."""

    def __init__(self, desk: Desk, data: Path) -> None:
        self._desk, self._data = desk, data
        self.source = "the switch"

    async def each(self, kind: RecordKind, form: type[T]) -> AsyncIterator[T]:
        """Every record of a kind."""
        has_begun = False
        try:
            async for record in self._desk.client.records(kind):
                assert isinstance(record, form)
                has_begun = True
                yield record
            return
        except RecordsNotListedError:
            if has_begun:  # it became too many just now: begin anew, or some count twice
                raise
        ledger = Ledger(open_directory(self._data).ledger, readonly=True)
        try:
            with ledger.snapshot() as snapshot:
                self.source = f"the balance store at journal position {snapshot.checkpoint().position:,}"
                for found in snapshot.records(kind):
                    yield form.decode(found)
        finally:
            ledger.close()

    async def progress(self, *purposes: Purpose) -> Progress:
        """Count everything once; PINs only for their own purpose: there is one card record to look at for each card."""
        counts = Progress()
        async for medium in self.each(RecordKind.MEDIUM, MediumRecord):
            if medium.state == MediumState.ACTIVE:
                if medium.flags & MediumFlag.STORED_KEY:
                    counts.media_with_keys += 1
                else:
                    counts.media[medium.medium, medium.key_version] += 1
        async for terminal in self.each(RecordKind.TERMINAL, TerminalRecord):
            counts.terminals[terminal.storage_version] += 1
            counts.terminal_keys[terminal.key_version] += 1
            counts.terminals_renewing += bool(terminal.flags & TerminalFlag.RENEW_KEY)
            counts.terminals_changing += any(terminal.wrapped_next)
        async for card_key in self.each(RecordKind.CARD_KEY, CardKeyRecord):
            counts.card_keys[card_key.storage_version] += 1
        counts.source = self.source
        if Purpose.PIN in purposes:
            counts.pins = await Pins(self._desk, self._data).count()
        return counts

    async def resting_on(self, purpose: Purpose, version: int) -> list[MediumRecord] | list[CardRecord]:
        """Active media that are refused, or cards whose PIN ends, when the version is retired; by card number."""
        if purpose is Purpose.PIN:
            return await Pins(self._desk, self._data).on(version)
        return await self.media_on(purpose, version)

    async def media_on(self, purpose: Purpose, version: int) -> list[MediumRecord]:
        """Active media that are refused when the version is retired, by card number.

        A chip that was told to go over and has not been seen since is among them: nobody knows whether it heard.
        """
        medium = MEDIUM_OF.get(purpose)
        if medium is None:
            return []
        found = [
            record
            async for record in self.each(RecordKind.MEDIUM, MediumRecord)
            if record.state == MediumState.ACTIVE
            and (record.medium, record.key_version) == (medium, version)
            and not record.flags & MediumFlag.STORED_KEY
        ]
        return sorted(found, key=lambda record: (record.card_number, record.medium_id))
