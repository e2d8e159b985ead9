"""Runs reports: on one state of the database, in bounded time, two at a time; rows up to a bound, totals of all.

A sale never waits for a report: the switch is another process, and a report
reads nothing but the service's database.  Neither does the follower: on SQLite
readers do not hold up the writer (WAL), on PostgreSQL neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.database import Database
from admin.errors import RefusedError
from admin.models.journal import daily_totals

from .report import Parameters, Report, Scope

ROWS_SHOWN_MAX = 400
"""On a page: a year of dates fits; an export has more."""
ROWS_EXPORTED_MAX = 200_000
"""Of an export: some 15 s of writing Excel, and far below the 1,048,576 rows of a sheet."""
AT_ONCE_MAX = 2
"""Reports that run; the other 18 connections stay with the pages."""
WAIT_MAX_S = 10.0
TIME_MAX_MS = 30_000
"""A year of 155,000 bills with 1,470,000 lines takes 1 to 3 s."""
STEPS_BETWEEN_LOOKS = 100_000
"""Steps of SQLite's machine, about a millisecond, between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rows of a report in the order of its columns, and sums over all rows, also those beyond the bound."""

    rows: list[tuple[Any, ...]]
    totals: list[int | None]
    """By column; None where nothing is summed."""
    row_count: int
    """Of all; of those here, when there are no sums."""
    has_sums: bool = True
    """Whether all was read; else these are the first rows, and nobody has counted the others."""

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows."""
        return self.row_count > len(self.rows) or not self.has_sums


Tick = Callable[[int, int], None]
"""Told how many rows are done and how many there are; raises when the work is to end."""
Build = Callable[[Scope], tuple[Report, Parameters]]


class Runner:
    """Runs reports of one service."""

    def __init__(self, database: Database, now_ms: Callable[[], int], time_max_ms: int = TIME_MAX_MS) -> None:
        self._database = database
        self._now_ms = now_ms
        self._time_max_ms = time_max_ms
        self._places = BoundedSemaphore(AT_ONCE_MAX)

    def run(
        self,
        visitor: Visitor,
        report: Report,
        parameters: Parameters,
        rows_max: int,
        *,
        may_preview: bool = False,
        is_only_short: bool = False,
    ) -> Outcome:
        """Answer a report; `RefusedError` when others run or it takes too long.

        `may_preview`: the first rows are enough, where all would take long. `is_only_short`: as in `run_built`.
        """
        if may_preview and report.preview is not None:
            # No place among reports is needed: it takes no longer than any page.
            with self._database.read() as session, bounded(session, self._now_ms, self._time_max_ms):
                found = preview_of(scope_of(session, visitor), report, parameters, rows_max)
            if found is not None:
                return found
        found_built = self.run_built(
            visitor, lambda _scope: (report, parameters), rows_max, is_only_short=is_only_short
        )
        return found_built[1]

    def run_built(
        self, visitor: Visitor, build: Build, rows_max: int, *, is_only_short: bool = False
    ) -> tuple[Report, Outcome]:
        """The same for a report that is only built within the bounds, since that too may ask the database.

        `is_only_short`: of one with more rows nothing, and not `has_sums`.
        """
        if not self._places.acquire(timeout=WAIT_MAX_S):
            raise RefusedError("Other reports are running. Try again in a moment.")
        try:
            with self._database.read() as session, bounded(session, self._now_ms, self._time_max_ms):
                scope = scope_of(session, visitor)
                report, parameters = build(scope)
                if not report.is_open_to(visitor):
                    raise RefusedError("There is no such report.")
                return report, outcome(scope, report, parameters, rows_max, is_only_short=is_only_short)
        finally:
            self._places.release()


def scope_of(session: Session, visitor: Visitor) -> Scope:
    """Who asks, on which state."""
    return Scope(session, visitor, session.scalar(select(func.max(daily_totals.c.business_date))) or 0)


def outcome(
    scope: Scope, report: Report, parameters: Parameters, rows_max: int, *, is_only_short: bool = False
) -> Outcome:
    """Rows up to a bound; sums of all of them, by the database when there are more; `is_only_short`: then nothing."""
    query = report.query(scope, parameters)
    found = query.subquery()
    names = [column.name for column in report.columns]
    cut = query.limit(rows_max + 1) if query._limit_clause is None else query
    rows = [tuple(row._mapping[name] for name in names) for row in scope.session.execute(cut)]
    summed = [column.is_summed for column in report.columns]
    if len(rows) <= rows_max:
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        totals = [sum(map(int, column)) if is_ else None for column, is_ in zip(columns, summed, strict=True)]
        return Outcome(rows, totals, len(rows))
    if is_only_short:
        return Outcome([], [None] * len(names), len(rows), has_sums=False)
    sums = [func.sum(found.c[name]) for name, is_ in zip(names, summed, strict=True) if is_]
    row_count, *values = scope.session.execute(select(func.count(), *sums).select_from(found)).one()
    left = iter(values)
    return Outcome(rows[:rows_max], [int(next(left) or 0) if is_ else None for is_ in summed], int(row_count))


def preview_of(scope: Scope, report: Report, parameters: Parameters, rows_max: int) -> Outcome | None:
    """The first rows without sums; None when a report that has a preview is short enough to be read whole."""
    query = report.preview(scope, parameters, rows_max) if report.preview is not None else None
    if query is None:
        return None
    names = [column.name for column in report.columns]
    rows = [tuple(row._mapping[name] for name in names) for row in scope.session.execute(query)]
    return Outcome(rows, [None] * len(names), len(rows), has_sums=False)


@contextmanager
def bounded(session: Session, now_ms: Callable[[], int], time_max_ms: int = TIME_MAX_MS) -> Iterator[None]:
    """Questions within take at most this long; `RefusedError` when they would take longer."""
    driver: Any = session.connection().connection.driver_connection
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        deadline_ms = now_ms() + time_max_ms
        driver.set_progress_handler(lambda: now_ms() > deadline_ms, STEPS_BETWEEN_LOOKS)
    else:
        session.execute(text(f"SET LOCAL statement_timeout = {time_max_ms}"))
    try:
        yield
    except OperationalError as error:
        if "interrupted" not in str(error) and "statement timeout" not in str(error):
            raise
        raise RefusedError("The report takes too long. Choose a shorter period or one store.") from error
    finally:
        if is_sqlite:
            driver.set_progress_handler(None, 0)
