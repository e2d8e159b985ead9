"""The key log: every hand laid on it is found, and a crash is told from a hand."""

import itertools
import json
from hashlib import sha256

import pytest

from hsm._files import append_file, replace_file
from hsm._memory import KeyPage
from hsm.backend import KeyUse
from hsm.key_log import KeyLog
from hsm.key_states import KeyAct, KeyState, Purpose
from hsm.keyring_errors import KeyringAlteredError, LogBrokenError, LogMissingError, LogTornError, LogTruncatedError
from hsm.people import TwoPeople
from hsm.software import SoftwareBackend
from tests.unit.hsm.keyring_kit import BOTH, SECRET, create, open_with, opened


@pytest.fixture
def kit(tmp_path):
    create(tmp_path)
    with opened(tmp_path) as (keyring, backend, page):
        keyring.add(Purpose.CHIP, 1, 1, BOTH)
        keyring.add(Purpose.CHIP, 2, 1, TwoPeople("Wang Fang", "Zhang Min", 8))
        keyring.activate(Purpose.CHIP, 1, BOTH)
        keyring.activate(Purpose.CHIP, 2, BOTH)
        yield keyring, backend, page, tmp_path / "log"


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


def test_each_act_is_a_line(kit):
    keyring, _, _, path = kit
    lines = keyring.verify_log()
    assert [(line.sequence, line.act, line.version) for line in lines] == [
        (1, KeyAct.ADD, 1),
        (2, KeyAct.ADD, 2),
        (3, KeyAct.ACTIVATE, 1),
        (4, KeyAct.ACTIVATE, 2),
    ]
    assert (lines[1].author, lines[1].approver, lines[1].time_ms) == ("Wang Fang", "Zhang Min", 8)
    assert lines[1].check_value == keyring.entry(Purpose.CHIP, 2).check_value.hex().upper()
    assert json.loads(lines_of(path)[3])["purpose"] == "CHIP"


def test_every_byte_of_every_line_counts_and_the_first_broken_line_is_named(kit):
    keyring, _, _, path = kit
    lines = lines_of(path)
    for number, line in enumerate(lines, 1):
        for at in range(len(line)):
            for flip in (0x01, 0x20, 0x80):
                altered = line[:at] + bytes([line[at] ^ flip]) + line[at + 1 :]
                if b"\n" in altered[:-1] or not altered.endswith(b"\n"):
                    continue  # line ends have their own test
                path.write_bytes(b"".join([*lines[: number - 1], altered, *lines[number:]]))
                with pytest.raises(LogBrokenError, match=f"expected line {number} of"):
                    keyring.verify_log()


@pytest.mark.parametrize(
    ("hand", "error", "words"),
    [
        (lambda x: [x[0], x[2], x[3]], LogBrokenError, "line 2"),
        (lambda x: [x[1], x[0], x[2], x[3]], LogBrokenError, "line 1"),
        (lambda x: [x[0], x[0], x[1], x[2], x[3]], LogBrokenError, "line 2"),
        (lambda x: [*x, x[3]], LogBrokenError, "line 5"),
        (lambda x: [x[0], b"\n", *x[1:]], LogBrokenError, "line 2"),
        (lambda x: [x[0], x[1][:-1], *x[2:]], LogBrokenError, "line 2"),
        (lambda x: [x[0], b"{}\n", *x[2:]], LogBrokenError, "line 2"),
        (lambda x: [x[0], b"x" * 5000, *x[2:]], LogBrokenError, "line 2"),
        (lambda x: x[:3], LogTruncatedError, "lines 4 to 4 were removed"),
        (lambda x: [], LogTruncatedError, "lines 1 to 4 were removed"),
        (lambda x: [*x[:3], x[3][:-1]], LogTruncatedError, "lines 4 to 4"),
        (lambda x: [*x[:2], x[2][:40]], LogTruncatedError, "lines 3 to 4"),
        (lambda x: [*x, x[3][:40]], LogTornError, "line 5"),
    ],
)
def test_a_hand_laid_on_the_log_is_found_by_verify_and_by_the_next_act(kit, hand, error, words):
    keyring, backend, page, path = kit
    path.write_bytes(b"".join(hand(lines_of(path))))
    with pytest.raises(error, match=words):
        keyring.verify_log()
    restarted = open_with(path.parent, backend, page)
    with pytest.raises(error, match=words):
        restarted.retire(Purpose.CHIP, 1, BOTH)
    assert restarted.entry(Purpose.CHIP, 1).state is KeyState.VERIFY_ONLY


def test_a_log_cut_while_the_process_runs_is_found_by_the_next_act(kit):
    keyring, _, _, path = kit
    path.write_bytes(b"".join(lines_of(path)[:3]))
    with pytest.raises(LogTruncatedError):
        keyring.retire(Purpose.CHIP, 1, BOTH)


def test_a_log_begun_anew_by_the_same_backend_is_found(kit, tmp_path):
    keyring, backend, page, path = kit
    second = type(keyring).create(tmp_path / "second", tmp_path / "second.log", backend, 1, page)
    for version in (1, 2, 3, 4):
        second.add(Purpose.CHIP, version, 1, BOTH)
    path.write_bytes((tmp_path / "second.log").read_bytes())
    with pytest.raises(LogBrokenError, match="line 4"):
        keyring.verify_log()


def test_a_line_of_another_log_of_the_same_backend_does_not_fit_in(kit, tmp_path):
    keyring, backend, page, path = kit
    second = type(keyring).create(tmp_path / "second", tmp_path / "second.log", backend, 1, page)
    for version in (1, 2, 3, 4):
        second.add(Purpose.CHIP, version, 1, BOTH)
    lines, others = lines_of(path), lines_of(tmp_path / "second.log")
    path.write_bytes(b"".join([lines[0], others[1], *lines[2:]]))
    with pytest.raises(LogBrokenError, match="line 2"):
        keyring.verify_log()


