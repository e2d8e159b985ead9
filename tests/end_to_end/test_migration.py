"""Cards of an old system come over once, also over a kill; nobody goes live before the sums are equal and two agree."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.support.desk import make_directory
from tests.support.operator import TYPE, Operator, furnish
from tests.support.switch_process import SwitchProcess

FIRST = 6288_0000_0000_0000
COUNT = 60
HEADING = "card,type,status,balance,points,member"


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("migration")
    data = make_directory(folder / "data")
    with SwitchProcess(data) as switch:
        operator = Operator(switch, folder)
        furnish(operator)
        text = TYPE.replace("code = 1\n", "code = 9\n").replace('flags = ["activation-required"]', "flags = []")
        operator("type", "put", operator.write("nine.toml", text))
        operator("type", "state", 9, "submit")
        operator("type", "state", 9, "approve", CARDSWITCH_OPERATOR="8")
        yield operator
        assert switch.stop() == 0
    from switch._verify import verify

    assert verify(data) == 0


def write(operator, name, rows, **totals):
    folder = operator.folder / name
    folder.mkdir(exist_ok=True)
    (folder / "cards.csv").write_text("\n".join([HEADING, *rows, ""]), encoding="utf-8")
    kept = {"cards": 0, "active": 0, "frozen": 0, "lost": 0, "balance": "0.00", "points": "0.00"} | totals
    text = "\n".join(f"{total},{value}" for total, value in kept.items())
    (folder / "totals.csv").write_text(f"name,value\n{text}\n", encoding="utf-8")
    return name


def old_cards(first=FIRST, count=COUNT):
    """Every tenth is frozen, every twentieth lost; 12.34 and 5.5 points on each, and a member."""
    for n in range(count):
        status = "lost" if n % 20 == 1 else "frozen" if n % 10 == 0 else "active"
        yield f"{first + n},9,{status},12.34,5.50,{1000 + n}"


TOTALS = {
    "cards": COUNT,
    "active": COUNT - 9,
    "frozen": 6,
    "lost": 3,
    "balance": f"{COUNT * 12.34:.2f}",
    "points": f"{COUNT * 5.5:.2f}",
}


DIE = """
import os, sys
from cardswitch import __main__, migrate
left = int(sys.argv.pop(1))
plain = migrate._expect
def dying(outcome, what):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
    return plain(outcome, what)
migrate._expect = dying
sys.exit(__main__.main())
"""
"""A loader that is killed when the switch has answered its n-th request."""


@pytest.mark.feature("EF-066")
def test_cards_come_over_once_also_over_a_kill_and_two_sign_what_is_equal(operator):
    folder = write(operator, "old", old_cards(), **TOTALS)
    for left in (2, 50, 3):  # behind the opening of a card, its value, its points
        command = [sys.executable, "-c", DIE, str(left), "migrate", "load", folder]
        environment = {**os.environ, **operator.environment}
        process = subprocess.run(command, cwd=operator.folder, env=environment, check=False, capture_output=True)
        assert process.returncode == -signal.SIGKILL, process.stderr
    assert operator.run("migrate", "check", folder).returncode == 1
    summary = operator.json("migrate", "load", folder)
    assert summary["cards"] == COUNT and 0 < summary["opened"] <= COUNT - 10
    again = operator.json("migrate", "load", folder)
    assert (again["opened"], again["credited"], again["points"]) == (0, 0, 0)
    operator("migrate", "check", folder)
    shown = operator.show(FIRST + 2)
    assert (shown["balance"], shown["points"], shown["member"]) == ("12.34", {"0": "5.50"}, 1002)
    assert operator.show(FIRST)["status"] == "FROZEN" and operator.show(FIRST + 1)["status"] == "LOST"
    one = operator.lines("migrate", "sign", folder)[-1]
    assert one["may_go_live"] is False
    same = operator.run("migrate", "sign", folder)
    assert same.returncode != 0 and "second person" in same.stdout + same.stderr
    two = operator.lines("migrate", "sign", folder, CARDSWITCH_OPERATOR="8")[-1]
    assert two["may_go_live"] is True
    kept = json.loads((operator.folder / folder / "sign-off.json").read_text(encoding="utf-8"))
    assert [row["operator"] for row in kept["signatures"]] == [7, 8]
    late = operator.run("migrate", "load", folder)
    assert late.returncode != 0 and "signed" in late.stdout + late.stderr


@pytest.mark.feature("EF-066")
def test_sums_that_differ_are_told_and_nobody_signs_them(operator):
    first = FIRST + 1_000
    folder = write(operator, "short", old_cards(first, 4), cards=4, active=2, frozen=1, lost=1, balance=50, points=22)
    operator("migrate", "load", folder)
    differs = operator.run("migrate", "check", folder)
    assert differs.returncode == 1 and "-0.64" in differs.stdout, differs.stdout
    refused = operator.run("migrate", "sign", folder)
    assert refused.returncode != 0 and "nobody signs this" in refused.stdout + refused.stderr
    assert not (operator.folder / folder / "sign-off.json").exists()


def test_a_file_with_faults_is_refused_whole_with_its_lines(operator):
    rows = [f"{FIRST + 2_000},9,active,1,0,", "12,9,active,1,0,", f"{FIRST + 2_001},9,gone,1,0,"]
    rows += [f"{FIRST + 2_000},9,active,1,0,", f"{FIRST + 2_002},9,active,-1,0,"]
    ended = operator.run("migrate", "load", write(operator, "bad", rows))
    text = ended.stdout + ended.stderr
    assert ended.returncode != 0 and "nothing was done" in text and "Traceback" not in text
    for line, words in ((3, "card number"), (4, "status"), (5, "stands above"), (6, "balance")):
        assert f"line {line}" in text and words in text
    assert operator.run("card", "show", FIRST + 2_000).returncode != 0
