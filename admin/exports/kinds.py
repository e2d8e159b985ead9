"""What jobs there are: how each is done, with the rights of the one who ordered it, as they are on that moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import FormContext, bind
from admin.members import levels
from admin.members.files import exported
from admin.members.today import today_of
from admin.members.totals import catch_up
from admin.queries.asking import Asker
from admin.queries.definition import definition_of
from admin.references import References
from admin.reports.asking import report_file
from admin.reports.consumption import CONSUMPTION
from admin.reports.registry import REPORTS
from admin.reports.report import Report
from admin.reports.running import Runner, Tick
from admin.rights import Action
from admin.service import Service

AT_ONCE_ROWS_MAX = 5_000
"""Rows of a file that is sent at once: half a second of a thread of the web server. More are a job."""
AT_ONCE_MEMBERS_MAX = 5_000
"""Members among whom the web server itself looks for those that a change of levels would move."""


class ReportAsked(msgspec.Struct, frozen=True):
    """A report, its parameters as in an address, and the kind of file."""

    name: str
    query: str
    suffix: str


class QueryAsked(msgspec.Struct, frozen=True):
    """A query as in an address, and the kind of file."""

    query: str
    suffix: str


class MembersAsked(msgspec.Struct, frozen=True):
    """A list of members, and the kind of file."""

    text: str
    filters: dict[str, str]
    suffix: str
    is_whole: bool


class LevelsAsked(msgspec.Struct, frozen=True):
    """Nothing: all members, today."""


class Moves(msgspec.Struct, frozen=True):
    """Whom a change of levels would move: how many from which level to which, and the first of them."""

    date: str
    counts: list[tuple[int | None, int | None, int]]
    first: list[levels.Move]


@dataclass(frozen=True, slots=True)
class Made:
    """What a job came to."""

    name: str = ""
    media_type: str = ""
    content: bytes = b""
    result: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What it takes to do a job."""

    service: Service
    runner: Runner
    references: References
    visitor: Visitor
    tick: Tick


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job: what it asks for, whose right it needs, and how it is done."""

    asked: type[msgspec.Struct]
    function: str
    action: Action
    make: Callable[[Work, Any], Made] = field(repr=False)


def may_run(visitor: Visitor, kind: str) -> bool:
    """Whether somebody may order a job of a kind, have it done, and fetch what came of it."""
    return visitor.may(KINDS[kind].function, KINDS[kind].action)


def _report(work: Work, asked: ReportAsked) -> Made:
    report = REPORTS.get(asked.name)
    if report is None or not report.is_open_to(work.visitor):
        raise RefusedError("There is no such report.")
    return _made_of(work, report, asked)


def _consumption(work: Work, asked: ReportAsked) -> Made:
    return _made_of(work, CONSUMPTION, asked)


def _made_of(work: Work, report: Report, asked: ReportAsked) -> Made:
    with work.service.database.read() as session:
        bound = bind(report.parameters, parse_qs(asked.query), FormContext(session, work.visitor, work.references))
    if bound.value is None:
        raise RefusedError("The parameters of the report are wrong.")
    file = report_file(
        work.service, work.runner, work.visitor, work.references, report, bound.value, asked.suffix, tick=work.tick
    )
    assert file is not None  # there is no bound on its rows
    return Made(file.name, file.media_type, file.content)


def _query(work: Work, asked: QueryAsked) -> Made:
    asker = Asker(work.service, work.runner, work.references, work.visitor)
    definition = definition_of(parse_qs(asked.query, keep_blank_values=True))
    file = asker.file(definition, asked.suffix, tick=work.tick)
    assert file is not None
    return Made(file.name, file.media_type, file.content)


def _members(work: Work, asked: MembersAsked) -> Made:
    file = exported(
        work.service,
        work.visitor,
        asked.text,
        asked.filters,
        asked.suffix,
        is_whole=asked.is_whole,
        tick=work.tick,
    )
    assert file is not None
    return Made(file.name, file.media_type, b"".join(file.chunks))


def _levels(work: Work, _asked: LevelsAsked) -> Made:
    catch_up(work.service.database)
    with work.service.database.read() as session:
        today = today_of(session, work.service)
        counts, first = levels.preview(session, today, lambda done: work.tick(done, 0))
    ordered = sorted(((old, new, n) for (old, new), n in counts.items()), key=lambda one: -one[2])
    return Made(result=msgspec.json.encode(Moves(today.isoformat(), ordered, first)).decode())


def _levels_run(work: Work, _asked: LevelsAsked) -> Made:
    with work.service.database.read() as session:
        today = today_of(session, work.service)
    levels.run(work.service, work.visitor, today, work.tick)
    return Made()


REPORT, CONSUMPTION_KIND, QUERY, MEMBERS = "report", "consumption", "query", "members"
LEVELS, LEVELS_RUN = "levels", "levels-run"
KINDS: Mapping[str, JobKind] = {
    REPORT: JobKind(ReportAsked, "reports", Action.EXPORT, _report),
    CONSUMPTION_KIND: JobKind(ReportAsked, "members", Action.EXPORT, _consumption),
    QUERY: JobKind(QueryAsked, "reports", Action.EXPORT, _query),
    MEMBERS: JobKind(MembersAsked, "members", Action.EXPORT, _members),
    LEVELS: JobKind(LevelsAsked, "member-settings", Action.CHANGE, _levels),
    LEVELS_RUN: JobKind(LevelsAsked, "member-settings", Action.CHANGE, _levels_run),
}
