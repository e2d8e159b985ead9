"""Around the training card: its file, what it is told to do wrong, and its place in the virtual reader."""

import json
import os
import socket
import threading
from queue import Queue

import pytest

from terminals.chip.applet import READ_STATE, SELECT, CardState
from terminals.chip.card_file import (
    CardFile,
    CardFileError,
    CardMemory,
    fault_collector,
    leave_faults,
    read_card_file,
)
from terminals.chip.faults import FAULTS_MAX, STEPS, Fault, FaultKind, FaultPlan, FaultPlanError
from terminals.chip.vpcd import ATR, VpcdError, VpcdSlot
from tests.unit.terminals.chip import KEY, UID, MemoryInMemory, Wire, blank, made

# --------------------------------------------------------------------------- the file


@pytest.fixture
def path(tmp_path):
    CardFile.make(tmp_path / "a.card", UID)
    return tmp_path / "a.card"


def test_a_new_card_is_blank_and_its_file_is_its_owners(path):
    assert read_card_file(path) == CardMemory(uid=UID.hex().upper())
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CardFileError, match="expected no such file"):
        CardFile.make(path, UID)
    with pytest.raises(CardFileError, match="expected 7 bytes"):
        CardFile.make(path.with_name("b.card"), b"short")


def test_what_was_stored_is_there_for_the_next(path):
    file = CardFile(path)
    file.store(made())
    file.close()

    assert CardFile(path).load() == made()


def test_a_store_that_is_cut_at_any_point_leaves_the_state_before(path, monkeypatch):
    file = CardFile(path)
    file.store(made())

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, lambda *_: (_ for _ in ()).throw(OSError(5, "cut")))
            with pytest.raises(CardFileError, match="expected to store, got cut"):
                file.store(made(counter=42))
        assert file.load() == made()


def test_a_store_is_synced_before_it_takes_the_place_of_the_one_before(path, monkeypatch):
    file, sync, replace = CardFile(path), os.fsync, os.replace
    done: list[str] = []

    def noted(name, act):
        def also_note(*arguments):
            done.append(name)
            act(*arguments)

        return also_note

    monkeypatch.setattr(os, "fsync", noted("sync", sync))
    monkeypatch.setattr(os, "replace", noted("replace", replace))

    file.store(made())

    assert done == ["sync", "replace", "sync"]  # the second is the folder's


def test_two_processes_do_not_play_one_card(path):
    first = CardFile(path)
    with pytest.raises(CardFileError, match="only user"):
        CardFile(path)
    first.close()
    CardFile(path).close()


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "another"},
        {"version": 2},
        {"uid": "04"},
        {"key": KEY.hex()[2:]},
        {"key": "xx" * 16},
        {"state": 9},
        {"counter": -1},
        {"chain": "00"},
        {"more": 1},
    ],
)
def test_a_file_that_is_no_card_is_refused_without_its_content(path, changes):
    fields = {"uid": UID.hex(), "state": 1, "key": KEY.hex(), "chain": "00000000"} | changes
    path.write_text(json.dumps(fields))

    with pytest.raises(CardFileError, match="expected") as raised:
        read_card_file(path)

    assert KEY.hex()[:8] not in str(raised.value)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(CardFileError, match="device card new"):
        read_card_file(tmp_path / "none")


def test_a_key_is_not_shown():
    assert KEY.hex() not in repr(made())


def test_faults_that_were_left_are_taken_once_and_in_order(path):
    collect = fault_collector(path)
    assert collect() == ""
    leave_faults(path, "pull-now")
    leave_faults(path, "slow:ANY,1")

    assert collect().split() == ["pull-now", "slow:ANY,1"]
    assert collect() == ""


# --------------------------------------------------------------------------- plans of faults


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("pull", "one of cut-between"),
        ("pull-after", "pull-after: and one of SELECT"),
        ("pull-after:NOTHING", "SELECT"),
        ("pull-after:0", "a number from 1"),
        ("pull-after:SELECT,3", "no figure"),
        ("cut-after:SELECT", "counter"),
        ("cut-between:counter,chain", "cut-between:counter,mac"),
        ("cut-between:mac,counter", "cut-between:counter,mac"),
        ("slow:SELECT", "milliseconds"),
        ("slow:SELECT,-1", "milliseconds"),
        ("mute:SELECT,600001", "milliseconds"),
        ("garbage:SELECT,257", "bytes"),
        ("pull-now:SELECT", "pull-now alone"),
    ],
)
def test_a_plan_that_is_none_says_what_would_be_one(word, expected):
    plan = FaultPlan("pull-now")
    with pytest.raises(FaultPlanError, match=f"fault {word}: expected .*{expected}"):
        plan.add(f"pull-now {word}")
    assert len(plan) == 1


