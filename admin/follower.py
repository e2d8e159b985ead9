"""Follows the switch's journal into the database, for as long as the process runs.

A process of its own beside the web server: catching up must not slow a page,
and may be killed at any moment (rows and position change together).  One
thread fetches and checks blocks while the other writes the batch before.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, update
from sqlalchemy.exc import SQLAlchemyError

from ._clock import SYSTEM, Surroundings
from .database import Database
from .errors import JournalError, SwitchLinkError, WaitedTooLongError
from .journal_feed import JournalFeed
from .models.journal import FollowerState
from .processes import run_process
from .projection.projector import Projector
from .projection.rows import Batch
from .settings import Settings
from .switch_link import SwitchLink, link_of, read_key_file

BATCH_BYTES = 6_000_000
"""Journal bytes of one transaction while catching up and nobody waits: about 12,000 debits, half a second on SQLite."""
PIECE_MS_MAX = 25
"""So long it writes before a look whether somebody waits to write, for whom the transaction then ends.  While nobody
does, a batch is one piece, which saves a tenth."""
PIECE_BYTES_MIN, PIECE_BYTES_FIRST = 50_000, 200_000
"""How much that is depends on the machine, and on how far apart the rows are: a piece is made smaller or larger by how
long the last one took; never less than about 100 debits."""
SMALL_FOR_MS = 10_000
"""Pieces stay small for so long after somebody has waited: who looks at one page looks at the next."""
CHECKPOINT_EVERY_MS = 1_000
"""Between two times that SQLite's log is brought into its file, while there is something to follow."""
BATCHES_WAITING_MAX = 2
"""Batches fetched and not yet written."""
IDLE_PAUSE_S = 0.2
"""Between questions when there is nothing new: what a dashboard shows is at most this much older."""
RETRY_PAUSE_S = 2.0
"""Between attempts to reach the switch or the database."""
TELL_EVERY_MS = 5_000
"""The dashboard hears at least so often that the follower lives, also when nothing happens."""

log = structlog.get_logger("follower")


class Block(NamedTuple):
    """Entries of one block, and where the journal goes on behind it."""

    body: bytes
    position: int
    block_hash: bytes


class Fetched(NamedTuple):
    """Whole blocks, and how far the journal goes."""

    blocks: list[Block]
    position: int
    durable_position: int

    def pieces(self, bytes_max: Callable[[], int]) -> Iterator[list[Block]]:
        """The blocks in their order, some at a time; each piece is as large as is right when it is asked for."""
        piece: list[Block] = []
        size_bytes = 0
        for block in self.blocks:
            piece.append(block)
            size_bytes += len(block.body)
            if size_bytes >= bytes_max():
                yield piece
                piece, size_bytes = [], 0
        if piece:
            yield piece


def fetch(link: SwitchLink, feed: JournalFeed) -> Fetched:
    """What there is from the feed's position on, up to a batch; without blocks when there is nothing new."""
    blocks: list[Block] = []
    taken_bytes = 0
    while True:
        reply = link.follow(feed.partition, feed.wanted_position)
        blocks += [Block(body, feed.position, feed.block_hash) for body in feed.take(reply)]
        taken_bytes += len(reply.journal_bytes)
        at_end = not reply.journal_bytes or reply.next_position >= reply.durable_position
        # What is at the end ends with a block, since blocks become durable whole.
        if at_end or (taken_bytes >= BATCH_BYTES and blocks):
            return Fetched(blocks, feed.position, reply.durable_position)


