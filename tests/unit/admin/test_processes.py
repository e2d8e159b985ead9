"""What the processes of the service are told: only those that open keys hear how."""

import sys

import pytest

from admin.serving import run_together
from cardswitch.admin import _environment


@pytest.mark.parametrize("name", ["CARDSWITCH_PASSPHRASE", "CARDSWITCH_PASSPHRASE_FILE", "CREDENTIALS_DIRECTORY"])
def test_the_passphrase_reaches_the_switch_and_the_key_desk_and_nobody_else(name, tmp_path, monkeypatch):
    monkeypatch.setenv(name, "secret words")
    path = tmp_path / "admin.toml"
    open_handed, close_mouthed = _environment(path, with_passphrase=True), _environment(path)
    assert open_handed[name] == "secret words" and name not in close_mouthed
    write = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(os.environ.get(sys.argv[2], '(none)'))"
    commands = {
        who: [sys.executable, "-c", f"{write}; time.sleep({wait_s})", str(tmp_path / who.replace(" ", "-")), name]
        for who, wait_s in (("switch", 30), ("web server", 30), ("key desk", 0.5))
    }
    run_together(commands, close_mouthed, dict.fromkeys(("switch", "key desk"), open_handed))
    told = {who: (tmp_path / who.replace(" ", "-")).read_text() for who in commands}
    assert told == {"switch": "secret words", "web server": "(none)", "key desk": "secret words"}
