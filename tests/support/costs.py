"""What tests cost, and in which order files are tried: the longest first, so that no core waits for the last one.

    .venv/bin/python -m pytest --numprocesses 4 --dist loadfile --costs build/costs
    .venv/bin/python -m tests.support.costs build/costs

The second command prints, dearest first, the CPU seconds of each file (its child processes included, which
`--durations` leaves out) and of the dearest tests.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import pytest

LONGEST = (
    "browser/test_working_day.py",
    "crash/test_kill_switch.py",
    "browser/test_first_day.py",
    "unit/cardswitch/test_demo.py",
    "end_to_end/test_replay_shopping_year.py",
    "end_to_end/test_key_rotation.py",
    "properties/test_business.py",
    "end_to_end/test_admin_commands.py",
    "unit/admin/test_hostile_input.py",
    "twin/test_twin_rules.py",
    "end_to_end/test_operation.py",
    "unit/admin/test_rights.py",
    "end_to_end/test_year_reports.py",
    "end_to_end/test_key_custody.py",
    "unit/admin/test_reports.py",
    "unit/admin/test_fuzz_api.py",
    "end_to_end/admin/test_card_desk.py",
    "end_to_end/test_pos.py",
    "twin/test_twin_equality.py",
    "unit/admin/test_following.py",
    "end_to_end/test_keys_leave_no_trace.py",
    "end_to_end/test_command_line.py",
)
"""Files below `tests/` that take some ten seconds or more; the others follow as they are found."""
TESTS_SHOWN = 40


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--costs", type=Path, help="write to this folder what each test costs (see tests.support.costs)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Where files are shared out among processes, each process begins to read them at another place.

    What asserts is compiled by pytest, for all to read.  Side by side, all would compile the same file at a time.
    """
    config = session.config
    worker: dict[str, object] = getattr(config, "workerinput", {})
    if worker and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        files = sorted(str(path) for path in (config.rootpath / "tests").rglob("test_*.py"))
        first = len(files) * int(str(worker["workerid"]).removeprefix("gw")) // int(str(worker["workercount"]))
        config.args = files[first:] + files[:first]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where files are shared out among processes: in the same order in all."""
    if hasattr(config, "workerinput"):
        rank = {config.rootpath / "tests" / name: n for n, name in enumerate(LONGEST)}
        items.sort(key=lambda item: (rank.get(item.path, len(rank)), item.path))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note what it has cost. A child process counts when it has ended: with the test that ends it."""
    folder: Path | None = item.config.getoption("--costs")
    before = _spent_s()
    result = yield
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        spent = [after - first for after, first in zip(_spent_s(), before, strict=True)]
        with (folder / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps([item.nodeid, *spent]) + "\n")
    return result


def _spent_s() -> tuple[float, float, float]:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime, time.monotonic()


class Spent(NamedTuple):
    """By a test, or by all tests of a file."""

    name: str
    own_s: float
    children_s: float
    wall_s: float

    def __str__(self) -> str:
        return f"{self.own_s:6.1f}   {self.children_s:8.1f}  {self.wall_s:8.1f}  {self.name}"

    @property
    def cpu_s(self) -> float:
        """What it has cost."""
        return self.own_s + self.children_s


def main(folder: Path) -> None:
    """Print the tables."""
    tests = [Spent(*json.loads(line)) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    files: defaultdict[str, list[Spent]] = defaultdict(list)
    for test in tests:
        files[test.name.partition("::")[0]].append(test)
    sums = [
        Spent(
            f"{name} ({len(rows)})",
            sum(row.own_s for row in rows),
            sum(row.children_s for row in rows),
            sum(row.wall_s for row in rows),
        )
        for name, rows in files.items()
    ]
    print("   own   children      wall")
    for row in sorted(sums, key=lambda row: -row.cpu_s) + sorted(tests, key=lambda row: -row.cpu_s)[:TESTS_SHOWN]:
        print(row)
    print(f"{sum(row.cpu_s for row in sums):.0f} s of CPU")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
