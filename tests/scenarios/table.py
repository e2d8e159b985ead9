"""Aligned tables: scenarios as text that reads like a ledger.

    == A debit takes its amount from the balance

    proves HD-022 EF-053
    given type 1 single_minor_max=5000
    given card A type=1 balance=1000

    time   message  card  trace  amount  code      balance  points
    09:00  debit    A     1      100     APPROVED  900      0       earned=0  # whatever follows is a comment

A scenario begins with `==` and one sentence; `proves` names the features of docs/features.csv that it would fail
without.  Each cell of a row begins under
its column's heading; after the last column there may be options `name=value`.
Lines outside a scenario, and after `#`, are for the reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

COLUMNS = ("time", "message", "card", "trace", "amount", "code", "balance", "points")
NOT_CHECKED = "-"


class TableError(Exception):
    """A table that cannot be read; says where and why."""


@dataclass(frozen=True, slots=True)
class Given:
    """One line of what holds before the first step."""

    where: str
    kind: str
    name: str
    options: dict[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One row."""

    where: str
    cells: dict[str, str]
    options: dict[str, str]


@dataclass(slots=True)
class Scenario:
    """One sentence, what is given, and the steps."""

    where: str
    sentence: str
    features: list[str] = field(default_factory=list)
    givens: list[Given] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def parse(text: str, name: str = "table") -> list[Scenario]:
    """All scenarios of a text; `TableError` names the line that is not understood."""
    scenarios: list[Scenario] = []
    headings: list[int] = []
    for line_number, line in enumerate(text.splitlines(), start=1):
        where = f"{name}:{line_number}"
        if line.startswith("== "):
            scenarios.append(Scenario(where, line[3:].strip()))
            headings = []
            continue
        words = [(found.start(), found.group()) for found in re.finditer(r"\S+", line.partition("#")[0])]
        if not words or not scenarios:
            continue
        if words[0][1] == "proves":
            scenarios[-1].features += [word for _, word in words[1:]]
        elif words[0][1] == "given":
            scenarios[-1].givens.append(_given(where, [word for _, word in words[1:]]))
        elif words[0][1] == COLUMNS[0]:
            if tuple(word for _, word in words) != COLUMNS:
                raise TableError(f"{where}: expected the headings {' '.join(COLUMNS)}")
            headings = [start for start, _ in words]
        else:
            scenarios[-1].steps.append(_step(where, headings, words))
    for scenario in scenarios:
        if not scenario.steps:
            raise TableError(f"{scenario.where}: a scenario without a step")
    return scenarios


def read(path: Path) -> list[Scenario]:
    """All scenarios of a file."""
    return parse(path.read_text(encoding="utf-8"), path.name)


def _given(where: str, words: list[str]) -> Given:
    if not words:
        raise TableError(f"{where}: given what?")
    name = words[1] if len(words) > 1 and "=" not in words[1] else ""
    return Given(where, words[0], name, _options(where, words[2 if name else 1 :]))


def _step(where: str, headings: list[int], words: list[tuple[int, str]]) -> Step:
    if not headings:
        raise TableError(f"{where}: a row before the headings")
    cells = dict(zip(COLUMNS, (word for _, word in words), strict=False))
    starts = [start for start, _ in words[: len(COLUMNS)]]
    if starts != headings:
        places = zip_longest(COLUMNS, starts, headings)
        column = next(name for name, start, heading in places if start != heading)
        raise TableError(f"{where}: the cell of column {column!r} does not begin under its heading")
    return Step(where, cells, _options(where, [word for _, word in words[len(COLUMNS) :]]))


def _options(where: str, words: list[str]) -> dict[str, str]:
    options = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise TableError(f"{where}: expected name=value, got {word!r}")
        options[name] = value
    return options


def number(text: str) -> int:
    """A whole number: 100, -1, 10^12, 10^12+1, 2^63-1, 1_000, 0x14."""
    found = re.fullmatch(r"(-?)(\d+)\^(\d+)([+-]\d+)?", text)
    if not found:
        return int(text, 0)
    sign, base, power, rest = found.groups()
    power_of_base: int = int(base) ** int(power)
    return (-power_of_base if sign else power_of_base) + int(rest or 0)
