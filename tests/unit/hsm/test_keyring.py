"""The keyring: states, two people, rotation, transport, and what somebody does to its file."""

import json
import os
import random
import threading

import pytest

from hsm._cipher import equal, random_into
from hsm.backend import KeyUse
from hsm.data_errors import KeyBlockTamperedError, KeyBlockUnsupportedError
from hsm.errors import KeyTamperedError
from hsm.key_states import KEY_BYTES, TRANSITIONS, KeyAct, KeyState, Purpose
from hsm.keyring import Keyring
from hsm.keyring_errors import (
    KeyLengthError,
    KeyringAlteredError,
    KeyringBusyError,
    KeyringChangedError,
    KeyringEntryError,
    KeyringExistsError,
    KeyringFullError,
    KeyringMissingError,
    KeyStateError,
    LogExistsError,
)
from hsm.people import TwoPeople
from hsm.tr31 import KeyBlockHeader, wrap
from tests.unit.hsm.keyring_kit import BOTH, create, open_with, opened


@pytest.fixture
def folder(tmp_path):
    create(tmp_path)
    return tmp_path


@pytest.fixture
def kit(folder):
    with opened(folder) as kit:
        yield kit


@pytest.fixture
def keyring(kit):
    return kit[0]


def states(keyring, purpose):
    return {entry.version: entry.state for entry in keyring.entries if entry.purpose is purpose}


def key_of(kit, purpose, version):
    keyring, _, page = kit
    with page.take(KEY_BYTES[purpose]) as slot:
        keyring.load_into(purpose, version, slot)
        return bytes(slot)


# Life of a key


def test_every_purpose_has_a_key_of_its_length(kit):
    keyring, _, _ = kit
    for purpose in Purpose:
        keyring.add(purpose, 1, 1, BOTH, partner="Bank" if purpose is Purpose.KBPK else "")
        assert len(key_of(kit, purpose, 1)) == KEY_BYTES[purpose]
    assert keyring.revision == len(Purpose)


def test_activating_the_next_version_withdraws_the_one_before_in_the_same_step(keyring):
    keyring.add(Purpose.CHIP, 1, 1, BOTH)
    keyring.add(Purpose.CHIP, 2, 1, BOTH)
    keyring.add(Purpose.CODE, 1, 1, BOTH)
    keyring.activate(Purpose.CODE, 1, BOTH)
    keyring.activate(Purpose.CHIP, 1, BOTH)
    revision = keyring.revision

    keyring.activate(Purpose.CHIP, 2, BOTH)

    assert keyring.revision == revision + 1
    assert states(keyring, Purpose.CHIP) == {1: KeyState.VERIFY_ONLY, 2: KeyState.ACTIVE}
    assert keyring.active(Purpose.CHIP).version == 2
    assert keyring.active(Purpose.CODE).version == 1


def test_a_rotation_can_be_rolled_back_until_retirement(keyring):
    for version in (1, 2):
        keyring.add(Purpose.CHIP, version, 1, BOTH)
        keyring.activate(Purpose.CHIP, version, BOTH)
    keyring.activate(Purpose.CHIP, 1, BOTH)
    assert states(keyring, Purpose.CHIP) == {1: KeyState.ACTIVE, 2: KeyState.VERIFY_ONLY}
    keyring.retire(Purpose.CHIP, 2, BOTH)
    with pytest.raises(KeyStateError, match=r"expected CHIP version 2 to be .* it, got RETIRED"):
        keyring.activate(Purpose.CHIP, 2, BOTH)


def test_the_road_of_a_key():
    assert sorted(f"{before} {act} {after}" for (before, act), after in TRANSITIONS.items()) == [
        "ACTIVE WITHDRAW VERIFY_ONLY",
        "NEW ACTIVATE ACTIVE",
        "NEW RETIRE RETIRED",
        "RETIRED DESTROY DESTROYED",
        "VERIFY_ONLY ACTIVATE ACTIVE",
        "VERIFY_ONLY RETIRE RETIRED",
    ]


