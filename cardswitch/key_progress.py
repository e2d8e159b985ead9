"""How far rotations are: media, terminals and stored keys by the version that they rest on.

Read from the switch; where it has more records than it lists, from the balance store of its data directory, which is
some moments behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hsm.key_states import Purpose
from switch._directory import open_directory
from switch.ledger import Ledger
from switch.protocol.layout import Packed
from switch.protocol.messages import MediumFlag, MediumKind, MediumState, TerminalFlag
from switch.protocol.records import CardKeyRecord, MediumRecord, RecordKind, TerminalRecord
from terminals.till_calls import RecordsNotListedError

from .desk import Desk

T = TypeVar("T", bound=Packed)

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
    source: str = "the switch"

    def resting(self, purpose: Purpose) -> dict[int, int] | None:
        """What rests on each version of a purpose; None where nobody can count it."""
        if purpose is Purpose.STORAGE:
            return dict(self.terminals + self.card_keys)
        medium = MEDIUM_OF.get(purpose)
        if medium is None:
            return None
        return {version: count for (kind, version), count in self.media.items() if kind == medium}


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

    async def progress(self) -> Progress:
        """Count everything once."""
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
        return counts

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
