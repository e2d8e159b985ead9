import importlib.util
import json
import re
from pathlib import Path

import pytest

from cardswitch.demo import EXPECTED_SHA256, Selection, demo
from switch._directory import DirectoryError, open_directory

EXPECTED = Path(__file__).parents[2] / "data" / "shopping_year"


def expected_sha256(name):
    """What another program computed for a run of the year."""
    return json.loads((EXPECTED / name / "summary.json").read_text(encoding="utf-8"))["sha256"]


TENTH = Selection(mod=10, residue=3, sha256=expected_sha256("public_10pct"))


def test_the_demo_expects_what_the_oracle_computed_for_the_whole_year():
    assert expected_sha256("public") == EXPECTED_SHA256


def test_the_demo_tells_what_happened_and_finds_nothing_wrong(tmp_path, capfd):
    assert demo(tmp_path / "demo", TENTH) == 0

    told = capfd.readouterr().out
    assert "purchases at" in told
    assert told.count("  equal    ") == 4
    assert "credits = " in told
    assert "Less is available than the amount." in told
    assert "verify: clean" in told
    assert "cardswitch journal show --data" in told


def test_the_demo_fails_when_a_table_is_not_the_expected_one(tmp_path, capfd):
    few = Selection(mod=200, residue=3, sha256=dict.fromkeys(TENTH.sha256, "0" * 64))

    assert demo(tmp_path / "demo", few) == 1

    told = capfd.readouterr()
    assert "DIFFERS" in told.out
    assert re.search(rf"days\.csv: expected sha256 {'0' * 64}, got (?!0{{64}})[0-9a-f]{{64}}", told.err)
    assert "Where to look next" not in told.out


def test_the_demo_says_what_to_install_when_the_data_is_missing(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert demo(tmp_path / "demo") == 2

    assert "make setup" in capfd.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_the_demo_leaves_a_directory_alone_whose_switch_still_runs(tmp_path):
    data = tmp_path / "demo" / "data"
    data.mkdir(parents=True)
    (data / "switch.toml").write_text("partition = 0\n")
    lock = open_directory(data).lock()

    with pytest.raises(DirectoryError, match="expected no switch on this directory"):
        demo(tmp_path / "demo", TENTH)

    assert lock >= 0
    assert (data / "switch.toml").exists()
