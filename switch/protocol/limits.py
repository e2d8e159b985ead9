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
    PIN_BYTES,
    TENDER_COUNT_MAX,
    BillLine,
    DebitRequest,
    Evidence,
    FollowReply,
    Header,
    SignedOnReply,
    SignedOnRow,
    SignOnHeader,
    Tender,
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

FRAME_BYTES_MAX = 8_512
"""Longest frame that the switch accepts: 255 lines, 8 tenders, a PIN and evidence fit with room to spare."""

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

DISCOUNT_BP_MAX = 10_000
"""A discount takes off the whole price at most."""

UNIT_PRICE_MINOR_MAX = 2**32 - 1
"""Largest price in the price list: line results carry it in four bytes."""

POINTS_HUNDREDTHS_MAX = 4 * 10**18
"""Points of one purse stop here, inside 63 bits."""

BILL_POINTS_HUNDREDTHS_MAX = 10**15
"""Most points that one bill or adjustment moves: thousands of them still fit a purse."""

POINTS_CATEGORY_MAX = 63
"""Largest number of a points category: an account has one bit for each."""

BOOKING_DAYS_MAX = 31
"""Longest wait of points for their booking: looking for what is due takes at most this many look-ups a category."""

PENDING_PER_ACCOUNT_MAX = 64
"""Pending records of one account: all of them may come due in one decision; beyond it points are booked at once."""

VISIT_SERVICE_MAX = 255
"""Largest number of a visit service: a returned card gives up all of them in one decision."""

HOLDS_PER_ACCOUNT_MAX = 16
"""Open holds of one account: a debit looks at all of them when one may have expired."""

HOLD_S_DEFAULT = 7 * 86_400
"""Longest hold where the card type does not say."""

HOLD_S_MAX = 30 * 86_400
"""Longest hold that a card type may allow."""

VISITS_PER_LOAD_MAX = 1_000_000
"""Most visits that one message loads or uses."""

VISITS_MAX = 10**9
"""Most visits of one purse."""

GIFT_PIECES_MAX = 10_000
"""Most pieces of one redemption: price times pieces fits 63 bits."""

RANGE_CARDS_MAX = 64
"""Cards of one card operation: its entry stays far below a block."""

RANGE_IMAGES_MAX = 600
"""Images of a card operation beyond which it leaves the rest of its range alone: the entry must fit a block."""

BACKFILL_DAYS_MAX = 92
"""Oldest sale that may still get its points: a quarter."""

RULE_NUMBER_MAX = 65_535
"""Largest number of a rule in its set: a reply's detail can name it."""

RULES_PER_SELECTOR_MAX = 64
"""Rules of a set that share what they are looked up by; bounds what one bill line costs."""

RATE_MAX = 10_000
"""Largest rate of a rule: percent for points, basis points for discounts."""

POINTS_RATE_MAX = 1_000_000
"""Most hundredths of points for one minor unit, as tender or in a conversion."""

TYPE_VERSIONS_MAX = 4_096
"""Versions of all card types together."""

SUCCESSOR_STEPS_MAX = 16
"""Replacements that a refund follows from the original's card to the one that goes on."""

PURSES_SHOWN_MAX = 64
"""Purses in the answer to a card query."""

DAY_TOTALS_MAX = 32
"""Rows of a day close: more than there are types of requests with an amount."""

DAY_LIST_ROWS_MAX = 1_024
"""Rows of one list reply: 24 KiB."""

DAY_DIGEST_PARTS_MAX = 256
"""Parts of one digests request: 6 KiB of reply, and four rounds find one sale in four thousand million."""

SIGNED_ON_ROWS_MAX = 1_000
"""Sessions of one reply about who is signed on: 64,000 bytes, as much as a follow reply has."""

RECORDS_LISTED_MAX = 262_144
"""Records that a kind may have to be listed; all rules there may be, a few milliseconds of the event loop."""

# --------------------------------------------------------------------------- keys and anti-copy

COUNTER_STEP_MAX = 64
"""A chip's counter may be this far ahead: broken taps and lost messages of an honest card."""

