"""What every backend does: the same tests for the sealed file and for the token, and both against each other."""

import hashlib
import threading
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from hsm._cipher import copy_into
from hsm.backend import KEY_VERSION_MAX, MESSAGE_BYTES_MAX, KeyFacts, KeyUse, WrappedKey
from hsm.errors import (
    BackendClosedError,
    KeyExistsError,
    KeyNotFoundError,
    KeyTamperedError,
    WrongKeyLengthError,
    WrongKeyNameError,
    WrongMessageLengthError,
)

KEK, SIGN, LOG = KeyUse
NOW_MS = 1_790_000_000_123
KEK_BYTES = bytes.fromhex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F")
OTHER_KEK_BYTES = bytes(reversed(KEK_BYTES))
KEY_BYTES = bytes.fromhex("00112233445566778899AABBCCDDEEFF")


def cmac(key, message):
    expected = CMAC(AES(key))
    expected.update(message)
    return expected.finalize()


def names(backend):
    listed = backend.keys()
    return [(facts.use, facts.version) for facts in listed]


@pytest.fixture
def in_slot(page):
    """Puts a key into a slot."""

    def put(key):
        slot = page.take(len(key))
        copy_into(slot, key)
        return slot

    return put


@pytest.fixture
def with_keks(backend, in_slot):
    """A backend with two KEKs that the test knows."""
    backend.import_key(KEK, 1, in_slot(KEK_BYTES), NOW_MS)
    backend.import_key(KEK, 2, in_slot(OTHER_KEK_BYTES), NOW_MS)
    return backend


# Resident keys


@pytest.mark.parametrize("use", KeyUse)
def test_a_generated_key_is_there_with_its_facts(backend, use):
    facts = backend.generate(use, 7, NOW_MS)

    assert (facts.use, facts.version, facts.created_ms, len(facts.check_value)) == (use, 7, NOW_MS, 5)
    assert backend.facts(use, 7) == facts
    assert backend.keys() == [facts]


@pytest.mark.parametrize("use", KeyUse)
def test_generated_keys_differ(backend, use):
    facts = [backend.generate(use, version, NOW_MS) for version in (1, 2, 3)]

    assert len({known.check_value for known in facts}) == 3


def test_an_imported_key_shows_its_check_value(backend, in_slot):
    public_key = Ed25519PrivateKey.from_private_bytes(KEK_BYTES).public_key().public_bytes_raw()

    assert backend.import_key(KEK, 1, in_slot(KEK_BYTES), NOW_MS).check_value == cmac(KEK_BYTES, bytes(16))[:5]
    assert backend.import_key(LOG, 1, in_slot(KEK_BYTES), NOW_MS).check_value == cmac(KEK_BYTES, bytes(16))[:5]
    assert backend.import_key(SIGN, 1, in_slot(KEK_BYTES), NOW_MS) == KeyFacts(
        SIGN, 1, hashlib.sha256(public_key).digest()[:5], NOW_MS
    )


def test_keys_are_listed_by_use_and_version(backend):
    for use, version in ((LOG, 1), (KEK, 10), (SIGN, 2), (KEK, 9), (KEK, KEY_VERSION_MAX)):
        backend.generate(use, version, NOW_MS)

    assert names(backend) == [(KEK, 9), (KEK, 10), (KEK, KEY_VERSION_MAX), (SIGN, 2), (LOG, 1)]


@pytest.mark.parametrize("use", KeyUse)
def test_a_key_is_never_overwritten(backend, in_slot, use):
    facts = backend.generate(use, 1, NOW_MS)

    for again in (
        lambda: backend.generate(use, 1, NOW_MS + 1),
        lambda: backend.import_key(use, 1, in_slot(KEK_BYTES), NOW_MS + 1),
    ):
        with pytest.raises(KeyExistsError):
            again()
    assert backend.keys() == [facts]


@pytest.mark.parametrize("use", KeyUse)
def test_a_destroyed_key_is_gone_for_good_and_its_name_is_free(keeper, in_slot, use):
    backend = keeper.new()
    backend.generate(use, 1, NOW_MS)
    kept = backend.generate(use, 2, NOW_MS)
    backend.destroy(use, 1)

    for gone in (lambda: backend.facts(use, 1), lambda: backend.destroy(use, 1)):
        with pytest.raises(KeyNotFoundError, match=f"{use.value} key of version 1"):
            gone()
    backend.close()
    backend = keeper.again()
    assert backend.keys() == [kept]
    backend.import_key(use, 1, in_slot(KEK_BYTES), NOW_MS)
    assert names(backend) == [(use, 1), (use, 2)]


