"""Reports of the demo's year beside figures that another program computed from the same purchases."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import loadtests.shopping_year
from admin.access import Visitor
from admin.database import Database
from admin.i18n import FIRST_DATE
from admin.reports.registry import REPORTS
from admin.reports.running import outcome, scope_of
from loadtests.shopping_year.plan import LAST_DATE

REFERENCE = Path(loadtests.shopping_year.__file__).parent / "reference"
EVERYBODY = Visitor(0, "demo", "", "en", 0, frozenset(), frozenset(), (), "", b"")
"""Sees the whole group."""
ROWS_MAX = 10_000

Row = dict[str, Any]

COMPARED: dict[str, tuple[str, dict[str, str]]] = {
    "customers-by-month": (
        "monthly_summary",
        {
            "active": "customers",
            "new": "new",
            "retained": "kept",
            "reactivated": "back",
            "lapsed": "lapsed",
            "up": "up",
            "down": "down",
            "spend_c": "spend_minor",
        },
    ),
    "visit-frequency": ("visit_frequency", {"members": "customers", "spend_c": "spend_minor", "churned60": "lost"}),
    "rfm": ("rfm", {"days_since": "days_since", "visits": "visits", "spend_c": "spend_minor"}),
    "goods": (
        "ranking_department",
        {"paid_c": "amount_minor", "lines": "lines", "baskets": "bills", "members": "customers"},
    ),
}
"""Per report: file of the reference, and which of its columns stand in which of the report's."""


def compare(database: Database, say: Callable[[str], None]) -> list[str]:
    """Compare reports of the whole year with the reference; what differs, in words."""
    faults = []
    until_date = LAST_DATE.toordinal() - FIRST_DATE.toordinal()
    for name, (file_name, columns) in COMPARED.items():
        report = REPORTS[name]
        with database.read() as session:
            parameters = report.parameters(until_date=until_date)
            rows = outcome(scope_of(session, EVERYBODY), report, parameters, ROWS_MAX).rows
        places = {column.name: place for place, column in enumerate(report.columns)}
        found = [[row[places[column]] for column in columns.values()] for row in rows]
        expected = _expected(file_name, list(columns))
        is_equal = found == expected
        say(f"  {'equal  ' if is_equal else 'DIFFERS'}  {report.label}: {len(found):,} rows")
        if not is_equal:
            faults.append(f"report {name}: expected the {len(expected):,} rows of {file_name}.csv, got others")
    return faults


def _expected(file_name: str, columns: Sequence[str]) -> list[list[int]]:
    with (REFERENCE / f"{file_name}.csv").open(newline="", encoding="utf-8") as file:
        return [[int(row[column]) for column in columns] for row in csv.DictReader(file)]
