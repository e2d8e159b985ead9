"""Writes batches: rows and position in one transaction, so that each entry is taken over exactly once."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, select, update

from admin.database import Database, to_signed
from admin.errors import JournalError
from admin.models.holdings import TotalsPosition, account_days
from admin.models.journal import (
    FollowerState,
    JournalPosition,
    card_counts,
    daily_totals,
    entries,
    held_sums,
    medium_counts,
)
from admin.models.mirror import MIRRORS, Mirror, accounts, cards, pending_points, purses, terminals
from admin.models.sales import baskets, bill_lines, close_totals, fees
from switch.protocol.record_kinds import RecordKind

from .bulk import add_rows, delete_rows, insert_rows, insert_values, upsert_rows
from .closes import put_closes
from .held import kept
from .rows import Batch, Known
from .sales import take_back

KEYS_PER_QUESTION = 500
"""Values in one IN list; SQLite's bound on variables is far above."""
HASH_BYTES = 32
_KEY = struct.Struct("<qqq")


class Projector:
    """Takes the journal of one partition over into the tables; only one at a time may.

    A second one notices at its first commit: the position is not where it left it.
    """

    def __init__(self, database: Database, partition: int) -> None:
        self._database = database
        self.partition = partition
        self._known = Known()
        with database.read() as session:
            found = session.get(JournalPosition, partition)
            self.position = found.position if found else 0
            self.block_hash = found.block_hash if found else bytes(HASH_BYTES)
            self.sequence = found.sequence if found else 0
            for terminal_id, store_id in session.execute(select(terminals.c.terminal_id, terminals.c.store_id)):
                self._known.stores[terminal_id] = store_id
        self._is_new = found is None

    def begin(self, connection: Connection | None = None) -> Batch:
        """A batch to fill with blocks and to give to `commit`; or to `take_over`, within the transaction of that."""
        self._known.forget_what_is_too_much()
        return Batch(self._known, self._account_of if connection is None else partial(_account_in, connection))

    def commit(self, batch: Batch, position: int, block_hash: bytes) -> int:
        """Write a batch and where the journal goes on behind it; number of rows of entries.

        `JournalError` when another follower has moved the position: then nothing is written.
        """
        with self.transaction() as connection:
            self.take_over(connection, batch, position, block_hash)
        return len(batch.entries)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """For `take_over`: all batches of it are written, or none; after a failure a new projector is needed."""
        with self._database.writer.begin() as connection:
            yield connection

    def take_over(self, connection: Connection, batch: Batch, position: int, block_hash: bytes) -> None:
        """Write a batch, and where the journal goes on behind it, within a transaction."""
        self._move(connection, batch, position, block_hash)
        self._settle(connection, batch)
        insert_rows(connection, entries, batch.entries)
        insert_rows(connection, baskets, batch.sales.baskets)
        insert_values(connection, bill_lines, batch.sales.line_values())
        insert_rows(connection, fees, batch.sales.fees)
        take_back(connection, batch.sales.undoings)
        put_closes(connection, batch.closes)
        add_rows(connection, daily_totals, batch.daily_totals())
        for kind, images in batch.images.items():
            if images:
                put_images(connection, kind, images)
        self.position, self.block_hash, self._is_new = position, block_hash, False
        self.sequence = batch.sequence or self.sequence

    def _move(self, connection: Connection, batch: Batch, position: int, block_hash: bytes) -> None:
        table: Any = JournalPosition.__table__
        values = {
            "position": position,
            "block_hash": block_hash,
            "sequence": batch.sequence,
            "time_ms": batch.time_ms,
        }
        if self._is_new:
            connection.execute(table.insert().values(partition=self.partition, **values))
            return
        moved = connection.execute(
            update(table).where(table.c.partition == self.partition, table.c.position == self.position).values(**values)
        )
        if moved.rowcount != 1:
            raise JournalError(
                f"follower: expected position {self.position} in the database, got another one: somebody else follows"
                f" partition {self.partition} into it; end one of the two"
            )

    def _settle(self, connection: Connection, batch: Batch) -> None:
        unknown = [*batch.unsettled_accounts, *(number for _, number in batch.unsettled_balances)]
        batch.settle(_balances(connection, unknown), _points(connection, batch.unsettled_parts))

    def _account_of(self, card: int) -> int:
        with self._database.reader.connect() as connection:
            return _account_in(connection, card)


def put_images(connection: Connection, kind: int, images: Mapping[Any, bytes | None]) -> None:
    """Put records of a kind into their table, by key as a batch has it; None: it has ended, as only wide keys do."""
    mirror = MIRRORS[kind]
    with kept(connection, kind, images):
        # In the order of keys: neighbours are then on the same page.
        rows = [mirror.row_of(image) for _, image in sorted(images.items()) if image]
        upsert_rows(connection, mirror.table, rows)
        ended = [_words(key, mirror) for key, image in images.items() if image is None]
        delete_rows(connection, mirror.table, ended)


def forget(database: Database, partition: int) -> None:
    """Empty all tables that the follower fills, so that it begins at the beginning."""
    with database.writer.begin() as connection:
        mirrors = (mirror.table for mirror in MIRRORS.values())
        for table in (
            entries,
            daily_totals,
            held_sums,
            card_counts,
            medium_counts,
            account_days,
            baskets,
            bill_lines,
            fees,
            close_totals,
            *mirrors,
        ):
            connection.execute(delete(table))
        for model in (JournalPosition, FollowerState):
            state: Any = model.__table__
            connection.execute(delete(state).where(state.c.partition == partition))
        # What was counted of entries that are gone would be counted again, or, if the journal is another one, stay.
        counted: Any = TotalsPosition.__table__
        connection.execute(update(counted).values(entry_id=0))


def _account_in(connection: Connection, card: int) -> int:
    found = connection.execute(select(cards.c.account_number).where(cards.c.card_number == card)).scalar()
    return to_signed(found or 0)


def _balances(connection: Connection, numbers: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    """(account, balance, points of category 0) of those that exist."""
    columns = (accounts.c.account_number, accounts.c.balance_minor, accounts.c.points_hundredths)
    for chunk in _chunks(numbers):
        for number, balance, points in connection.execute(select(*columns).where(columns[0].in_(chunk))):
            yield to_signed(number), balance, points


def _points(connection: Connection, keys: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """(kind and key, points) of those that exist."""
    wanted = set(keys)
    for kind, table, amount in (
        (RecordKind.PURSE, purses, purses.c.amount),
        (RecordKind.PENDING_POINTS, pending_points, pending_points.c.amount_hundredths),
    ):
        numbers = {_KEY.unpack_from(key, 1)[0] for key in wanted if key[0] == kind}
        key_columns = list(table.primary_key.columns)
        for chunk in _chunks(numbers):
            for *words, points in connection.execute(select(*key_columns, amount).where(key_columns[0].in_(chunk))):
                key = bytes([kind]) + _KEY.pack(*map(to_signed, words))
                if key in wanted:
                    yield key, points


def _chunks(values: Iterable[int]) -> Iterator[list[int]]:
    left = list(values)
    for start in range(0, len(left), KEYS_PER_QUESTION):
        yield left[start : start + KEYS_PER_QUESTION]


def _words(key: bytes, mirror: Mirror) -> tuple[int, ...]:
    """The columns of a wide key, from its bytes."""
    return _KEY.unpack(key)[: len(mirror.key_columns)]