COUNTER_REFER_MAX = 1_024
"""Up to this far ahead a PIN is asked for: very many broken taps, or somebody drains cryptograms. Beyond: refused."""

COUNTER_WINDOW_BITS = 64
"""Counters below the highest one that an offline cryptogram may still come for."""

CODE_STEP_MS = 30_000
"""One step of a dynamic code's clock; the app shows up to CODE_REFRESHES codes in it."""

CODE_REFRESHES = 10
"""Codes within one step: their numbers are the step times this, and a digit."""

CODE_WINDOW = 20
"""Numbers that a code may be off either way: two steps, a minute, for slow hands and wrong clocks."""

MEDIUM_FAILS_MAX = 3
"""Wrong proofs of one medium in an hour; from then on it needs a PIN in that hour. The card is not stopped."""

TERMINAL_FAILS_MAX = 20
"""Wrong proofs from one terminal in an hour that put it in quarantine: a worn stripe gives a handful at most."""

KEY_VERSION_MAX = 255
"""Largest version of a key: one byte in every format."""

SIGN_ON_FAILURES_MAX = 256
"""Refused sign-ons of one address at once, then BUSY: 25 ms of the switch; tills of a store are fewer."""

SIGN_ON_FAILURES_PER_S = 8
"""Refused sign-ons of one address that are looked at in each second beyond that: a thousandth of the switch's time."""

SIGN_ON_STRANGER_FAILURES_MAX = 4_096
"""The same of all addresses together from which no terminal has signed on in the last week: half a second of work."""

SIGN_ON_STRANGER_FAILURES_PER_S = 256
"""The same in each second beyond that: a fortieth of the switch's time, however many addresses take part."""

REKEY_FRAMES = 65_536
"""Frames of one direction after which its session key is changed (Noise rekey): bounds what one key seals."""

# --------------------------------------------------------------------------- relations

_LONGEST_DEBIT_BYTES = (
    Header.width_bytes()
    + DebitRequest.width_bytes()
    + LINE_COUNT_MAX * BillLine.width_bytes()
    + TENDER_COUNT_MAX * Tender.width_bytes()
    + PIN_BYTES
    + Evidence.width_bytes()
    + TAG_BYTES
)

assert SignOnHeader.width_bytes() + NOISE_KEY_BYTES + TAG_BYTES == SIGN_ON_FRAME_BYTES, "e and the tag of nothing"
assert _LONGEST_DEBIT_BYTES <= FRAME_BYTES_MAX, "the longest debit must fit a frame"
assert FRAME_BYTES_MAX <= REPLY_FRAME_BYTES_MAX < 2 ** (8 * FRAME_LENGTH_BYTES), "a length field must be able to say it"
assert Header.width_bytes() + FollowReply.width_bytes() + FOLLOW_BYTES_MAX + TAG_BYTES <= REPLY_FRAME_BYTES_MAX
assert SignedOnReply.width_bytes() + SIGNED_ON_ROWS_MAX * SignedOnRow.width_bytes() <= FOLLOW_BYTES_MAX
assert SIGN_ON_TIMEOUT_MS < IDLE_TIMEOUT_MS and FRAME_TIMEOUT_MS < IDLE_TIMEOUT_MS, "the short ones end first"
assert 0 < BUSY_RETRY_AFTER_MS <= FULL_RETRY_AFTER_MS < IDLE_TIMEOUT_MS, "a retry must come before the idle time-out"
assert IN_FLIGHT_MAX < 2**16, "sign-on terms carry it in two bytes"
assert 0 < ERRORS_MAX <= IN_FLIGHT_MAX
assert 0 < CARD_NUMBER_MIN < CARD_NUMBER_MAX < 2**64, "a card number is a u64"
assert AMOUNT_MINOR_MAX <= BALANCE_MINOR_MAX < 2**63 - AMOUNT_MINOR_MAX, "a balance never overflows"
assert AMOUNT_MINOR_MAX * POINTS_PERCENT_MAX * POINTS_PER_UNIT_MAX < 2**63, "points of one bill are computed in 64 bits"
assert CARD_TYPE_CODE_MAX < 2**16, "a card type's code is a u16"
