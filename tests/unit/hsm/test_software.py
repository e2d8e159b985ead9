"""The sealed file: who can open it, what damage is found, and that a crash or a second writer loses no key."""

import errno
import hashlib
import os
import stat
import struct
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hsm._cipher import copy_into
from hsm._keystore import KEY_COUNT_MAX
from hsm.backend import KeyUse
from hsm.errors import (
    BackendClosedError,
    HsmError,
    KeyNotFoundError,
    KeyPageClosedError,
    KeyPageFullError,
    KeystoreAlteredError,
    KeystoreBusyError,
    KeystoreExistsError,
    KeystoreMissingError,
    KeystoreNotOpenedError,
    KeystoreReadOnlyError,
    KeystoreTornError,
    KeystoreUncertainError,
    KeystoreUnknownError,
    KeystoreUnwritableError,
    SealTooCheapError,
    WrongKeyLengthError,
)
from hsm.software import LIVE_COST, TRAINING_COST, SealCost, SealMethod, SoftwareBackend

KEK, SIGN, LOG = KeyUse
PASSPHRASE = b"four words or more, please"
NOW_MS = 1_790_000_000_123


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keystore"


@pytest.fixture
def filled(path):
    """A keystore with one key of each use, closed."""
    with SoftwareBackend.create(path, PASSPHRASE, cost=TRAINING_COST) as backend:
        for use in KeyUse:
            backend.generate(use, 1, NOW_MS)
        return backend.keys()


@pytest.fixture
def components(page):
    slots = [page.take(32) for _ in range(3)]
    for place, slot in enumerate(slots, 1):
        copy_into(slot, bytes([place]) * 31 + bytes([place * 16]))
    return slots


def opened(path, secret=PASSPHRASE, **settings):
    with SoftwareBackend.open(path, secret, **settings) as backend:
        return backend.keys()


def test_the_file_is_for_its_owner_only_and_shows_no_key(path, filled):
    with SoftwareBackend.open(path, PASSPHRASE) as backend:
        keys = [bytes(resident.slot) for resident in backend._keys.values()]

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [key for key in keys if key in path.read_bytes()] == []
    assert keys[0] != bytes(32)


def test_a_wide_umask_and_a_leftover_file_open_nothing_to_others(path):
    leftover = path.with_name("keystore.new")
    leftover.write_bytes(b"torn")
    leftover.chmod(0o666)
    before = os.umask(0)
    try:
        SoftwareBackend.create(path, PASSPHRASE, cost=TRAINING_COST).close()
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not leftover.exists()


@pytest.mark.parametrize("method", [SealMethod.ARGON2ID, SealMethod.SCRYPT])
def test_a_passphrase_opens_and_another_does_not(path, method):
    with SoftwareBackend.create(path, PASSPHRASE, cost=TRAINING_COST, method=method) as backend:
        facts = backend.generate(KEK, 1, NOW_MS)

    assert opened(path) == opened(path, bytearray(PASSPHRASE)) == [facts]
    assert path.read_bytes()[10] == method
    for wrong in (PASSPHRASE + b" ", PASSPHRASE[:-1], b"four words or more, Please", b""):
        with pytest.raises(KeystoreNotOpenedError):
            opened(path, wrong)


def test_the_sealing_key_is_the_standards(path, page):
    slot = page.take(32)
    with SoftwareBackend.create(path, PASSPHRASE, cost=TRAINING_COST, method=SealMethod.SCRYPT) as backend:
        backend._seal.derive_into(slot, PASSPHRASE)

    assert bytes(slot) == Scrypt(salt=path.read_bytes()[32:48], length=32, n=1024, r=8, p=1).derive(PASSPHRASE)


