"""Secure unique NFC messages (SUN, SDM) of NXP's NTAG 424 DNA tags, as in AN12196.

A tag shows a web address with its UID and read counter enciphered (PICCData) and a MAC under a key of this reading.
It answers no challenge: a message read off the genuine tag and used first passes. So a tag identifies, it does not
pay; and its counter must rise at every use, which the caller keeps.
"""

from dataclasses import dataclass
from hmac import compare_digest

from hsm._primitives import AES_BLOCK_BYTES, Buffer, aes_cbc_decrypt, aes_cbc_encrypt, aes_cmac, field, number
from hsm.data_errors import TagDataError

UID_BYTES = 7
READ_COUNTER_MAX = 0xFFFFFF
PICC_DATA_BYTES = 16
TAG_MAC_BYTES = 8
_UID_AND_COUNTER = 0xC7  # UID mirrored, counter mirrored, 7 bytes of UID
_SESSION_MAC = bytes.fromhex("3CC300010080")  # SV2
_SESSION_ENCRYPT = bytes.fromhex("C33C00010080")  # SV1


@dataclass(frozen=True, slots=True)
class TagReading:
    """Which tag was read and for the how-manieth time."""

    uid: bytes
    read_counter: int


def decipher_picc_data(meta_read_key: Buffer, picc_data: bytes) -> TagReading:
    """What `e=` of the address says: AES-CBC, zero vector. Not authenticated: `check_tag` does that.

    `TagDataError` if it does not decipher to the form of a tag with UID and counter.
    """
    if len(picc_data) != PICC_DATA_BYTES:
        raise TagDataError(f"expected PICCData of {PICC_DATA_BYTES} bytes, got {len(picc_data)}: read the tag again")
    clear = aes_cbc_decrypt(meta_read_key, bytes(AES_BLOCK_BYTES), picc_data)
    if clear[0] != _UID_AND_COUNTER:
        raise TagDataError("expected PICCData with UID and counter, got something else: not a tag of this key")
    return TagReading(bytes(clear[1:8]), int.from_bytes(clear[8:11], "little"))


def encipher_picc_data(meta_read_key: Buffer, reading: TagReading, filler: bytes) -> bytes:
    """What a tag mirrors into `e=`; `filler` (5 bytes) is the tag's random end. For virtual tags and tests."""
    clear = bytes([_UID_AND_COUNTER]) + _identity(reading) + field(filler, 5, "a filler")
    return aes_cbc_encrypt(meta_read_key, bytes(AES_BLOCK_BYTES), clear)


def session_mac_key(file_read_key: Buffer, reading: TagReading) -> bytes:
    """CMAC(file key, 3CC300010080 | UID | counter, low byte first)."""
    return aes_cmac(file_read_key, _SESSION_MAC + _identity(reading))


def session_encryption_key(file_read_key: Buffer, reading: TagReading) -> bytes:
    """CMAC(file key, C33C00010080 | UID | counter, low byte first)."""
    return aes_cmac(file_read_key, _SESSION_ENCRYPT + _identity(reading))


def tag_mac(file_read_key: Buffer, reading: TagReading, text: bytes = b"") -> bytes:
    """8 bytes: those at odd places (0-based) of CMAC(session key, text).

    `text`: the ASCII of the address from SDMMACInputOffset to SDMMACOffset; empty where both are equal.
    """
    return aes_cmac(session_mac_key(file_read_key, reading), text)[1::2]


def check_tag(file_read_key: Buffer, reading: TagReading, mac: bytes, text: bytes = b"") -> bool:
    """Whether the tag itself made this message. The caller refuses a counter that did not rise."""
    return compare_digest(tag_mac(file_read_key, reading, text), mac)


def _identity(reading: TagReading) -> bytes:
    counter = number(reading.read_counter, range(READ_COUNTER_MAX + 1), "a read counter")
    return field(reading.uid, UID_BYTES, "a UID") + counter.to_bytes(3, "little")
