"""From what lies on disk to a switch that can answer: balance store, then the journal's tail.

| journal at the end of reading            | decision                                            |
|------------------------------------------|-----------------------------------------------------|
| clean end, nothing behind                | go on from here                                     |
| faulty block, nothing whole behind it    | torn tail: a write was cut short, nobody was        |
|                                          | answered from it; it is erased and written again    |
| any end or fault, a whole block behind   | damage in the middle: refuse to start               |
| a faulty block that is whole by its hash | another version wrote it, or it belongs elsewhere:  |
|                                          | refuse to start, erase nothing                      |
| any end before the store's position      | damage: the store has seen what the journal lost    |
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from switch._blocks import OTHER_PARTITION, BlockReader, segment_path
from switch._clock import random_key
from switch._directory import DataDirectory, DirectoryError, Settings
from switch._fastpath import Engine
from switch._keys import KeyRing
from switch._projection import load_answers
from switch._replay import replay
from switch._tables import Tables
from switch._wide import HASH_KEY_BYTES
from switch._zone import zone_table
from switch.duplicates import AnswerWindow
from switch.group_commit import GroupCommit
from switch.journal import BLOCK_BYTES_MAX, LocalJournal
from switch.key_desk import KeyDesk, KeySource
from switch.ledger import Checkpoint, Ledger
from switch.protocol.messages import SwitchMode
from switch.protocol.records import RecordKind, SwitchRecord


@dataclass(frozen=True)
class Recovered:
    """A switch's state in memory, and what recovery found."""

    engine: Engine
    key_desk: KeyDesk
    commit: GroupCommit
    journal: LocalJournal
    settings: SwitchRecord
    store_position: int
    """Journal position of the balance store."""
    replayed_count: int
    """Entries behind the balance store's position."""
    torn_bytes: int
    """Bytes of a last write that was cut short and erased."""


def recover(directory: DataDirectory, keys: KeySource) -> Recovered:
    """Rebuild the state and load the keys in use.

    DirectoryError when the journal is damaged or not initialized, KeyUnavailableError when a key cannot be had.
    """
    bounds = directory.settings
    tables = tables_of(bounds)
    window = AnswerWindow(bounds.answers_per_date_max)
    done = load_store(directory, tables, window)
    remove_unfinished(directory)
    journal = open_journal(directory)
    check_anchor(directory, done)
    reader = BlockReader(
        journal.directory,
        bounds.partition,
        bounds.segment_bytes,
        done.position,
        done.block_number,
        bytes.fromhex(done.chain_hash),
        done.next_sequence,
        trusting=True,
    )
    replayed_count, last_now_ms = replay(tables, window, reader)
    torn_bytes = settle_end(reader)
    record = tables.get(RecordKind.SWITCH, bounds.partition)
    if record is None:
        raise DirectoryError(
            f"{directory.journal}: expected a first entry written by init, got none; run cardswitch init"
        )
    settings = SwitchRecord.decode(record)
    ring = KeyRing()
    key_desk = KeyDesk(keys, ring, tables)
    key_desk.load_all()
    commit = GroupCommit(journal, reader.position, reader.block_number, reader.chain_hash, reader.next_sequence)
    engine = Engine(
        tables,
        window,
        commit,
        zone_table(settings.timezone.rstrip(b"\0").decode()),
        settings.mode == SwitchMode.REPLAY,
        max(last_now_ms, done.time_ms),
        ring,
    )
    return Recovered(engine, key_desk, commit, journal, settings, done.position, replayed_count, torn_bytes)


def tables_of(bounds: Settings) -> Tables:
    """Empty tables with a directory's bounds, and a hash key that nobody can guess: no result depends on it."""
    return Tables(
        bounds.cards_max,
        bounds.terminals_max,
        bounds.stores_max,
        organisations_max=bounds.organisations_max,
        purses_max=bounds.purses_max,
        holds_max=bounds.holds_max,
        pending_points_max=bounds.pending_points_max,
        marks_max=bounds.marks_max,
        card_limits_max=bounds.card_limits_max,
        rules_max=bounds.rules_max,
        prices_max=bounds.prices_max,
        day_closes_max=bounds.day_closes_max,
        media_max=bounds.media_max,
        card_keys_max=bounds.card_keys_max,
        alarms_max=bounds.alarms_max,
        hash_key=random_key()[:HASH_KEY_BYTES],
    )


