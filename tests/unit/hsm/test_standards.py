"""CMAC, check values, AN10922, SP 800-108, DUKPT, CVV, PVV, PIN blocks and SUN, against published vectors and psec."""

import random
import re
from importlib import resources

import psec
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode

from hsm import dukpt
from hsm._cipher import copy_into
from hsm._memory import KeyPage
from hsm._primitives import aes_cmac
from hsm.an10922 import diversify
from hsm.card_values import card_verification_value, pin_verification_value
from hsm.cards import session_key
from hsm.check_value import aes_check_value, tdes_check_value
from hsm.data_errors import PinBlockError, TagDataError, WrongFieldError
from hsm.dukpt import WorkingKeyAlgorithm, WorkingKeyUsage
from hsm.kdf import derive, derive_fixed
from hsm.pin_block import (
    decipher_format_4,
    decode_format_0,
    decode_format_1,
    decode_format_3,
    encipher_format_4,
    encode_format_0,
    encode_format_1,
    encode_format_3,
)
from hsm.sun import TagReading, check_tag, decipher_picc_data, session_mac_key, tag_mac

# psec uses TripleDES where it was before cryptography moved it.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

CVK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
MASTER = bytes.fromhex("00112233445566778899AABBCCDDEEFF")


def numbers(draw, length):
    return "".join(draw.choice("0123456789") for _ in range(length))


# CMAC and check values


def test_cmac_is_that_of_rfc_4493():
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    message = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    for length, mac in (
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ):
        assert aes_cmac(key, message[:length]).hex() == mac


def test_check_values():
    assert aes_check_value(MASTER).hex().upper() == "53E107B36E"
    assert aes_check_value(MASTER, 3).hex().upper() == "53E107"
    assert tdes_check_value(CVK).hex().upper() == "08D7B4"
    for length in (16, 24):
        key = bytes(range(1, length + 1))
        assert tdes_check_value(key) == psec.des.generate_kcv(key, 3)
    for too_long in (lambda: aes_check_value(MASTER, 6), lambda: tdes_check_value(CVK, 4)):
        with pytest.raises(WrongFieldError):
            too_long()


def test_a_key_may_lie_in_any_buffer():
    assert aes_check_value(bytearray(MASTER)) == aes_check_value(memoryview(MASTER)) == aes_check_value(MASTER)
    assert tdes_check_value(bytearray(CVK)) == tdes_check_value(CVK)
    with KeyPage() as page, page.take(16) as slot:
        copy_into(slot, CVK)
        assert aes_check_value(slot) == aes_check_value(CVK)
        assert tdes_check_value(slot) == tdes_check_value(CVK)
        assert diversify(slot, bytes(17)) == diversify(CVK, bytes(17))
        assert dukpt.initial_key(slot, bytes(8)) == dukpt.initial_key(CVK, bytes(8))
        assert card_verification_value(slot, "4123456789012345", "8701", "101") == "561"


# AN10922


def test_an10922_vector():
    identity = bytes.fromhex("04782E21801D803042F54E585020416275")
    assert diversify(MASTER, identity).hex().upper() == "A8DD63A3B89D54B37CA802473FDA9175"


def test_an10922_pads_short_input_to_two_blocks():
    short = bytes.fromhex("04782E21801D80")
    assert diversify(MASTER, short).hex().upper() == "4FD3364753B8142980E8203C75AD83BE"
    assert diversify(MASTER, short) != aes_cmac(MASTER, b"\x01" + short), "the trap of the note"
    for length in range(16, 32):
        assert diversify(MASTER, bytes(length)) == aes_cmac(MASTER, b"\x01" + bytes(length))