def test_a_plan_has_a_bound():
    FaultPlan("pull-now " * FAULTS_MAX)
    with pytest.raises(FaultPlanError, match=str(FAULTS_MAX)):
        FaultPlan("pull-now " * (FAULTS_MAX + 1))


def test_every_step_can_be_cut():
    for step in STEPS:
        plan = FaultPlan(f"cut-before:{step} cut-after:{step}")
        assert plan.of_step(FaultKind.CUT_BEFORE, step)
        assert plan.of_step(FaultKind.CUT_AFTER, step)
        assert len(plan) == 0


# --------------------------------------------------------------------------- the virtual reader


class Reader:
    """vpcd's side of the connection: listens, and sends length and content apart as vpcd does."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def accept(self):
        self._line, _ = self._listener.accept()
        self._line.settimeout(30)

    def send(self, content):
        self._line.sendall(len(content).to_bytes(2, "big"))
        self._line.sendall(content)

    def receive(self):
        return self._exactly(int.from_bytes(self._exactly(2), "big"))

    def ask(self, content):
        self.send(content)
        return self.receive()

    def _exactly(self, count):
        content = b""
        while len(content) < count:
            piece = self._line.recv(count - len(content))
            if not piece:
                raise EOFError
            content += piece
        return content

    def close(self):
        self._line.close()
        self._listener.close()


@pytest.fixture
def in_reader():
    """(reader, card's slot, what was left for the card, how the card went out)."""
    wire, reader, out = Wire(), Reader(), Queue[Fault | None]()
    left: list[str] = []
    slot = VpcdSlot(wire.card, reader.port)
    slot.insert(lambda _: None)
    reader.accept()

    def serve():
        out.put(slot.serve(lambda: left.pop() if left else "", lambda _: None))

    serving = threading.Thread(target=serve)
    serving.start()
    yield reader, slot, left, out
    reader.close()
    serving.join()


def test_a_card_answers_atr_and_commands_and_loses_its_state_at_a_reset(in_reader):
    reader, *_ = in_reader

    assert reader.ask(b"\x04") == ATR
    assert reader.ask(SELECT.encode())[-2:] == b"\x90\x00"
    assert reader.ask(READ_STATE.encode())[-2:] == b"\x90\x00"
    for control in (b"\x00", b"\x01", b"\x02"):  # power off, power on, reset: none is answered
        reader.send(control)
    assert reader.ask(READ_STATE.encode()) == b"\x69\x85"


def test_a_card_is_gone_with_its_fault(in_reader):
    reader, _, left, out = in_reader
    left.append("pull-after:SELECT")

    reader.send(SELECT.encode())

    with pytest.raises(EOFError):
        reader.receive()
    assert out.get(timeout=30).kind is FaultKind.PULL_AFTER


def test_a_card_is_pulled_out_at_any_moment(in_reader):
    reader, slot, left, out = in_reader
    left.append("pull-now")

    reader.send(b"\x04")

    with pytest.raises(EOFError):
        reader.receive()
    assert out.get(timeout=30).kind is FaultKind.PULL_NOW
    slot.remove()  # out already


def test_a_card_can_be_taken_out_by_another_thread(in_reader):
    reader, slot, _, out = in_reader

    slot.remove()

    with pytest.raises(EOFError):
        reader.receive()
    assert out.get(timeout=30) is None


def test_the_first_half_of_a_frame_is_acknowledged_at_once(monkeypatch):
    """Otherwise vpcd's second send waits 44 ms for it, at every command."""
    order: list[object] = []

    class Line:
        content = b"\x00\x01\x04"

        def setsockopt(self, level, name, value):
            order.append((level, name, value))

        def recv(self, count):
            order.append("recv")
            piece, self.content = self.content[:count], self.content[count:]
            return piece

        def sendall(self, content):
            pass

        def shutdown(self, how):
            pass

        def close(self):
            pass

    monkeypatch.setattr(socket, "create_connection", lambda address: Line())
    slot = VpcdSlot(Wire().card, 1)
    slot.insert(lambda _: None)
    slot.serve(lambda: "", lambda _: None)

    before_recv = [order[at - 1] for at, step in enumerate(order) if step == "recv"]
    assert before_recv == [(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)] * 3


def test_without_vpcd_it_is_said_what_to_start():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    pauses: list[int] = []

    with pytest.raises(VpcdError, match=f"127.0.0.1:{port}: expected it to take a card.*start pcscd"):
        VpcdSlot(Wire().card, port).insert(pauses.append, tries=3)
    assert len(pauses) == 2


def test_a_card_put_in_again_has_what_it_stored_and_nothing_else():
    wire = Wire()
    wire.exchange(SELECT.encode())
    wire.memory.stored.append(blank(counter=99))

    wire.card.power_on()

    assert wire.exchange(READ_STATE.encode()) == b"\x69\x85"
    assert MemoryInMemory(wire.memory.load()).load().state == CardState.BLANK
