"""Key diversification of NXP AN10922: one key per card out of a master key and what is unique to the card.

The trap: the note always pads its input to two blocks. For 16 to 31 bytes that is plain AES-CMAC of the constant and
the input; for less it is not, and a plain CMAC gives a key that no reader of the note will find.
"""

from hsm._primitives import AES_BLOCK_BYTES, AES_KEY_BYTES, Buffer, aes_cbc_encrypt, aes_encrypt, key_view, number, xor

INPUT_BYTES_MAX = 31
_PADDED_BYTES = 32
_CONSTANTS = {16: (0x01,), 24: (0x11, 0x12), 32: (0x41, 0x42)}
_RB = 0x87  # x^128 = x^7 + x^2 + x + 1


def diversify(master_key: Buffer, diversification_input: bytes) -> bytes:
    """The card's key, as long as the master key (16, 24 or 32 bytes).

    `diversification_input` (the note's M) has 1 to 31 bytes, else `WrongFieldError`.
    AES-128: CMAC'(01 M). AES-192: the first 8 bytes of CMAC'(11 M), then the last 8 of that XOR the first 8 of
    CMAC'(12 M), then the last 8 of CMAC'(12 M). AES-256: CMAC'(41 M), CMAC'(42 M). CMAC' pads to 32 bytes.
    """
    number(len(diversification_input), range(1, INPUT_BYTES_MAX + 1), "a diversification input length")
    key_bytes = len(key_view(master_key, AES_KEY_BYTES, "a master key"))
    parts = [_two_block_cmac(master_key, bytes([c]) + diversification_input) for c in _CONSTANTS[key_bytes]]
    if key_bytes == 24:
        a, b = parts
        return a[:8] + xor(a[8:], b[:8]) + b[8:]
    return b"".join(parts)


def _two_block_cmac(key: Buffer, message: bytes) -> bytes:
    """CMAC over just two blocks; a message of 16 bytes or less is padded to both."""
    subkey = _doubled(aes_encrypt(key, bytes(AES_BLOCK_BYTES)))
    if len(message) < _PADDED_BYTES:
        subkey = _doubled(subkey)
        message = (message + b"\x80").ljust(_PADDED_BYTES, b"\0")
    last = xor(message[AES_BLOCK_BYTES:], subkey)
    return aes_cbc_encrypt(key, bytes(AES_BLOCK_BYTES), message[:AES_BLOCK_BYTES] + last)[AES_BLOCK_BYTES:]


def _doubled(block: bytes) -> bytes:
    """Times x in GF(2^128), as CMAC makes its subkeys."""
    value = int.from_bytes(block, "big") << 1
    return ((value ^ _RB) & ((1 << 128) - 1) if value >> 128 else value).to_bytes(AES_BLOCK_BYTES, "big")
