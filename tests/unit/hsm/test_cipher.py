"""The ciphers against published vectors, and against `cryptography`, which brings a libcrypto of its own."""

import re

import cryptography_vectors
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st

from hsm import _cipher
from hsm.errors import WrongKeyLengthError

aes_keys = st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
keys_256 = st.binary(min_size=32, max_size=32)
nonces = st.binary(min_size=12, max_size=12)


def records(name):
    """The records of a NIST response file, as dictionaries of bytes; {"FAIL": True} where it must not open."""
    with cryptography_vectors.open_vector_file(name, "r") as file:
        text = re.sub(r"(?m)^\[?(#|\[).*\n", "", file.read())
    for block in re.split(r"(?mi)^COUNT = \d+\n", text)[1:]:
        values = {name.upper(): bytes.fromhex(value) for name, value in re.findall(r"(?m)^(\w+) =[ ]*(\w*)$", block)}
        yield values | ({"FAIL": True} if re.search(r"(?m)^FAIL$", block) else {})


# RFC 4493, section 4
@pytest.mark.parametrize(
    ("message_bytes", "expected"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_cmac_of_rfc_4493(message_bytes, expected):
    message = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")

    assert _cipher.cmac(key, message[:message_bytes]).hex() == expected


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_cmac_of_sp_800_38b(bits):
    vectors = [*records(f"CMAC/nist-800-38b-aes{bits}.txt")]

    assert vectors
    for vector in vectors:
        assert _cipher.cmac(vector["KEY"], vector["MESSAGE"]) == vector["OUTPUT"]


def test_the_check_value_is_the_cmac_of_a_zero_block_and_not_the_encrypted_block():
    key = bytes.fromhex("00112233445566778899AABBCCDDEEFF")

    assert _cipher.check_value(key).hex() == "53e107b36e"


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_key_wrap_of_sp_800_38f(bits):
    vectors = [*records(f"keywrap/kwtestvectors/KW_AE_{bits}.txt")]

    assert len(vectors) >= 500
    for vector in vectors:
        assert _cipher.wrap_key(vector["K"], vector["P"]) == vector["C"]


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_key_unwrap_of_sp_800_38f_refuses_what_is_forged(bits):
    vectors = [*records(f"keywrap/kwtestvectors/KW_AD_{bits}.txt")]

    assert 0 < sum("FAIL" in vector for vector in vectors) < len(vectors)
    for vector in vectors:
        out = bytearray(b"\xff" * (len(vector["C"]) - 8))
        opened = _cipher.unwrap_key(vector["K"], vector["C"], out)
        assert (opened, out) == ((False, bytes(len(out))) if "FAIL" in vector else (True, vector["P"]))


# RFC 3394, sections 4.1, 4.3 and 4.6
@pytest.mark.parametrize(
    ("kek_bytes", "key", "expected"),
    [
        (16, "00112233445566778899AABBCCDDEEFF", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"),
        (32, "00112233445566778899AABBCCDDEEFF", "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"),
        (
            32,
            "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
            "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
        ),
    ],
)
def test_key_wrap_of_rfc_3394(kek_bytes, key, expected):
    assert _cipher.wrap_key(bytes(range(kek_bytes)), bytes.fromhex(key)).hex().upper() == expected


@pytest.mark.parametrize("name", ["gcmEncryptExtIV256", "gcmDecrypt256"])
def test_gcm_of_the_nist_files(name):
    done = 0
    for vector in records(f"ciphers/AES/GCM/{name}.rsp"):
        if len(vector["IV"]) != 12 or len(vector["TAG"]) != 16:
            continue  # the lengths that SP 800-38D recommends are all that we offer
        done += 1
        sealed = vector["CT"] + vector["TAG"]
        parts = [bytearray(b"\xff" * len(vector["CT"]))]
        opened = _cipher.gcm_open(vector["KEY"], vector["IV"], vector["AAD"], sealed, parts)
        if "FAIL" in vector:
            assert not opened
            assert parts == [bytes(len(vector["CT"]))]
        else:
            assert opened
            assert parts == [vector["PT"]]
            assert _cipher.gcm_seal(vector["KEY"], vector["IV"], vector["AAD"], parts) == sealed
    assert done > 300


# RFC 8032, section 7.1, tests 1 to 3
@pytest.mark.parametrize(
    ("seed", "public_key", "message", "signature"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ],
)
def test_ed25519_of_rfc_8032(seed, public_key, message, signature):
    seed, public_key, message, signature = map(bytes.fromhex, (seed, public_key, message, signature))

    assert _cipher.ed25519_public_key(seed) == public_key
    assert _cipher.ed25519_sign(seed, message) == signature
    assert _cipher.ed25519_verify(public_key, message, signature)
    for wrong in (signature[:-1], signature[:-1] + b"\xff", bytes(64)):
        assert not _cipher.ed25519_verify(public_key, message, wrong)
    assert not _cipher.ed25519_verify(public_key, message + b"x", signature)
    assert not _cipher.ed25519_verify(public_key[:-1], message, signature)


@given(aes_keys, st.binary(max_size=200))
def test_cmac_equals_cryptography(key, message):
    expected = CMAC(AES(key))
    expected.update(message)
    assert _cipher.cmac(key, message) == expected.finalize()


@given(aes_keys, aes_keys, st.integers(0, 39), st.integers(1, 255))
def test_key_wrap_equals_cryptography_and_finds_each_flipped_bit(kek, key, place, flip):
    blob = _cipher.wrap_key(kek, key)
    out = bytearray(len(key))
    assert blob == aes_key_wrap(kek, key)
    assert _cipher.unwrap_key(kek, blob, out)
    assert out == key
    forged = bytearray(blob)
    forged[place % len(forged)] ^= flip
    assert not _cipher.unwrap_key(kek, forged, out)
    assert out == bytes(len(key))


@given(keys_256, nonces, st.binary(max_size=100), st.lists(st.binary(max_size=100), max_size=5), st.integers(0, 999))
def test_gcm_equals_cryptography_and_finds_each_flipped_bit(key, nonce, associated, parts, place):
    sealed = _cipher.gcm_seal(key, nonce, associated, parts)
    outs = [bytearray(len(part)) for part in parts]
    assert sealed == AESGCM(key).encrypt(nonce, b"".join(parts), associated)
    assert _cipher.gcm_open(key, nonce, associated, sealed, outs)
    assert outs == parts
    forged = bytearray(sealed)
    forged[place % len(forged)] ^= 1
    with pytest.raises(InvalidTag):
        AESGCM(key).decrypt(nonce, bytes(forged), associated)
    assert not _cipher.gcm_open(key, nonce, associated, forged, outs)
    assert outs == [bytes(len(part)) for part in parts]
    assert not _cipher.gcm_open(key, nonce, associated + b"x", sealed, outs)


@given(keys_256, st.binary(max_size=100))
def test_ed25519_equals_cryptography(seed, message):
    expected = Ed25519PrivateKey.from_private_bytes(seed)
    assert _cipher.ed25519_public_key(seed) == expected.public_key().public_bytes_raw()
    assert _cipher.ed25519_sign(seed, message) == expected.sign(message)


@given(
    st.binary(min_size=1, max_size=40).flatmap(
        lambda one: st.tuples(st.just(one), st.binary(min_size=len(one), max_size=len(one)))
    )
)
def test_components_combine_by_exclusive_or(pair):
    one, other = pair
    out = bytearray(one)
    _cipher.xor_into(out, other)
    assert out == bytes(a ^ b for a, b in zip(one, other, strict=True))
    assert _cipher.equal(one, bytes(one))
    assert _cipher.equal(one, other) == (one == other)
    assert not _cipher.equal(one, one + b"\0")
    _cipher.cleanse(out)
    assert out == bytes(len(one))


def test_keys_are_read_where_they_lie(page):
    slot, kek, out = page.take(16), page.take(32), page.take(16)
    _cipher.random_into(slot)
    _cipher.random_into(kek)

    assert _cipher.unwrap_key(kek, _cipher.wrap_key(kek, slot), out)
    assert _cipher.equal(slot, out)


@pytest.mark.parametrize(
    "call",
    [
        lambda: _cipher.cmac(bytes(15), b""),
        lambda: _cipher.cmac(b"", b""),
        lambda: _cipher.wrap_key(bytes(17), bytes(16)),
        lambda: _cipher.wrap_key(bytes(16), bytes(8)),
        lambda: _cipher.wrap_key(bytes(16), bytes(17)),
        lambda: _cipher.unwrap_key(bytes(16), bytes(24), bytearray(24)),
        lambda: _cipher.unwrap_key(bytes(15), bytes(24), bytearray(16)),
        lambda: _cipher.gcm_seal(bytes(16), bytes(12), b"", []),
        lambda: _cipher.gcm_seal(bytes(32), bytes(16), b"", []),
        lambda: _cipher.gcm_open(bytes(32), bytes(12), b"", bytes(15), []),
        lambda: _cipher.gcm_open(bytes(32), bytes(12), b"", bytes(20), [bytearray(5)]),
        lambda: _cipher.xor_into(bytearray(16), bytes(15)),
        lambda: _cipher.copy_into(bytearray(16), bytes(17)),
        lambda: _cipher.ed25519_sign(bytes(31), b""),
        lambda: _cipher.ed25519_public_key(bytes(33)),
    ],
)
def test_a_wrong_length_is_refused_before_anything_is_done(call):
    with pytest.raises(WrongKeyLengthError, match=r"expected .* got"):
        call()


@pytest.mark.parametrize("blob_bytes", [0, 8, 16, 23, 25])
def test_a_blob_that_cannot_be_one_does_not_open(blob_bytes):
    out = bytearray(b"\xff" * 16)

    assert not _cipher.unwrap_key(bytes(16), bytes(blob_bytes), out)
    assert out == bytes(16)
