"""The database: an engine to read, one to write, and column types that SQLite and PostgreSQL both keep exactly.

SQLite's writers begin with BEGIN IMMEDIATE: without it, two transactions that
read before they write lose updates or fail; and they take turns
(`turnstile.py`), so that nobody starves.  A transaction is committed
inside the handler (`with database.write() as session:`), never by a hook
behind the response, which would promise what the disk has not heard of.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, Integer, create_engine, event
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from .turnstile import Turnstile

BUSY_TIMEOUT_MS = 10_000
"""Wait of a writer for one that does not take turns: somebody with a tool of his own."""
POOL_CONNECTIONS = 20
"""Requests that read at a time; Litestar's threads are not more."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SIGN = 1 << 63
TURN = "turn"
"""Where a connection's `info` keeps its turn to write."""
OWN_PRAGMAS = ("synchronous=FULL", "wal_autocheckpoint=20000")
"""Checkpoints are the follower's business: who had to make one would keep other writers waiting, and the visitor of a
page.  Only where no follower runs, others make them, every 80 MB."""
FOLLOWER_PRAGMAS = ("synchronous=NORMAL", "wal_autocheckpoint=0")

BigInt = BigInteger().with_variant(Integer, "sqlite")
"""64 bits; on SQLite a single such primary key is the row's own number."""


class UnsignedBig(TypeDecorator[int]):
    """A u64, such as a card number of 19 digits, kept as the i64 with the same bits, since SQL has no unsigned one.

    The order is that of the signed numbers: `number_ranges` knows.
    """

    impl = BigInt
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """As it is stored."""
        return value if value is None else to_signed(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> int | None:
        """As it is meant."""
        return value if value is None else value & (2 * SIGN - 1)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, to the millisecond, kept as a number: SQLite would give naive times back."""

    impl = BigInt
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Milliseconds since 1970."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"moment: expected a time with its zone, got {value!r}; make it with UTC")
        return to_ms(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Time in UTC."""
        return None if value is None else from_ms(value)


def to_signed(value: int) -> int:
    """The i64 with the bits of a u64."""
    return value - 2 * SIGN if value >= SIGN else value


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970-01-01 UTC, rounded down."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_ms(value_ms: int) -> datetime:
    """UTC time of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=value_ms)


class Database:
    """Two engines on one database; `read()` and `write()` give sessions, `writer` is for bulk work."""

    def __init__(self, url: str, *, is_follower: bool = False) -> None:
        """`is_follower`: a commit may be lost with the machine's power, since it can be made again from the journal."""
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"pool_pre_ping": not self.is_sqlite}
        if not self.is_sqlite or self.url.database not in (None, "", ":memory:"):
            options |= {"pool_size": POOL_CONNECTIONS, "max_overflow": POOL_CONNECTIONS}
        self.reader: Engine = create_engine(self.url, **options)
        self.writer: Engine = create_engine(self.url, **options)
        self._turnstile: Turnstile | None = None
        self.path: Path | None = None
        """The file of SQLite."""
        if self.is_sqlite:
            if self.url.database not in (None, "", ":memory:"):
                self.path = Path(str(self.url.database))
                self._turnstile = Turnstile(self.path)
                _take_turns(self.writer, self._turnstile)  # before it begins
                self._unsynced: Engine = create_engine(self.url, **options)
                _prepare_sqlite(self._unsynced, "BEGIN IMMEDIATE", FOLLOWER_PRAGMAS)
            for engine, begin in ((self.reader, "BEGIN"), (self.writer, "BEGIN IMMEDIATE")):
                _prepare_sqlite(engine, begin, FOLLOWER_PRAGMAS if is_follower else OWN_PRAGMAS)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state and changes nothing: what it did is rolled back."""
        with Session(self.reader) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is committed when its block ends well, and rolled back when it does not."""
        with Session(self.writer) as session, session.begin():
            yield session

    @contextmanager
    def write_at_once(self) -> Iterator[Session | None]:
        """A session like that of `write`, if nobody writes; None otherwise. Only SQLite has such turns.

        What it commits is there for everybody, but may be lost with the machine's power: it must be on the disk
        elsewhere.
        """
        turn = self._turnstile.enter_at_once() if self._turnstile is not None else None
        if turn is None:
            yield None
            return
        try:
            with Session(self._unsynced) as session, session.begin():
                yield session
        finally:
            turn.end()

    @contextmanager
    def write_if_free(self, *, is_late: bool = False) -> Iterator[Session | None]:
        """A session for what may as well be written another time; None when that is better. `is_late`: not this one."""
        if self._turnstile is None or is_late:
            with self.write() as session:
                yield session
            return
        with self.write_at_once() as free:
            yield free

    def is_waited_for(self) -> bool:
        """Whether somebody waits for the one who writes now; on PostgreSQL nobody does."""
        return self._turnstile is not None and self._turnstile.is_waited_at()

    def checkpoint(self) -> None:
        """Bring SQLite's log into its file as far as nobody reads there; others may write meanwhile."""
        if not self.is_sqlite:
            return
        connection = self.reader.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()

    def close(self) -> None:
        """Close all connections."""
        self.reader.dispose()
        self.writer.dispose()
        if self.path is not None:
            self._unsynced.dispose()


def _prepare_sqlite(engine: Engine, begin: str, durability: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver must not begin by itself
        for pragma in (
            "journal_mode=WAL",
            *durability,
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "foreign_keys=ON",
            "cache_size=-65536",  # KiB
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def do_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _take_turns(engine: Engine, turnstile: Turnstile) -> None:
    """A turn from before a connection's first transaction until the connection is given back, committed or not."""

    @event.listens_for(engine, "begin")
    def enter(connection: Connection) -> None:
        if TURN not in connection.info:
            connection.info[TURN] = turnstile.enter()

    @event.listens_for(engine, "checkin")
    @event.listens_for(engine, "close")
    @event.listens_for(engine, "close_detached")
    def leave(_: Any, *records: Any) -> None:
        for record in records:
            if (turn := record.info.pop(TURN, None)) is not None:
                turn.end()
