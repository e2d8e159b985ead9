"""Loads what the journal does not know, from a folder of CSV files: names of goods, traits of members, campaigns.

Each file replaces its table; a file that is not there leaves it as it is.  Campaigns are those of the pages, too:
their number in the files is the code of the record, which is made or changed, and never removed; what the files say of
targets and redemptions replaces what the campaigns that they name had.  One transaction: either all of a folder is
taken over, or nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, String, Table, delete, insert, select, update

from admin.database import Database
from admin.errors import RefusedError
from admin.i18n import FIRST_DATE
from admin.models.campaigns import CODE_LENGTH_MAX, Audience, Campaign, campaign_redemptions, campaign_targets
from admin.models.people import WHOLE_GROUP
from admin.models.sales import goods_names, member_facts

ROWS_AT_ONCE = 5_000
CAMPAIGNS = "campaigns.csv"
CAMPAIGN_READERS: Mapping[str, Callable[[str], Any]] = {
    "campaign_id": int,
    "name": str,
    "type": str,
    "start_date": lambda text: _date(text),
    "end_date": lambda text: _date(text),
    "cost_minor": int,
}
FILES: dict[str, Table] = {"goods_names.csv": goods_names, "member_facts.csv": member_facts}
OF_CAMPAIGNS: dict[str, Table] = {
    "campaign_targets.csv": campaign_targets,
    "campaign_redemptions.csv": campaign_redemptions,
}


def load_facts(database: Database, folder: Path, now: datetime) -> dict[str, int]:
    """Replace tables by files; rows by file. `RefusedError` names file, line and what was expected."""
    loaded: dict[str, int] = {}
    with database.writer.begin() as connection:
        for name, table in FILES.items():
            if (folder / name).exists():
                rows = list(_rows(folder / name, _readers(table)))
                if table is goods_names:
                    _forget_names(connection, rows)
                else:
                    connection.execute(delete(table))
                loaded[name] = _put(connection, table, rows)
        if (folder / CAMPAIGNS).exists():
            loaded[CAMPAIGNS] = _put_campaigns(connection, list(_rows(folder / CAMPAIGNS, CAMPAIGN_READERS)), now)
        for name, table in OF_CAMPAIGNS.items():
            if (folder / name).exists():
                loaded[name] = _put_of_campaigns(connection, name, table, list(_rows(folder / name, _readers(table))))
    if not loaded:
        names = ", ".join((*FILES, CAMPAIGNS, *OF_CAMPAIGNS))
        raise RefusedError("{folder}: expected one of {files}, got none", folder=str(folder), files=names)
    return loaded


def _put(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> int:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        connection.execute(insert(table), rows[start : start + ROWS_AT_ONCE])
    return len(rows)


def _forget_names(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Classes that a file names are named anew; those that operators keep besides stay."""
    for kind in {row["kind"] for row in rows}:
        numbers = [row["number"] for row in rows if row["kind"] == kind]
        for start in range(0, len(numbers), ROWS_AT_ONCE):
            chosen = goods_names.c.number.in_(numbers[start : start + ROWS_AT_ONCE])
            connection.execute(delete(goods_names).where(goods_names.c.kind == kind, chosen))


def _put_campaigns(connection: Connection, rows: list[dict[str, Any]], now: datetime) -> int:
    """Make campaigns, or change those that have the code already: their stores, rules and message stay."""
    known = set(connection.scalars(select(Campaign.code)))
    for row in sorted(rows, key=lambda row: int(row["campaign_id"])):
        code = str(row["campaign_id"])[:CODE_LENGTH_MAX]
        values = {name: row[name] for name in ("name", "type", "cost_minor")}
        values |= {"from_date": row["start_date"], "until_date": row["end_date"], "audience": Audience.LIST}
        if code in known:
            connection.execute(update(Campaign).where(Campaign.code == code).values(**values))
            continue
        own = {"code": code, "organisation_id": WHOLE_GROUP, "maker_id": 0, "made_at": now}
        connection.execute(insert(Campaign).values(**own, **values))
    return len(rows)


def _put_of_campaigns(connection: Connection, name: str, table: Table, rows: list[dict[str, Any]]) -> int:
    codes = {row["campaign_id"] for row in rows}
    ids = {int(code): id_ for id_, code in connection.execute(select(Campaign.id, Campaign.code)) if code.isdecimal()}
    if unknown := sorted(codes - ids.keys()):
        raise RefusedError(
            "{file}: there is no campaign {code}; name it in {campaigns}",
            file=name,
            code=unknown[0],
            campaigns=CAMPAIGNS,
        )
    connection.execute(delete(table).where(table.c.campaign_id.in_(sorted(ids[code] for code in codes))))
    return _put(connection, table, [{**row, "campaign_id": ids[row["campaign_id"]]} for row in rows])


def _readers(table: Table) -> dict[str, Callable[[str], Any]]:
    columns = [column for column in table.columns if column.default is None]
    return {column.name: str if isinstance(column.type, String) else int for column in columns}


def _rows(path: Path, readers: Mapping[str, Callable[[str], Any]]) -> Iterator[dict[str, Any]]:
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
