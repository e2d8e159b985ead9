"""Receipt codes as people read, type and dictate them: 40 bits as 8 characters of Crockford's base 32.

The alphabet leaves out I, L, O and U; reading takes them for what they look like (https://www.crockford.com/base32.html).
"""

from __future__ import annotations

RECEIPT_CODE_BITS = 40
RECEIPT_CODE_CHARACTERS = 8
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BITS_PER_CHARACTER = 5
TEXT_CHARACTERS_MAX = 64
"""Longest text that is looked at; separators included."""
_VALUES = {character: value for value, character in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}


def format_receipt_code(code: int) -> str:
    """`ABCD1234`; ValueError for a number of more than 40 bits."""
    if not 0 <= code < 1 << RECEIPT_CODE_BITS:
        raise ValueError(f"receipt code: expected 0 to {(1 << RECEIPT_CODE_BITS) - 1}, got {code}; it has 40 bits")
    shifts = range(RECEIPT_CODE_BITS - BITS_PER_CHARACTER, -1, -BITS_PER_CHARACTER)
    return "".join(ALPHABET[code >> shift & 31] for shift in shifts)


def parse_receipt_code(text: str) -> int:
    """The number of a code as it was typed: any case, with spaces or hyphens, O for 0, I and L for 1.

    ValueError says which character cannot be in a code, or how many there are.
    """
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ValueError(f"receipt code: expected {RECEIPT_CODE_CHARACTERS} characters, got {len(text)}; type it again")
    characters = text.upper().replace("-", "").replace(" ", "")
    code = 0
    for character in characters:
        value = _VALUES.get(character)
        if value is None:
            raise ValueError(f"receipt code: expected digits and letters without U, got {character!r}; type it again")
        code = code << BITS_PER_CHARACTER | value
    if len(characters) != RECEIPT_CODE_CHARACTERS:
        raise ValueError(
            f"receipt code: expected {RECEIPT_CODE_CHARACTERS} characters, got {len(characters)}; type it again"
        )
    return code