@pytest.mark.parametrize("length", range(1, 31))
def test_an10922_uses_the_notes_second_subkey_for_all_padded_input(length):
    k2 = bytes.fromhex("F793EEB928278083BFDC8A5A7E0E0D25")  # printed in the note
    padded = (b"\x01" + bytes(length) + b"\x80").ljust(32, b"\0")
    last = bytes(a ^ b for a, b in zip(padded[16:], k2, strict=True))
    encryptor = Cipher(algorithms.AES(MASTER), modes.CBC(bytes(16))).encryptor()
    assert diversify(MASTER, bytes(length)) == encryptor.update(padded[:16] + last)[16:]


def test_an10922_vectors_for_longer_keys():
    identity = bytes.fromhex("04782E21801D803042F54E585020416275")
    longer = MASTER + bytes.fromhex("0102030405060708090A0B0C0D0E0F00")
    assert diversify(longer[:24], identity).hex().upper() == "CE39C8E1CD82D9A7BEDBE9D74AF59B23176755EE7586E12C"
    assert (
        diversify(longer, identity).hex().upper() == "4FC6EEC820B4C54314990B8611662DB695E7880982C0001E6067488346100AED"
    )


def test_an10922_bounds():
    for wrong in (b"", bytes(32)):
        with pytest.raises(WrongFieldError):
            diversify(MASTER, wrong)


# SP 800-108


def nist_cases():
    """(counter bytes, key, fixed input, output) of the NIST file where our layout is: AES-128, counter first."""
    text = resources.files("cryptography_vectors").joinpath("KDF/nist-800-108-KBKDF-CTR.txt").read_text("ascii")
    for section in text.split("[PRF=")[1:]:
        if not section.startswith("CMAC_AES128"):
            continue
        for part in section.split("[CTRLOCATION=")[1:]:
            if not part.startswith("BEFORE_FIXED"):
                continue
            for width in part.split("[RLEN=")[1:]:
                counter_bytes = int(width.split("_")[0]) // 8
                for case in width.split("COUNT=")[1:]:
                    found = dict(re.findall(r"^(KI|FixedInputData|KO) = (\w+)", case, re.M))
                    yield (counter_bytes, *(bytes.fromhex(found[name]) for name in ("KI", "FixedInputData", "KO")))


def test_kdf_passes_the_nist_file():
    cases = list(nist_cases())
    assert {case[0] for case in cases} == {1, 2, 3, 4}
    assert len(cases) == 160
    for counter_bytes, key, fixed, output in cases:
        assert derive_fixed(key, fixed, len(output), counter_bytes) == output


@pytest.mark.parametrize("length", [1, 16, 24, 32, 100])
def test_kdf_equals_that_of_cryptography(length):
    oracle = KBKDFCMAC(
        algorithms.AES, Mode.CounterMode, length, 1, 2, CounterLocation.BeforeFixed, b"label", b"context", None
    )
    assert derive(MASTER, b"label", b"context", length) == oracle.derive(MASTER)


def test_a_cards_session_key_is_a_case_of_the_kdf():
    uid = bytes.fromhex("04782E21801D80")
    assert session_key(MASTER, 42, uid) == derive(MASTER, b"AC", (42).to_bytes(3, "big") + uid, 16)


# AES DUKPT

BDK = bytes.fromhex("FEDCBA9876543210F1F1F1F1F1F1F1F1")
INITIAL_KEY_ID = bytes.fromhex("1234567890123456")


