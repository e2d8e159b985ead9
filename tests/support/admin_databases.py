"""Migrated databases, fresh for each test: SQLite files, and databases of a private PostgreSQL cluster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from admin.database import Database
from admin.migrating import migrate
from tests.support.postgresql import cluster, programs

KINDS = ("sqlite", "postgresql")
_numbers = count(1)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory) -> Path:
    """A SQLite file with all tables and no rows; copy it."""
    path: Path = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    with database.writer.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.close()
    return path


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """Address of a private server, whose database `migrated` has all tables and no rows."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with cluster() as url:
        _run(url, "CREATE DATABASE migrated")
        database = Database(_named(url, "migrated"))
        migrate(database)
        database.close()
        yield url


def fresh_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> Database:
    """A database with all tables and no rows, for as long as the fixture lives that asks for it."""
    if kind == "sqlite":
        path = folder / "admin.sqlite"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        return Database(f"sqlite:///{path}")
    url = request.getfixturevalue("postgresql_url")
    name = f"test_{next(_numbers)}"
    _run(url, f"CREATE DATABASE {name} TEMPLATE migrated")
    request.addfinalizer(lambda: _run(url, f"DROP DATABASE {name} WITH (FORCE)"))  # 10 MB each
    return Database(_named(url, name))


def _named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _run(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