class Follower:
    """Fetches, projects, waits, and begins again after a fault of the line."""

    def __init__(
        self,
        database: Database,
        partition: int,
        connect: Callable[[], SwitchLink],
        surroundings: Surroundings = SYSTEM,
    ) -> None:
        self._database = database
        self._partition = partition
        self._connect = connect
        self._surroundings = surroundings
        self._waited_for_ms: int | None = None
        self._piece_bytes = PIECE_BYTES_FIRST
        self.is_stopping = threading.Event()

    def run(self) -> None:
        """Until `is_stopping`; `JournalError` when the journal is not the one that was followed."""
        while not self.is_stopping.is_set():
            try:
                with self._connect() as link:
                    self._follow(link, until_caught_up=False)
            except (SwitchLinkError, SQLAlchemyError, WaitedTooLongError) as error:
                log.warning("following stands still", reason=str(error).partition("\n")[0])
                self._tell(problem=str(error).partition("\n")[0])
                self.is_stopping.wait(RETRY_PAUSE_S)
            except JournalError as error:
                self._tell(problem=str(error))
                raise

    def catch_up(self) -> int:
        """Take over what is durable now; number of rows of entries."""
        with self._connect() as link:
            return self._follow(link, until_caught_up=True)

    def _follow(self, link: SwitchLink, *, until_caught_up: bool) -> int:
        projector = Projector(self._database, self._partition)
        feed = JournalFeed(self._partition, projector.position, projector.block_hash)
        fetched_batches: queue.Queue[Fetched | BaseException] = queue.Queue(BATCHES_WAITING_MAX)
        ended = threading.Event()
        fetcher = threading.Thread(
            target=self._fetch_all, args=(link, feed, fetched_batches, ended, until_caught_up), daemon=True
        )
        fetcher.start()
        row_count = told_ms = checkpoint_ms = 0
        try:
            while not self.is_stopping.is_set():
                try:
                    fetched = fetched_batches.get(timeout=IDLE_PAUSE_S)
                except queue.Empty:
                    continue
                if isinstance(fetched, BaseException):
                    raise fetched
                row_count += self._take_over(projector, fetched)
                now_ms = self._surroundings.now_ms()
                if fetched.blocks and now_ms - checkpoint_ms >= CHECKPOINT_EVERY_MS:
                    self._database.checkpoint()
                    checkpoint_ms = now_ms
                if not fetched.blocks and now_ms - told_ms >= TELL_EVERY_MS:
                    self._tell(durable_position=fetched.durable_position)
                    told_ms = now_ms
                if until_caught_up and fetched.position >= fetched.durable_position:
                    break
        finally:
            ended.set()
        return row_count

    def _take_over(self, projector: Projector, fetched: Fetched) -> int:
        """Write what was fetched, in one transaction, or in several for the sake of others; rows of entries."""
        row_count = 0
        pieces = fetched.pieces(self._bytes_max)
        piece = next(pieces, None)
        while piece is not None:
            batch = _read(projector.begin(), piece)  # before others have to wait
            with projector.transaction() as connection:
                while piece is not None:
                    start_ms = self._surroundings.now_ms()
                    projector.take_over(connection, batch, piece[-1].position, piece[-1].block_hash)
                    self._learn(piece, self._surroundings.now_ms() - start_ms)
                    row_count += len(batch.entries)
                    piece = next(pieces, None)
                    if self._database.is_waited_for():
                        self._waited_for_ms = self._surroundings.now_ms()
                        break
                    if piece is not None:
                        batch = _read(projector.begin(connection), piece)
                self._note(connection, durable_position=fetched.durable_position)
        return row_count

    def _bytes_max(self) -> int:
        """Of the next piece."""
        if self._waited_for_ms is None or self._surroundings.now_ms() - self._waited_for_ms > SMALL_FOR_MS:
            return BATCH_BYTES
        return self._piece_bytes

    def _learn(self, piece: list[Block], taken_ms: int) -> None:
        """How much can be written in `PIECE_MS_MAX`: half or twice what the last piece was, at most."""
        size_bytes = sum(len(block.body) for block in piece)
        wanted_bytes = size_bytes * PIECE_MS_MAX // max(1, taken_ms)
        bounded = min(max(wanted_bytes, self._piece_bytes // 2), self._piece_bytes * 2)
        self._piece_bytes = min(max(bounded, PIECE_BYTES_MIN), BATCH_BYTES)

    def _fetch_all(
        self,
        link: SwitchLink,
        feed: JournalFeed,
        batches: queue.Queue[Fetched | BaseException],
        ended: threading.Event,
        until_caught_up: bool,
    ) -> None:
        try:
            while not ended.is_set():
                fetched = fetch(link, feed)
                while not ended.is_set():
                    try:
                        batches.put(fetched, timeout=IDLE_PAUSE_S)
                        break
                    except queue.Full:
                        continue
                if fetched.position >= fetched.durable_position:
                    if until_caught_up:
                        return
                    ended.wait(IDLE_PAUSE_S)
        except BaseException as error:
            batches.put(error)

    def _tell(self, **values: Any) -> None:
        """Note for the dashboard what was heard; failing to does no harm."""
        try:
            with self._database.writer.begin() as connection:
                self._note(connection, **values)
        except (SQLAlchemyError, WaitedTooLongError) as error:
            log.warning("the follower's state could not be written", reason=str(error).partition("\n")[0])

    def _note(self, connection: Connection, **values: Any) -> None:
        values = {"problem": "", "heard_ms": self._surroundings.now_ms(), **values}
        table: Any = FollowerState.__table__
        found = connection.execute(update(table).where(table.c.partition == self._partition).values(**values))
        if not found.rowcount:
            values.setdefault("durable_position", 0)
            connection.execute(table.insert().values(partition=self._partition, **values))


def _read(batch: Batch, blocks: list[Block]) -> Batch:
    for block in blocks:
        batch.read_block(block.body)
    return batch


def follower_of(settings: Settings, database: Database, surroundings: Surroundings = SYSTEM) -> Follower:
    """The follower that settings describe."""
    read_key_file(Path(settings.switch_key))  # what is wrong with it is said at once
    return Follower(database, settings.partition, lambda: link_of(settings, surroundings), surroundings)


def run(settings: Settings, database: Database, is_stopping: threading.Event) -> None:
    """Follow."""
    follower = follower_of(settings, database)
    follower.is_stopping = is_stopping
    follower.run()


def main() -> int:
    """`python -m admin.follower`: follow until SIGTERM; settings from the file that the environment names."""
    return run_process("follower", run, is_follower=True)


if __name__ == "__main__":
    sys.exit(main())
