"""TR-31 key blocks of version D, against the vector of the 2018 annex and psec in both directions."""

import random
import re

import psec.tr31
import pytest

from hsm.data_errors import (
    DataError,
    KeyBlockFormError,
    KeyBlockNotExportableError,
    KeyBlockTamperedError,
    KeyBlockUnsupportedError,
    WrongFieldError,
)
from hsm.tr31 import KeyBlockHeader, fill_bytes, parse_header, unwrap, wrap

KBPK = bytes.fromhex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6")
BLOCK = (
    "D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03A457DC34"
)
KEY = bytes.fromhex("3F419E1CB7079442AA37474C2EFBF8B8")
HEADER = KeyBlockHeader("P0", "A", "E", "00", "E")


def test_annex_vector():
    assert unwrap(KBPK, BLOCK) == (HEADER, bytearray(KEY))


def test_the_same_fill_gives_the_annex_block_again():
    # The annex does not print its fill: get it by deciphering the way the standard says.
    from hsm._primitives import aes_cbc_decrypt
    from hsm.tr31 import _derived

    content = bytes.fromhex(BLOCK[16:])
    clear = aes_cbc_decrypt(_derived(KBPK, 0), content[-16:], content[:-16])
    assert wrap(KBPK, HEADER, KEY, bytes(clear[18:])) == BLOCK


@pytest.mark.parametrize("kbpk_bytes", [16, 24, 32])
def test_psec_opens_what_we_wrap_and_we_what_psec_wraps(kbpk_bytes):
    draw = random.Random(kbpk_bytes)
    for _ in range(60):
        kbpk, key = draw.randbytes(kbpk_bytes), draw.randbytes(draw.choice([16, 24, 32]))
        blocks = {f"{n:02d}": "x" * draw.choice([0, 1, 8, 12, 251, 252, 300]) for n in range(draw.randint(0, 3))}
        header = KeyBlockHeader("E0", "A", "X", "12", draw.choice("ENS"), tuple(blocks.items()))
        fill = draw.randbytes(fill_bytes(len(key)) + 16 * draw.randint(0, 2))

        theirs, found = psec.tr31.unwrap(kbpk, wrap(kbpk, header, key, fill))

        assert found == key
        assert {name: text for name, text in theirs.blocks.items() if name != "PB"} == blocks
        assert (theirs.key_usage, theirs.mode_of_use, theirs.version_num) == ("E0", "X", "12")
        ours, found_by_us = unwrap(kbpk, psec.tr31.wrap(kbpk, theirs, key))
        assert ours == header
        assert found_by_us == key


def test_every_character_counts():
    for place in range(len(BLOCK)):
        for replacement in {"0", "1", "F", "E", "N", "Z", " "} - {BLOCK[place]}:
            with pytest.raises(DataError):
                unwrap(KBPK, BLOCK[:place] + replacement + BLOCK[place + 1 :])


def test_a_changed_header_is_tampering():
    with pytest.raises(KeyBlockTamperedError):
        unwrap(KBPK, BLOCK.replace("P0AE00E", "D0AE00E"))
    with pytest.raises(KeyBlockTamperedError):
        unwrap(bytes(32), BLOCK)