def test_dukpt_vectors_of_x9_24_3():
    initial = dukpt.initial_key(BDK, INITIAL_KEY_ID)
    assert initial.hex().upper() == "1273671EA26AC29AFA4D1084127652A1"
    assert dukpt.transaction_key(initial, INITIAL_KEY_ID, 1).hex().upper() == "4F21B565BAD9835E112B6465635EAE44"
    for counter, usage, key in (
        (1, WorkingKeyUsage.PIN_ENCRYPTION, "AF8CB133A78F8DC2D1359F18527593FB"),
        (1, WorkingKeyUsage.MAC_GENERATION, "A2DC23DE6FDE0824A2BC321E08E4B8B7"),
        (1, WorkingKeyUsage.DATA_ENCRYPTION, "A35C412EFD41FDB98B69797C02DCD08F"),
        (2, WorkingKeyUsage.PIN_ENCRYPTION, "D30BDC73EC9714B000BEC66BDB7B6D09"),
        (2, WorkingKeyUsage.MAC_GENERATION, "484C3B06E8562704528CD5B46FB12FB6"),
        (3, WorkingKeyUsage.PIN_ENCRYPTION, "7D69F01F3B45449F62C7816ECE723268"),
        (3, WorkingKeyUsage.MAC_GENERATION, "A5DF7D9D800CA769766F0C77CA4E6E6C"),
        (3, WorkingKeyUsage.DATA_ENCRYPTION, "EF17F6AB45B4820C93A3DCB21BC491AD"),
        (4, WorkingKeyUsage.PIN_ENCRYPTION, "91A0588318EC2673214271F70137896E"),
        (5, WorkingKeyUsage.PIN_ENCRYPTION, "35A43BC9EFEB09C756204B57E3FB7D4D"),
    ):
        assert dukpt.working_key(initial, INITIAL_KEY_ID, counter, usage).hex().upper() == key


def test_every_dukpt_transaction_has_its_own_key():
    initial = dukpt.initial_key(BDK, INITIAL_KEY_ID)
    keys, counter = set(), 0
    for _ in range(1025):
        counter = dukpt.next_counter(counter)
        keys.add(dukpt.transaction_key(initial, INITIAL_KEY_ID, counter))
    assert len(keys) == 1025
    assert dukpt.transaction_key(initial, INITIAL_KEY_ID, 0x10000) not in keys | {initial}


def test_dukpt_counters_with_more_than_16_bits_are_left_out():
    assert dukpt.next_counter(0) == 1
    assert dukpt.next_counter(0xFFFF) == 0x10000
    assert dukpt.next_counter(0x1FFFE) == 0x20000
    assert dukpt.next_counter(0xFFFEFFFF - 0xFFFF) == 0xFFFE0001
    assert dukpt.next_counter(0xFFFE8000) == 0xFFFF0000
    with pytest.raises(WrongFieldError, match="has a next"):
        dukpt.next_counter(0xFFFF0000)
    with pytest.raises(WrongFieldError, match="use next_counter"):
        dukpt.transaction_key(BDK, INITIAL_KEY_ID, 0x1FFFF)
    counter, checked = 0x1FFF0, 0
    while checked < 50:
        following = dukpt.next_counter(counter)
        assert following == next(n for n in range(counter + 1, counter + 70_000) if n.bit_count() <= 16)
        counter, checked = following, checked + 1


@pytest.mark.parametrize(
    ("algorithm", "key_bytes", "indicator", "blocks"),
    [
        (WorkingKeyAlgorithm.TDES, 16, "0000", 1),
        (WorkingKeyAlgorithm.TDES, 24, "0001", 2),
        (WorkingKeyAlgorithm.HMAC, 16, "0005", 1),
        (WorkingKeyAlgorithm.HMAC, 32, "0005", 2),
        (WorkingKeyAlgorithm.AES, 16, "0002", 1),
    ],
)
def test_dukpt_derivation_data_names_the_algorithm(algorithm, key_bytes, indicator, blocks):
    """X9.24-3, section 6.3.3: 01, block, usage, algorithm, length in bits, right half of the id, counter."""
    initial = dukpt.initial_key(BDK, INITIAL_KEY_ID)
    aes = Cipher(algorithms.AES(dukpt.transaction_key(initial, INITIAL_KEY_ID, 5)), modes.ECB()).encryptor()
    tail = f"0002{indicator}{key_bytes * 8:04X}{INITIAL_KEY_ID[4:].hex()}00000005"
    data = b"".join(bytes.fromhex(f"01{number:02X}{tail}") for number in range(1, blocks + 1))
    key = dukpt.working_key(initial, INITIAL_KEY_ID, 5, WorkingKeyUsage.KEY_ENCRYPTION, key_bytes, algorithm)
    assert key == aes.update(data)[:key_bytes]
    for wrong in (8, 33, 32 if algorithm is WorkingKeyAlgorithm.TDES else 40):
        with pytest.raises(WrongFieldError, match=f"for {algorithm.name}"):
            dukpt.working_key(initial, INITIAL_KEY_ID, 5, WorkingKeyUsage.KEY_ENCRYPTION, wrong, algorithm)


