"""Receipt codes in Crockford's base 32."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.protocol.receipt_code import ALPHABET, format_receipt_code, parse_receipt_code

codes = st.integers(0, (1 << 40) - 1)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "00000000"),
        (31, "0000000Z"),
        (32, "00000010"),
        ((1 << 40) - 1, "ZZZZZZZZ"),
        (0x0123456789, "04HMASW9"),
        (0x9876543210, "K1V58CGG"),
    ],
)
def test_a_code_is_eight_characters_highest_bits_first(code, text):
    assert format_receipt_code(code) == text
    assert parse_receipt_code(text) == code


@given(codes)
def test_every_code_reads_back_as_it_was_printed(code):
    text = format_receipt_code(code)

    assert len(text) == 8
    assert set(text) <= set(ALPHABET)
    assert parse_receipt_code(text) == code


@given(codes)
def test_the_bits_are_those_of_the_other_base_32(code):
    """RFC 4648 in the standard library has another alphabet and the same bits."""
    other = base64.b32encode(code.to_bytes(5, "big")).decode()

    assert format_receipt_code(code) == other.translate(str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ALPHABET))


@given(codes, st.data())
def test_what_people_make_of_it_is_the_same_code(code, data):
    alike = {"0": "0Oo", "1": "1IiLl"}
    text = format_receipt_code(code)
    typed = [data.draw(st.sampled_from(alike.get(one, one + one.lower()))) for one in text]
    for place in sorted(data.draw(st.sets(st.integers(0, 8))), reverse=True):
        typed.insert(place, data.draw(st.sampled_from("- ")))

    assert parse_receipt_code("".join(typed)) == code


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ABCDEFGU", "without U, got 'U'"),
        ("ABCDEFG", "expected 8 characters, got 7"),
        ("ABCDEFGHJ", "expected 8 characters, got 9"),
        ("", "expected 8 characters, got 0"),
        ("ABCD_FGH", "got '_'"),
        ("ABCDEFG\u0665", "got '\u0665'"),
        ("0" * 65, "expected 8 characters, got 65"),
    ],
)
def test_what_cannot_be_a_code_is_refused(text, words):
    with pytest.raises(ValueError, match="receipt code: ") as refusal:
        parse_receipt_code(text)
    assert words in str(refusal.value)


@pytest.mark.parametrize("code", [-1, 1 << 40])
def test_a_number_of_more_bits_is_refused(code):
    with pytest.raises(ValueError, match="it has 40 bits"):
        format_receipt_code(code)