@pytest.mark.parametrize("state", KeyState)
@pytest.mark.parametrize("act", [KeyAct.ACTIVATE, KeyAct.WITHDRAW, KeyAct.RETIRE, KeyAct.DESTROY])
def test_only_the_transitions_of_the_table_exist(keyring, state, act):
    road = {
        KeyState.NEW: [],
        KeyState.ACTIVE: ["activate"],
        KeyState.VERIFY_ONLY: ["activate", "withdraw"],
        KeyState.RETIRED: ["retire"],
        KeyState.DESTROYED: ["retire", "destroy"],
    }
    keyring.add(Purpose.CHIP, 1, 1, BOTH)
    for step in road[state]:
        getattr(keyring, step)(Purpose.CHIP, 1, BOTH)
    assert states(keyring, Purpose.CHIP) == {1: state}
    revision, attempt = keyring.revision, getattr(keyring, act.lower())
    if (state, act) in TRANSITIONS:
        attempt(Purpose.CHIP, 1, BOTH)
        assert states(keyring, Purpose.CHIP) == {1: TRANSITIONS[state, act]}
    else:
        with pytest.raises(KeyStateError):
            attempt(Purpose.CHIP, 1, BOTH)
        assert keyring.revision == revision


def test_a_retired_key_is_not_loaded_and_a_destroyed_one_is_gone(kit, folder):
    keyring, _, _ = kit
    blob = keyring.add(Purpose.CHIP, 1, 1, BOTH).blob
    key_of(kit, Purpose.CHIP, 1)
    keyring.retire(Purpose.CHIP, 1, BOTH)
    with pytest.raises(KeyStateError):
        key_of(kit, Purpose.CHIP, 1)
    keyring.destroy(Purpose.CHIP, 1, BOTH)
    assert keyring.entry(Purpose.CHIP, 1).blob == b""
    assert json.dumps(list(blob)) not in (folder / "keyring").read_text()
    with pytest.raises(KeyringEntryError, match="never was"):
        keyring.add(Purpose.CHIP, 1, 1, BOTH)


def test_history_names_both_people_and_the_moment(keyring):
    keyring.add(Purpose.CHIP, 1, 1, BOTH)
    keyring.activate(Purpose.CHIP, 1, TwoPeople("Wang Fang", "Zhang Min", 7))
    last = keyring.entry(Purpose.CHIP, 1).history[-1]
    assert (last.act, last.state, last.author, last.approver, last.time_ms) == (
        KeyAct.ACTIVATE,
        KeyState.ACTIVE,
        "Wang Fang",
        "Zhang Min",
        7,
    )


def test_versions_and_partners_are_checked(keyring):
    for version in (0, 256, True):
        with pytest.raises(KeyringEntryError):
            keyring.add(Purpose.CHIP, version, 1, BOTH)
    with pytest.raises(KeyringEntryError, match="partner"):
        keyring.add(Purpose.KBPK, 1, 1, BOTH)
    with pytest.raises(KeyringEntryError, match="partner"):
        keyring.add(Purpose.CHIP, 1, 1, BOTH, partner="Bank")
    with pytest.raises(KeyringEntryError, match="got none"):
        keyring.activate(Purpose.CHIP, 9, BOTH)


def test_each_partner_has_an_active_transport_key(keyring):
    for version, partner in ((1, "Bank A"), (2, "Bank B")):
        keyring.add(Purpose.KBPK, version, 1, BOTH, partner=partner)
        keyring.activate(Purpose.KBPK, version, BOTH)
    assert keyring.active(Purpose.KBPK, "Bank A").version == 1
    assert keyring.active(Purpose.KBPK, "Bank B").version == 2
    assert keyring.active(Purpose.KBPK) is None


def test_a_key_from_components_comes_out_the_same(kit):
    keyring, _, page = kit
    with page.take(16) as slot:
        random_into(slot)
        keyring.add_slot(Purpose.STRIPE, 1, 1, slot, BOTH)
        assert key_of(kit, Purpose.STRIPE, 1) == bytes(slot)
        with pytest.raises(KeyLengthError, match="expected a key of 32 bytes for STORAGE, got 16"):
            keyring.add_slot(Purpose.STORAGE, 1, 1, slot, BOTH)


