"""The dynamic bar code that a phone shows: 24 digits, good once and for about a minute.

    97 | key version (1) | token (11) | sequence mod 100 (2) | code (8)

The token stands for a card on one enrolled device, never for the card number. The sequence is the moment in half
minutes times ten plus a refresh digit. Fits Code 128 set C and QR. It stops forging, old pictures and replay. It does
not stop a picture relayed live and shown first: the owner's refused second use reveals that, limits bound it.
"""

from dataclasses import dataclass
from enum import Enum
from hmac import compare_digest

from hsm._primitives import Buffer, aes_cmac, digits, number
from hsm.data_errors import CardDataError

PREFIX = "97"
BAR_CODE_DIGITS = 24
TOKEN_DIGITS = 11
CODE_DIGITS = 8  # guess chance 1e-8 a try
STEP_S = 30
REFRESHES = 10  # codes a device may show within one step
SEQUENCE_WINDOW = 20  # either side of now, in sequence numbers: two steps, 60 s
SEQUENCE_MAX = (1 << 40) - 1
_SHOWN = 100  # the code shows the sequence modulo this; more than 2 * SEQUENCE_WINDOW, so one candidate is left


class BarCodeVerdict(Enum):
    """What became of a shown code."""

    OK = "ok"
    REPLAY = "replay"
    """Genuine, but this sequence or a later one was used before: one of two users copied."""
    STALE = "stale"
    """No moment within the window fits: an old picture, or a clock that is more than a minute off."""
    BAD = "bad"
    """The code is not this token's at the only moment that fits: forged, or another key version."""


@dataclass(frozen=True, slots=True)
class BarCode:
    """The fields of 24 digits, not yet judged."""

    key_version_digit: int
    token: str
    sequence_shown: int
    code: str


def token_unique(token: str) -> bytes:
    """What is unique to a CODE key: the token's 11 digits in BCD and a nibble F, 6 bytes."""
    return bytes.fromhex(digits(token, range(TOKEN_DIGITS, TOKEN_DIGITS + 1), "a token") + "F")


def sequence_at(time_s: int, refresh: int = 0) -> int:
    """Sequence number of a Unix time: (seconds div 30) * 10 + refresh digit; 40 bits."""
    number(refresh, range(REFRESHES), "a refresh digit")
    return number(time_s // STEP_S * REFRESHES + refresh, range(SEQUENCE_MAX + 1), "a sequence number")


def one_time_code(bar_key: Buffer, key_version: int, token: str, sequence: int) -> str:
    """8 digits: CMAC(CK, "B" | key version (1) | `token_unique` (6) | sequence (5)), first 8 bytes mod 10^8."""
    number(sequence, range(SEQUENCE_MAX + 1), "a sequence number")
    number(key_version, range(1, 256), "a key version")
    mac = aes_cmac(bar_key, b"B" + bytes([key_version]) + token_unique(token) + sequence.to_bytes(5, "big"))
    return f"{int.from_bytes(mac[:8], 'big') % 10**CODE_DIGITS:0{CODE_DIGITS}d}"


def make_bar_code(bar_key: Buffer, key_version: int, token: str, sequence: int) -> str:
    """The 24 digits to show. The digit of the key version is its last decimal digit."""
    code = one_time_code(bar_key, key_version, token, sequence)
    return f"{PREFIX}{key_version % 10}{token}{sequence % _SHOWN:02d}{code}"


def parse_bar_code(text: str) -> BarCode:
    """The fields of a shown code. `CardDataError` if it is not of this form."""
    if len(text) != BAR_CODE_DIGITS or not (text.isascii() and text.isdigit()) or not text.startswith(PREFIX):
        raise CardDataError(
            f"expected {BAR_CODE_DIGITS} digits that start with {PREFIX}, got {len(text)} characters: scan again"
        )
    return BarCode(int(text[2]), text[3:14], int(text[14:16]), text[16:])


def check_bar_code(
    bar_key: Buffer, key_version: int, bar_code: BarCode, now_s: int, sequence_used: int
) -> tuple[BarCodeVerdict, int]:
    """Verdict and the sequence number to remember for this token (`sequence_used`, unless OK).

    Of the sequence numbers within 20 of now, one at most ends in the shown digits: so one CMAC decides.
    `sequence_used` is the highest that was accepted, 0 for a new token.
    """
    lowest = max(0, sequence_at(now_s) - SEQUENCE_WINDOW)
    sequence = lowest + (bar_code.sequence_shown - lowest) % _SHOWN
    if sequence > sequence_at(now_s) + SEQUENCE_WINDOW:
        return BarCodeVerdict.STALE, sequence_used
    code = one_time_code(bar_key, key_version, bar_code.token, sequence)
    if bar_code.key_version_digit != key_version % 10 or not compare_digest(code, bar_code.code):
        return BarCodeVerdict.BAD, sequence_used
    if sequence <= sequence_used:
        return BarCodeVerdict.REPLAY, sequence_used
    return BarCodeVerdict.OK, sequence
