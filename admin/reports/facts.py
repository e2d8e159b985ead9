"""Loads what the journal does not know, from a folder of CSV files: names of goods, traits of members, campaigns.

Each file replaces its table; a file that is not there leaves it as it is.  One
transaction: either all of a folder is taken over, or nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import String, Table, delete, insert

from admin.database import Database
from admin.errors import RefusedError
from admin.i18n import FIRST_DATE
from admin.models.sales import campaign_facts, campaign_redemptions, campaign_targets, goods_names, member_facts

ROWS_AT_ONCE = 5_000
FILES: dict[str, Table] = {
    "goods_names.csv": goods_names,
    "member_facts.csv": member_facts,
    "campaigns.csv": campaign_facts,
    "campaign_targets.csv": campaign_targets,
    "campaign_redemptions.csv": campaign_redemptions,
}


def load_facts(database: Database, folder: Path) -> dict[str, int]:
    """Replace tables by files; rows by file. `RefusedError` names file, line and what was expected."""
    loaded: dict[str, int] = {}
    with database.writer.begin() as connection:
        for name, table in FILES.items():
            if not (folder / name).exists():
                continue
            rows = list(_rows(folder / name, table))
            connection.execute(delete(table))
            for start in range(0, len(rows), ROWS_AT_ONCE):
                connection.execute(insert(table), rows[start : start + ROWS_AT_ONCE])
            loaded[name] = len(rows)
    if not loaded:
        raise RefusedError("{folder}: expected one of {files}, got none", folder=str(folder), files=", ".join(FILES))
    return loaded


def _rows(path: Path, table: Table) -> Iterator[dict[str, Any]]:
    readers: dict[str, Callable[[str], Any]] = {
        column.name: str if isinstance(column.type, String) else _date if column.name.endswith("_date") else int
        for column in table.columns
    }
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if set(reader.fieldnames or ()) != set(readers):
            raise RefusedError(
                "{file}: expected the columns {columns}, got {got}",
                file=path.name,
                columns=", ".join(readers),
                got=", ".join(reader.fieldnames or ()),
            )
        for row in reader:
            try:
                yield {name: read(row[name]) for name, read in readers.items()}
            except (ValueError, TypeError) as error:
                raise RefusedError(
                    "{file}, line {line}: {why}", file=path.name, line=reader.line_num, why=str(error)
                ) from error


def _date(value: str) -> int:
    return (date.fromisoformat(value) - FIRST_DATE).days
