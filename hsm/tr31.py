"""Key blocks of ANSI X9.143 (TR-31) version D: how keys travel to and from partners under a shared AES key (KBPK).

    header (16 characters and optional blocks) | enciphered: bit length (2 bytes), key, random fill | authenticator (16)

all printable: what is not header is hexadecimal. The authenticator is AES-CMAC over header and clear text, and is the
vector of the AES-CBC that hides key and length; so a block whose header was changed opens under no key.
"""

import re
from dataclasses import dataclass, field
from hmac import compare_digest

from hsm._primitives import (
    AES_BLOCK_BYTES,
    AES_KEY_BYTES,
    Buffer,
    aes_cbc_decrypt,
    aes_cbc_encrypt,
    aes_cmac,
    key_view,
    number,
)
from hsm.data_errors import (
    KeyBlockFormError,
    KeyBlockNotExportableError,
    KeyBlockTamperedError,
    KeyBlockUnsupportedError,
)
from hsm.kdf import derive_fixed

VERSION = "D"
HEADER_CHARACTERS = 16
AUTHENTICATOR_BYTES = 16
KEY_BLOCK_CHARACTERS_MAX = 4096  # four digits of length allow 9999; no key of ours needs a tenth of this
OPTIONAL_BLOCKS_MAX = 99  # two digits
WRAPPED_KEY_BYTES_MAX = 1024  # room for an RSA key; ours have 16 to 32
_LENGTH_BYTES = 2
_ALGORITHM_OF_KBPK = {16: 2, 24: 3, 32: 4}
_USE_ENCRYPT, _USE_MAC = 0, 1
_HEX = re.compile(r"(?:[0-9A-F]{2})*")
_PRINTABLE = re.compile(r"[ -~]*")
_FIELDS = {
    "key_usage": (re.compile(r"[0-9A-Z]{2}"), "two digits or capitals (B0 BDK, C0 CVK, D0 data, E0 chip, K1 KBPK ...)"),
    "algorithm": (re.compile(r"[ADEHRST]"), "A (AES), T (TDES), D, E, H, R or S"),
    "mode_of_use": (re.compile(r"[BCDEGNSTVXY]"), "one of B C D E G N S T V X Y"),
    "key_version": (re.compile(r"[0-9A-Z]{2}|c[0-9A-Z]"), "two digits or capitals, 00 for none"),
    "exportability": (re.compile(r"[ENS]"), "E (under a trusted key), N (never) or S (decided by the owner)"),
}


@dataclass(frozen=True, slots=True)
class KeyBlockHeader:
    """What a block says of its key, in the characters of X9.143.

    `optional_blocks`: pairs of identifier and text, in order, without the padding block PB.
    """

    key_usage: str
    algorithm: str
    mode_of_use: str
    key_version: str = "00"
    exportability: str = "N"
    optional_blocks: tuple[tuple[str, str], ...] = field(default=())

    def check(self) -> None:
        """Raise `KeyBlockFormError` for a field that X9.143 does not have."""
        for name, (form, expected) in _FIELDS.items():
            if not form.fullmatch(getattr(self, name)):
                raise KeyBlockFormError(
                    f"expected {name.replace('_', ' ')} to be {expected}, got {getattr(self, name)!r}"
                )
        number(len(self.optional_blocks), range(OPTIONAL_BLOCKS_MAX), "a count of optional blocks")
        for identifier, text in self.optional_blocks:
            if not re.fullmatch(r"[0-9A-Z]{2}", identifier) or identifier == "PB" or not _PRINTABLE.fullmatch(text):
                raise KeyBlockFormError(
                    f"expected an optional block of printable text, got {identifier!r}: leave it out"
                )

    def check_exportable(self) -> None:
        """Raise `KeyBlockNotExportableError` if this key must not leave again."""
        if self.exportability == "N":
            raise KeyBlockNotExportableError(
                f"expected a key that may leave, got one marked N ({self.key_usage}): ask its owner for another block"
            )


def fill_bytes(key_bytes: int) -> int:
    """How many random bytes `wrap` needs for a key of this length: up to a whole AES block."""
    return -(key_bytes + _LENGTH_BYTES) % AES_BLOCK_BYTES


