"""Processes of the service run together: when one ends, all end; and only those that open keys hear how."""

import os
import signal
import subprocess
import sys

import pytest

from admin.processes import PARENT_VARIABLE
from admin.serving import run_together
from cardswitch.admin import _environment

PATIENCE_S = 30
STARTS = """
import os, sys
from admin.serving import run_together
run_together({"follower": [sys.executable, "-c", sys.argv[1]]}, os.environ)
"""
LIVES = """
import os, signal, time
from admin.processes import end_with_parent
signal.signal(signal.SIGTERM, lambda *_: (print("ended", flush=True), os._exit(0)))
end_with_parent()
print(os.getpid(), flush=True)
time.sleep(60)
"""


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


@pytest.mark.parametrize(("ending", "code"), [("sys.exit(0)", 1), ("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", -9)])
def test_when_one_ends_the_others_end_and_the_exit_code_says_so(tmp_path, capfd, ending, code):
    stays = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(30)"
    ends = f"import os, pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)\n{ending}"
    path = tmp_path / "pid"
    commands = {who: [sys.executable, "-c", what, str(path)] for who, what in (("web", stays), ("switch", ends))}
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        assert run_together(commands, os.environ) == code
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)
    assert "switch has ended" in capfd.readouterr().err
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)


def test_processes_end_with_the_one_that_started_them_however_that_ends():
    with subprocess.Popen([sys.executable, "-c", STARTS, LIVES], stdout=subprocess.PIPE, text=True) as together:
        assert together.stdout is not None
        assert int(together.stdout.readline()) != together.pid
        together.kill()
        assert together.stdout.readline() == "ended\n"


def test_a_process_whose_parent_is_gone_before_it_has_begun_does_not_begin():
    environment = {**os.environ, PARENT_VARIABLE: "1"}  # somebody else than this one, who starts it
    done = subprocess.run([sys.executable, "-c", LIVES], env=environment, stdout=subprocess.PIPE, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (0, b"")