def test_what_a_destroyed_key_did_is_refused(with_keks, in_slot):
    wrapped = with_keks.wrap(1, in_slot(KEY_BYTES))
    for use in (SIGN, LOG):
        with_keks.generate(use, 1, NOW_MS)
        with_keks.destroy(use, 1)
    with_keks.destroy(KEK, 1)

    for refused in (
        lambda: with_keks.wrap(1, in_slot(KEY_BYTES)),
        lambda: with_keks.generate_wrapped(1, 16),
        lambda: with_keks.unwrap_into(wrapped, in_slot(bytes(16))),
        lambda: with_keks.rewrap(wrapped, 2),
        lambda: with_keks.check_value(wrapped),
        lambda: with_keks.mac(1, b"x"),
        lambda: with_keks.sign(1, b"x"),
        lambda: with_keks.public_key(1),
    ):
        with pytest.raises(KeyNotFoundError):
            refused()


def test_keys_outlive_the_process(keeper, in_slot):
    backend = keeper.new()
    facts = [backend.generate(use, 1, NOW_MS + place) for place, use in enumerate(KeyUse)]
    wrapped, mac, public_key = backend.generate_wrapped(1, 32), backend.mac(1, b"entry"), backend.public_key(1)
    slot = in_slot(bytes(32))
    backend.unwrap_into(wrapped, slot)
    backend.close()

    backend = keeper.again()
    assert backend.keys() == facts
    assert (backend.mac(1, b"entry"), backend.public_key(1)) == (mac, public_key)
    assert backend.wrap(1, slot) == wrapped


@pytest.mark.parametrize("version", [0, -1, KEY_VERSION_MAX + 1, True, "1", None])
def test_a_version_that_cannot_be_is_refused(backend, in_slot, version):
    for refused in (
        lambda: backend.generate(KEK, version, NOW_MS),
        lambda: backend.import_key(KEK, version, in_slot(KEK_BYTES), NOW_MS),
        lambda: backend.facts(KEK, version),
        lambda: backend.destroy(KEK, version),
        lambda: backend.wrap(version, in_slot(KEY_BYTES)),
        lambda: backend.mac(version, b"x"),
        lambda: backend.facts("KEK", 1),
    ):
        with pytest.raises(WrongKeyNameError, match=r"expected .* got"):
            refused()


@pytest.mark.parametrize("created_ms", [-1, 1.5, 1 << 63, None])
def test_a_moment_that_cannot_be_is_refused(backend, created_ms):
    with pytest.raises(WrongKeyNameError):
        backend.generate(KEK, 1, created_ms)
    assert backend.keys() == []


@pytest.mark.parametrize("key_bytes", [16, 24, 31])
def test_a_resident_key_has_full_length(backend, in_slot, key_bytes):
    for use in KeyUse:
        with pytest.raises(WrongKeyLengthError):
            backend.import_key(use, 1, in_slot(bytes(key_bytes)), NOW_MS)


# Keys outside


@pytest.mark.parametrize("key", [KEY_BYTES, KEK_BYTES[:24], OTHER_KEK_BYTES])
def test_a_key_is_wrapped_as_rfc_3394_says_and_comes_back(with_keks, in_slot, key):
    wrapped = with_keks.wrap(1, in_slot(key))
    slot = in_slot(bytes(len(key)))
    with_keks.unwrap_into(wrapped, slot)

    assert wrapped == WrappedKey(1, aes_key_wrap(KEK_BYTES, key), cmac(key, bytes(16))[:5])
    assert bytes(slot) == key
    assert with_keks.check_value(wrapped) == wrapped.check_value


@pytest.mark.parametrize("key_bytes", [16, 24, 32])
def test_a_key_made_inside_comes_out_wrapped(with_keks, in_slot, key_bytes):
    made = [with_keks.generate_wrapped(1, key_bytes) for _ in range(3)]
    slot = in_slot(bytes(key_bytes))
    with_keks.unwrap_into(made[0], slot)

    assert len({wrapped.blob for wrapped in made}) == 3
    assert made[0] == WrappedKey(1, aes_key_wrap(KEK_BYTES, bytes(slot)), cmac(bytes(slot), bytes(16))[:5])


