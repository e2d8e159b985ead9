"""PIN blocks of ISO 9564-1: formats 0, 1 and 3 (8 bytes, for TDES) and 4 (16 bytes, AES).

Format 4 is the one to use: random, and bound to the card number by a second encipherment. Formats 0, 1 and 3 are
for partners that know nothing else; their clear blocks are enciphered with TDES, and 1 is bound to no card.
No error says anything about the PIN.
"""

import re

from hsm._primitives import AES_BLOCK_BYTES, Buffer, aes_decrypt, aes_encrypt, digits, field, xor
from hsm.data_errors import PinBlockError, WrongFieldError

PIN_DIGITS = range(4, 13)
CARD_DIGITS = range(13, 20)  # formats 0 and 3 need 12 digits before the check digit
CARD_DIGITS_FORMAT_4 = range(1, 20)
FORMAT_4_FILL_BYTES = 8


def encode_format_0(pin: str, card_number: str) -> bytes:
    """0, length, PIN, F to 16 nibbles; XOR 0000 and the 12 digits before the check digit. 8 bytes, clear."""
    return xor(_pin_field(0, pin, "F" * 14), _card_field(card_number))


def decode_format_0(block: bytes, card_number: str) -> str:
    """The PIN of a clear block. `PinBlockError` if it is none of this card."""
    return _pin(block, card_number, 0, "F")


def encode_format_1(pin: str, fill: str) -> bytes:
    """1, length, PIN, random hexadecimal digits to 16 nibbles, 10 of them given. Of no card: where none is known."""
    if not re.fullmatch(r"[0-9A-F]{10}", fill):
        raise WrongFieldError("expected a fill of 10 random hexadecimal digits, got another: draw each on its own")
    return _pin_field(1, pin, fill + fill[:4])


def decode_format_1(block: bytes) -> str:
    """The PIN of a clear block. `PinBlockError` if it is none."""
    return _pin_of(_block(block, 1), 1, "0-9A-F")


def encode_format_3(pin: str, card_number: str, fill: str) -> bytes:
    """As format 0 with control 3 and random letters A to F, 10 of them given (as many as needed are used)."""
    if not re.fullmatch(r"[A-F]{10}", fill):
        raise WrongFieldError("expected a fill of 10 random letters A to F, got another: draw each on its own")
    return xor(_pin_field(3, pin, fill + fill[:4]), _card_field(card_number))


def decode_format_3(block: bytes, card_number: str) -> str:
    """The PIN of a clear block. `PinBlockError` if it is none of this card."""
    return _pin(block, card_number, 3, "A-F")


def encipher_format_4(key: Buffer, pin: str, card_number: str, fill: bytes) -> bytes:
    """E(K, E(K, PIN field) XOR card field), 16 bytes; `fill`: 8 random bytes."""
    random = field(fill, FORMAT_4_FILL_BYTES, "a random fill")
    clear = _pin_field(4, pin, "A" * 14) + random
    return aes_encrypt(key, xor(aes_encrypt(key, clear), _card_field_format_4(card_number)))


def decipher_format_4(key: Buffer, block: bytes, card_number: str) -> str:
    """The PIN. `PinBlockError` if this block is not of this key and card."""
    if len(block) != AES_BLOCK_BYTES:
        raise PinBlockError(f"expected a format 4 PIN block of {AES_BLOCK_BYTES} bytes, got {len(block)}")
    clear = aes_decrypt(key, xor(aes_decrypt(key, block), _card_field_format_4(card_number)))
    return _pin_of(clear[:8], 4, "A")


def _pin_field(control: int, pin: str, fill: str) -> bytes:
    digits(pin, PIN_DIGITS, "a PIN")
    return bytes.fromhex((f"{control}{len(pin):X}{pin}" + fill)[:16])


def _card_field(card_number: str) -> bytes:
    return bytes.fromhex("0000" + digits(card_number, CARD_DIGITS, "a card number")[-13:-1])


def _card_field_format_4(card_number: str) -> bytes:
    padded = digits(card_number, CARD_DIGITS_FORMAT_4, "a card number").rjust(12, "0")
    return bytes.fromhex(f"{len(padded) - 12:X}{padded}".ljust(32, "0"))


def _pin(block: bytes, card_number: str, control: int, fill: str) -> str:
    return _pin_of(xor(_block(block, control), _card_field(card_number)), control, fill)


def _block(block: bytes, control: int) -> bytes:
    if len(block) != 8:
        raise PinBlockError(f"expected a format {control} PIN block of 8 bytes, got {len(block)}")
    return block


def _pin_of(clear: bytes, control: int, fill: str) -> str:
    text = clear.hex().upper()
    length = int(text[1], 16)
    if text[0] != str(control) or length not in PIN_DIGITS or not re.fullmatch(
        rf"[0-9]{{{length}}}[{fill}]{{{14 - length}}}", text[2:]
    ):  # fmt: skip
        raise PinBlockError(f"expected a format {control} PIN block of this card under this key, got something else")
    return text[2 : 2 + length]
