"""`cardswitch up` and `cardswitch admin`: the service as a person starts it."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.support.nursery import PAGES, run
from tests.support.switch_process import run_cardswitch

TIMEOUT_S = 180
ROOT = Path(__file__).parents[2]


def command(*words):
    """A command that is run to its end, in a process that need not import what it needs."""
    return run(["cardswitch", *map(str, words)], folder=ROOT, environment=os.environ, modules=PAGES)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(address):
    with suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
        return answer.status == 200 and answer.read().decode()
    return ""


def wait_until(condition):
    deadline = monotonic() + TIMEOUT_S
    while not (found := condition()):
        assert monotonic() < deadline
        sleep(0.1)
    return found


@pytest.fixture
def together(tmp_path):
    """(process, web port, switch port, data directory) of `cardswitch up` on a fresh directory."""
    data = tmp_path / "data"
    assert run_cardswitch("init", "--data", data).returncode == 0
    switch, web = free_port(), free_port()
    command = [sys.executable, "-m", "cardswitch", "up", "--data", data]
    command += ["--listen", f"127.0.0.1:{switch}", "--web", f"127.0.0.1:{web}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    yield process, web, data, tmp_path / "log"
    if process.poll() is None:
        process.terminate()
        process.wait(TIMEOUT_S)


def test_up_starts_switch_and_pages_and_ends_both(together):
    process, web, data, log = together
    wait_until(lambda: answers(f"http://127.0.0.1:{web}/health"))
    assert "创建首位管理员" in answers(f"http://127.0.0.1:{web}/setup")
    assert re.search(r"token: [0-9a-f]{64}", log.read_text())
    followed = wait_until(lambda: command("admin", "follow", "--data", data).stdout)
    assert "rows of entries taken over" in followed
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == 0, log.read_text()
    assert answers(f"http://127.0.0.1:{web}/health") == ""


def test_commands_say_what_is_missing(tmp_path):
    result = command("admin", "serve", "--data", tmp_path)
    assert result.returncode == 1 and "expected a settings file" in result.stderr
    result = command("admin", "init", "--data", tmp_path, "--listen", "nowhere")
    assert result.returncode == 1 and "--listen: expected HOST:PORT" in result.stderr
    assert command("admin", "init", "--data", tmp_path).returncode == 0
    again = command("admin", "init", "--data", tmp_path)
    assert again.returncode == 1 and "expected no settings yet" in again.stderr
    result = command("admin", "follow", "--data", tmp_path)
    assert result.returncode == 1 and "expected the key file" in result.stderr
    assert command("admin", "check-audit", "--data", tmp_path).stdout == "audit log: whole\n"
    assert command("admin", "user", "unlock", "boss", "--data", tmp_path).returncode == 1
    assert command("admin", "migrate", "--data", tmp_path).returncode == 0


def test_facts_for_reports_are_loaded_from_a_folder(tmp_path):
    data, facts = tmp_path / "data", tmp_path / "facts"
    assert command("init", "--data", data).returncode == 0
    assert command("admin", "init", "--data", data).returncode == 0
    facts.mkdir()
    (facts / "goods_names.csv").write_text("kind,number,name\ndepartment,7,水果\n", encoding="utf-8")
    loaded = command("admin", "load-facts", facts, "--data", data)
    assert (loaded.returncode, loaded.stdout) == (0, "goods_names.csv: 1 rows\n")
    (facts / "goods_names.csv").write_text("kind,number\n")
    refused = command("admin", "load-facts", facts, "--data", data)
    assert refused.returncode != 0 and "expected the columns kind, number, name" in refused.stderr
    assert command("admin", "check-audit", "--data", data).returncode == 0
