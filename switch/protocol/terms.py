"""Words of the protocol that every message shares: numbers of messages, rights, bounds, sets of the till and of rules.

The words about cards and their types are in `card_terms.py`.  The tables of
docs/protocol.md say what each value means.
"""

from __future__ import annotations

import enum

PROTOCOL_VERSION = 1
MAGIC = b"CSWP"
REPLY_BIT = 0x80
SOFTWARE_VERSION = 0x0001
"""What the terminals of this product say of themselves when they sign on: major * 256 + minor."""
NO_LIMIT = 2**63 - 1
"""Value of an amount limit that does not limit; 0 would allow nothing."""
NO_COUNT_LIMIT = 2**32 - 1
"""Value of a count limit that does not limit."""
AMOUNT_MINOR_MAX = 10**12
"""Largest amount of one request: ten thousand million of the main unit; sums of 9 million such still fit 63 bits."""
LINE_COUNT_MAX = 255
"""Most bill lines of one debit: the count is one byte; the longest real bill seen in a year had 161."""
TENDER_COUNT_MAX = 8
"""Most tenders of one bill: card, cash, another means, and some purses of points and visits."""
PIN_BYTES = 16
"""Place of a PIN in a message: 4 to 12 ASCII digits, zero-padded; in the journal its sealed hash."""


class MessageType(enum.IntEnum):
    """Type byte of a request; its reply has the same number with REPLY_BIT set."""

    SIGN_OFF = 0x01
    ECHO = 0x02
    # Money
    DEBIT = 0x10
    REVERSAL = 0x11
    BALANCE = 0x12
    CREDIT = 0x13
    HOLD = 0x14
    CAPTURE = 0x15
    RELEASE = 0x16
    REFUND = 0x17
    QUOTE = 0x18
    CARD_QUERY = 0x19
    TRANSFER = 0x1B
    # Points and visits
    REDEEM = 0x1C
    CONVERT = 0x1D
    ADJUST_POINTS = 0x1E
    TRANSFER_POINTS = 0x1F
    # Day close
    DAY_TOTALS = 0x20
    DAY_DIGESTS = 0x21
    DAY_LIST = 0x22
    BACKFILL = 0x23
    LOAD_VISITS = 0x24
    CONFIRM_WRITE = 0x26
    # Operators
    PUT_CARD_TYPE = 0x40
    PUT_STORE = 0x41
    PUT_TERMINAL = 0x42
    OPEN_CARD = 0x43
    OPERATE_CARD = 0x44
    SET_PIN = 0x45
    SET_CARD = 0x46
    SET_TYPE_STATE = 0x47
    PUT_ORGANISATION = 0x48
    PUT_POINTS_CATEGORY = 0x49
    PUT_GIFT = 0x4A
    PUT_RULE = 0x4B
    ACTIVATE_RULES = 0x4C
    PUT_PRICE = 0x4D
    PUT_ALLOWED = 0x4E
    PUT_SWITCH = 0x4F
    CUT_OVER = 0x50
    # Security
    PUT_MEDIUM = 0x51
    PUT_MEDIUM_POLICY = 0x52
    PUT_KEY = 0x53
    PUT_TRAVEL = 0x54
    HANDLE_ALARM = 0x55
    REWRAP_KEY = 0x56
    CHANGE_KEY = 0x57
    # Followers
    FOLLOW = 0x60
    STATISTICS = 0x61
    READ_RECORDS = 0x62
    SIGNED_ON = 0x63
    ERROR = 0x7F


RESERVED_TYPES: dict[int, str] = {
    0x1A: "offline advice",
    0x25: "pre-store on a chip card",
}
"""Numbers that later versions will use; refused as unknown until then."""


class Right(enum.IntFlag):
    """What a signed-on terminal may send."""

    PAY = 1
    """debit, reversal, hold, capture, release, refund, quote, balance, redemption, day close"""
    CREDIT = 2
    """credit, transfer, visits"""
    CONFIGURE = 4
    """card types, rules, prices, stores, terminals, cut-over; open card; opening balances"""
    FOLLOW = 8
    """the journal, records, statistics and who is signed on"""
    CARDS = 16
    """the card desk: life cycle, PINs, limits, media; adjustments, transfers and backfills of points"""
    SECURITY = 32
    """keys, media policies, ways between stores, alarms"""


class TerminalStatus(enum.IntEnum):
    """Status of a terminal; a blocked one cannot sign on and is cut off at its next frame."""

    ACTIVE = 1
    BLOCKED = 2
    QUARANTINED = 3
    """The switch has stopped it, for too many wrong proofs: it may sign on, and close its day, and nothing else."""


