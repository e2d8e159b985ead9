"""Keys in people's hands: components typed by custodians, the log, the public key; by commands."""

import os
import pty
import select
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hsm._cipher import check_value
from hsm._memory import KeyPage
from tests.support import nursery
from tests.support.key_shop import OFFICERS
from tests.support.switch_process import ROOT, run_cardswitch

SILENCE_S = 20
COMPONENTS = ["00112233445566778899AABBCCDDEEFF" * 2, "0F1E2D3C4B5A69788796A5B4C3D2E1F0" * 2]


def check_of(key):
    with KeyPage() as page, page.take(len(key)) as slot:
        memoryview(slot)[:] = key
        return check_value(slot).hex().upper()


@pytest.fixture
def data(tmp_path, monkeypatch):
    data = tmp_path / "data"
    monkeypatch.setenv("CARDSWITCH_DATA", str(data))
    monkeypatch.setenv("CARDSWITCH_OFFICERS", OFFICERS)
    made = run_cardswitch("init", "--data", data, "--segment-bytes", 1 << 20, "--cards-max", 1000)
    assert made.returncode == 0, made.stderr
    return data


def typed(words, lines):
    """Run a command at a terminal of its own and type; all that the terminal has shown, and the exit status."""
    pid, terminal = pty.fork()
    if pid == 0:  # the child: its controlling terminal is the other end
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "cardswitch", *map(str, words)])
    shown = b""
    left = list(lines)
    try:
        while select.select([terminal], [], [], SILENCE_S)[0] and (chunk := os.read(terminal, 4096)):
            shown += chunk
            if left and shown.endswith(b"(not shown): "):
                os.write(terminal, left.pop(0).encode() + b"\n")
    except OSError:  # the terminal is gone with its process
        pass
    finally:
        os.close(terminal)  # which ends who still waits for something to be typed
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def enter(check, lines, custodians="Ma Li,Bo Wu"):
    """Enter a transport key from components."""
    words = ["keys", "enter", "kbpk", "--partner", "Card Works", "--custodians", custodians, "--check", check]
    return typed(words, lines)


def run(*words, status=0):
    ended = nursery.run(["cardswitch", "keys", *map(str, words)], folder=ROOT, environment=os.environ)
    assert ended.returncode == status, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout + ended.stderr


def test_custodians_enter_a_key_and_nothing_of_it_is_shown(data, tmp_path):
    parts = [bytes.fromhex(component) for component in COMPONENTS]
    whole = bytes(a ^ b for a, b in zip(*parts, strict=True))
    wrong = COMPONENTS[0][:-1] + "0"
    lines = [wrong, check_of(parts[0]), COMPONENTS[0], check_of(parts[0]), COMPONENTS[1], check_of(parts[1])]
    shown, status = enter(check_of(whole), lines)
    assert status == 0, shown
    assert f"check value {check_of(whole)}" in shown
    assert "expected check value" in shown  # of the mistyped one
    for component in (*COMPONENTS, wrong, whole.hex().upper()):
        assert component[:12] not in shown
    run("activate", "kbpk", 1, status=1)  # it takes a switch to look at: both sides are shown
    log = run("log")
    assert "Li Wei" in log
    assert "kbpk 1" in log
    assert whole.hex()[:16] not in log.lower()


def test_a_wrong_component_ends_the_ceremony_and_one_person_is_not_two(data):
    parts = [bytes.fromhex(component) for component in COMPONENTS]
    shown, status = enter("1122334455", [COMPONENTS[0], check_of(parts[0]), COMPONENTS[1], check_of(parts[1])])
    assert status == 1
    assert "the whole key" in shown
    shown, status = enter("1122334455", [COMPONENTS[0], "0000000000"] * 3)
    assert status == 1
    shown, status = enter("1122334455", [COMPONENTS[0], check_of(parts[0])] * 2, "Ma Li,MA LI")
    assert status == 1
    assert "expected different persons" in shown
    assert "kbpk" not in run("log")


def test_the_public_key_is_told_in_both_forms_and_renewed(data):
    raw = run("public").strip()
    key = load_pem_public_key(run("public", "--pem").encode())
    assert isinstance(key, Ed25519PublicKey)
    assert key.public_bytes_raw().hex() == raw
    assert "SIGN 2 was made" in run("rotate", "sign", "--to", 2)
    assert run("public").strip() == raw  # not handed over yet
    assert "has signed that SIGN 2 follows" in run("rotate", "sign", "--to", 2)
    assert "SIGN 2 is in use" in run("rotate", "sign", "--to", 2)
    assert run("public").strip() != raw
    assert run("public", "--version", 1).strip() == raw


def test_an_altered_log_is_found_and_a_torn_one_repaired(data):
    log = data / "keys" / "key.log"
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"sequence":7,"time')
    assert "--repair" in run("log", status=1)
    run("log", "--repair")
    assert "repair_log" in run("log").lower()
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b"first officer", b"other officer", 1))
    assert "expected line 1" in run("log", status=1)


def test_officers_must_be_two(data):
    for officers in ("Li Wei:11,Li Wei:12", "Li Wei:11,Chen Jie:11", "Li Wei:11"):
        assert "expected" in run("add", "chip", "--officers", officers, status=1)
    assert "chip" not in run("log")


def test_the_protocol_of_a_ceremony_is_printed(data):
    protocol = run("ceremony")
    for word in ("Custodian 2", "Witness", "check value", "seals"):
        assert word in protocol


def test_keys_need_their_data_directory(data, monkeypatch):
    monkeypatch.delenv("CARDSWITCH_DATA")
    assert "--data" in run("log", status=1)