def load_store(directory: DataDirectory, tables: Tables, window: AnswerWindow) -> Checkpoint:
    """Records and answers as of the last checkpoint; the start of the journal when there is no store."""
    if not directory.ledger.exists():
        return Checkpoint()
    ledger = Ledger(directory.ledger)
    try:
        with ledger.snapshot() as snapshot:
            done = snapshot.checkpoint()
            tables.load_accounts_and_cards(snapshot.records(RecordKind.ACCOUNT), snapshot.records(RecordKind.CARD))
            tables.loaded()
            for kind in RecordKind:
                if kind > RecordKind.CARD:
                    tables.load(snapshot.records(kind))
        window.start_at(done.today)
        for day, size_bytes in done.answers_bytes.items():
            load_answers(window, day, ledger.answers(day, size_bytes))
    finally:
        ledger.close()
    return done


def check_anchor(directory: DataDirectory, done: Checkpoint) -> None:
    """The journal must have the block at which the store stands; DirectoryError when it was lost or changed."""
    if done.position == 0:
        return
    bounds = directory.settings
    reader = BlockReader(
        str(directory.journal), bounds.partition, bounds.segment_bytes, done.last_block_position, done.block_number - 1
    )
    if not reader.holds_block(bytes.fromhex(done.chain_hash)):
        number, offset = divmod(done.last_block_position, bounds.segment_bytes)
        raise DirectoryError(
            f"{segment_path(str(directory.journal), number)}: expected block {done.block_number - 1} at offset "
            f"{offset} (the balance store has taken it over), got another one or none; restore the segment from a copy"
        )


def open_journal(directory: DataDirectory) -> LocalJournal:
    """The journal's files; DirectoryError when one is missing between the others."""
    journal = LocalJournal(str(directory.journal), directory.settings.partition, directory.settings.segment_bytes)
    numbers = sorted(int(path.stem) for path in directory.journal.glob("*.segment"))
    for expected, number in enumerate(numbers):
        if number != expected:
            raise DirectoryError(
                f"{segment_path(journal.directory, expected)}: expected this segment, got none, "
                f"though segment {number} is there; restore it from a copy"
            )
        journal.segment_is_ready(number)
    return journal


def remove_unfinished(directory: DataDirectory) -> None:
    """Remove segments whose preparation was cut short; only for the one switch that holds the directory's lock."""
    for partial in directory.journal.glob("*.preparing"):
        partial.unlink()


def settle_end(reader: BlockReader) -> int:
    """Tell a torn tail from damage (table above); erases a torn tail and returns its bytes."""
    if reader.fault == OTHER_PARTITION:
        raise DirectoryError(
            f"{reader.directory}: expected blocks of partition {reader.partition} (switch.toml), got another's at "
            f"journal position {reader.fault_position}; put the right partition into switch.toml"
        )
    behind = reader.block_follows()
    place = reader.position if reader.fault is None else reader.fault_position
    if behind is not None:
        raise DirectoryError(
            f"{segment_path(reader.directory, place // reader.segment_bytes)}: "
            f"expected block {reader.block_number} at offset {place % reader.segment_bytes} "
            f"(journal position {place}), got: {reader.fault or 'no block'}; "
            f"a whole later block lies at position {behind}, so this is damage and not a torn tail; "
            "restore the segment from a copy"
        )
    if reader.fault_is_whole():
        raise DirectoryError(
            f"{segment_path(reader.directory, place // reader.segment_bytes)}: "
            f"expected block {reader.block_number} at offset {place % reader.segment_bytes} (journal position {place}) "
            f"in the layout of this version, got: {reader.fault}; the block is whole, so nothing was cut short and "
            "nothing is erased; start the version of cardswitch that wrote it, or restore the segment from a copy"
        )
    return erase_from(reader, place)


def erase_from(reader: BlockReader, position: int) -> int:
    """Zero, durably, what a write that was cut short has left behind a position; how many bytes that were.

    One block is written at a time, so nothing can lie further behind than the longest block.
    """
    first, offset = divmod(position, reader.segment_bytes)
    torn_bytes = 0
    for number, start in ((first, offset), (first + 1, 0)):
        path = segment_path(reader.directory, number)
        if not Path(path).exists():
            break
        with open(path, "r+b", buffering=0) as file:
            piece = os.pread(file.fileno(), min(BLOCK_BYTES_MAX, reader.segment_bytes - start), start)
            used = len(piece.rstrip(b"\0"))
            if used:
                os.pwrite(file.fileno(), bytes(used), start)
                os.fdatasync(file.fileno())
                torn_bytes += used
    return torn_bytes
