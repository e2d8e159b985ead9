"""Every bound of the protocol: its name ends in its unit, its reason stands below it.

Reading order: frames, times, counts, then the values a request may carry.
The relations between them are asserted at the end, when the module is
imported, so that nobody can move one bound past another unnoticed.  The
tables of docs/protocol.md and the constants of `switch/_layout.pxd` are made
from this file (`switch/protocol/render.py`), reasons included.
"""

from __future__ import annotations

from .messages import (
    AMOUNT_MINOR_MAX,
    LINE_COUNT_MAX,
    BillLine,
    DebitRequest,
    FollowReply,
    Header,
    SignOnHeader,
)

# --------------------------------------------------------------------------- frames

FRAME_LENGTH_BYTES = 2
"""Length field in front of every frame, big-endian; it does not count itself."""

TAG_BYTES = 16
"""Authentication tag at the end of every sealed message (AES-256-GCM, whole tag)."""

NOISE_KEY_BYTES = 32
"""Pre-shared key of a terminal, and every key that Noise derives from it."""

SIGN_ON_FRAME_BYTES = 60
"""A correct first frame: 12 bytes in clear, 32 of ephemeral key, 16 of tag; another is answered with a refusal."""

SIGN_ON_FRAME_BYTES_MAX = 1_024
"""Longest first frame that is read and answered: room for later versions, whose terminals shall hear VERSION."""

FRAME_BYTES_MAX = 8_448
"""Longest frame that the switch accepts: a debit of 255 lines takes 8,224; the rest is room for cryptograms."""

REPLY_FRAME_BYTES_MAX = 65_535
"""Longest frame that a terminal accepts: what two bytes of length can say; only follow replies come near it."""

FOLLOW_BYTES_MAX = 65_000
"""Most journal bytes of one follow reply: leaves room for its header, its fixed part and the tag."""

# --------------------------------------------------------------------------- times

SIGN_ON_TIMEOUT_MS = 10_000
"""From accepting a connection to its complete sign-on frame; a stranger may hold a socket no longer than this."""

FRAME_TIMEOUT_MS = 10_000
"""From the first byte of a frame to its last; ends the slow drip of bytes that would hold a buffer forever."""

IDLE_TIMEOUT_MS = 90_000
"""Without a complete frame for this long a connection is closed; three echoes of 30 s fit, one may get lost."""

BUSY_RETRY_AFTER_MS = 100
"""Advice sent with BUSY: the queue of the switch drains within a few syncs of its disk."""

FULL_RETRY_AFTER_MS = 1_000
"""Advice sent with DISK_FULL and WINDOW_FULL: somebody has to make room first."""

# --------------------------------------------------------------------------- counts

IN_FLIGHT_MAX = 1_024
"""Unanswered requests of one connection; beyond it the switch may stop reading until it has answered some."""

ERRORS_MAX = 16
"""Error replies that a session survives; the next one is still sent, then the switch closes: the sender is broken."""

BUSINESS_DATES_KEPT = 2
"""Business dates whose trace numbers are remembered, today's included; requests of other dates are refused by name."""

# --------------------------------------------------------------------------- values

CARD_NUMBER_MIN = 10**7
"""Smallest card number: 8 digits."""

CARD_NUMBER_MAX = 10**19 - 1
"""Largest card number: 19 digits; fits 64 bits without sign."""

BALANCE_MINOR_MAX = 10**15
"""Largest balance that a credit may lead to (a reversal may pass it): a thousand of the largest amounts."""

CARD_TYPE_CODE_MAX = 1_023
"""Largest code of a card type: the table is flat, one cache line per type, 64 KB in all."""

POINTS_PERCENT_MAX = 10_000
"""Largest points_percent: a hundred points per main unit."""

POINTS_PER_UNIT_MAX = 100
"""Largest multiplier of points_percent."""

# --------------------------------------------------------------------------- relations

_LONGEST_DEBIT_BYTES = (
    Header.width_bytes() + DebitRequest.width_bytes() + LINE_COUNT_MAX * BillLine.width_bytes() + TAG_BYTES
)

assert SignOnHeader.width_bytes() + NOISE_KEY_BYTES + TAG_BYTES == SIGN_ON_FRAME_BYTES, "e and the tag of nothing"
assert _LONGEST_DEBIT_BYTES <= FRAME_BYTES_MAX, "the longest debit must fit a frame"
assert FRAME_BYTES_MAX <= REPLY_FRAME_BYTES_MAX < 2 ** (8 * FRAME_LENGTH_BYTES), "a length field must be able to say it"
assert Header.width_bytes() + FollowReply.width_bytes() + FOLLOW_BYTES_MAX + TAG_BYTES <= REPLY_FRAME_BYTES_MAX
assert SIGN_ON_TIMEOUT_MS < IDLE_TIMEOUT_MS and FRAME_TIMEOUT_MS < IDLE_TIMEOUT_MS, "the short ones end first"
assert 0 < BUSY_RETRY_AFTER_MS <= FULL_RETRY_AFTER_MS < IDLE_TIMEOUT_MS, "a retry must come before the idle time-out"
assert IN_FLIGHT_MAX < 2**16, "sign-on terms carry it in two bytes"
assert 0 < ERRORS_MAX <= IN_FLIGHT_MAX
assert 0 < CARD_NUMBER_MIN < CARD_NUMBER_MAX < 2**64, "a card number is a u64"
assert AMOUNT_MINOR_MAX <= BALANCE_MINOR_MAX < 2**63 - AMOUNT_MINOR_MAX, "a balance never overflows"
assert AMOUNT_MINOR_MAX * POINTS_PERCENT_MAX * POINTS_PER_UNIT_MAX < 2**63, "points of one bill are computed in 64 bits"
assert CARD_TYPE_CODE_MAX < 2**16, "a card type's code is a u16"
