"""A real year of shopping through the switch, as a user would start it; an independent oracle says what is right."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import loadtests.shopping_year
from loadtests.shopping_year.year import PACKAGE

EXPECTED = Path(__file__).parents[1] / "data" / "shopping_year"
RULES = Path(loadtests.shopping_year.__file__).parent / "rules"
COMMAND = (sys.executable, "-m", "cardswitch")

VARIANTS = sorted((EXPECTED / "variants").iterdir())

needs_data = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None or importlib.util.find_spec("polars") is None,
    reason="the data package is not installed (pip group 'data')",
)


def replay(*arguments: str | Path, rules: Path = RULES / "rules_first.toml") -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "replay", "shopping-year", "--rules", str(rules), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def summary_of(result: subprocess.CompletedProcess[str], out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Summary and how the run went; both from the standard output, the summary also from its file."""
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    run = summary.pop("run")
    assert json.loads((out / "summary.json").read_text()) == summary
    return summary, run


def expected(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EXPECTED / name / "summary.json").read_text())
    return content


@needs_data
@pytest.mark.feature("HD-022", "HD-109", "HD-115", "HD-141", "HD-142", "GJ-046", "GJ-055", "VC-027", "EF-057")
@pytest.mark.parametrize("name", ["first", "public"])
def test_a_tenth_of_the_year_is_answered_as_the_oracle_says(tmp_path, name):
    result = replay("--only", "10:3", "--out", tmp_path, "--json", rules=RULES / f"rules_{name}.toml")
    summary, run = summary_of(result, tmp_path)

    assert summary["sha256"] == expected(f"{name}_10pct")["sha256"]
    assert summary == expected(f"{name}_10pct")
    assert run["money_in_c"] == run["money_out_c"] + run["balances_c"]
    assert run["resent"] == 0


@needs_data
@pytest.mark.feature("EF-057")
def test_killing_the_switch_again_and_again_changes_nothing(tmp_path):
    rules = RULES / "rules_public.toml"
    result = replay("--only", "10:3", "--kill-every", "1000", "--out", tmp_path, "--json", rules=rules)
    summary, run = summary_of(result, tmp_path)

    assert run["kills"] >= 15
    assert run["resent"] > 0
    assert summary == expected("public_10pct")


@needs_data
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda path: path.name)
def test_other_choices_of_the_rule_language_are_answered_as_the_oracle_says(tmp_path, variant):
    result = replay("--only", "50:7", "--out", tmp_path, "--json", rules=variant / "rules.toml")
    summary, run = summary_of(result, tmp_path)

    assert summary == json.loads((variant / "50_7.json").read_text())
    assert run["money_difference_c"] == 0


@needs_data
@pytest.mark.parametrize("name", ["first", "open", "public"])
def test_the_whole_year_is_answered_as_the_oracle_says(tmp_path, name, request):
    if not request.config.getoption("--whole-year"):
        pytest.skip("the long form: make year")
    result = replay("--out", tmp_path, "--json", rules=RULES / f"rules_{name}.toml")
    summary, _ = summary_of(result, tmp_path)

    assert summary == expected(name)


@needs_data
def test_clones_multiply_every_total_and_leave_the_tables_as_they_are(tmp_path):
    one, _ = summary_of(replay("--only", "50:7", "--out", tmp_path / "1", "--json"), tmp_path / "1")
    three, _ = summary_of(replay("--only", "50:7", "--clones", "3", "--out", tmp_path / "3", "--json"), tmp_path / "3")

    assert three["clones"] == 3
    assert three["sha256"] == one["sha256"]
    assert three["declined"] == {code: 3 * count for code, count in one["declined"].items()}
    for total in ("purchases", "cards", "approved_n", "approved_c", "reversed_c", "closing_balance_c", "points"):
        assert three[total] == 3 * one[total], total