def wrap(kbpk: Buffer, header: KeyBlockHeader, key: Buffer, fill: bytes) -> str:
    """The key block. `fill`: random bytes, `fill_bytes(len(key))` of them or whole AES blocks more (hides the length).

    `WrongFieldError` for a KBPK of another length than 16, 24 or 32 bytes, an empty key or a wrong fill;
    `KeyBlockFormError` for a wrong header.
    """
    header.check()
    key_bytes = memoryview(key).cast("B").nbytes
    number(key_bytes, range(1, WRAPPED_KEY_BYTES_MAX + 1), "a key length in bytes")
    least = fill_bytes(key_bytes)
    number(len(fill), range(least, least + WRAPPED_KEY_BYTES_MAX + 1, AES_BLOCK_BYTES), "a fill length in bytes")
    clear = bytearray((key_bytes * 8).to_bytes(_LENGTH_BYTES, "big"))
    try:
        clear += memoryview(key).cast("B")
        clear += fill
        head = _head(header, len(clear))
        authenticator = _authenticator(kbpk, head, clear)
        hidden = aes_cbc_encrypt(_derived(kbpk, _USE_ENCRYPT), authenticator, clear)
    finally:
        clear[:] = bytes(len(clear))
    return head + (hidden + authenticator).hex().upper()


