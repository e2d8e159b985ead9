"""The fast path as a decider: one engine in this process, with a journal of its own that nobody else writes."""

from __future__ import annotations

from pathlib import Path

from switch._fastpath import Engine
from switch._segments import prepare_segment
from switch._tables import Tables
from switch._zone import zone_table
from switch.duplicates import AnswerWindow
from switch.group_commit import GroupCommit
from switch.journal import LocalJournal
from switch.protocol.records import RecordKind

SEGMENT_BYTES = 16 << 20
KEY = slice(8, 16)
"""Where each record keeps its key."""


class InProcessEngine:
    """Takes the twin's arguments and a directory for the journal."""

    def __init__(
        self,
        directory: Path,
        *,
        timezone: str,
        replay: bool,
        cards_max: int = 1_000_000,
        terminals_max: int = 100_000,
        stores_max: int = 10_000,
        answers_per_date_max: int = 1_000_000,
        next_sequence: int = 1,
    ) -> None:
        directory.mkdir(parents=True)
        self.journal = LocalJournal(str(directory), 0, SEGMENT_BYTES)
        self._keep_segments_ready()
        self.tables = Tables(cards_max, terminals_max, stores_max)
        commit = GroupCommit(self.journal, next_sequence=next_sequence)
        self.engine = Engine(self.tables, AnswerWindow(answers_per_date_max), commit, zone_table(timezone), replay)

    def _keep_segments_ready(self) -> None:
        while self.journal.segments_prepared == 0 or self.journal.spare_count == 0:
            number = self.journal.segments_prepared
            prepare_segment(self.journal, number)
            self.journal.segment_is_ready(number)

    def decide(self, terminal_id: int, rights: int, message: bytes, now_ms: int) -> tuple[bytes, bytes | None]:
        """Whole reply and journal entry of a whole message."""
        self._keep_segments_ready()
        reply, entry = self.engine.decide(terminal_id, rights, message, now_ms)
        return reply, entry

    def records(self) -> dict[int, dict[int, bytes]]:
        """Every record as its 64 bytes, by kind and key."""
        return {
            kind: {int.from_bytes(record[KEY], "little"): record for record in self.tables.records(kind)}
            for kind in RecordKind
        }
