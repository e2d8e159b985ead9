"""Programs that are forked behave like programs that are started."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.support.nursery import run

SAY = "import os, sys; print(sys.argv, os.getcwd(), dict(os.environ), sys.stdin.read()); print('err', file=sys.stderr)"


def test_arguments_folder_environment_and_pipes_are_its_own(tmp_path):
    ended = run(["name", "a b"], folder=tmp_path, environment={"ONE": "1"}, stdin="line\n" * 9_999, code=SAY)
    assert ended.returncode == 0
    assert ended.stdout.startswith(f"['name', 'a b'] {tmp_path} {{'ONE': '1'}} line\nline\n")
    assert ended.stdout.count("line") == 9_999
    assert ended.stderr == "err\n"
    assert run(["name"], folder=tmp_path, environment={}, code=SAY).stdout == f"['name'] {tmp_path} {{}} \n"


def test_statuses_kills_and_tracebacks_are_told(tmp_path):
    def end(code):
        return run(["name"], folder=tmp_path, environment={}, code=code)

    assert end("import sys; sys.exit(3)").returncode == 3
    assert end("import os; os.kill(os.getpid(), 9)").returncode == -signal.SIGKILL
    fallen = end("1 / 0")
    assert fallen.returncode == 1 and "ZeroDivisionError" in fallen.stderr


def test_what_takes_too_long_is_killed(tmp_path):
    with pytest.raises(subprocess.TimeoutExpired):
        run(["name"], folder=tmp_path, environment={}, code="import time; time.sleep(60)", timeout_s=0.05)


def test_programs_run_side_by_side(tmp_path):
    meet = "import sys, time, pathlib\nmine, other = map(pathlib.Path, sys.argv)\nmine.touch()\n"
    meet += "while not other.exists(): time.sleep(0.01)"
    paths = [str(tmp_path / "a"), str(tmp_path / "b")]
    threads = [
        threading.Thread(target=run, args=(names,), kwargs={"folder": tmp_path, "environment": {}, "code": meet})
        for names in (paths, paths[::-1])
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.01)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_the_command_is_the_one_that_is_started(tmp_path):
    started = subprocess.run([sys.executable, "-m", "cardswitch", "card"], capture_output=True, text=True, check=True)
    assert run(["cardswitch", "card"], folder=tmp_path, environment={}).stdout == started.stdout
