"""The fast path's engine in this process, on a real journal in a temporary directory, with the twin's interface."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from typing import Any

from switch._fastpath import Engine
from switch._keys import KeyRing
from switch._segments import prepare_segment
from switch._tables import Tables
from switch._zone import zone_table
from switch.duplicates import AnswerWindow
from switch.group_commit import GroupCommit
from switch.journal import LocalJournal
from switch.protocol.messages import KeyPurpose
from switch.protocol.records import RecordKind, record_key
from tests.twin.world import switch_record_of

SEGMENT_BYTES = 4 << 20
PIN_KEY = bytearray(32)
"""Hashes the PINs of engines that get no key ring."""


class InProcessEngine:
    """Constructed and asked like `tests.twin.model.Twin`."""

    def __init__(
        self,
        *,
        timezone: str,
        replay: bool,
        answers_per_date_max: int = 1_000_000,
        keys: KeyRing | None = None,
        **settings: Any,
    ) -> None:
        directory = tempfile.mkdtemp(prefix="cardswitch-engine-")
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        self.journal = LocalJournal(directory, 0, SEGMENT_BYTES)
        self._make_room()
        maxima: dict[str, Any] = {"cards_max": 1000, "terminals_max": 1000, "stores_max": 1000}
        maxima |= {name: value for name, value in settings.items() if name.endswith("_max")}
        self.tables = Tables(**maxima)
        switch_record = switch_record_of({"timezone": timezone, "replay": replay, **settings})
        if switch_record is not None:
            self.tables.load([switch_record])
        self.window = AnswerWindow(answers_per_date_max)
        self.commit = GroupCommit(self.journal)
        self.engine = Engine(
            self.tables,
            self.window,
            self.commit,
            zone_table(timezone),
            replay,
            keys=KeyRing() if keys is None else keys,
        )
        if keys is None:
            self.engine.keys.load(KeyPurpose.PIN, 1, PIN_KEY)

    def _make_room(self) -> None:
        while self.journal.spare_count < 1 or self.journal.segments_prepared == 0:
            number = self.journal.segments_prepared
            prepare_segment(self.journal, number)
            self.journal.segment_is_ready(number)

    def decide(self, terminal_id: int, rights: int, message: bytes, now_ms: int) -> tuple[bytes, bytes | None]:
        """Whole plain reply, and the journal entry if there is one."""
        self._make_room()
        return self.engine.decide(terminal_id, rights, message, now_ms)

    def records(self) -> dict[int, dict[Any, bytes]]:
        """Every record as its bytes, by kind and key; a key of one number is that number."""
        return {
            kind: {
                key[0] if len(key) == 1 else key: record
                for record in self.tables.records(kind)
                for key in [record_key(record)]
            }
            for kind in RecordKind
        }
