import importlib.util

import pytest

from cardswitch.demo import Selection, demo
from switch._directory import DirectoryError, open_directory

TENTH = Selection(
    mod=10,
    residue=3,
    sha256={
        "cards": "320d8cdb1afbc67b618baeec076cf4c36f640e28740f0a2444fdb5cdb23d16a0",
        "stores": "b58b2d490523db943c32c496ea2d5ee832de6cd4a7d65312ac72137f32802186",
        "days": "0794a90888be36bb91784665c267e6efe9a67d33733190f86e89ee3856f55742",
        "txns": "ddcb2aafb7711390dee83ea289ea95d42b187dac6586fc0f125b3fd1fcd69ac7",
    },
)


def test_the_demo_tells_what_happened_and_finds_nothing_wrong(tmp_path, capfd):
    assert demo(tmp_path / "demo", TENTH) == 0

    told = capfd.readouterr().out
    assert "purchases at" in told
    assert told.count("  equal    ") == 4
    assert "credits = " in told
    assert "The balance is smaller than the amount." in told
    assert "verify: clean" in told
    assert "cardswitch journal show --data" in told


def test_the_demo_fails_when_a_table_is_not_the_expected_one(tmp_path, capfd):
    wrong = TENTH._replace(sha256=TENTH.sha256 | {"days": "0" * 64})

    assert demo(tmp_path / "demo", wrong) == 1

    told = capfd.readouterr()
    assert "DIFFERS" in told.out
    assert f"days.csv: expected sha256 {'0' * 64}, got {TENTH.sha256['days']}" in told.err
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
