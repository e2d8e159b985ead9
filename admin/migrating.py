"""Bring the database to the tables that this version of the program expects."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from .database import Database
from .models import metadata

SCRIPTS = Path(__file__).parent / "migrations"


def migrate(database: Database, revision: str = "head") -> None:
    """Apply what is missing; each step once, in one transaction."""
    if database.is_sqlite and database.url.database:
        Path(database.url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = _config()
    with database.writer.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def is_current(database: Database) -> bool:
    """Whether the tables are those of this version."""
    with database.reader.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    return found == ScriptDirectory.from_config(_config()).get_current_head()


def differences(database: Database) -> list[object]:
    """What the models say and the database has not, or the other way round; empty when migrations are complete."""
    with database.reader.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": not database.is_sqlite})
        return list(compare_metadata(context, metadata))


def make_revision(database: Database, message: str) -> None:
    """Write the next migration from the differences; for developers, who read it before they commit it."""
    config = _config()
    with database.writer.connect() as connection:
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    return config
