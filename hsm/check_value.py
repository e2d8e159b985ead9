"""Key check values: they tell two keys apart without telling what they are (X9.24-1)."""

from hsm._primitives import AES_BLOCK_BYTES, TDES_BLOCK_BYTES, Buffer, aes_cmac, number, tdes_encrypt

AES_CHECK_BYTES_MAX = 5  # X9.24-1: a CMAC value may show up to 5 bytes
TDES_CHECK_BYTES_MAX = 3  # an enciphered zero block up to 3


def aes_check_value(key: Buffer, length: int = AES_CHECK_BYTES_MAX) -> bytes:
    """First bytes of the AES-CMAC of one block of zeros, the modern method.

    Enciphering zeros instead would show the start of CMAC's subkey L.
    """
    number(length, range(1, AES_CHECK_BYTES_MAX + 1), "a check value length")
    return aes_cmac(key, bytes(AES_BLOCK_BYTES))[:length]


def tdes_check_value(key: Buffer, length: int = TDES_CHECK_BYTES_MAX) -> bytes:
    """First bytes of one block of zeros enciphered with a TDES key of 16 or 24 bytes, the legacy method."""
    number(length, range(1, TDES_CHECK_BYTES_MAX + 1), "a check value length")
    return tdes_encrypt(key, bytes(TDES_BLOCK_BYTES))[:length]