@pytest.mark.parametrize(
    ("block", "error", "words"),
    [
        ("", KeyBlockFormError, "printable"),
        ("D0016P0AE00E000", KeyBlockFormError, "printable"),
        (BLOCK.replace("D", "B", 1), KeyBlockUnsupportedError, "version D"),
        (BLOCK[:-2], KeyBlockFormError, "length field"),
        (BLOCK + "00", KeyBlockFormError, "length field"),
        (BLOCK.replace("D0112", "D01 2"), KeyBlockFormError, "length field"),
        (BLOCK.replace("00E0000", "00E0A00"), KeyBlockFormError, "count"),
        (BLOCK.replace("00E0000", "00E0001"), KeyBlockFormError, "count"),
        (BLOCK.replace("P0", "p0"), KeyBlockFormError, "key usage"),
        (BLOCK.replace("P0A", "P0B"), KeyBlockFormError, "algorithm"),
        (BLOCK.replace("P0AE", "P0AZ"), KeyBlockFormError, "mode of use"),
        (BLOCK.replace("00E0000", "00X0000"), KeyBlockFormError, "exportability"),
        (BLOCK.replace("00E0000", "!0E0000"), KeyBlockFormError, "key version"),
        (BLOCK[:-1] + "g", KeyBlockFormError, "hexadecimal"),
        (BLOCK[:-1] + "\n", KeyBlockFormError, "printable"),
        ("D0016P0AE00E0000", KeyBlockFormError, "whole AES blocks"),
        ("D0048P0AE00E0000" + "00" * 16, KeyBlockFormError, "whole AES blocks"),
        ("D0020P0AE00E0100KS", KeyBlockFormError, "length field"),
        ("D0018P0AE00E0100KS", KeyBlockFormError, "hexadecimal length"),
        ("D0020P0AE00E0100KS03", KeyBlockFormError, "within the block"),
        ("D0020P0AE00E0100KSFF", KeyBlockFormError, "within the block"),
        ("D0022P0AE00E0100KS0004", KeyBlockFormError, "expected 02"),
        ("D0026P0AE00E0100KS00020009", KeyBlockFormError, "within the block"),
        ("D0024P0AE00E0100KS08xxxx", KeyBlockFormError, "multiple of 16"),
        ("D0032P0AE00E0200PB08xxxxKS08xxxx", KeyBlockFormError, "last"),
    ],
)
def test_every_malformed_block_has_its_error(block, error, words):
    with pytest.raises(error, match=re.escape(words)) as refusal:
        unwrap(KBPK, block)
    assert KEY.hex() not in str(refusal.value).lower()


def test_random_damage_never_passes_or_raises_anything_unnamed():
    draw = random.Random(3)
    for _ in range(2000):
        characters = list(BLOCK)
        for _ in range(draw.randint(1, 4)):
            kind, place = draw.randint(0, 2), draw.randrange(len(characters))
            if kind == 0:
                characters[place] = chr(draw.randint(0, 300))
            elif kind == 1:
                del characters[place]
            else:
                characters.insert(place, draw.choice("0F9PBD "))
        damaged = "".join(characters)
        if damaged != BLOCK:
            with pytest.raises(DataError):
                unwrap(KBPK, damaged)


def test_what_may_not_leave_says_so():
    for exportability in "ES":
        KeyBlockHeader("E0", "A", "X", "00", exportability).check_exportable()
    with pytest.raises(KeyBlockNotExportableError):
        KeyBlockHeader("E0", "A", "X", "00", "N").check_exportable()


def test_wrap_refuses_what_it_could_not_read_back():
    fill = bytes(14)
    for kbpk, header, key, filled, error in (
        (KBPK[:15], HEADER, KEY, fill, WrongFieldError),
        (KBPK, HEADER, b"", fill, WrongFieldError),
        (KBPK, HEADER, KEY, fill[:13], WrongFieldError),
        (KBPK, HEADER, KEY, fill + b"\0", WrongFieldError),
        (KBPK, KeyBlockHeader("P", "A", "E"), KEY, fill, KeyBlockFormError),
        (KBPK, KeyBlockHeader("P0", "A", "E", "00", "E", (("PB", "0000"),)), KEY, fill, KeyBlockFormError),
        (KBPK, KeyBlockHeader("P0", "A", "E", "00", "E", (("KS", "é"),)), KEY, fill, KeyBlockFormError),
        (KBPK, KeyBlockHeader("P0", "A", "E", "00", "E", (("KS", "x" * 5000),)), KEY, fill, KeyBlockFormError),
    ):
        with pytest.raises(error):
            wrap(kbpk, header, key, filled)


def test_a_header_can_be_read_without_the_key():
    assert parse_header(BLOCK) == (HEADER, 16)