def test_a_torn_last_line_is_repaired_by_name(kit):
    _, backend, page, path = kit
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"sequence":5,"time')
    restarted = open_with(path.parent, backend, page)
    with pytest.raises(LogTornError, match="repair"):
        restarted.retire(Purpose.CHIP, 1, BOTH)
    assert restarted.repair_log(TwoPeople("Wang Fang", "Li Wei", 9)) == 19
    last = restarted.verify_log()[-1]
    assert (last.sequence, last.act, last.author) == (5, KeyAct.REPAIR_LOG, "Wang Fang")
    restarted.retire(Purpose.CHIP, 1, BOTH)
    assert restarted.repair_log(BOTH) == 0
    assert len(restarted.verify_log()) == 6


def test_repair_does_not_hide_what_was_removed(kit):
    keyring, _, _, path = kit
    lines = lines_of(path)
    path.write_bytes(b"".join([*lines[:3], lines[3][:50]]))
    with pytest.raises(LogTruncatedError):
        keyring.repair_log(BOTH)


def test_a_missing_log_is_named(kit):
    keyring, _, _, path = kit
    path.unlink()
    with pytest.raises(LogMissingError, match="restore"):
        keyring.retire(Purpose.CHIP, 1, BOTH)


def test_the_chain_goes_on_under_another_log_key_and_back(kit):
    """A line under the old key names the new one; the first under the new vouches for everything before."""
    keyring, backend, page, path = kit
    keyring.activate_log_key(2, BOTH)
    keyring.activate_log_key(2, BOTH)  # it is so already
    keyring.retire(Purpose.CHIP, 1, BOTH)
    lines = keyring.verify_log()
    assert [(line.act, line.version, line.log_key_version) for line in lines[4:]] == [
        (KeyAct.ACTIVATE_LOG, 2, 1),
        (KeyAct.LINK_LOG, 2, 2),
        (KeyAct.RETIRE, 1, 2),
    ]
    assert lines[4].check_value == backend.facts(KeyUse.LOG, 2).check_value.hex().upper()
    before = b"".join(lines_of(path)[:5])
    assert [line.before_sha256 for line in lines] == [*[""] * 5, sha256(before).hexdigest(), ""]
    other = open_with(path.parent, backend, page)
    assert other.log_key_version == 2
    other.activate_log_key(1, BOTH)
    other.destroy(Purpose.CHIP, 1, BOTH)
    assert [line.log_key_version for line in other.verify_log()] == [1] * 5 + [2] * 3 + [1] * 2


def test_lines_of_a_log_key_that_was_destroyed_rest_on_the_link(kit):
    keyring, _, _, path = kit
    keyring.activate_log_key(2, BOTH)
    with SoftwareBackend.open(path.parent / "backend", SECRET) as backend, KeyPage() as page:
        backend.destroy(KeyUse.LOG, 1)
        again = open_with(path.parent, backend, page)
        again.retire(Purpose.CHIP, 1, BOTH)
        assert len(again.verify_log()) == 7
        lines = lines_of(path)
        for number in (1, 3, 5):
            altered = lines[number - 1].replace(b"Li Wei", b"Li Wie")
            path.write_bytes(b"".join([*lines[: number - 1], altered, *lines[number:]]))
            with pytest.raises(LogBrokenError):
                again.verify_log()
        path.write_bytes(b"".join(lines[:5]))  # nothing vouches for them any more
        with pytest.raises(LogBrokenError, match="line 1"):
            again.verify_log()


def test_who_has_the_old_log_key_alone_forges_nothing_behind_its_end(kit):
    """Neither a line under the old key behind the link, nor a keyring that it seals."""
    keyring, backend, page, path = kit
    keyring.activate_log_key(2, BOTH)
    files = {name: (path.parent / name).read_bytes() for name in ("keyring", "log")}
    KeyLog(path, backend, 1).append(BOTH, KeyAct.RETIRE, keyring.revision + 1)
    with pytest.raises(LogBrokenError, match="line 7"):
        keyring.verify_log()
    for name, content in files.items():
        (path.parent / name).write_bytes(content)
    forged = open_with(path.parent, backend, page)
    forged._log_key_version = 1
    forged._write(forged._content)
    with pytest.raises(KeyringAlteredError, match="sealed by LOG key 2, got 1"):
        open_with(path.parent, backend, page).verify_log()


@pytest.mark.parametrize("dies_at", range(1, 5))
def test_killed_between_any_two_writes_the_change_of_log_key_goes_on(kit, monkeypatch, dies_at):
    keyring, backend, page, path = kit
    calls = itertools.count(1)

    def dying(real):
        def call(*arguments):
            if next(calls) == dies_at:
                raise KeyboardInterrupt
            real(*arguments)

        return call

    with monkeypatch.context() as patched:
        patched.setattr("hsm.key_log.append_file", dying(append_file))
        patched.setattr("hsm.keyring.replace_file", dying(replace_file))
        with pytest.raises(KeyboardInterrupt):
            keyring.activate_log_key(2, BOTH)
    again = open_with(path.parent, backend, page)
    again.retire(Purpose.CHIP, 1, BOTH)
    again.activate_log_key(2, BOTH)
    again.destroy(Purpose.CHIP, 1, BOTH)
    lines = again.verify_log()
    assert lines[-1].log_key_version == again.log_key_version == 2
    assert sum(bool(line.before_sha256) for line in lines) == 1
