"""Keys at the switch: loaded as the journal says, and used to wrap what comes in clear."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from switch._keys import KeyRing
from switch._tables import Tables
from switch.key_desk import KeyDesk, KeyUnavailableError
from switch.protocol.messages import (
    ChangeKeyRequest,
    Header,
    KeyPurpose,
    KeyState,
    MediumFlag,
    MediumKind,
    MessageType,
    PutKeyRequest,
    PutMediumRequest,
    PutTerminalRequest,
    RewrapKeyRequest,
)
from switch.protocol.records import CardKeyRecord, CardRecord, KeyRecord, RecordKind, TerminalRecord
from tests.support.keys import FixedKeys, Slot, check_value_of, key_of, key_record

KEY: dict[str, Any] = {"trace_number": 1, "business_date": 20_000, "stamp_ms": 0}
TERMINAL_KEY = bytes(range(32))


class Source(FixedKeys):
    """Remembers what was taken from it."""

    def __init__(self):
        self.taken = []

    def take(self, purpose, version):
        key, value = super().take(purpose, version)
        self.taken.append((purpose, version, key))
        return key, value


class Bench:
    def __init__(self, *records):
        self.tables, self.ring, self.source = Tables(16, 16, 16), KeyRing(), Source()
        self.tables.load([key_record(KeyPurpose.STORAGE, 1), key_record(KeyPurpose.PIN, 1), *records])
        self.desk = KeyDesk(self.source, self.ring, self.tables)

    def prepared(self, type_, request):
        message = Header(type=type_, sequence=7).encode() + request.encode()
        return type(request).decode(self.desk.prepare(message)[Header.width_bytes() :])


@pytest.fixture
def bench():
    bench = Bench()
    bench.desk.load_all()
    return bench


def test_what_the_journal_says_is_in_use_is_loaded_and_nothing_else():
    states = {KeyState.NEW: 2, KeyState.VERIFY_ONLY: 3, KeyState.RETIRED: 4, KeyState.DESTROYED: 5}
    bench = Bench(*(key_record(KeyPurpose.CHIP, version, state) for state, version in states.items()))

    bench.desk.load_all()

    used = {(KeyPurpose.STORAGE, 1), (KeyPurpose.PIN, 1), (KeyPurpose.CHIP, 2), (KeyPurpose.CHIP, 3)}
    assert bench.ring.loaded == used


def test_keys_that_the_ring_has_copied_are_wiped_and_storage_keys_stay(bench):
    wiped = {purpose for purpose, _, key in bench.source.taken if not any(key)}

    assert wiped == {KeyPurpose.PIN}
    bench.desk.prepare(put_key(KeyPurpose.CHIP, 1))
    assert not any(bench.source.taken[-1][2])


def test_another_key_than_the_journals_stops_the_start():
    other = KeyRecord(state=KeyState.ACTIVE, purpose=KeyPurpose.CHIP, key_version=1, check_value=b"other\0\0\0")
    bench = Bench(other.encode())

    with pytest.raises(KeyUnavailableError, match="CHIP key, version 1: expected check value 6f74686572"):
        bench.desk.load_all()

    assert not any(bench.source.taken[-1][2])


def test_a_key_that_is_not_there_stops_the_start():
    record = KeyRecord(state=KeyState.ACTIVE, purpose=KeyPurpose.CHIP, key_version=77, check_value=bytes(8))

    with pytest.raises(KeyUnavailableError, match="77"):
        Bench(record.encode()).desk.load_all()


def put_key(purpose, version, state=KeyState.NEW, value=None):
    value = (check_value_of(key_of(purpose, version)) if value is None else value).ljust(8, b"\0")
    request = PutKeyRequest(**KEY, purpose=purpose, key_version=version, state=state, check_value=value)
    return Header(type=MessageType.PUT_KEY, sequence=1).encode() + request.encode()


def test_a_new_version_is_loaded_before_the_decision_hears_of_it(bench):
    bench.desk.prepare(put_key(KeyPurpose.CODE, 2))

    assert (KeyPurpose.CODE, 2) in bench.ring.loaded


def test_a_new_version_with_another_check_value_is_refused(bench):
    with pytest.raises(KeyUnavailableError, match="CODE key, version 2"):
        bench.desk.prepare(put_key(KeyPurpose.CODE, 2, value=b"other"))

    assert (KeyPurpose.CODE, 2) not in bench.ring.loaded


def test_a_version_that_has_gone_out_of_use_is_forgotten(bench):
    bench.desk.prepare(put_key(KeyPurpose.CODE, 2))
    bench.tables.load([key_record(KeyPurpose.CODE, 2, KeyState.RETIRED)])

    bench.desk.settle()

    assert (KeyPurpose.CODE, 2) not in bench.ring.loaded


# --------------------------------------------------------------------------- wrapping


@given(key=st.binary(min_size=32, max_size=32), at=st.integers(0, 39))
def test_a_wrapped_key_opens_and_a_damaged_one_does_not(key, at):
    desk = opened()
    wrapped = desk.wrap(key, 1)
    damaged = wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :]

    assert desk.wrap(key, 1) == wrapped
    assert key not in wrapped
    assert desk.unwrap(wrapped, 1) == key
    with pytest.raises(KeyUnavailableError, match="put back the keyring"):
        desk.unwrap(damaged, 1)


def opened(desks=[]):  # noqa: B006  one desk for all examples
    if not desks:
        bench = Bench()
        bench.desk.load_all()
        desks.append(bench.desk)
    return desks[0]


def test_a_key_is_wrapped_as_rfc_3394_shows(bench):
    """Section 4.6: 256 bits of key data with a 256-bit key encryption key."""
    kek = bytes.fromhex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F")
    key = bytes.fromhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F")
    bench.desk._storage[9] = Slot(kek)

    wrapped = bench.desk.wrap(key, 9)

    assert wrapped.hex().upper() == "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"


def test_a_terminals_clear_key_is_wrapped_under_the_active_storage_key(bench):
    bench.tables.load([key_record(KeyPurpose.STORAGE, 1, KeyState.VERIFY_ONLY)])
    bench.desk.prepare(put_key(KeyPurpose.STORAGE, 2))
    bench.tables.load([key_record(KeyPurpose.STORAGE, 2)])

    request = PutTerminalRequest(**KEY, terminal_id=5, store_id=0, rights=1, key=TERMINAL_KEY + bytes(8))
    prepared = bench.prepared(MessageType.PUT_TERMINAL, request)

    assert prepared.storage_version == 2
    assert bench.desk.unwrap(prepared.key, 2) == TERMINAL_KEY


@pytest.mark.parametrize(("states", "version"), [({1: KeyState.VERIFY_ONLY}, 1), ({1: KeyState.RETIRED}, 2)])
def test_a_repeat_is_wrapped_as_it_was_while_that_storage_key_is_there(bench, states, version):
    request = PutTerminalRequest(**KEY, terminal_id=5, store_id=0, rights=1, key=TERMINAL_KEY + bytes(8))
    message = Header(type=MessageType.PUT_TERMINAL, sequence=1).encode() + request.encode()
    answered = bench.desk.prepare(message)[Header.width_bytes() :]
    bench.desk.prepare(put_key(KeyPurpose.STORAGE, 2))
    bench.tables.load([key_record(KeyPurpose.STORAGE, 2)])
    bench.tables.load([key_record(KeyPurpose.STORAGE, was, state) for was, state in states.items()])
    bench.desk.settle()

    repeat = bench.desk.prepare(message, answered)[Header.width_bytes() :]

    assert PutTerminalRequest.decode(repeat).storage_version == version
    assert (repeat == answered) == (version == 1)


def test_a_repeat_of_a_put_key_loads_nothing(bench):
    message = put_key(KeyPurpose.CODE, 2, value=b"other")  # another key than the source has, by now

    assert bench.desk.prepare(message, message[Header.width_bytes() :]) == message


def test_a_terminals_key_of_zeros_stays_as_it_is(bench):
    request = PutTerminalRequest(**KEY, terminal_id=5, store_id=0, rights=1, key=bytes(40))

    assert bench.prepared(MessageType.PUT_TERMINAL, request) == request


def test_a_mediums_own_key_is_wrapped(bench):
    request = PutMediumRequest(
        **KEY,
        card_number=10**8,
        medium=MediumKind.CHIP,
        medium_id=5,
        flags=MediumFlag.STORED_KEY,
        key=b"k" * 16 + bytes(8),
    )

    prepared = bench.prepared(MessageType.PUT_MEDIUM, request)

    assert (prepared.storage_version, bench.desk.unwrap(prepared.key, 1)) == (1, b"k" * 16)


def test_a_terminals_next_key_is_wrapped_like_the_one_it_has(bench):
    record = TerminalRecord(
        status=1, rights=1, store_id=0, terminal_id=5, wrapped_key=bench.desk.wrap(TERMINAL_KEY, 1), storage_version=1
    )
    bench.tables.load([record.encode()])
    request = ChangeKeyRequest(**KEY, key=b"n" * 32 + bytes(8))

    prepared = ChangeKeyRequest.decode(bench.desk.change_key(request.encode(), 5))

    assert (prepared.storage_version, bench.desk.unwrap(prepared.key, 1)) == (1, b"n" * 32)


def test_a_sealed_pin_goes_over_to_another_key_and_back_is_the_same(bench):
    """AES-256 of the hash under one key, then under the other: whoever has both keys can compare, nobody else."""
    bench.desk.prepare(put_key(KeyPurpose.PIN, 2))
    sealers = {version: Cipher(AES(key_of(KeyPurpose.PIN, version)), ECB()).encryptor() for version in (1, 2)}
    hashed = hashlib.sha256(b"account and PIN").digest()[:16]
    card = CardRecord(card_type=1, status=3, card_number=77, pin_key_version=1, pin_hash=sealers[1].update(hashed))
    bare = CardRecord(card_type=1, status=3, card_number=78)
    lost = CardRecord(card_type=1, status=3, card_number=79, pin_key_version=9, pin_hash=hashed)
    bench.tables.load([one.encode() for one in (card, bare, lost)])

    def resealed(card_number):
        request = RewrapKeyRequest(**KEY, kind=RecordKind.CARD, storage_version=2, key_a=card_number)
        return bench.prepared(MessageType.REWRAP_KEY, request).wrapped

    assert resealed(77) == sealers[2].update(hashed).ljust(80, b"\0")
    assert not any(resealed(78)) and not any(resealed(80))
    with pytest.raises(KeyUnavailableError, match="PIN key 9: expected it to be loaded"):
        resealed(79)


def test_rewrapping_keeps_the_keys(bench):
    bench.desk.prepare(put_key(KeyPurpose.STORAGE, 2))
    wrapped = [bench.desk.wrap(key, 1) for key in (TERMINAL_KEY, b"n" * 32, b"c" * 16)]
    terminal = TerminalRecord(
        status=1,
        rights=1,
        store_id=0,
        terminal_id=5,
        wrapped_key=wrapped[0],
        wrapped_next=wrapped[1],
        storage_version=1,
    )
    card = CardKeyRecord(storage_version=1, medium=1, medium_id=8, key_version=3, wrapped_key=wrapped[2])
    bench.tables.load([terminal.encode(), card.encode()])

    of_terminal = RewrapKeyRequest(**KEY, kind=RecordKind.TERMINAL, storage_version=2, key_a=5)
    of_card = RewrapKeyRequest(**KEY, kind=RecordKind.CARD_KEY, storage_version=2, key_a=1, key_b=8, key_c=3)
    both = bench.prepared(MessageType.REWRAP_KEY, of_terminal).wrapped
    one = bench.prepared(MessageType.REWRAP_KEY, of_card).wrapped

    assert [bench.desk.unwrap(both[:40], 2), bench.desk.unwrap(both[40:], 2)] == [TERMINAL_KEY, b"n" * 32]
    assert bench.desk.unwrap(one[:24], 2) == b"c" * 16
    assert not any(one[24:])