@pytest.mark.parametrize("key", [KEY_BYTES, KEK_BYTES])
def test_a_rewrapped_key_is_the_same_under_another_kek(with_keks, in_slot, key):
    rewrapped = with_keks.rewrap(with_keks.wrap(1, in_slot(key)), 2)

    assert rewrapped == WrappedKey(2, aes_key_wrap(OTHER_KEK_BYTES, key), cmac(key, bytes(16))[:5])


def flipped(blob, place):
    return blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]


def forgeries(wrapped):
    """Altered, cut, lengthened, under another KEK, with another's check value."""
    yield from (replace(wrapped, blob=flipped(wrapped.blob, place)) for place in (0, 7, 8, 12, 23))
    yield replace(wrapped, blob=wrapped.blob[:-8])
    yield replace(wrapped, blob=wrapped.blob[:-1])
    yield replace(wrapped, blob=wrapped.blob + bytes(8))
    yield replace(wrapped, blob=b"")
    yield replace(wrapped, kek_version=2)
    yield replace(wrapped, check_value=flipped(wrapped.check_value, 4))
    yield replace(wrapped, check_value=wrapped.check_value[:-1])


@pytest.mark.parametrize("number", range(12))
def test_a_forged_blob_never_opens_and_leaves_zeros(with_keks, in_slot, number):
    forged = [*forgeries(with_keks.wrap(1, in_slot(KEY_BYTES)))][number]
    slot = in_slot(b"\xff" * max(1, len(forged.blob) - 8))
    texts = set()

    for refused in (
        lambda: with_keks.unwrap_into(forged, slot),
        lambda: with_keks.rewrap(forged, 2),
        lambda: with_keks.rewrap(forged, 1),
        lambda: with_keks.check_value(forged),
    ):
        with pytest.raises(KeyTamperedError) as error:
            refused()
        texts.add(str(error.value))
    assert len(texts) == 1  # which of the faults it was is not said
    assert bytes(slot) in (bytes(len(slot)), b"\xff" * len(slot))
    assert KEY_BYTES not in bytes(slot)


def test_a_blob_with_another_keys_check_value_leaves_zeros(with_keks, in_slot):
    forged = replace(with_keks.wrap(1, in_slot(KEY_BYTES)), check_value=b"12345")
    slot = in_slot(b"\xff" * 16)

    with pytest.raises(KeyTamperedError):
        with_keks.unwrap_into(forged, slot)
    assert bytes(slot) == bytes(16)


def test_a_key_of_a_length_that_none_has_is_refused(with_keks, in_slot):
    wrapped = with_keks.wrap(1, in_slot(KEY_BYTES))

    for refused in (
        lambda: with_keks.wrap(1, in_slot(bytes(17))),
        lambda: with_keks.generate_wrapped(1, 8),
        lambda: with_keks.generate_wrapped(1, 0),
        lambda: with_keks.unwrap_into(wrapped, in_slot(bytes(15))),
        lambda: with_keks.unwrap_into(wrapped, in_slot(bytes(32))),
    ):
        with pytest.raises(WrongKeyLengthError, match=r"expected .* got"):
            refused()


def test_a_kek_that_is_not_here_is_named(with_keks, in_slot):
    wrapped = with_keks.wrap(1, in_slot(KEY_BYTES))

    for refused in (
        lambda: with_keks.rewrap(wrapped, 9),
        lambda: with_keks.check_value(replace(wrapped, kek_version=9)),
    ):
        with pytest.raises(KeyNotFoundError, match="KEK key of version 9"):
            refused()


# Proofs


@pytest.mark.parametrize("message", [b"x", b"entry", bytes(16), bytes(1000)])
def test_mac_and_signature_are_the_standards(backend, in_slot, message):
    backend.import_key(LOG, 3, in_slot(KEK_BYTES), NOW_MS)
    backend.import_key(SIGN, 3, in_slot(OTHER_KEK_BYTES), NOW_MS)
    expected = Ed25519PrivateKey.from_private_bytes(OTHER_KEK_BYTES)

    assert backend.mac(3, message) == cmac(KEK_BYTES, message)
    assert backend.sign(3, message) == expected.sign(message)
    assert backend.public_key(3) == expected.public_key().public_bytes_raw()