class TerminalFlag(enum.IntFlag):
    """Facts about a terminal."""

    RENEW_KEY = 1
    """It shall change its key: it is told so at its next sign-on."""


class SwitchMode(enum.IntEnum):
    """Whose clock decides."""

    PRODUCTION = 0
    """The switch's own clock; stamps of requests are recorded only."""
    REPLAY = 1
    """The stamp of each request is taken as now; for demos, tests and training."""


class RechargeChannel(enum.IntEnum):
    """Where a credit's money came from."""

    OPENING = 0
    """First value of a card, migration; needs the right to configure, and no recharge limit counts it."""
    CASH_STORE = 1
    CASH_HQ = 2
    BANK_CARD = 3
    RETAILER_CARD = 4
    TELECOM_CARD = 5
    TERMINAL = 6
    INTERNET = 7
    BATCH_FILE = 8
    VOUCHER = 9


class DebitFlag(enum.IntFlag):
    """Choices of one debit or quote."""

    PARTIAL = 1
    """When less is available than the card should pay, take what there is, and say how much that was."""
    PRICED = 2
    """Unit prices come from the switch's price list; lines carry article and quantity, and no amount."""
    PIN = 4
    """16 bytes of PIN follow the tenders."""


class LineFlag(enum.IntFlag):
    """Facts about one bill line."""

    NO_DISCOUNT = 1
    """The switch takes nothing off this line."""
    NO_POINTS = 2
    """The line earns nothing: promotion price, gift, voucher."""


class TenderKind(enum.IntEnum):
    """What pays a part of a bill."""

    CARD = 1
    """Value of the card."""
    POINTS = 2
    """Points of a category, at its rate."""
    VISITS = 3
    """Counted visits of a service."""
    CASH = 4
    """Cash as handed over: the change goes back."""
    OTHER = 5
    """Anything the till has taken by other means; recorded only."""


class Settlement(enum.IntEnum):
    """Settlement type, declared before pricing because rules may ask for it."""

    CARD = 0
    CASH = 1
    BANK = 2
    POINTS = 3
    VISITS = 4
    OTHER = 5
    MIXED = 6


class DayCloseState(enum.IntEnum):
    """How the close of a terminal's business date stands."""

    DIFFERS = 1
    CLOSED = 2


class RuleLayer(enum.IntEnum):
    """What a rule is about; of each layer the best rule that matches a line counts."""

    FORBID = 0
    """The line may not be paid with such a card."""
    DISCOUNT = 1
    """What the switch takes off: the best for the customer counts."""
    POINTS_ITEM = 2
    """Points by what is bought: the most specific rule counts, and names category and booking."""
    POINTS_BRAND = 3
    """Points by brand."""
    POINTS_PERIOD = 4
    """Points by time."""
    POINTS_CAMPAIGN = 5
    """Points by who buys."""
    POINTS_RECHARGE = 6
    """Points for recharging."""


class RuleAction(enum.IntEnum):
    """What a rule does."""

    EXCLUDE = 0
    """Forbid layer: the line is forbidden. Discount: nothing off. Points: the line earns nothing."""
    MULTIPLY = 1
    """Points: `rate` percent are multiplied with the other layers and the type. Discount: `rate` basis points off."""
    REPLACE = 2
    """Points: `rate` percent alone, whatever other layers and the type say. Discount: the unit costs a fixed price."""


class RulesetState(enum.IntEnum):
    """Where a set of rules is in its life."""

    DRAFT = 1
    ACTIVE = 2


class PointsCategoryFlag(enum.IntFlag):
    """Choices of a points category."""

    ENABLED = 1
    """May be earned and used; without it balances stay as they are."""


class AllowedList(enum.IntEnum):
    """Lists of a card type."""

    STORES = 1
    """Stores that accept its cards."""
    OUTLETS = 2
    """Stores that recharge its cards."""
    OPERATORS = 3
    """Operators who recharge its cards."""


class OrganisationNode(enum.IntEnum):
    """What a node of the organisation is."""

    HQ = 1
    REGION = 2
    STORE = 3
    DEALER = 4


class RecordsEnd(enum.IntEnum):
    """Whether a reply with records has the last one."""

    MORE = 0
    """There are more: ask again from the key after the last one."""
    LAST = 1
    """No record of the kind has a higher key."""
    NOT_LISTED = 2
    """The kind has more than 262,144 records: only the one with exactly the wanted key was looked up."""