def unwrap(kbpk: Buffer, block: str) -> tuple[KeyBlockHeader, bytearray]:
    """Header and key; the caller wipes the key.

    `KeyBlockFormError` if it is no key block, `KeyBlockUnsupportedError` for another version than D,
    `KeyBlockTamperedError` if the authenticator does not fit (altered, or another KBPK), before the key is looked at.
    """
    header, head_characters = parse_header(block)
    rest = block[head_characters:]
    if not _HEX.fullmatch(rest):
        raise KeyBlockFormError("expected pairs of hexadecimal capitals behind the header, got others: read it again")
    content = bytes.fromhex(rest)
    hidden, authenticator = content[:-AUTHENTICATOR_BYTES], content[-AUTHENTICATOR_BYTES:]
    if not hidden or len(hidden) % AES_BLOCK_BYTES:
        raise KeyBlockFormError(
            f"expected whole AES blocks and an authenticator, got {len(content)} bytes: the block was cut"
        )
    clear = aes_cbc_decrypt(_derived(kbpk, _USE_ENCRYPT), authenticator, hidden)
    try:
        if not compare_digest(_authenticator(kbpk, block[:head_characters], clear), authenticator):
            raise KeyBlockTamperedError(
                "expected an authenticator that fits, got another: compare the check value of the KBPK with the sender"
            )
        bits = int.from_bytes(clear[:_LENGTH_BYTES], "big")
        if not 0 < bits <= (len(clear) - _LENGTH_BYTES) * 8 or bits % 8:
            raise KeyBlockFormError(f"expected a key of whole bytes within the block, got {bits} bits: ask the sender")
        return header, clear[_LENGTH_BYTES : _LENGTH_BYTES + bits // 8]
    finally:
        clear[:] = bytes(len(clear))


def parse_header(block: str) -> tuple[KeyBlockHeader, int]:
    """Header of a block, not authenticated, and how many characters it has. Errors as `unwrap`."""
    if not HEADER_CHARACTERS <= len(block) <= KEY_BLOCK_CHARACTERS_MAX or not _PRINTABLE.fullmatch(block):
        raise KeyBlockFormError(
            f"expected {HEADER_CHARACTERS} to {KEY_BLOCK_CHARACTERS_MAX} printable characters, got {len(block)} others"
        )
    if block[0] != VERSION:
        raise KeyBlockUnsupportedError(
            f"expected a key block of version {VERSION}, got {block[0]!r}: ask for version D"
        )
    length, count, reserved = block[1:5], block[12:14], block[14:16]
    if not length.isdigit() or int(length) != len(block):
        raise KeyBlockFormError(f"expected a length field of {len(block)}, got {length!r}: the block was cut or joined")
    if not count.isdigit() or reserved != "00":
        raise KeyBlockFormError(f"expected a count of optional blocks and 00, got {count + reserved!r}: read it again")
    optional: list[tuple[str, str]] = []
    at = HEADER_CHARACTERS
    for _ in range(int(count)):
        identifier, text, at = _optional_block(block, at)
        optional.append((identifier, text))
    if (at - HEADER_CHARACTERS) % AES_BLOCK_BYTES:
        raise KeyBlockFormError(
            f"expected optional blocks of a multiple of {AES_BLOCK_BYTES} characters, got {at - HEADER_CHARACTERS}"
        )
    if any(identifier == "PB" for identifier, _ in optional[:-1]):
        raise KeyBlockFormError("expected the padding block PB last, got it before another: ask the sender")
    known = tuple(pair for pair in optional if pair[0] != "PB")
    header = KeyBlockHeader(block[5:7], block[7], block[8], block[9:11], block[11], known)
    header.check()
    return header, at


def _optional_block(block: str, at: int) -> tuple[str, str, int]:
    """Identifier, text and where the next starts. Length counts the whole optional block, in hexadecimal."""
    identifier, length, start = block[at : at + 2], block[at + 2 : at + 4], at + 4
    if length == "00":  # extended: two digits say how many digits the length has
        width = block[at + 4 : at + 6]
        if width != "02":
            raise KeyBlockFormError(
                f"expected 02 in a long optional block {identifier!r}, got {width!r}: ask the sender"
            )
        length, start = block[at + 6 : at + 10], at + 10
    if not re.fullmatch(r"[0-9A-F]{2}(?:[0-9A-F]{2})?", length):
        raise KeyBlockFormError(f"expected a hexadecimal length of optional block {identifier!r}, got {length!r}")
    end = at + int(length, 16)
    if end < start or end > len(block):
        raise KeyBlockFormError(f"expected optional block {identifier!r} within the block, got length {length}")
    return identifier, block[start:end], end


def _head(header: KeyBlockHeader, clear_bytes: int) -> str:
    optional = "".join(_packed(identifier, text) for identifier, text in header.optional_blocks)
    count = len(header.optional_blocks)
    if len(optional) % AES_BLOCK_BYTES:
        padding = -(len(optional) + 4) % AES_BLOCK_BYTES
        optional += f"PB{padding + 4:02X}" + "0" * padding
        count += 1
    length = HEADER_CHARACTERS + len(optional) + 2 * (clear_bytes + AUTHENTICATOR_BYTES)
    if length > KEY_BLOCK_CHARACTERS_MAX:
        raise KeyBlockFormError(
            f"expected at most {KEY_BLOCK_CHARACTERS_MAX} characters, got {length}: shorten the text"
        )
    fixed = header.key_usage + header.algorithm + header.mode_of_use + header.key_version + header.exportability
    return f"{VERSION}{length:04d}{fixed}{count:02d}00{optional}"


def _packed(identifier: str, text: str) -> str:
    short = len(text) + 4
    return f"{identifier}{short:02X}{text}" if short <= 0xFF else f"{identifier}0002{len(text) + 10:04X}{text}"


def _derived(kbpk: Buffer, use: int) -> bytes:
    """Key of one use, as long as the KBPK: counter | use (2) | 00 | algorithm (2) | bits (2), by SP 800-108."""
    key_bytes = len(key_view(kbpk, AES_KEY_BYTES, "a KBPK"))
    algorithm = _ALGORITHM_OF_KBPK[key_bytes]
    fixed = use.to_bytes(2, "big") + b"\0" + algorithm.to_bytes(2, "big") + (key_bytes * 8).to_bytes(2, "big")
    return derive_fixed(kbpk, fixed, key_bytes)


def _authenticator(kbpk: Buffer, head: str, clear: bytearray) -> bytes:
    covered = bytearray(head.encode("ascii"))
    covered += clear
    try:
        return aes_cmac(_derived(kbpk, _USE_MAC), covered)
    finally:
        covered[:] = bytes(len(covered))
