"""`cardswitch verify`: rebuild everything from the journal and compare.

Five independent statements:

1. the chain: every block's hash, predecessor, number; every entry's checksum and sequence;
2. the decisions: every request, decided again at its time, gives the same entry byte for byte;
3. the balance store: at its position, every record equals the rebuilt one;
4. the entries: images in ascending order, and what an entry moved by its images is what its reply says;
5. the sums: balances equal what all replies said; points of all categories likewise.

The sums need no rules: what an entry moved is the difference between its images and the records before it. What no
reply says (a write-off, points that end with a card) is counted by the images alone, and shown as that.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from switch._blocks import HEADER_BYTES, BlockReader, segment_path
from switch._directory import DataDirectory, DirectoryError, open_directory
from switch._entries import Entry, cut, entries_in
from switch._fastpath import Engine
from switch._moved import ReplyReader, held, moved_by_images
from switch._recover import open_journal, tables_of
from switch._zone import zone_table
from switch.duplicates import AnswerWindow
from switch.group_commit import GroupCommit
from switch.ledger import Ledger, Snapshot
from switch.protocol.masking import mask
from switch.protocol.messages import SwitchMode
from switch.protocol.records import RecordKind, SwitchRecord, record_key

DIFFERENCES_MAX = 10
"""Differences that are printed; more say nothing new."""
KEYED_BY_CARD = frozenset(
    {
        RecordKind.ACCOUNT,
        RecordKind.CARD,
        RecordKind.CARD_LIMIT,
        RecordKind.PURSE,
        RecordKind.HOLD,
        RecordKind.PENDING_POINTS,
        RecordKind.MARK,
    }
)
"""Kinds whose first number is, or may be, that of a card: it is shown masked."""
KEYED_BY_MEDIUM = frozenset({RecordKind.MEDIUM, RecordKind.CARD_KEY})
"""Kinds whose second number is that of a medium, a stripe's is its card's: it is shown masked."""


@dataclass(slots=True)
class Untold:
    """What entries moved whose replies do not say it."""

    entry_count: int = 0
    balance_minor: int = 0
    points_hundredths: int = 0


class Verifier:
    """Rebuilds one directory's state and collects what differs."""

    def __init__(self, directory: DataDirectory) -> None:
        self.directory = directory
        bounds = directory.settings
        self.tables = tables_of(bounds)
        self._window = AnswerWindow(bounds.answers_per_date_max)
        self._journal = open_journal(directory)
        self._ledger = Ledger(directory.ledger, readonly=True) if (directory.ledger / "data.mdb").exists() else None
        self._reader = BlockReader(self._journal.directory, bounds.partition, bounds.segment_bytes)
        self._engine: Engine | None = None
        self.differences: list[str] = []
        self.block_count = self.entry_count = 0
        self.balance_sum_minor = self.points_sum_hundredths = 0
        self._replies = ReplyReader()
        self.untold: dict[str, Untold] = {}
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
        _, first = next(entries_in(body))
        settings = SwitchRecord.decode(next(i for i in cut(first).images() if i[0] == RecordKind.SWITCH))
        self._engine = Engine(
            self.tables,
            self._window,
            GroupCommit(self._journal),
            zone_table(settings.timezone.rstrip(b"\0").decode()),
            settings.mode == SwitchMode.REPLAY,
        )

    def _reexecute(self, position: int, body: bytes) -> None:
        assert self._engine is not None
        for at, entry in entries_in(body):
            parts = cut(entry)
            self._add_up(parts)  # before the tables have what the entry changed
            other = self._engine.reexecute(entry, position + at)
            if other is not None:
                self._differ(
                    f"entry {parts.header.sequence} at position {position + at}: deciding it again gives another entry"
                )
            self.entry_count += 1

    def _add_up(self, entry: Entry) -> None:
        """What this entry moved, by its images; its reply must say the same, where it says it."""
        images = entry.images()
        balance_minor, points_hundredths = moved_by_images(images, self._record)
        self.balance_sum_minor += balance_minor
        self.points_sum_hundredths += points_hundredths
        told = self._replies.read(entry)
        if told.untold:
            untold = self.untold.setdefault(told.untold, Untold())
            untold.entry_count += 1
            untold.balance_minor += balance_minor if told.balance_minor is None else 0
            untold.points_hundredths += points_hundredths if told.points_hundredths is None else 0
        said_minor = balance_minor if told.balance_minor is None else told.balance_minor
        said_hundredths = points_hundredths if told.points_hundredths is None else told.points_hundredths
        if (said_minor, said_hundredths) != (balance_minor, points_hundredths):
            self._differ(
                f"entry {entry.header.sequence}: expected its reply to say what its images moved, {balance_minor} "
                f"minor units and {points_hundredths} hundredths of points, got {said_minor} and {said_hundredths}"
            )
        keys = [(image[0], record_key(image)) for image in images]
        if any(one >= other for one, other in pairwise(keys)):
            self._differ(f"entry {entry.header.sequence}: expected images in ascending order of kind and key")

    def _record(self, kind: int, key: tuple[int, ...]) -> bytes | None:
        return self.tables.get(kind, key[0] if len(key) == 1 else key)

    def _compare_store(self, snapshot: Snapshot, position: int) -> None:
        self.store_position = position
        for kind in RecordKind:
            stored = set(snapshot.records(kind))
            rebuilt = set(self.tables.records(kind))
            for record in list(stored ^ rebuilt)[:DIFFERENCES_MAX]:
                where = "only in the balance store" if record in stored else "only in the rebuilt state"
                self._differ(f"{shown(record)}: {where}")

    def _judge_end(self) -> None:
        behind = self._reader.block_follows()
        if self._reader.fault is None and behind is None:
            return
        place = self._reader.position if self._reader.fault is None else self._reader.fault_position
        path = segment_path(self._reader.directory, place // self._reader.segment_bytes)
        what = self._reader.fault or "no block"
        if behind is None and self._reader.fault_is_whole():
            self._differ(f"{path}: a whole block at position {place} that this version cannot read ({what})")
        elif behind is None:
            print(f"note: {path} ends in a write that was cut short at position {place}; the next start erases it")
        else:
            self._differ(f"{path}: damage at position {place} ({what}); a whole block lies behind it at {behind}")

    def _judge_sums(self) -> None:
        balance_minor = points_hundredths = 0
        for kind in (RecordKind.ACCOUNT, RecordKind.PURSE, RecordKind.PENDING_POINTS):
            for record in self.tables.records(kind):
                minor, points = held(record)
                balance_minor += minor
                points_hundredths += points
        if balance_minor != self.balance_sum_minor:
            self._differ(f"sum of balances: expected {self.balance_sum_minor} by the entries, got {balance_minor}")
        if points_hundredths != self.points_sum_hundredths:
            self._differ(
                f"sum of points: expected {self.points_sum_hundredths} by the entries, got {points_hundredths}"
            )

    def _differ(self, text: str) -> None:
        self.differences.append(text)


def shown(record: bytes) -> str:
    """A record's kind and key for people."""
    kind, (first, *others) = RecordKind(record[0]), record_key(record)
    numbers = [str(number) for number in (first, *others)]
    if kind in KEYED_BY_CARD:
        numbers[0] = mask(first)
    elif kind in KEYED_BY_MEDIUM:
        numbers[1] = mask(others[0])
    return f"{kind.name.lower()} {'/'.join(numbers)}"


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
        print(f"balances {verifier.balance_sum_minor:>14,}  minor units, equal to what all replies say")
        print(f"points   {verifier.points_sum_hundredths:>14,}  hundredths, equal to what all replies say")
        for what, untold in sorted(verifier.untold.items()):
            print(
                f"  but {what}: {untold.entry_count:,} entries moved {untold.balance_minor:,} minor units and "
                f"{untold.points_hundredths:,} hundredths, by their images alone"
            )
    for difference in verifier.differences[:DIFFERENCES_MAX]:
        print(f"DIFFERS  {difference}", file=sys.stderr)
    if verifier.differences:
        count = len(verifier.differences)
        print(f"verify: {count} differences; do not start a switch on this directory", file=sys.stderr)
        return 1
    print("verify: clean")
    return 0
