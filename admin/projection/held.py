"""Sums of what all cards and accounts hold, kept along with their rows: nobody reads a million of them for one figure.

They are differences of the tables before and after each write, as the database
itself adds them up, and not what entries say: whether both agree is what the
dashboard compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, insert, select
from sqlalchemy.orm import Session

from admin.models.journal import held_sums
from admin.models.mirror import MIRRORS
from switch.protocol.records import FIRST_WIDE_KEY_KIND, RecordKind

from .bulk import add_rows, driver_of

POINTS_PURSE_FIRST, POINTS_PURSE_END = 1 << 32, 2 << 32
"""Keys of purses of points; visits are no points."""
SUMS: dict[int, dict[str, str]] = {
    RecordKind.CARD: {"cards": "COUNT(*)"},
    RecordKind.ACCOUNT: {"balance_minor": "SUM(balance_minor)", "account_points": "SUM(points_hundredths)"},
    RecordKind.PURSE: {
        "purse_points": f"SUM(CASE WHEN purse >= {POINTS_PURSE_FIRST} AND purse < {POINTS_PURSE_END}"
        " THEN amount ELSE 0 END)"
    },
    RecordKind.PENDING_POINTS: {"pending_points": "SUM(amount_hundredths)"},
}
"""By kind of record: name of each sum, and how it is made of the rows of its table."""


@contextmanager
def kept(connection: Connection, kind: int, keys: Iterable[int]) -> Iterator[None]:
    """Keep the sums of a kind right while its rows with these keys are written; of wide keys their first part."""
    if kind not in SUMS:
        yield
        return
    wanted = sorted(set(keys))
    before = _sums(connection, kind, wanted)
    yield
    after = _sums(connection, kind, wanted)
    changed = [(name, new - old) for name, old, new in zip(SUMS[kind], before, after, strict=True) if new != old]
    add_rows(connection, held_sums, changed)


def first_key(key: Any, kind: int) -> int:
    """The first part of a key as the projection has it: a number, or the bytes of a wide one."""
    return int.from_bytes(key[:8], "little", signed=True) if kind >= FIRST_WIDE_KEY_KIND else int(key)


def read_held(session: Session) -> dict[str, int]:
    """All sums by name."""
    found = dict.fromkeys((name for sums in SUMS.values() for name in sums), 0)
    return found | {name: int(value) for name, value in session.execute(select(held_sums))}


def count_held(connection: Connection) -> None:
    """Make all sums anew from the tables themselves: slow, and right whatever was there."""
    connection.execute(delete(held_sums))
    for kind, sums in SUMS.items():
        columns = ", ".join(f"COALESCE({sum_}, 0)" for sum_ in sums.values())
        row = connection.exec_driver_sql(f"SELECT {columns} FROM {MIRRORS[kind].table.name}").one()
        connection.execute(insert(held_sums), [{"name": n, "value": int(v)} for n, v in zip(sums, row, strict=True)])


def _sums(connection: Connection, kind: int, keys: list[int]) -> list[int]:
    table: Table = MIRRORS[kind].table
    key = next(iter(table.primary_key.columns)).name
    columns = ", ".join(SUMS[kind].values())
    is_sqlite = connection.dialect.name == "sqlite"
    # One question with one value, however many keys: a list of a thousand places would be parsed each time.
    given: Any = msgspec.json.encode(keys).decode() if is_sqlite else keys
    among = f"{key} IN (SELECT value FROM json_each(?))" if is_sqlite else f"{key} = ANY(%s::int8[])"
    cursor = driver_of(connection).cursor()
    try:
        row = cursor.execute(f"SELECT {columns} FROM {table.name} WHERE {among}", (given,)).fetchone()
    finally:
        cursor.close()
    return [int(value or 0) for value in row]
