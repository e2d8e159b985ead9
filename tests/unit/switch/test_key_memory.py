"""Keys that the decision uses stand in locked memory, out of core dumps, and nowhere else in the process."""

import os
import re
import subprocess
import sys

import pytest

from hsm import cards
from switch.protocol.messages import DebitRequest, Evidence, Header, KeyPurpose, MediumKind, MessageType
from switch.protocol.records import MediumRecord
from tests.support.keys import key_of

pytestmark = pytest.mark.skipif(
    os.environ.get("SWITCH_SANITIZE") == "1", reason="AddressSanitizer's malloc has no arenas to guard"
)

KEY_BYTES = {KeyPurpose.CHIP: 16, KeyPurpose.STORAGE: 32}

# The key comes as two masks that say nothing, and is whole in locked memory only: the test itself puts it nowhere else.
CHILD = """
import sys
from hsm._memory import KeyPage
from switch._keys import KeyRing

purpose, left, right = int(sys.argv[1]), bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
ring = KeyRing()
with KeyPage(1).take(len(left)) as slot:
    with memoryview(slot) as view:
        for i in range(len(left)):
            view[i] = left[i] ^ right[i]
    ring.load(purpose, 1, slot)
print("loaded", flush=True)
sys.stdin.readline()
ring.forget(purpose, 1)
print("forgotten", flush=True)
sys.stdin.readline()
"""


def places(process_id, secret):
    """(flags of the mapping) for each writable mapping that holds the secret."""
    found = []
    with open(f"/proc/{process_id}/smaps") as file:
        mappings = re.findall(r"^(\w+)-(\w+) (\S+)[^\n]*\n(?:[A-Z][^\n]*\n)*?VmFlags: ([^\n]*)", file.read(), re.M)
    with open(f"/proc/{process_id}/mem", "rb", buffering=0) as memory:
        for start, end, mode, flags in mappings:
            if mode.startswith("rw"):
                memory.seek(int(start, 16))
                try:
                    content = memory.read(int(end, 16) - int(start, 16))
                except OSError:  # reserved by the kernel
                    continue
                if secret in content:
                    found.append(set(flags.split()))
    return found


@pytest.mark.parametrize("purpose", KEY_BYTES)
def test_a_loaded_key_stands_in_guarded_memory_only_and_nowhere_once_forgotten(purpose):
    left, right = os.urandom(KEY_BYTES[purpose]), os.urandom(KEY_BYTES[purpose])
    key = bytes(a ^ b for a, b in zip(left, right, strict=True))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(int(purpose)), left.hex(), right.hex()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline() == "loaded\n"
        loaded = places(child.pid, key[:16])  # one round key of AES, in either direction
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "forgotten\n"
        forgotten = places(child.pid, key[:16])
        child.stdin.write("\n")

    assert loaded, "the key is in no mapping: this test looks in the wrong place"
    assert [flags for flags in loaded if not {"lo", "dd"} <= flags] == []
    assert forgotten == []


# It gets the master key and a chip's proof, and none of the keys that it derives to examine it.
EXAMINER = """
import sys
from tests.support.engine import InProcessEngine
from tests.support.keys import key_record
from switch._keys import KeyRing

purpose, master, medium, message, challenge = int(sys.argv[1]), *(bytes.fromhex(word) for word in sys.argv[2:])
switch = InProcessEngine(timezone="UTC", replay=False, keys=KeyRing())
switch.engine.keys.load(purpose, 1, master)
switch.tables.load([key_record(purpose, 1), medium])
prepared = switch.engine.prepare(7, message, 0, challenge)
print(prepared != message, flush=True)
sys.stdin.readline()
switch.engine.keys.forget(purpose, 1)
print("forgotten", flush=True)
sys.stdin.readline()
"""


def test_what_is_derived_of_a_key_stands_in_guarded_memory_only_and_nowhere_once_it_is_forgotten():
    """The card's key, and its session's, of a chip that was examined last."""
    master, uid, challenge = key_of(KeyPurpose.CHIP, 1), bytes.fromhex("04782E21801D80"), b"12345678"
    card_key = cards.card_key(master, cards.CardPurpose.AC, 1, uid)
    asked = cards.AcData(challenge, 600, 156, 0, 0, b"00000007").pack()
    answer = cards.generate_ac(card_key, 1, 42, uid, asked, bytes(4))
    medium = MediumRecord(
        state=1, key_version=1, medium=MediumKind.CHIP, medium_id=int.from_bytes(uid, "big"), card_number=1
    )
    evidence = Evidence(
        medium=MediumKind.CHIP,
        key_version=1,
        counter=42,
        medium_id=int.from_bytes(uid, "big"),
        challenge=challenge,
        currency=156,
        proof=answer.cryptogram + bytes(8),
    )
    debit = DebitRequest(
        trace_number=1, business_date=0, stamp_ms=0, card_number=1, amount_minor=600, evidence=evidence
    )
    message = Header(type=MessageType.DEBIT, sequence=1).encode() + debit.encode()
    words = [word.hex() for word in (master, medium.encode(), message, challenge)]
    child = subprocess.Popen(
        [sys.executable, "-c", EXAMINER, str(int(KeyPurpose.CHIP)), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    secrets = [card_key, cards.session_key(card_key, 42, uid)]
    with child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline() == "True\n"
        examined = [places(child.pid, secret) for secret in secrets]
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "forgotten\n"
        forgotten = [places(child.pid, secret) for secret in secrets]
        child.stdin.write("\n")

    assert all(examined), "a derived key is in no mapping: this test looks in the wrong place"
    assert [flags for found in examined for flags in found if not {"lo", "dd"} <= flags] == []
    assert forgotten == [[], []]


def test_memory_that_cannot_be_locked_is_refused_by_name():
    program = (
        "import os, resource\n"
        "from switch._keys import KeyMemoryError, KeyRing\n"
        "resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))\n"
        "if os.geteuid() == 0:\n    os.setuid(65534)\n"  # root may lock whatever the limit says
        "try:\n    KeyRing()\nexcept KeyMemoryError as error:\n    print(error)\n"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert "raise RLIMIT_MEMLOCK" in said


def test_a_bound_on_arenas_does_not_let_others_into_the_arena_of_keys():
    """The environment's bound is raised, and sixty threads more than glibc allows by itself get arenas of their own."""
    program = (
        "import threading\n"
        "from switch._keys import KeyRing\n"
        "done = threading.Event()\n"
        "threads = [threading.Thread(target=lambda: (bytearray(1 << 20), done.wait())) for _ in range(60)]\n"
        "for thread in threads: thread.start()\n"
        "KeyRing()\n"
        "done.set()\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmLck')))\n"
    )
    environment = os.environ | {"MALLOC_ARENA_MAX": "1"}

    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    ).stdout

    assert 0 < int(said.split()[1]) < 1024
