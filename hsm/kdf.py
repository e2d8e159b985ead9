"""Key derivation of NIST SP 800-108 revision 1 in counter mode, with AES-CMAC as pseudorandom function."""

from hsm._primitives import AES_BLOCK_BYTES, Buffer, aes_cmac, number

DERIVED_BYTES_MAX = 255 * AES_BLOCK_BYTES  # what a counter of one byte reaches; no key of ours is longer than 32


def derive(key: Buffer, label: bytes, context: bytes, length: int, *, counter_bytes: int = 1) -> bytes:
    """`length` bytes: CMAC(key, [i] | label | 00 | context | [L in bits, 2 bytes]) for i = 1, 2 ..., joined and cut.

    Sessions of cards (`cards.session_key`) are the case label "AC", context ATC | UID, 16 bytes.
    """
    number(length, range(1, DERIVED_BYTES_MAX + 1), "a length of derived bytes")
    return derive_fixed(key, label + b"\0" + context + (length * 8).to_bytes(2, "big"), length, counter_bytes)


def derive_fixed(key: Buffer, fixed_input: bytes, length: int, counter_bytes: int = 1) -> bytes:
    """As `derive`, with everything behind the counter given: other standards lay out their own."""
    number(length, range(1, DERIVED_BYTES_MAX + 1), "a length of derived bytes")
    number(counter_bytes, range(1, 5), "a counter width in bytes")
    blocks = -(-length // AES_BLOCK_BYTES)
    joined = b"".join(aes_cmac(key, i.to_bytes(counter_bytes, "big") + fixed_input) for i in range(1, blocks + 1))
    return joined[:length]
