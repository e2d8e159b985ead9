import copy
import ctypes
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import traceback

import pytest

from hsm._cipher import copy_into, random_into
from hsm._memory import PAGE_SLOT_COUNT, KeyPage, KeySlot, harden_process
from hsm.errors import KeyPageClosedError, KeyPageFullError, LockedMemoryShortError, WrongKeyLengthError

KEY = bytes(range(1, 33))


def filled(page, key=KEY):
    slot = page.take(len(key))
    copy_into(slot, key)
    return slot


def raw(page):
    """The page's bytes as they are, past all checks."""
    start, end = page.address_range
    return ctypes.string_at(start, end - start)


def in_child(check):
    """Run a check in a forked child; fails here if it fails there."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            check()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(process, 0)[1] == 0


def mappings(process="self"):
    """Start, end, rights and flags of each mapping of a process, and all that /proc/PID/smaps says of it."""
    with open(f"/proc/{process}/smaps") as file:
        text = file.read()
    for head in re.finditer(r"(?ms)^([0-9a-f]+)-([0-9a-f]+) (\S+).*?^VmFlags: (.*?)$", text):
        yield int(head[1], 16), int(head[2], 16), head[3], head[4].split(), head[0]


def test_the_page_is_locked_left_out_of_dumps_and_wiped_on_fork(page):
    first = page.address_range[0]

    ((flags, entry),) = ((flags, entry) for start, end, _, flags, entry in mappings() if start <= first < end)

    assert {"lo", "dd", "wf"} <= {*flags}
    assert re.search(r"Locked: +[1-9]", entry)


def test_a_forked_child_finds_zeros_and_is_told_so(page):
    slot = filled(page)
    view = memoryview(slot)

    def check():
        assert raw(page).count(0) == len(raw(page))
        assert bytes(view) == bytes(32)
        for refused in (lambda: memoryview(slot), lambda: page.take(16)):
            with pytest.raises(KeyPageClosedError):
                refused()

    in_child(check)
    assert bytes(view) == KEY


def test_closing_wipes_every_slot_even_for_those_who_still_look(page):
    slots = [filled(page), filled(page, KEY[:16])]
    views = [memoryview(slot) for slot in slots]

    page.close()

    assert [bytes(view) for view in views] == [bytes(32), bytes(16)]
    assert raw(page).count(0) == len(raw(page))
    with pytest.raises(KeyPageClosedError):
        memoryview(slots[0])
    for view in views:
        view.release()
    assert page.address_range == (0, 0)
    page.close()


@pytest.mark.parametrize("how", ["wipe", "with", "forgotten"])
def test_a_slot_is_wiped_and_given_back(page, how):
    slot = filled(page)
    assert KEY in raw(page)
    if how == "wipe":
        slot.wipe()
        slot.wipe()
    elif how == "with":
        with slot:
            pass
    del slot

    assert KEY not in raw(page)
    assert page.taken_count == 0


def test_a_wiped_slot_is_not_given_to_others_while_somebody_can_still_write_to_it(page):
    slot = filled(page)
    view = memoryview(slot)
    slot.wipe()
    other = page.take(32)
    view[:] = KEY

    assert page.taken_count == 2
    assert bytes(other) == bytes(32)
    view.release()
    assert page.taken_count == 1
    assert KEY not in raw(page)
    with pytest.raises(KeyPageClosedError):
        memoryview(slot)


def test_slots_are_counted(page):
    slots = [page.take(1) for _ in range(PAGE_SLOT_COUNT)]
    with pytest.raises(KeyPageFullError):
        page.take(1)
    slots.pop()
    page.take(1)


@pytest.mark.parametrize("key_bytes", [-1, 0, 33])
def test_a_slot_holds_one_key(page, key_bytes):
    with pytest.raises(WrongKeyLengthError):
        page.take(key_bytes)


@pytest.mark.parametrize("slot_count", [0, -1, 16_384])
def test_a_page_has_a_bounded_number_of_slots(slot_count):
    with pytest.raises(ValueError, match="expected 1 to"):
        KeyPage(slot_count)


def test_nothing_shows_or_copies_a_key(page):
    slot = filled(page, b"abcdefghijklmnop")

    assert "abc" not in repr(slot) + str(slot) + repr(page)
    for take_away in (pickle.dumps, copy.copy, copy.deepcopy):
        for held in (slot, page):
            with pytest.raises(TypeError):
                take_away(held)
    with pytest.raises(TypeError):
        KeySlot()


def test_too_little_lockable_memory_is_said_with_its_cure():
    def check():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        if os.getuid() == 0:
            os.setuid(65_534)  # root may lock without limit
        with pytest.raises(LockedMemoryShortError, match="RLIMIT_MEMLOCK"):
            KeyPage()

    in_child(check)


def test_a_hardened_process_leaves_no_core():
    def check():
        harden_process()
        pr_get_dumpable = 3
        assert ctypes.CDLL(None).prctl(pr_get_dumpable, 0, 0, 0, 0) == 0
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)

    in_child(check)


# Neither key becomes `bytes` in the child: both are drawn in place and written to the pipe from there.
KEY_HOLDER = """
import os, resource, sys
from hsm._cipher import random_into
from hsm._memory import KeyPage
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
page, unprotected = KeyPage(), bytearray(32)
slot = page.take(32)
for key in (slot, unprotected):
    random_into(key)
    os.write(1, memoryview(key))
sys.stdin.read()
os.abort()
"""


def dumped(process, directory):
    """What a core dump of a process holds: of a real one where the system makes them, else what it would hold."""
    with open(f"/proc/{process.pid}/mem", "rb", buffering=0) as memory:
        readable = [
            os.pread(memory.fileno(), end - start, start)
            for start, end, rights, flags, _ in mappings(process.pid)
            if rights.startswith("rw") and "dd" not in flags
        ]
    process.stdin.close()
    assert process.wait() == -signal.SIGABRT
    cores = [*directory.glob("core*")]
    return cores[0].read_bytes() if cores else b"".join(readable)


def test_a_core_dump_does_not_hold_the_key(tmp_path):
    command = [sys.executable, "-c", KEY_HOLDER]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONFAULTHANDLER": ""}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env=environment
    ) as process:
        assert process.stdout is not None
        keys = process.stdout.read(64)
        core = dumped(process, tmp_path)

    assert keys[32:] in core  # or the search itself would prove nothing
    assert keys[:32] not in core


def test_a_random_key_fills_its_slot(page):
    slots = [page.take(32) for _ in range(8)]
    for slot in slots:
        random_into(slot)

    assert len({bytes(slot) for slot in slots} | {bytes(32)}) == 9
