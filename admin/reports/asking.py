"""Asking for a report, the same way from its page, its files and the interface: looks and exports are noted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from admin import i18n
from admin.access import Visitor
from admin.forms import FormContext, shown_of, texts_of
from admin.references import References
from admin.rights import Action
from admin.service import Service

from . import csv_file, excel
from .report import ColumnKind, Parameters, Report
from .running import ROWS_EXPORTED_MAX, Outcome, Runner, Tick

ROWS_BETWEEN_TICKS = 1_000
FILE_TYPES: dict[str, str] = {"xlsx": excel.MEDIA_TYPE, "csv": csv_file.MEDIA_TYPE}


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A whole report as a file."""

    name: str
    content: bytes
    media_type: str


class Ticking(list[tuple[Any, ...]]):
    """Rows that tell how far they are read."""

    def __init__(self, rows: list[tuple[Any, ...]], tick: Tick) -> None:
        super().__init__(rows)
        self._tick = tick

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """All rows; after each thousand, and at the end, the number is told."""
        count = len(self)
        for number, row in enumerate(super().__iter__(), 1):
            yield row
            if number % ROWS_BETWEEN_TICKS == 0 or number == count:
                self._tick(number, count)


def query_of(parameters: Parameters | None, context: FormContext) -> str:
    """Parameters as they stand in an address, card numbers as references."""
    if parameters is None:
        return ""
    texts = texts_of(parameters, context)
    defaults = texts_of(type(parameters)(), context)
    return urlencode([(key, value) for key, values in texts.items() if values != defaults[key] for value in values])


def run_report(
    service: Service,
    runner: Runner,
    visitor: Visitor,
    report: Report,
    parameters: Parameters,
    rows_max: int,
    *,
    may_preview: bool = False,
    is_only_short: bool = False,
) -> Outcome:
    """Rows and sums; a look at whole card numbers is noted."""
    outcome = runner.run(visitor, report, parameters, rows_max, may_preview=may_preview, is_only_short=is_only_short)
    note_look(service, visitor, report, outcome)
    return outcome


def note_look(service: Service, visitor: Visitor, report: Report, outcome: Outcome) -> None:
    """Note that somebody looks at whole card numbers, if a table has them and he may see them."""
    has_cards = any(column.kind is ColumnKind.CARD for column in report.columns)
    if outcome.rows and has_cards and visitor.may("cards", Action.SEE_UNMASKED):
        service.audit.looked(visitor, "reports", f"{report.name}: {len(outcome.rows)}")


def report_file(
    service: Service,
    runner: Runner,
    visitor: Visitor,
    references: References,
    report: Report,
    parameters: Parameters,
    suffix: str,
    *,
    rows_max: int | None = None,
    tick: Tick | None = None,
) -> ReportFile | None:
    """The whole table as `xlsx` or `csv`; noted as an export.

    None when it has more than `rows_max` rows. `tick` hears of each thousand rows that are written.
    """
    with service.database.read() as session:
        context = FormContext(session, visitor, references)
        described = [(i18n.translate(label), text) for label, text in shown_of(parameters, context)]
        query = query_of(parameters, context)
    is_only_short, rows_max = rows_max is not None, rows_max or ROWS_EXPORTED_MAX
    outcome = run_report(service, runner, visitor, report, parameters, rows_max, is_only_short=is_only_short)
    if not outcome.has_sums:
        return None
    return table_file(service, visitor, report, outcome, suffix, described, query, tick=tick)


def table_file(
    service: Service,
    visitor: Visitor,
    report: Report,
    outcome: Outcome,
    suffix: str,
    described: list[tuple[str, str]],
    query: str,
    *,
    tick: Tick | None = None,
) -> ReportFile:
    """A table as `xlsx` or `csv`; noted as an export, with its `query`. `described` is translated."""
    if tick is not None:
        outcome = replace(outcome, rows=Ticking(outcome.rows, tick))
    with service.database.write() as session:
        service.audit.append(
            session, visitor, "reports", "export", report.name, kind=suffix, rows=len(outcome.rows), query=query
        )
    about = [
        (i18n.translate("Report"), i18n.translate(report.label)),
        (i18n.translate("What it counts"), i18n.translate(report.description)),
        (i18n.translate("Reported at"), f"{i18n.moment(service.now())} ({i18n.zone_name()})"),
        (i18n.translate("Made by"), visitor.full_name),
        (i18n.translate("Rows"), f"{len(outcome.rows)} / {outcome.row_count}"),
        *described,
    ]
    with tempfile.TemporaryDirectory(prefix="cardswitch-report-") as folder:
        path = Path(folder) / f"{report.name}.{suffix}"
        if suffix == "xlsx":
            excel.write_excel(path, report, outcome, visitor, about)
        else:
            csv_file.write_csv(path, report, outcome, visitor)
        return ReportFile(path.name, path.read_bytes(), FILE_TYPES[suffix])