def test_a_generated_pair_signs_what_its_public_key_verifies(backend):
    backend.generate(SIGN, 1, NOW_MS)
    public_key = Ed25519PublicKey.from_public_bytes(backend.public_key(1))

    public_key.verify(backend.sign(1, b"head"), b"head")
    assert backend.facts(SIGN, 1).check_value == hashlib.sha256(backend.public_key(1)).digest()[:5]


def test_a_message_has_a_bound(backend):
    backend.generate(LOG, 1, NOW_MS)
    backend.generate(SIGN, 1, NOW_MS)

    assert len(backend.mac(1, bytes(MESSAGE_BYTES_MAX))) == 16
    for refused in (backend.mac, backend.sign):
        for message_bytes in (0, MESSAGE_BYTES_MAX + 1):
            with pytest.raises(WrongMessageLengthError):
                refused(1, bytes(message_bytes))


# Both together


def test_two_backends_with_the_same_keys_agree(software, pkcs11, in_slot):
    file, token = software.new(), pkcs11.new()
    facts = [[backend.import_key(use, 1, in_slot(KEK_BYTES), NOW_MS) for use in KeyUse] for backend in (file, token)]
    for backend in (file, token):
        backend.import_key(KEK, 2, in_slot(OTHER_KEK_BYTES), NOW_MS)
    by_file, by_token = file.generate_wrapped(1, 16), token.generate_wrapped(1, 32)

    assert facts[0] == facts[1]
    assert file.keys() == token.keys()
    for wrapped in (by_file, by_token):
        slots = [in_slot(bytes(wrapped.key_bytes)) for _ in range(2)]
        file.unwrap_into(wrapped, slots[0])
        token.unwrap_into(wrapped, slots[1])
        assert bytes(slots[0]) == bytes(slots[1]) != bytes(wrapped.key_bytes)
        assert file.wrap(1, slots[0]) == token.wrap(1, slots[0]) == wrapped
        assert file.rewrap(wrapped, 2) == token.rewrap(wrapped, 2)
    assert file.mac(1, b"entry") == token.mac(1, b"entry")
    assert file.sign(1, b"head") == token.sign(1, b"head")


# Threads and closing


def test_two_threads_get_their_own_answers(with_keks, page):
    with_keks.generate(LOG, 1, NOW_MS)
    expected = {message: with_keks.mac(1, message) for message in (b"one", b"other")}
    wrong = []

    def hammer(message):
        try:
            with page.take(16) as slot:
                for version in range(100, 110):
                    wrapped = with_keks.generate_wrapped(1, 16)
                    with_keks.unwrap_into(wrapped, slot)
                    if with_keks.wrap(1, slot) != wrapped or with_keks.mac(1, message) != expected[message]:
                        wrong.append(message)
                    if message == b"one":
                        with_keks.generate(KEK, version, NOW_MS)
                        with_keks.destroy(KEK, version)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=hammer, args=[message]) for message in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert names(with_keks) == [(KEK, 1), (KEK, 2), (LOG, 1)]


def test_after_closing_nothing_works(with_keks, in_slot):
    wrapped = with_keks.wrap(1, in_slot(KEY_BYTES))
    with with_keks:
        pass
    with_keks.close()

    for refused in (
        with_keks.keys,
        lambda: with_keks.generate(KEK, 3, NOW_MS),
        lambda: with_keks.import_key(KEK, 3, in_slot(KEK_BYTES), NOW_MS),
        lambda: with_keks.facts(KEK, 1),
        lambda: with_keks.destroy(KEK, 1),
        lambda: with_keks.wrap(1, in_slot(KEY_BYTES)),
        lambda: with_keks.generate_wrapped(1, 16),
        lambda: with_keks.unwrap_into(wrapped, in_slot(bytes(16))),
        lambda: with_keks.rewrap(wrapped, 2),
        lambda: with_keks.check_value(wrapped),
        lambda: with_keks.mac(1, b"x"),
        lambda: with_keks.sign(1, b"x"),
        lambda: with_keks.public_key(1),
    ):
        with pytest.raises(BackendClosedError):
            refused()


def test_nothing_shows_a_key(with_keks, in_slot):
    wrapped = with_keks.wrap(1, in_slot(KEY_BYTES))
    shown = "".join(map(repr, (with_keks, wrapped, *with_keks.keys(), in_slot(KEY_BYTES))))

    for secret in (KEY_BYTES, KEK_BYTES, OTHER_KEK_BYTES):
        for form in (secret.hex(), secret.hex().upper(), repr(secret)[2:-1]):
            assert form[:16] not in shown