# KEK rotation


def test_rewrap_moves_every_key_with_a_pause_between(kit):
    keyring, _, _ = kit
    for purpose in (Purpose.CHIP, Purpose.CODE, Purpose.STORAGE):
        keyring.add(purpose, 1, 1, BOTH)
    keyring.add(Purpose.CHIP, 2, 1, BOTH)
    keyring.retire(Purpose.CHIP, 2, BOTH)
    keyring.destroy(Purpose.CHIP, 2, BOTH)
    before = {purpose: key_of(kit, purpose, 1) for purpose in (Purpose.CHIP, Purpose.CODE, Purpose.STORAGE)}
    seen = []

    assert keyring.rewrap(2, BOTH, lambda: seen.append(keyring.progress().keys_by_kek_version)) == 3

    assert seen == [{1: 2, 2: 1}, {1: 1, 2: 2}]
    assert keyring.progress().keys_by_kek_version == {2: 3}
    assert keyring.progress().keys_by_state == {KeyState.NEW: 3, KeyState.DESTROYED: 1}
    assert {purpose: key_of(kit, purpose, 1) for purpose in before} == before
    assert keyring.rewrap(2, BOTH, seen.clear) == 0


def test_rewrap_goes_on_where_it_was_interrupted(kit, folder):
    keyring, backend, page = kit
    for version in range(1, 5):
        keyring.add(Purpose.CHIP, version, 1, BOTH)

    def interrupt():
        if keyring.progress().keys_by_kek_version[2] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keyring.rewrap(2, BOTH, interrupt)
    again = open_with(folder, backend, page)
    assert again.progress().keys_by_kek_version == {1: 2, 2: 2}
    assert again.rewrap(2, BOTH, lambda: None) == 2
    assert len(again.verify_log()) == 8


# Transport


def test_a_key_travels_to_a_partner_and_into_a_second_keyring(kit, tmp_path):
    keyring, _, page = kit
    with page.take(32) as agreed:
        random_into(agreed)
        keyring.add_slot(Purpose.KBPK, 1, 1, agreed, BOTH, partner="Bank")
        keyring.activate(Purpose.KBPK, 1, BOTH)
        keyring.add(Purpose.STRIPE, 3, 1, BOTH, exportable=True)
        keyring.add(Purpose.CHIP, 3, 1, BOTH)
        block = keyring.export_tr31(Purpose.STRIPE, 3, 1, BOTH)
        assert block.startswith("D0112C0TC03N0000")
        assert keyring.entry(Purpose.STRIPE, 3).history[-1].act is KeyAct.EXPORT
        with pytest.raises(KeyStateError, match="CHIP version 3, which may not"):
            keyring.export_tr31(Purpose.CHIP, 3, 1, BOTH)
        with pytest.raises(KeyStateError, match="may not"):
            keyring.export_tr31(Purpose.KBPK, 1, 1, BOTH)

        (tmp_path / "there").mkdir()
        create(tmp_path / "there")
        with opened(tmp_path / "there") as (there, its_backend, its_page):
            there.add_slot(Purpose.KBPK, 9, 1, agreed, BOTH, partner="Retail")
            with pytest.raises(KeyStateError, match="KBPK version 9 to be ACTIVE or VERIFY_ONLY, got it NEW"):
                there.import_tr31(block, Purpose.STRIPE, 1, 1, 9, BOTH)
            there.activate(Purpose.KBPK, 9, BOTH)
            with pytest.raises(KeyBlockUnsupportedError, match="E0/A/X for CHIP, got C0/T/C"):
                there.import_tr31(block, Purpose.CHIP, 1, 1, 9, BOTH)
            with pytest.raises(KeyBlockUnsupportedError, match="components"):
                there.import_tr31(block, Purpose.KBPK, 1, 1, 9, BOTH)
            entry = there.import_tr31(block, Purpose.STRIPE, 1, 1, 9, BOTH)
            assert entry.check_value == keyring.entry(Purpose.STRIPE, 3).check_value
            assert key_of((there, its_backend, its_page), Purpose.STRIPE, 1) == key_of(kit, Purpose.STRIPE, 3)
            with pytest.raises(KeyStateError, match="may not"):  # its header said N
                there.export_tr31(Purpose.STRIPE, 1, 9, BOTH)
            free = wrap(agreed, KeyBlockHeader("C0", "T", "C", "01", "E"), bytes(range(16)), bytes(14))
            there.import_tr31(free, Purpose.STRIPE, 2, 1, 9, BOTH)
            there.export_tr31(Purpose.STRIPE, 2, 9, BOTH)
            long = wrap(agreed, KeyBlockHeader("C0", "T", "C", "01", "E"), bytes(24), bytes(6))
            with pytest.raises(KeyLengthError, match="got 24"):
                there.import_tr31(long, Purpose.STRIPE, 3, 1, 9, BOTH)
            with pytest.raises(KeyBlockTamperedError):
                there.import_tr31(block.replace("03N", "03E"), Purpose.STRIPE, 4, 1, 9, BOTH)