def test_dukpt_keys_of_256_bits_come_in_two_blocks():
    initial = dukpt.initial_key(BDK + BDK[::-1], INITIAL_KEY_ID)
    key = dukpt.working_key(initial, INITIAL_KEY_ID, 3, WorkingKeyUsage.DATA_ENCRYPTION, 32)
    assert len(initial) == len(key) == 32
    assert key[:16] != key[16:]
    with pytest.raises(WrongFieldError):
        dukpt.working_key(BDK, INITIAL_KEY_ID, 3, WorkingKeyUsage.DATA_ENCRYPTION, 32)


# Card values


def test_cvv_vectors():
    assert card_verification_value(CVK, "4123456789012345", "8701", "101") == "561"
    other = bytes.fromhex("99999999999999998888888888888888")
    assert card_verification_value(other, "2222222222222222", "3333", "111") == "361"


def test_cvv_and_pvv_equal_psec():
    draw = random.Random(7)
    for _ in range(300):
        key = draw.randbytes(16)
        number, expiry, service = numbers(draw, draw.randint(13, 19)), numbers(draw, 4), numbers(draw, 3)
        pin, index = numbers(draw, 4), draw.randint(0, 9)
        assert card_verification_value(key, number, expiry, service) == psec.cvv.generate_cvv(
            key, number, expiry, service
        )
        assert pin_verification_value(key, number, index, pin) == psec.pin.generate_visa_pvv(
            key, str(index), pin, number
        )


def test_pvv_vector():
    assert pin_verification_value(CVK, "1122334455667788", 3, "4524") == "4021"


# PIN blocks

CARD = "43219876543210987"


def test_format_0_vector():
    assert encode_format_0("1234", CARD).hex().upper() == "0412AC89ABCDEF67"
    assert decode_format_0(bytes.fromhex("0412AC89ABCDEF67"), CARD) == "1234"


def test_format_1_is_bound_to_no_card():
    assert encode_format_1("1234", "0F1E2D3C4B").hex().upper() == "1412340F1E2D3C4B"
    assert encode_format_1("123456789012", "ABCDEF0123").hex().upper() == "1C123456789012AB"
    for block in ("1412340F1E2D3C4B", "141234FFFFFFFFFF"):
        assert decode_format_1(bytes.fromhex(block)) == "1234"
    for wrong in ("0412340F1E2D3C4B", "13123FFFFFFFFFFF", "14A234FFFFFFFFFF", "141234"):
        with pytest.raises(PinBlockError):
            decode_format_1(bytes.fromhex(wrong))
    with pytest.raises(WrongFieldError, match="fill"):
        encode_format_1("1234", "0F1E2D3C4")


def test_format_4_vector():
    key = bytes.fromhex("AF8CB133A78F8DC2D1359F18527593FB")
    block = encipher_format_4(key, "1234", "4111111111111111", bytes.fromhex("2F69ADDE2E9E7ACE"))
    assert block.hex().upper() == "A912150391AB65A67E52883D81CE2D15"
    assert decipher_format_4(key, block, "4111111111111111") == "1234"