def test_all_components_open_and_fewer_do_not(path, components, page):
    with SoftwareBackend.create(path, components) as backend:
        facts = backend.generate(KEK, 1, NOW_MS)

    assert opened(path, components) == opened(path, components[::-1]) == [facts]
    other = page.take(32)
    for wrong in (components[:2], *([*components[:place], other, *components[place + 1 :]] for place in range(3))):
        with pytest.raises(KeystoreNotOpenedError):
            opened(path, wrong)
    for few in (components[:0], components[:1]):
        with pytest.raises(SealTooCheapError):
            opened(path, few)
    with pytest.raises(WrongKeyLengthError):
        opened(path, [components[0], page.take(16)])


def test_a_secret_of_the_other_kind_is_told(path, filled, components):
    with pytest.raises(KeystoreUnknownError, match="sealed by a passphrase"):
        opened(path, components)
    with SoftwareBackend.open(path, PASSPHRASE) as backend:
        backend.reseal(components)
    with pytest.raises(KeystoreUnknownError, match="sealed by components"):
        opened(path)


def test_a_new_passphrase_replaces_the_old_one(path, filled, components):
    with SoftwareBackend.open(path, PASSPHRASE) as backend:
        backend.reseal(b"quite another passphrase", cost=TRAINING_COST)
        later = backend.generate(LOG, 2, NOW_MS)

    assert opened(path, b"quite another passphrase") == [*filled, later]
    with pytest.raises(KeystoreNotOpenedError):
        opened(path)


@pytest.mark.parametrize("passphrase", [b"", b"elevenchars", bytes(1025)])
def test_a_passphrase_has_a_length(path, filled, passphrase):
    with pytest.raises(SealTooCheapError):
        SoftwareBackend.create(path.with_name("other"), passphrase)
    with SoftwareBackend.open(path, PASSPHRASE) as backend, pytest.raises(SealTooCheapError):
        backend.reseal(passphrase)
    assert opened(path) == filled


@pytest.mark.parametrize(
    "cost",
    [
        SealCost(0, 1024, 1),
        SealCost(65, 1024, 1),
        SealCost(1, 512, 1),
        SealCost(1, 1025, 1),
        SealCost(1, 2 << 20, 1),
        SealCost(1, 1024, 0),
        SealCost(1, 1024, 17),
    ],
)
def test_a_guess_costs_at_least_something_and_opening_not_everything(path, cost):
    with pytest.raises(SealTooCheapError, match="LIVE_COST"):
        SoftwareBackend.create(path, PASSPHRASE, cost=cost)
    assert not path.exists()


def test_live_keys_get_the_live_cost(path):
    SoftwareBackend.create(path, PASSPHRASE).close()

    assert struct.unpack_from("<III", path.read_bytes(), 16) == (3, 65_536, 4)
    assert (LIVE_COST.memory_kib, opened(path)) == (65_536, [])


def test_a_keystore_is_not_overwritten(path, filled):
    with pytest.raises(KeystoreExistsError):
        SoftwareBackend.create(path, PASSPHRASE, cost=TRAINING_COST)
    assert opened(path) == filled


def test_what_is_no_keystore_is_told(tmp_path, path):
    with pytest.raises(KeystoreMissingError):
        opened(path)
    assert [*tmp_path.iterdir()] == []
    path.mkdir()
    with pytest.raises(KeystoreMissingError):
        opened(path)
    for content in (b"", b"x", b"something else altogether" * 10, bytes(100_000)):
        other = tmp_path / "other"
        other.write_bytes(content)
        with pytest.raises((KeystoreUnknownError, KeystoreTornError)):
            opened(other)


def test_another_format_is_told(path, filled):
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"\2\0" + content[10:])

    with pytest.raises(KeystoreUnknownError, match=r"expected format 1 .* got 2"):
        opened(path)


