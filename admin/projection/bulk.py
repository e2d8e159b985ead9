"""Many rows at a time, past the ORM: what the driver of each database does fastest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, LargeBinary, String, Table
from sqlalchemy.types import TypeDecorator

Row = tuple[Any, ...]
ARRAY_ROWS_MAX = 5_000
"""Rows of one statement on PostgreSQL; more saves nothing."""
ROWS_PER_STATEMENT = 100
"""Rows of one statement on SQLite; a statement has at most 32,766 values, the widest table some 30 columns."""


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Append rows of a table, in the order of its columns; a row that is there already is an error."""
    if not rows:
        return
    driver = driver_of(connection)
    names = [column.name for column in table.columns]
    if connection.dialect.name == "postgresql":
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {table.name} ({', '.join(_quoted(names))}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types([_postgresql_type(column.type) for column in table.columns])
            for row in rows:
                copy.write_row(row)
        return
    insert_values(connection, table, list(chain.from_iterable(rows)))


def insert_values(connection: Connection, table: Table, values: list[Any]) -> None:
    """Append rows that stand one behind the other in one list: less work than a tuple for each of a million."""
    width = len(table.columns)
    if connection.dialect.name == "postgresql":
        insert_rows(connection, table, [tuple(values[at : at + width]) for at in range(0, len(values), width)])
        return
    # Several rows to a statement: stepping through one costs more than binding its values.
    step = width * ROWS_PER_STATEMENT
    whole = len(values) - len(values) % step
    driver = driver_of(connection)
    if whole:
        several = _insert_sql(table, ROWS_PER_STATEMENT)
        driver.executemany(several, (values[at : at + step] for at in range(0, whole, step)))
    if whole < len(values):
        driver.executemany(_insert_sql(table), (values[at : at + width] for at in range(whole, len(values), width)))


def upsert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Put rows of a table in place of those with the same primary key; one row per key."""
    _put_rows(connection, table, rows, _conflict_sql(table))


def _put_rows(connection: Connection, table: Table, rows: Sequence[Row], on_conflict: str) -> None:
    if not rows:
        return
    driver = driver_of(connection)
    if connection.dialect.name == "postgresql":
        sql = _insert_arrays_sql(table) + on_conflict
        with driver.cursor() as cursor:
            for start in range(0, len(rows), ARRAY_ROWS_MAX):
                columns = [list(values) for values in zip(*rows[start : start + ARRAY_ROWS_MAX], strict=True)]
                cursor.execute(sql, columns)
        return
    driver.executemany(_insert_sql(table) + on_conflict, rows)


def add_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Add the numbers of rows to those with the same primary key; one row per key."""
    _put_rows(connection, table, rows, _sum_sql(table))


def delete_rows(connection: Connection, table: Table, keys: Sequence[Row]) -> None:
    """Remove the rows with these primary keys, as far as they are there."""
    if not keys:
        return
    place = "%s" if connection.dialect.name == "postgresql" else "?"
    where = " AND ".join(f"{name} = {place}" for name in _quoted(column.name for column in table.primary_key.columns))
    driver_of(connection).cursor().executemany(f"DELETE FROM {table.name} WHERE {where}", keys)


def driver_of(connection: Connection) -> Any:
    """The connection of the database's own driver."""
    return connection.connection.driver_connection


def _quoted(names: Any) -> list[str]:
    return [f'"{name}"' for name in names]


@cache
def _insert_sql(table: Table, row_count: int = 1) -> str:
    names = _quoted(column.name for column in table.columns)
    row = f"({', '.join('?' * len(names))})"
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([row] * row_count)}"


@cache
def _conflict_sql(table: Table) -> str:
    keys = _quoted(column.name for column in table.primary_key.columns)
    others = _quoted(column.name for column in table.columns if not column.primary_key)
    sets = ", ".join(f"{name} = excluded.{name}" for name in others)
    return f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets}"


@cache
def _sum_sql(table: Table) -> str:
    keys = _quoted(column.name for column in table.primary_key.columns)
    others = _quoted(column.name for column in table.columns if not column.primary_key)
    sets = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in others)
    return f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets}"


@cache
def _insert_arrays_sql(table: Table) -> str:
    names = _quoted(column.name for column in table.columns)
    arrays = ", ".join(f"%s::{_postgresql_type(column.type)}[]" for column in table.columns)
    return f"INSERT INTO {table.name} ({', '.join(names)}) SELECT * FROM unnest({arrays})"


def _postgresql_type(type_: Any) -> str:
    kind = type_.impl if isinstance(type_, TypeDecorator) else type_
    if isinstance(kind, BigInteger):
        return "int8"
    if isinstance(kind, Integer):
        return "int4"
    if isinstance(kind, LargeBinary):
        return "bytea"
    if isinstance(kind, String):
        return "text"
    raise TypeError(f"expected a number, bytes or text, got {type_!r}; teach bulk.py its PostgreSQL type")
