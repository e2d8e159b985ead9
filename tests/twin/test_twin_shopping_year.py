"""The twin and the replay's messages together say what an independent oracle says, under many rule files.

The same comparison with the real switch is in tests/end_to_end; here it shows
whether rules and messages are right before the fast path is asked.
"""

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from loadtests.shopping_year.plan import Plan
from loadtests.shopping_year.rules import read_rules
from loadtests.shopping_year.year import PACKAGE, Year, data_folder, load_year
from switch.protocol.messages import Header, MessageType, Right
from tests.support.year_in_process import OPERATOR, replay_in_process
from tests.twin.model import Twin

VARIANTS = Path(__file__).parents[1] / "data" / "shopping_year" / "variants"
HEADER_BYTES = Header.width_bytes()
ALL_RIGHTS = Right(31)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None or importlib.util.find_spec("polars") is None,
    reason="the data package is not installed (pip group 'data')",
)


@cache
def few_households() -> Year:
    """The households of `--only 250:7`: the twin takes its time."""
    return load_year(data_folder(), 250, 7)


def expected(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((VARIANTS / name / "250_7.json").read_text())
    return content


def replayed(plan: Plan, out: Path) -> dict[str, Any]:
    twin = Twin(timezone=plan.rules.timezone.key, replay=True)

    def decide(terminal_id: int, type_: int, body: bytes) -> bytes:
        rights = ALL_RIGHTS if terminal_id == OPERATOR.terminal_id else Right.PAY
        message = Header(type=MessageType(type_), sequence=0).encode() + body
        return twin.decide(terminal_id, rights, message, 0).reply[HEADER_BYTES:]

    return replay_in_process(plan, decide, out)


@pytest.mark.parametrize("name", sorted(path.name for path in VARIANTS.iterdir()))
def test_a_few_households_under_other_rules(tmp_path, name):
    plan = Plan(few_households(), read_rules(VARIANTS / name / "rules.toml"))

    assert replayed(plan, tmp_path) == expected(name)


def test_clones_do_not_disturb_each_other(tmp_path):
    rules = read_rules(VARIANTS / "monthly" / "rules.toml")

    summary = replayed(Plan(few_households(), rules, clones=2), tmp_path)

    assert summary["sha256"] == expected("monthly")["sha256"]
    assert summary["recharge_c"] == 2 * expected("monthly")["recharge_c"]
