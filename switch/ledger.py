"""The balance store: LMDB as an exact projection of the journal at one position.

Owns the LMDB environment (one database per kind of record; key: the record's
number as 8 bytes big-endian, or its three numbers as 24; value: its bytes)
and, beside it, the logs of answers per business date.  Never decides anything and is never ahead of the
disk: a checkpoint only takes what the journal has made durable.  Invariant:
records, answers and position change in one LMDB txn, so the store is always
exactly the journal up to `Checkpoint.position`; a second checkpoint to the
same position changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import lmdb
import msgspec

from switch._blocks import BlockReader
from switch._projection import OPERATION_BYTES, Projection
from switch.protocol.records import RecordKind

MAP_BYTES_MAX = 64 << 30
"""Address space of the store: 10 million cards take 4 GiB; the file only grows to what is used."""
DATES_KEPT = 2
"""Logs of answers are kept for the current and the previous business date, as the window in memory."""


class Checkpoint(msgspec.Struct, frozen=True):
    """How far the store follows the journal."""

    position: int = 0
    last_block_position: int = 0
    """Where the last block before `position` starts; a journal without it has lost what the store has."""
    block_number: int = 0
    chain_hash: str = ""
    next_sequence: int = 1
    time_ms: int = 0
    """Clock of the last entry: the switch's clock does not go back over a restart either."""
    today: int = 0
    answers_bytes: dict[int, int] = {}
    """Valid length of each date's log of answers; bytes beyond it belong to a checkpoint that did not finish."""


class Snapshot:
    """What the store holds at one moment."""

    def __init__(self, txn: lmdb.Transaction, databases: dict[str, Any]) -> None:
        self._txn, self._databases = txn, databases

    def checkpoint(self) -> Checkpoint:
        """Position of the store; the start of the journal when it is empty."""
        stored = self._txn.get(b"checkpoint", db=self._databases["meta"]) if "meta" in self._databases else None
        return Checkpoint() if stored is None else msgspec.json.decode(stored, type=Checkpoint)

    def records(self, kind: RecordKind) -> Iterator[bytes]:
        """Every record of a kind, in the order of their numbers."""
        database = self._databases.get(kind.name.lower())
        if database is not None:
            yield from cast(Iterator[bytes], self._txn.cursor(db=database).iternext(keys=False, values=True))


class Ledger:
    """The store in one directory; open it once per process."""

    def __init__(self, directory: Path, *, readonly: bool = False) -> None:
        self.directory = directory
        self._answers = directory / "answers"
        if not readonly:
            self._answers.mkdir(parents=True, exist_ok=True)
        self._env = lmdb.open(
            str(directory),
            map_size=MAP_BYTES_MAX,
            max_dbs=len(RecordKind) + 1,
            subdir=True,
            readonly=readonly,
            lock=True,
        )
        # Read-only opening of a store that has never seen a checkpoint finds no databases: it is empty.
        self._databases: dict[str, lmdb._Database] = {}
        for name in ["meta", *(kind.name.lower() for kind in RecordKind)]:
            try:
                self._databases[name] = self._env.open_db(name.encode(), create=not readonly)
            except (lmdb.NotFoundError, lmdb.ReadonlyError):
                continue

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The store at one moment, whatever a checkpoint beside it does."""
        with self._env.begin() as txn:
            yield Snapshot(txn, self._databases)

    def checkpoint(self) -> Checkpoint:
        """Position of the store; the start of the journal when it is empty."""
        with self.snapshot() as snapshot:
            return snapshot.checkpoint()

    def answers(self, business_date: int, size_bytes: int) -> bytes:
        """Operations on a date's answers up to a checkpoint's length; ValueError when the log is shorter."""
        path = self._answers_path(business_date)
        with open(path, "rb") as file:
            operations = file.read(size_bytes)
        if len(operations) != size_bytes:
            raise ValueError(
                f"{path}: expected {size_bytes} bytes of answers, got {len(operations)}; "
                f"remove {self.directory} and start again: it is rebuilt from the journal"
            )
        return operations

    def advance(self, reader: BlockReader, until_position: int) -> Checkpoint:
        """Bring the store to a position that is durable in the journal. `reader` continues at the store's position."""
        before = self.checkpoint()
        if until_position <= before.position:
            return before
        projection = Projection()
        projection.take(reader, until_position)
        today = max(before.today, projection.today)
        answers_bytes = self._append_answers(before, projection, today)
        after = Checkpoint(
            position=reader.position,
            last_block_position=reader.last_block_position,
            block_number=reader.block_number,
            chain_hash=reader.chain_hash.hex(),
            next_sequence=reader.next_sequence,
            time_ms=reader.last_time_ms,
            today=today,
            answers_bytes=answers_bytes,
        )
        with self._env.begin(write=True) as txn:  # disk: leaving the block commits and syncs
            for kind in RecordKind:
                database = self._databases[kind.name.lower()]
                txn.cursor(db=database).putmulti(projection.records(kind))
                for key in projection.gone(kind):
                    txn.delete(key, db=database)
            txn.put(b"checkpoint", msgspec.json.encode(after), db=self._databases["meta"])
        for path in self._answers.iterdir():
            if int(path.stem) not in answers_bytes:
                path.unlink()
        return after

    def _answers_path(self, business_date: int) -> Path:
        return self._answers / f"{business_date}.log"

    def _append_answers(self, before: Checkpoint, projection: Projection, today: int) -> dict[int, int]:
        """Append operations of the dates that are still kept and sync them; lengths by date."""
        kept = {day: size for day, size in before.answers_bytes.items() if day > today - DATES_KEPT}
        for day, operations in projection.answers().items():
            if not today - DATES_KEPT < day <= today:
                continue
            file = os.open(self._answers_path(day), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                start = kept.get(day, 0)
                assert start % OPERATION_BYTES == 0
                os.ftruncate(file, start)
                view = memoryview(operations)
                while view:
                    written = os.pwrite(file, view, start)
                    start, view = start + written, view[written:]
                os.fdatasync(file)  # disk: before the txn that counts these bytes
            finally:
                os.close(file)
            kept[day] = start
        return kept
