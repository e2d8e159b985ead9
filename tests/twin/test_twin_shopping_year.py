"""The twin and the replay's messages together say what an independent oracle says, under many rule files.

The same comparison with the real switch is in tests/end_to_end; here it shows
whether rules and messages are right before the fast path is asked.
"""

import importlib.util
import json
from functools import cache
from pathlib import Path

import pytest

import loadtests.shopping_year
from loadtests.shopping_year.plan import Plan
from loadtests.shopping_year.rules import read_rules
from loadtests.shopping_year.year import PACKAGE, Year, data_folder, load_year
from switch.protocol.messages import Header, MessageType, Right
from tests.support.year_in_process import OPERATOR, replay_in_process
from tests.twin.model import Twin

DATA = Path(__file__).parents[1] / "data" / "shopping_year"
VARIANTS = sorted(path.stem for path in (DATA / "variants").glob("*.toml"))
RULES = Path(loadtests.shopping_year.__file__).parent / "rules"
HEADER_BYTES = Header.width_bytes()
ALL_RIGHTS = Right(31)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None or importlib.util.find_spec("polars") is None,
    reason="the data package is not installed (pip group 'data')",
)


@cache
def fiftieth() -> Year:
    """The households of `--only 50:7`: 3,802 baskets."""
    return load_year(data_folder(), 50, 7)


def replayed(plan: Plan, out: Path) -> dict[str, object]:
    twin = Twin(timezone=plan.rules.timezone.key, replay=True)

    def decide(terminal_id: int, type_: int, body: bytes) -> bytes:
        rights = ALL_RIGHTS if terminal_id == OPERATOR.terminal_id else Right.PAY
        message = Header(type=MessageType(type_), sequence=0).encode() + body
        return twin.decide(terminal_id, rights, message, 0).reply[HEADER_BYTES:]

    return replay_in_process(plan, decide, out)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_fiftieth_of_the_year_under_other_rules(tmp_path, name):
    plan = Plan(fiftieth(), read_rules(DATA / "variants" / f"{name}.toml"))

    assert replayed(plan, tmp_path) == json.loads((DATA / "variants" / f"{name}.json").read_text())


def test_clones_do_not_disturb_each_other(tmp_path):
    rules = read_rules(DATA / "variants" / "monthly.toml")
    expected = json.loads((DATA / "variants" / "monthly.json").read_text())

    summary = replayed(Plan(fiftieth(), rules, clones=2), tmp_path)

    assert summary["sha256"] == expected["sha256"]
    assert summary["recharge_c"] == 2 * expected["recharge_c"]