def test_a_torn_file_is_told_wherever_it_was_cut(path, filled):
    content = path.read_bytes()
    for size in (*range(0, len(content), 7), len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(KeystoreTornError):
            opened(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(KeystoreTornError):
        opened(path)


def test_every_altered_byte_is_found(path, filled):
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        with pytest.raises((KeystoreAlteredError, KeystoreUnknownError, KeystoreTornError)):
            opened(path)


def rehashed(content):
    return hashlib.sha256(content[:-32]).digest()


def test_every_byte_altered_on_purpose_is_found_too(path, filled):
    """By someone who makes the hash fit: then a wrong passphrase is what salt, cost and check value look like."""
    content = path.read_bytes()
    looks_wrong = set()
    for place in range(len(content) - 32):
        altered = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        path.write_bytes(altered[:-32] + rehashed(altered))
        with pytest.raises(HsmError) as error:
            opened(path)
        assert error.type in (KeystoreAlteredError, KeystoreUnknownError, KeystoreTornError, KeystoreNotOpenedError)
        if error.type is KeystoreNotOpenedError:
            looks_wrong.add(place)
    assert {*range(32, 48), *range(60, 65)} <= looks_wrong <= {10, *range(16, 28), *range(32, 48), *range(60, 65)}


def test_a_header_cannot_make_us_work_for_ever(path, filled):
    content = path.read_bytes()
    for cost in ((1 << 31, 1024, 1), (1, 1 << 31, 1), (1, 1024, 1 << 31), (0, 1024, 1), (1, 0, 1)):
        altered = content[:16] + struct.pack("<III", *cost) + content[28:]
        path.write_bytes(altered[:-32] + rehashed(altered))
        with pytest.raises(KeystoreAlteredError):
            opened(path)


def test_a_second_writer_waits_its_turn_and_readers_do_not(path, filled):
    with SoftwareBackend.open(path, PASSPHRASE) as writer:
        with pytest.raises(KeystoreBusyError):
            SoftwareBackend.open(path, PASSPHRASE)
        with SoftwareBackend.open(path, PASSPHRASE, writable=False) as reader:
            writer.generate(KEK, 2, NOW_MS)
            assert reader.keys() == filled
            assert reader.wrap(1, reader._keys[KEK, 1].slot)
            for refused in (
                lambda: reader.generate(KEK, 3, NOW_MS),
                lambda: reader.destroy(KEK, 1),
                lambda: reader.reseal(PASSPHRASE),
            ):
                with pytest.raises(KeystoreReadOnlyError):
                    refused()
    assert len(opened(path)) == 4


def test_a_reader_sees_later_keys_when_it_looks_again_and_needs_no_secret(path, filled):
    with (
        SoftwareBackend.open(path, PASSPHRASE) as writer,
        SoftwareBackend.open(path, PASSPHRASE, writable=False) as reader,
    ):
        made = writer.generate(KEK, 2, NOW_MS)
        slots_taken = reader._page.taken_count
        for _ in range(100):
            reader.refresh()
        assert reader.facts(KEK, 2) == made
        assert reader._page.taken_count == slots_taken + 1
        wrapped = writer.generate_wrapped(2, 16)
        assert reader.check_value(wrapped) == wrapped.check_value
        writer.destroy(KEK, 1)
        reader.refresh()
        kept = reader.keys()
        assert (KEK, 1) not in {(facts.use, facts.version) for facts in kept}
        writer.reseal(b"another passphrase altogether", cost=TRAINING_COST)
        with pytest.raises(KeystoreNotOpenedError):
            reader.refresh()
        assert reader.check_value(wrapped) == wrapped.check_value  # it goes on with what it has


ANOTHER_WRITER = """
import sys
from hsm.software import SoftwareBackend
with SoftwareBackend.open(sys.argv[1], sys.argv[2].encode()) as backend:
    print("open", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_another_writer(path, filled):
    command = [sys.executable, "-c", ANOTHER_WRITER, str(path), PASSPHRASE.decode()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(KeystoreBusyError):
            opened(path)
        other.kill()  # a lock does not outlive its holder
        other.wait()
        assert opened(path) == filled


def test_a_fork_has_no_keys_and_does_not_give_the_lock_away(path, filled):
    with SoftwareBackend.open(path, PASSPHRASE) as backend:
        process = os.fork()
        if process == 0:
            code = 1
            try:
                backend.mac(1, b"entry")
            except KeyPageClosedError:
                backend.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(process, 0)[1] == 0
        with pytest.raises(KeystoreBusyError):
            SoftwareBackend.open(path, PASSPHRASE)
        assert len(backend.mac(1, b"entry")) == 16


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_what_could_not_be_written_did_not_happen(path, filled, monkeypatch, call):
    with SoftwareBackend.open(path, PASSPHRASE) as backend:
        before = path.read_bytes()

        def fails(*_args, **_settings):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fails)
            for refused in (
                lambda: backend.generate(KEK, 2, NOW_MS),
                lambda: backend.destroy(KEK, 1),
                lambda: backend.reseal(b"quite another passphrase", cost=TRAINING_COST),
            ):
                with pytest.raises(KeystoreUnwritableError, match="No space left"):
                    refused()
        assert backend.keys() == filled
        assert path.read_bytes() == before
        wrapped = backend.generate_wrapped(1, 16)
        assert backend.check_value(wrapped) == wrapped.check_value
        backend.generate(KEK, 2, NOW_MS)
    assert len(opened(path)) == 4


def test_a_directory_that_cannot_be_synced_is_told_and_the_keystore_closed(path, filled, monkeypatch):
    backend = SoftwareBackend.open(path, PASSPHRASE)
    real = os.fsync

    def fails_for_directories(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails_for_directories)
        with pytest.raises(KeystoreUncertainError, match="the change happened"):
            backend.reseal(b"quite another passphrase", cost=TRAINING_COST)
    with pytest.raises(BackendClosedError):
        backend.keys()
    assert opened(path, b"quite another passphrase") == filled


def test_a_link_is_no_way_around_the_lock(path, filled):
    link = path.with_name("link")
    link.symlink_to(path)
    with SoftwareBackend.open(link, PASSPHRASE) as backend:
        with pytest.raises(KeystoreBusyError):
            SoftwareBackend.open(path, PASSPHRASE)
        backend.generate(KEK, 2, NOW_MS)

    assert link.is_symlink()
    assert len(opened(path)) == 4


def test_the_new_file_is_on_disk_before_it_takes_the_name(path, filled, monkeypatch):
    calls = []

    def watched(call):
        real = getattr(os, call)

        def does(*args):
            calls.append(call)
            return real(*args)

        return does

    for call in ("write", "fsync", "replace"):
        monkeypatch.setattr(os, call, watched(call))
    with SoftwareBackend.open(path, PASSPHRASE) as backend:
        backend.generate(KEK, 2, NOW_MS)

    assert calls == ["write", "fsync", "replace", "fsync"]


def test_a_destroyed_key_leaves_the_memory(path, filled):
    with SoftwareBackend.open(path, PASSPHRASE) as backend, memoryview(backend._keys[KEK, 1].slot) as view:
        assert bytes(view) != bytes(32)
        backend.destroy(KEK, 1)
        assert bytes(view) == bytes(32)


def test_no_slot_is_lost(path, filled):
    with SoftwareBackend.open(path, PASSPHRASE) as backend:
        taken = backend._page.taken_count
        for _ in range(200):
            wrapped = backend.generate_wrapped(1, 16)
            backend.rewrap(wrapped, 1)
            backend.check_value(wrapped)
            with pytest.raises(KeyNotFoundError):
                backend.rewrap(wrapped, 9)
        for _ in range(3):
            backend.reseal(PASSPHRASE, cost=TRAINING_COST)
            backend.generate(KEK, 2, NOW_MS)
            backend.destroy(KEK, 2)
        assert backend._page.taken_count == taken


def test_the_number_of_keys_is_bounded(path):
    with SoftwareBackend.create(path, PASSPHRASE, cost=TRAINING_COST) as backend:
        for version in range(1, KEY_COUNT_MAX + 1):
            backend.generate(LOG, version, NOW_MS)
        with pytest.raises(KeyPageFullError):
            backend.generate(KEK, 1, NOW_MS)
        backend.destroy(LOG, 1)
        backend.generate(KEK, 1, NOW_MS)
        assert backend.generate_wrapped(1, 32)
    assert len(opened(path)) == KEY_COUNT_MAX