@needs_data
def test_people_see_a_table_with_the_conservation_line(tmp_path):
    result = replay("--only", "100:3", "--out", tmp_path)

    assert result.returncode == 0, result.stderr
    for words in (
        "purchases",
        "approved",
        "declined",
        "money in",
        "= money out + balances",
        "durable messages/s",
        "sha256",
    ):
        assert words in result.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        "cards.csv",
        "stores.csv",
        "days.csv",
        "txns.csv",
        "summary.json",
    }


@needs_data
def test_a_selection_without_households_is_an_empty_year(tmp_path):
    summary, _ = summary_of(replay("--only", "100000:99999", "--out", tmp_path, "--json"), tmp_path)

    assert (summary["purchases"], summary["cards"], summary["closing_balance_c"]) == (0, 0, 0)


@contextmanager
def switch(folder: Path, mode: str) -> Iterator[list[str]]:
    """A running switch, as the options that a replay needs to use it."""
    made = subprocess.run([*COMMAND, "init", "--data", str(folder), "--timezone", "America/New_York", "--mode", mode])
    assert made.returncode == 0
    command = [*COMMAND, "serve", "--data", str(folder), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = re.search(r"ready on (\S+)", process.stdout.readline())
            assert ready
            yield ["--connect", ready[1], "--operator-key", str(folder / "operator.key")]
        finally:
            process.terminate()


@needs_data
def test_a_switch_that_runs_already_serves_one_replay_and_no_second(tmp_path):
    with switch(tmp_path / "data", "replay") as options:
        first, _ = summary_of(replay("--only", "50:7", "--out", tmp_path / "1", "--json", *options), tmp_path / "1")
        second = replay("--only", "50:7", "--out", tmp_path / "2", "--json", *options)
    alone, _ = summary_of(replay("--only", "50:7", "--out", tmp_path / "3", "--json"), tmp_path / "3")

    assert first == alone
    assert second.returncode == 1
    assert "202 BUSINESS_DATE" in second.stderr
    assert "A replay needs a switch that nobody has used before." in second.stderr
    assert not (tmp_path / "2").exists()


@needs_data
def test_a_production_switch_is_not_replayed_into(tmp_path):
    with switch(tmp_path / "data", "production") as options:
        result = replay("--only", "50:7", "--out", tmp_path / "out", *options)

    assert result.returncode == 1
    assert "expected a switch in replay mode, got a production switch" in result.stderr


@needs_data
def test_nobody_at_the_address_is_told_at_once(tmp_path):
    with switch(tmp_path / "data", "replay") as options:
        pass
    result = replay("--only", "50:7", "--out", tmp_path / "out", *options)

    assert result.returncode == 1
    assert "got Connection refused; check the address" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--only", "10"], "--only: expected MOD:RESIDUE such as 10:3, got '10'"),
        (["--only", "0:0"], "--only: expected MOD:RESIDUE"),
        (["--kill-every", "-1"], "--kill-every: expected a number of messages"),
        (["--connect", "somewhere"], "--connect: expected HOST:PORT, got 'somewhere'"),
        (["--connect", "127.0.0.1:1"], "expected the operator's key file beside it, got none"),
        (["--clones", "0"], "clones: expected 1 to 999, got 0"),
        (["--clones", "1000"], "clones: expected 1 to 999, got 1000"),
    ],
)
@needs_data
def test_a_wrong_argument_is_told_in_one_line(tmp_path, arguments, complaint):
    result = replay(*arguments, "--out", tmp_path)

    assert result.returncode == 2
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_a_rule_that_is_not_in_the_language_is_told_by_name(tmp_path):
    rules = tmp_path / "rules.toml"
    text = (RULES / "rules_first.toml").read_text()
    rules.write_text(text.replace('code = "GOLD"', 'code = "GOLD"\ndiscount = 250'))

    result = replay("--out", tmp_path / "out", rules=rules)

    assert result.returncode == 2
    assert f"{rules}: unknown: card_type[1].discount; correct the name or remove it" in result.stderr