def test_a_keyring_lives_on_either_backend(backend, page, tmp_path):
    for version in (1, 2):
        backend.generate(KeyUse.KEK, version, 0)
    backend.generate(KeyUse.LOG, 1, 0)
    keyring = Keyring.create(tmp_path / "on either", tmp_path / "log of either", backend, 1, page)
    for version in (1, 2):
        keyring.add(Purpose.CHIP, version, 1, BOTH)
        keyring.activate(Purpose.CHIP, version, BOTH)
    before = [key_of((keyring, backend, page), Purpose.CHIP, version) for version in (1, 2)]
    assert keyring.rewrap(2, BOTH, lambda: None) == 2
    again = Keyring.open(tmp_path / "on either", tmp_path / "log of either", backend, page)
    assert [key_of((again, backend, page), Purpose.CHIP, version) for version in (1, 2)] == before
    assert len(again.verify_log()) == 6
    (tmp_path / "on either").write_bytes((tmp_path / "on either").read_bytes().replace(b"ACTIVE", b"RETIRED"))
    with pytest.raises(KeyringAlteredError):
        again.reload()


# The file


def test_the_file_is_ours_alone_and_says_no_key(kit, folder):
    keyring, _, _ = kit
    keyring.add(Purpose.CHIP, 1, 1, BOTH)
    for name in ("keyring", "log", "keyring.lock"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    key = key_of(kit, Purpose.CHIP, 1)
    for name in ("keyring", "log"):
        content = (folder / name).read_bytes()
        assert key not in content
        assert key.hex().encode() not in content.lower()
    assert key.hex() not in repr(keyring.entries).lower()


def test_what_is_there_is_not_written_over(kit, folder):
    _, backend, page = kit
    with pytest.raises(KeyringExistsError):
        type(kit[0]).create(folder / "keyring", folder / "log2", backend, 1, page)
    with pytest.raises(LogExistsError):
        type(kit[0]).create(folder / "keyring2", folder / "log", backend, 1, page)
    with pytest.raises(KeyringMissingError):
        type(kit[0]).open(folder / "nowhere", folder / "log", backend, page)


def test_a_process_that_read_an_older_revision_is_refused(kit, folder):
    first, backend, page = kit
    first.add(Purpose.CHIP, 1, 1, BOTH)
    second = open_with(folder, backend, page)
    first.activate(Purpose.CHIP, 1, BOTH)
    with pytest.raises(KeyringChangedError, match=r"expected revision 1 .*, got 2"):
        second.retire(Purpose.CHIP, 1, BOTH)
    second.reload()
    second.withdraw(Purpose.CHIP, 1, BOTH)
    assert len(second.verify_log()) == 3


def test_two_writers_at_once_lose_nothing(kit, folder):
    _, backend, page = kit
    done = []

    def work(first):
        mine = open_with(folder, backend, page)
        for version in range(first, first + 8):
            while True:
                try:
                    mine.add(Purpose.CHIP, version, 1, BOTH)
                    done.append(version)
                    break
                except KeyringBusyError:
                    pass
                except KeyringChangedError:
                    mine.reload()

    threads = [threading.Thread(target=work, args=(first,)) for first in (1, 101, 201)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = open_with(folder, backend, page)
    assert sorted(done) == sorted(entry.version for entry in last.entries)
    assert last.revision == 24
    assert [line.revision for line in last.verify_log()] == list(range(1, 25))


def test_no_altered_file_opens(kit, folder):
    keyring, backend, page = kit
    for version in (1, 2):
        keyring.add(Purpose.CHIP, version, 1, BOTH)
    content = (folder / "keyring").read_bytes()
    draw = random.Random(5)
    for _ in range(400):
        at = draw.randrange(len(content) - 1)
        altered = content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]
        (folder / "keyring").write_bytes(altered)
        with pytest.raises(KeyringAlteredError):
            open_with(folder, backend, page)
    for cut in (0, 1, len(content) // 2, len(content) - 2):
        (folder / "keyring").write_bytes(content[:cut])
        with pytest.raises(KeyringAlteredError):
            open_with(folder, backend, page)
    for before, after in (
        (b"NEW", b"ACTIVE"),
        (b'{"log', b'{ "log'),
        (b"\n", b"\n\n"),
        (b'"content"', b'"x":1,"content"'),
    ):
        (folder / "keyring").write_bytes(content.replace(before, after, 1))
        with pytest.raises(KeyringAlteredError):
            open_with(folder, backend, page)


def test_another_backend_does_not_open_the_file(kit, folder, tmp_path):
    (tmp_path / "other").mkdir()
    create(tmp_path / "other")
    with opened(tmp_path / "other") as (_, backend, page), pytest.raises(KeyringAlteredError, match="which backend"):
        open_with(folder, backend, page)


def test_an_older_keyring_put_back_is_found_by_the_log(kit, folder):
    keyring, backend, page = kit
    keyring.add(Purpose.CHIP, 1, 1, BOTH)
    older = (folder / "keyring").read_bytes()
    keyring.activate(Purpose.CHIP, 1, BOTH)
    keyring.withdraw(Purpose.CHIP, 1, BOTH)
    (folder / "keyring").write_bytes(older)
    back = open_with(folder, backend, page)
    with pytest.raises(KeyringAlteredError, match="put back"):
        back.verify_log()
    with pytest.raises(KeyringAlteredError, match="put back"):
        back.activate(Purpose.CHIP, 1, BOTH)


def test_the_backend_refuses_a_blob_of_another_key(kit):
    keyring, backend, page = kit
    one, two = (keyring.add(Purpose.CHIP, version, 1, BOTH) for version in (1, 2))
    crossed = type(one.wrapped())(one.kek_version, one.blob, two.check_value)
    with page.take(16) as slot:
        with pytest.raises(KeyTamperedError):
            backend.unwrap_into(crossed, slot)
        assert equal(slot, bytes(16))


def test_a_full_keyring_says_so_and_stays_readable(kit, folder, monkeypatch):
    keyring, backend, page = kit
    keyring.add(Purpose.CHIP, 1, 1, BOTH)
    monkeypatch.setattr("hsm.keyring.FILE_BYTES_MAX", len((folder / "keyring").read_bytes()) + 20)
    with pytest.raises(KeyringFullError):
        keyring.add(Purpose.CHIP, 2, 1, BOTH)
    assert [entry.version for entry in open_with(folder, backend, page).entries] == [1]
    keyring.verify_log()


def test_a_failed_write_leaves_the_old_state_in_file_and_memory(kit, folder, monkeypatch):
    keyring, backend, page = kit
    keyring.add(Purpose.CHIP, 1, 1, BOTH)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            keyring.activate(Purpose.CHIP, 1, BOTH)
    assert keyring.entry(Purpose.CHIP, 1).state is KeyState.NEW
    keyring.activate(Purpose.CHIP, 1, BOTH)
    assert [line.revision for line in keyring.verify_log()] == [1, 2, 2]
    assert open_with(folder, backend, page).entries == keyring.entries