def test_pin_blocks_equal_psec():
    draw = random.Random(8)
    for _ in range(200):
        key, card = draw.randbytes(16), numbers(draw, draw.randint(13, 19))
        pin = numbers(draw, draw.randint(4, 12))
        fill = "".join(draw.choice("ABCDEF") for _ in range(10))

        block = encode_format_0(pin, card)
        assert block == psec.pinblock.encode_pinblock_iso_0(pin, card)
        assert decode_format_0(block, card) == pin

        assert psec.pinblock.decode_pinblock_iso_3(encode_format_3(pin, card, fill), card) == pin
        assert decode_format_3(psec.pinblock.encode_pinblock_iso_3(pin, card), card) == pin

        four = encipher_format_4(key, pin, card, draw.randbytes(8))
        assert psec.pinblock.decipher_pinblock_iso_4(key, four, card) == pin
        assert decipher_format_4(key, psec.pinblock.encipher_pinblock_iso_4(key, pin, card), card) == pin


def test_a_pin_block_of_another_card_or_key_is_refused_and_tells_nothing():
    key = bytes(range(16))
    block = encipher_format_4(key, "8642", CARD, bytes(8))
    wrong = [
        lambda: decipher_format_4(key, block, "43219876543210979"),
        lambda: decipher_format_4(bytes(16), block, CARD),
        lambda: decipher_format_4(key, block[:15], CARD),
        lambda: decode_format_0(encode_format_0("8642", CARD), "43219876543999999"),
        lambda: decode_format_0(encode_format_3("8642", CARD, "ABCDEFABCD"), CARD),
        lambda: decode_format_3(encode_format_0("8642", CARD), CARD),
        lambda: decode_format_0(bytes(7), CARD),
    ]
    for attempt in wrong:
        with pytest.raises(PinBlockError) as refusal:
            attempt()
        assert "8642" not in str(refusal.value)
    for pin in ("123", "1234567890123", "12a4", "１２３４"):
        with pytest.raises(WrongFieldError) as mistake:
            encode_format_0(pin, CARD)
        assert pin not in str(mistake.value)


@pytest.mark.parametrize(
    "clear", ["441234AAAAAAAAA0", "441234AAAAAAAAAF", "431234AAAAAAAAAA", "4D1234AAAAAAAAAA", "041234FFFFFFFFFF"]
)
def test_a_format_4_block_of_another_form_is_refused(clear):
    encryptor = Cipher(algorithms.AES(MASTER), modes.ECB()).encryptor()
    card_field = bytes.fromhex("44111111111111111".ljust(32, "0"))  # 16 digits: 4 more than 12
    once = encryptor.update(bytes.fromhex(clear) + bytes(8))
    block = encryptor.update(bytes(a ^ b for a, b in zip(once, card_field, strict=True)))
    with pytest.raises(PinBlockError):
        decipher_format_4(MASTER, block, "4111111111111111")


# SUN


def test_sun_values_of_an12196():
    key = bytes(16)
    reading = decipher_picc_data(key, bytes.fromhex("EF963FF7828658A599F3041510671E88"))
    assert reading == TagReading(bytes.fromhex("04DE5F1EACC040"), 61)
    assert session_mac_key(key, reading).hex().upper() == "3FB5F6E3A807A03D5E3570ACE393776F"
    assert tag_mac(key, reading).hex().upper() == "94EED9EE65337086"
    assert check_tag(key, reading, bytes.fromhex("94EED9EE65337086"))


def test_a_sun_message_that_was_altered_is_refused():
    key, mac = bytes(16), bytes.fromhex("94EED9EE65337086")
    reading = TagReading(bytes.fromhex("04DE5F1EACC040"), 61)
    assert not check_tag(key, TagReading(reading.uid, 62), mac)
    assert not check_tag(key, TagReading(bytes.fromhex("04DE5F1EACC041"), 61), mac)
    assert not check_tag(key, reading, mac, b"&cmac=")
    assert not check_tag(bytes(15) + b"\1", reading, mac)
    assert not check_tag(key, reading, mac[:7])
    with pytest.raises(TagDataError):
        decipher_picc_data(bytes(15) + b"\1", bytes.fromhex("EF963FF7828658A599F3041510671E88"))
    with pytest.raises(TagDataError):
        decipher_picc_data(key, bytes(15))
