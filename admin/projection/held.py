"""Sums of what all cards and accounts hold, kept along with their rows: nobody reads a million of them for one figure.

They are differences of the tables before and after each write, as the database
itself adds them up, and not what entries say: whether both agree is what the
dashboard compares.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, insert, select
from sqlalchemy.orm import Session

from admin.models.journal import card_counts, held_sums, medium_counts
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


GROUPS: dict[int, Table] = {RecordKind.CARD: card_counts, RecordKind.MEDIUM: medium_counts}
"""By kind of record: a table with how many are alike in some columns of the same names, in its last column."""
NO_SUMS: dict[str, str] = {}
_TWO_WORDS = struct.Struct("<qq")


@contextmanager
def kept(connection: Connection, kind: int, keys: Iterable[Any]) -> Iterator[None]:
    """Keep the sums of a kind right while its rows with these keys, as the projection has them, are written."""
    if kind not in SUMS and kind not in GROUPS:
        yield
        return
    wanted = _words(kind, keys)
    before = _sums(connection, kind, wanted), _groups(connection, kind, wanted)
    yield
    after = _sums(connection, kind, wanted), _groups(connection, kind, wanted)
    names = SUMS.get(kind, NO_SUMS)
    changed = [(name, new - old) for name, old, new in zip(names, before[0], after[0], strict=True) if new != old]
    add_rows(connection, held_sums, changed)
    if kind in GROUPS:
        counts = Counter(after[1])
        counts.subtract(before[1])
        add_rows(connection, GROUPS[kind], [(*alike, count) for alike, count in sorted(counts.items()) if count])


def _words(kind: int, keys: Iterable[Any]) -> list[list[int]]:
    """Values of each part of the keys. Of a wide one the first two: few rows have one of these, and not in one key.

    Such a row is counted before and after, and makes no difference.
    """
    if kind < FIRST_WIDE_KEY_KIND:
        return [sorted(set(keys))]
    return [sorted(set(values)) for values in zip(*(_TWO_WORDS.unpack_from(key) for key in keys), strict=True)]


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
    for kind, table in GROUPS.items():
        connection.execute(delete(table))
        columns = ", ".join(_alike(table))
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} SELECT {columns}, COUNT(*) FROM {MIRRORS[kind].table.name} GROUP BY {columns}"
        )


def _alike(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns]


def _sums(connection: Connection, kind: int, keys: list[list[int]]) -> list[int]:
    if kind not in SUMS:
        return []
    (row,) = _asked(connection, kind, ", ".join(SUMS[kind].values()), keys)
    return [int(value or 0) for value in row]


def _groups(connection: Connection, kind: int, keys: list[list[int]]) -> dict[tuple[int, ...], int]:
    if kind not in GROUPS:
        return {}
    columns = ", ".join(_alike(GROUPS[kind]))
    rows = _asked(connection, kind, f"{columns}, COUNT(*)", keys, f" GROUP BY {columns}")
    return {tuple(alike): count for *alike, count in rows}


def _asked(connection: Connection, kind: int, columns: str, keys: list[list[int]], grouped: str = "") -> list[Any]:
    table: Table = MIRRORS[kind].table
    is_sqlite = connection.dialect.name == "sqlite"
    # One value for each part, however many keys: a list of a thousand places would be parsed each time.
    given = [msgspec.json.encode(values).decode() if is_sqlite else values for values in keys]
    among = "IN (SELECT value FROM json_each(?))" if is_sqlite else "= ANY(%s::int8[])"
    names = [column.name for column in table.primary_key.columns]
    where = " AND ".join(f"{name} {among}" for name, _ in zip(names, keys, strict=False))
    cursor = driver_of(connection).cursor()
    try:
        found: list[Any] = cursor.execute(
            f"SELECT {columns} FROM {table.name} WHERE {where}{grouped}", given
        ).fetchall()
    finally:
        cursor.close()
    return found
