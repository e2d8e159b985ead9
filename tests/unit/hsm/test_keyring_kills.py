"""SIGKILL before and after each step that the keyring takes on the disk: what is left opens, is whole, and goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hsm.key_states import KeyState, Purpose
from hsm.keyring_errors import LogTornError
from tests.unit.hsm.keyring_kit import BOTH, create, opened

ROOT = Path(__file__).parents[3]

# Dies before the call of that number to the system, or half done with it; a run that is not killed prints the calls.
CHILD = """
import json, os, signal, sys
from pathlib import Path
from tests.unit.hsm.keyring_kit import BOTH, opened
from hsm.key_states import Purpose

folder, fatal, half = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "half"
calls = []

def fatal_at(name):
    real = getattr(os, name)
    def call(*arguments, **options):
        calls.append(name)
        if len(calls) == fatal:
            if half:
                real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(os, name, call)

with opened(folder) as (keyring, backend, page):
    for name in ("open", "write", "fsync", "replace", "close", "fchmod"):
        fatal_at(name)
    keyring.activate(Purpose.CHIP, 2, BOTH)
    keyring.rewrap(2, BOTH, lambda: None)
    print(json.dumps(calls))
"""


def run(folder, fatal, how):
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(fatal), how],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def made(tmp_path):
    """Two CHIP keys under KEK 1, the first ACTIVE."""
    folder = tmp_path / "made"
    folder.mkdir()
    create(folder)
    with opened(folder) as (keyring, _, _):
        keyring.add(Purpose.CHIP, 1, 1, BOTH)
        keyring.add(Purpose.CHIP, 2, 1, BOTH)
        keyring.activate(Purpose.CHIP, 1, BOTH)
    return folder


def restore(folder, contents):
    for path in folder.iterdir():
        path.unlink()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def keys_of(keyring, page):
    keys = {}
    for entry in keyring.entries:
        with page.take(16) as slot:
            keyring.load_into(entry.purpose, entry.version, slot)
            keys[entry.version] = bytes(slot)
    return keys


def test_a_kill_at_any_step_leaves_the_old_or_the_new(made):
    contents = {path.name: path.read_bytes() for path in made.iterdir()}
    with opened(made) as (keyring, _, page):
        keys = keys_of(keyring, page)
    whole = run(made, 0, "before")
    assert whole.returncode == 0, whole.stderr
    calls = json.loads(whole.stdout)
    assert calls.count("replace") == 3
    torn = 0

    for fatal, call in enumerate(calls, 1):
        for how in ("before", "half") if call == "write" else ("before",):
            restore(made, contents)
            killed = run(made, fatal, how)
            assert killed.returncode == -signal.SIGKILL, killed.stderr

            with opened(made) as (keyring, _, page):
                states = tuple(entry.state for entry in keyring.entries)
                assert states in (
                    (KeyState.ACTIVE, KeyState.NEW),
                    (KeyState.VERIFY_ONLY, KeyState.ACTIVE),
                ), (fatal, how)
                assert keys_of(keyring, page) == keys
                try:
                    keyring.verify_log()
                except LogTornError:
                    torn += 1
                    keyring.repair_log(BOTH)
                if states[1] is KeyState.NEW:
                    keyring.activate(Purpose.CHIP, 2, BOTH)
                keyring.rewrap(2, BOTH, lambda: None)
                assert keyring.progress().keys_by_kek_version == {2: 2}
                assert keys_of(keyring, page) == keys
                revisions = {line.revision for line in keyring.verify_log()}
                assert revisions == set(range(1, keyring.revision + 1)), "each act has its line"
    assert torn == 3, "half a line of each act"
