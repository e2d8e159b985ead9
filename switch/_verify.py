"""`cardswitch verify`: rebuild everything from the journal and compare.

Four independent statements, each printed with its count:

1. the chain: every block's hash, predecessor, number; every entry's checksum and sequence;
2. the decisions: every request, decided again at its time, gives the same entry byte for byte;
3. the balance store: at its position, every record equals the rebuilt one;
4. the sums: balances equal credits minus debits plus reversals; points likewise.
"""

from __future__ import annotations

import sys
from pathlib import Path

from switch._blocks import HEADER_BYTES, BlockReader, segment_path
from switch._directory import DataDirectory, DirectoryError, open_directory
from switch._fastpath import Engine
from switch._recover import open_journal
from switch._tables import Tables
from switch._zone import zone_table
from switch.duplicates import AnswerWindow
from switch.group_commit import GroupCommit
from switch.ledger import Ledger, Snapshot
from switch.protocol.messages import MessageType, Reply, SwitchMode
from switch.protocol.records import AccountRecord, EntryHeader, RecordKind, SwitchRecord

DIFFERENCES_MAX = 10
"""Differences that are printed; more say nothing new."""


class Verifier:
    """Rebuilds one directory's state and collects what differs."""

    def __init__(self, directory: DataDirectory) -> None:
        self.directory = directory
        bounds = directory.settings
        self.tables = Tables(bounds.cards_max, bounds.terminals_max, bounds.stores_max)
        self._window = AnswerWindow(bounds.answers_per_date_max)
        self._journal = open_journal(directory)
        self._ledger = Ledger(directory.ledger, readonly=True) if (directory.ledger / "data.mdb").exists() else None
        self._reader = BlockReader(self._journal.directory, bounds.partition, bounds.segment_bytes)
        self._engine: Engine | None = None
        self.differences: list[str] = []
        self.block_count = self.entry_count = 0
        self.balance_sum_minor = self.points_sum_hundredths = 0
        self.store_position: int | None = None

    def run(self) -> None:
        """Read the whole journal; what is wrong is in `differences`."""
        if self._ledger is None:
            self._read(None)
            return
        # One snapshot for position and records: a running switch may bring the store up meanwhile.
        with self._ledger.snapshot() as snapshot:
            self._read(snapshot)

    def _read(self, snapshot: Snapshot | None) -> None:
        store_position = snapshot.checkpoint().position if snapshot is not None else None
        for position, header, body in self._reader.blocks():
            self.block_count += 1
            if self._engine is None:
                self._begin(body)
            self._reexecute(position + HEADER_BYTES, body)
            if snapshot is not None and position + len(header) + len(body) == store_position:
                self._compare_store(snapshot, store_position)
        self._judge_end()
        if store_position and self.store_position is None:
            self._differ(f"balance store: expected its position {store_position} at the end of a block, got none there")
        self._judge_sums()

    def _begin(self, body: bytes) -> None:
        """The first entry says zone and mode; without them nothing can be decided again."""
        image = body[EntryHeader.decode(body[: EntryHeader.width_bytes()]).entry_bytes - 64 :][:64]
        settings = SwitchRecord.decode(image)
        self._engine = Engine(
            self.tables,
            self._window,
            GroupCommit(self._journal),
            zone_table(settings.timezone.rstrip(b"\0").decode()),
            settings.mode == SwitchMode.REPLAY,
        )

    def _reexecute(self, position: int, body: bytes) -> None:
        assert self._engine is not None
        at = 0
        while at < len(body):
            entry_bytes = int.from_bytes(body[at : at + 4], "little")
            entry = body[at : at + entry_bytes]
            other = self._engine.reexecute(entry, position + at)
            if other is not None:
                sequence = int.from_bytes(entry[8:16], "little")
                self._differ(f"entry {sequence} at position {position + at}: deciding it again gives another entry")
            self._add_up(entry)
            self.entry_count += 1
            at += entry_bytes

    def _add_up(self, entry: bytes) -> None:
        """What this entry says it moved, read from its reply alone."""
        request_type, request_bytes = entry[32], int.from_bytes(entry[36:38], "little")
        start = EntryHeader.width_bytes() + -(-request_bytes // 8) * 8
        if request_type in (MessageType.DEBIT, MessageType.CREDIT, MessageType.REVERSAL):
            reply = Reply.decode(entry[start : start + Reply.width_bytes()])
            sign = -1 if request_type == MessageType.DEBIT else 1
            self.balance_sum_minor += sign * reply.amount_minor
            self.points_sum_hundredths += reply.points_hundredths

    def _compare_store(self, snapshot: Snapshot, position: int) -> None:
        self.store_position = position
        for kind in RecordKind:
            stored = set(snapshot.records(kind))
            rebuilt = set(self.tables.records(kind))
            for record in list(stored ^ rebuilt)[:DIFFERENCES_MAX]:
                where = "only in the balance store" if record in stored else "only in the rebuilt state"
                number = int.from_bytes(record[8:16], "little")
                self._differ(f"{kind.name.lower()} {masked(number) if kind <= RecordKind.CARD else number}: {where}")

    def _judge_end(self) -> None:
        behind = self._reader.block_follows()
        if self._reader.fault is None and behind is None:
            return
        place = self._reader.position if self._reader.fault is None else self._reader.fault_position
        path = segment_path(self._reader.directory, place // self._reader.segment_bytes)
        what = self._reader.fault or "no block"
        if behind is None:
            print(f"note: {path} ends in a write that was cut short at position {place}; the next start erases it")
        else:
            self._differ(f"{path}: damage at position {place} ({what}); a whole block lies behind it at {behind}")

    def _judge_sums(self) -> None:
        balance_minor = points_hundredths = 0
        for record in self.tables.records(RecordKind.ACCOUNT):
            account = AccountRecord.decode(record)
            balance_minor += account.balance_minor
            points_hundredths += account.points_hundredths
        if balance_minor != self.balance_sum_minor:
            self._differ(f"sum of balances: expected {self.balance_sum_minor} by the entries, got {balance_minor}")
        if points_hundredths != self.points_sum_hundredths:
            self._differ(
                f"sum of points: expected {self.points_sum_hundredths} by the entries, got {points_hundredths}"
            )

    def _differ(self, text: str) -> None:
        self.differences.append(text)


def masked(card_number: int) -> str:
    """A card number for people: first six and last four digits; short ones are hidden whole."""
    digits = str(card_number)
    return digits[:6] + "*" * (len(digits) - 10) + digits[-4:] if len(digits) > 12 else "*" * len(digits)


def verify(path: Path) -> int:
    """Print what was compared; exit status 0 when all is equal, 1 when not."""
    verifier = Verifier(open_directory(path))
    try:
        verifier.run()
    except (ValueError, OSError) as error:
        raise DirectoryError(str(error)) from error
    print(f"blocks   {verifier.block_count:>14,}  chain and hashes")
    print(f"entries  {verifier.entry_count:>14,}  checksums, and every request decided again")
    counts = verifier.tables.counts()
    position = verifier.store_position
    at = "no balance store yet" if position is None else f"balance store compared at {position:,}"
    print(f"cards    {counts['cards']:>14,}  {at}")
    if not verifier.differences:
        print(f"balances {verifier.balance_sum_minor:>14,}  minor units, equal to the sum of all entries")
    for difference in verifier.differences[:DIFFERENCES_MAX]:
        print(f"DIFFERS  {difference}", file=sys.stderr)
    if verifier.differences:
        count = len(verifier.differences)
        print(f"verify: {count} differences; do not start a switch on this directory", file=sys.stderr)
        return 1
    print("verify: clean")
    return 0
