"""Every message of protocol 1: the one place where fields, offsets and meanings are written down.

A message is a header and a body inside one Noise transport message.  Requests
that change something begin with the same key (trace number and business date,
together with the terminal that signed on) and are answered by one `Reply`,
whatever their type; the switch remembers that answer under the key.
"""

from __future__ import annotations

import enum
from typing import Annotated, ClassVar, Self, TypeVar

from .layout import LayoutError, Packed, i32, i64, layout_of, octets, u8, u16, u32, u64

PROTOCOL_VERSION = 1
MAGIC = b"CSWP"
REPLY_BIT = 0x80
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
"""Place of a PIN in a message: 4 to 12 ASCII digits, zero-padded; in the journal its keyed hash."""


Row = TypeVar("Row", bound=Packed)


def decode_rows(row_class: type[Row], body: bytes | bytearray | memoryview) -> tuple[Row, ...]:
    """Structs of one class, one behind the other; `LayoutError` when the last one is cut short."""
    row_bytes = row_class.width_bytes()
    return tuple(row_class.decode(body[at : at + row_bytes]) for at in range(0, len(body), row_bytes))


def decode_with_rows(
    form: type[Row], body: bytes | bytearray | memoryview, row_class: type[Packed], count_field: str, rows_field: str
) -> Row:
    """A struct whose fixed part counts the rows behind it; `LayoutError` when the length does not fit the count."""
    fixed_bytes, row_bytes = form.width_bytes(), row_class.width_bytes()
    if len(body) < fixed_bytes:
        raise LayoutError(f"{form.__name__} length", 0, fixed_bytes, len(body), "send at least the fixed part")
    fields = form._fixed_fields(body)
    expected_bytes = fixed_bytes + fields[count_field] * row_bytes
    if len(body) != expected_bytes:
        raise LayoutError(f"{form.__name__} length", 0, expected_bytes, len(body), "send what the count says")
    return form(**fields, **{rows_field: decode_rows(row_class, body[fixed_bytes:])})


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
    # Followers
    FOLLOW = 0x60
    STATISTICS = 0x61
    READ_RECORDS = 0x62
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
    """the journal, records and statistics"""
    CARDS = 16
    """the card desk: life cycle, PINs, limits, adjustments of points"""


class CardStatus(enum.IntEnum):
    """Where a card is in its life; `switch/protocol/lifecycle.py` says how it moves on."""

    ACTIVE = 1
    """May be used."""
    FROZEN = 2
    """Stopped by security staff or by the switch; the value is kept."""
    RESERVED = 3
    """A number that batch making skips."""
    MADE = 4
    """Made, in stock at headquarters."""
    DRAWN = 5
    """Made, in the custody of a store."""
    ISSUED = 6
    """Given out, not yet activated: worthless until then."""
    LOST = 7
    """Reported as lost; the status before is kept."""
    EXPIRED = 8
    """Past its last date of use."""
    BAD = 9
    """Unreadable; the status before is kept."""
    REPLACED = 10
    """Ended: another card goes on with its account."""
    RETURNED = 11
    """Ended: given back, its value paid out."""
    VOID = 12
    """Ended: without value."""
    CORRECTED = 13
    """Ended: its number was wrong; the corrected number goes on."""
    CLEARED = 14
    """Ended: the medium went back to blank stock."""
    RELEASED = 15
    """A reserved number that was put back; it may be made."""


class CardFlag(enum.IntFlag):
    """Facts beside a card's status."""

    BLACKLISTED = 1
    """On the blacklist: refused for everything but reversals and refunds."""
    FEE_DUE = 2
    """A fee could not be taken; the card goes on working."""
    PIN_LOCKED = 4
    """Too many wrong PINs; a reset opens it."""


class CardOperation(enum.IntEnum):
    """What an operator does with a card or a range of cards."""

    RESERVE = 1
    UNRESERVE = 2
    MAKE = 3
    DRAW = 4
    ISSUE = 5
    MAKE_AND_ISSUE = 6
    ACTIVATE = 7
    REPORT_LOSS = 8
    RESTORE = 9
    FREEZE = 10
    UNFREEZE = 11
    EXPIRE = 12
    RENEW = 13
    MARK_BAD = 14
    REPLACE = 15
    RETURN = 16
    VOID = 17
    CLEAR = 18
    CORRECT = 19
    BLACKLIST = 20
    UNBLACKLIST = 21


class OperationFlag(enum.IntFlag):
    """Choices of one card operation."""

    CHECK_DIGIT = 1
    """The numbers of a range count without their last digit, which is the Luhn digit of the rest."""
    FROM_RESERVED = 2
    """Make a reserved number; without it a reserved number is skipped."""
    JOINING = 4
    """The member's first card: the joining fee is due too."""
    WRITE_OFF = 8
    """Void: the value that is left is written off by the named document."""


class FeeKind(enum.IntEnum):
    """Place of a fee in a card type's table."""

    ISSUE = 0
    JOINING = 1
    REPLACE = 2
    REPORT_LOSS = 3
    RESTORE = 4
    RETURN = 5
    RENEW = 6
    ANNUAL = 7
    SUPPLEMENTARY_ANNUAL = 8
    SERVICE = 9
    SWAP = 10
    OTHER = 11


class FeeTender(enum.IntEnum):
    """How a fee is paid."""

    WAIVED = 0
    """Not at all; the type must allow it, unless the fee is 0."""
    CASH = 1
    """At the desk; the switch records it."""
    BALANCE = 2
    """From the account's value; the type must allow it."""


class TerminalStatus(enum.IntEnum):
    """Status of a terminal; a blocked one cannot sign on and is cut off at its next frame."""

    ACTIVE = 1
    BLOCKED = 2


class CardTypeFlag(enum.IntFlag):
    """Choices of a card type."""

    ZERO_AMOUNT = 1
    """A debit that comes to nothing, or to less, is approved for 0 (it counts for the daily count)."""
    NET_LINES = 2
    """Points: lines below zero reduce the base; without it they count as zero."""
    ROUND_LINES = 4
    """Points: rounded down once per line; without it once per bill."""
    AFTER_DISCOUNT = 8
    """Points: the base of a line is its amount less the switch's discount; without it the amount."""
    STACK_MAX = 16
    """Points: of the layers' rates the highest counts, and 0 if any is 0; without it they are multiplied."""
    ROUND_DISCOUNT_LINES = 32
    """Discount: rounded down once per line; without it once per bill."""
    FINE_POINTS = 64
    """Points: rounded down to hundredths; without it to whole points."""
    NAMED = 128
    """A member must be named when the card is issued."""
    ONE_TIME = 256
    """The value it is issued with is all it ever has: no recharge, no conversion, no transfer in."""
    PIN_REQUIRED = 512
    """Debits and holds need the PIN."""
    ACTIVATION_REQUIRED = 1024
    """Issue leads to ISSUED; without it straight to ACTIVE."""
    NO_RESTORE = 2048
    """A lost card is neither restored nor replaced (nobody can prove whose an anonymous card is)."""
    STORES_LISTED = 4096
    """Only stores of the type's list accept it."""
    OUTLETS_LISTED = 8192
    """Only stores of the type's list recharge it."""
    OPERATORS_LISTED = 16384
    """Only operators of the type's list recharge it."""


class Function(enum.IntFlag):
    """What the cards of a type are for."""

    IDENTIFY = 1
    PAY = 2
    POINTS = 4
    DISCOUNT = 8
    VISITS = 16
    VOUCHER = 32
    """A recharge card: excludes all others, never spendable at a till."""


class Medium(enum.IntEnum):
    """What a card is made of; recorded only."""

    UNKNOWN = 0
    BAR_CODE = 1
    STRIPE = 2
    CONTACT_CHIP = 3
    CONTACTLESS_CHIP = 4
    ELECTRONIC = 5
    VISUAL = 6


class Relation(enum.IntEnum):
    """How cards of a type stand to their account."""

    PERSONAL = 0
    LINKED = 1
    GROUP = 2
    SUPPLEMENTARY = 3
    """Spends the main card's account within limits of its own."""


class TypeState(enum.IntEnum):
    """Where a card type is in its life; in use is every approved type of which a card was made."""

    DRAFT = 1
    SUBMITTED = 2
    APPROVED = 3
    SUSPENDED = 4
    """No new cards; those that exist go on."""
    RETIRED = 5
    """No live card is left."""


class AutoRecharge(enum.IntEnum):
    """When an account is recharged by itself."""

    NONE = 0
    THRESHOLD = 1
    """Before a debit or hold: once, when what is available is below a threshold."""
    SHORTFALL = 2
    """Before a debit or hold: as often as allowed, while less is available than asked for."""
    MONTHLY = 3
    """On the first of each month."""


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


class RulesetState(enum.IntEnum):
    """Where a set of rules is in its life."""

    DRAFT = 1
    ACTIVE = 2


class PinMode(enum.IntEnum):
    """How a PIN is set."""

    CHANGE = 1
    """By the holder, who knows the old one."""
    RESET = 2
    """By the desk, after an identity check; opens a locked PIN."""


class DayCloseState(enum.IntEnum):
    """How the close of a terminal's business date stands."""

    DIFFERS = 1
    CLOSED = 2


class RecordsEnd(enum.IntEnum):
    """Whether a reply with records has the last one."""

    MORE = 0
    """There are more: ask again from the key after the last one."""
    LAST = 1
    """No record of the kind has a higher key."""
    NOT_LISTED = 2
    """The kind has more than 262,144 records: only the one with exactly the wanted key was looked up."""


class SwitchMode(enum.IntEnum):
    """Whose clock decides."""

    PRODUCTION = 0
    """The switch's own clock; stamps of requests are recorded only."""
    REPLAY = 1
    """The stamp of each request is taken as now; for demos, tests and training."""


# --------------------------------------------------------------------------- sign-on


class SignOnHeader(Packed, kw_only=True):
    """Clear start of a connection; also the prologue of the Noise handshake, so it cannot be altered unseen."""

    magic: Annotated[bytes, octets(4, "terminal", "the letters CSWP")] = MAGIC
    version: Annotated[int, u8("terminal", "protocol version: 1")] = PROTOCOL_VERSION
    reserved: Annotated[bytes, octets(3, "terminal", "zero")] = bytes(3)
    terminal_id: Annotated[int, u32("terminal", "number of the terminal, above 0; chooses the pre-shared key")]


class SignOnAnswer(Packed, kw_only=True):
    """Clear start of the switch's answer; Noise message 2 follows when `code` is 0."""

    version: Annotated[int, u8("switch", "highest protocol version that the switch speaks")] = PROTOCOL_VERSION
    reserved: Annotated[int, u8("switch", "zero")] = 0
    code: Annotated[int, u16("switch", "response code: 0, VERSION, SIGN_ON_REFUSED or BUSY")] = 0
    retry_after_ms: Annotated[int, u32("switch", "with BUSY: wait this long before connecting again")] = 0


class SignOnTerms(Packed, kw_only=True):
    """Payload of Noise message 2: what holds for this session."""

    time_ms: Annotated[int, i64("switch", "the switch's clock, milliseconds since 1970-01-01 UTC")]
    business_date: Annotated[int, u32("switch", "current business date, days since 1970-01-01")]
    partition: Annotated[int, u32("switch", "partition of the cards that this switch owns")]
    frame_bytes_max: Annotated[int, u32("switch", "longest frame that the switch accepts")]
    idle_timeout_ms: Annotated[int, u32("switch", "a connection silent for this long is closed; send echo before")]
    in_flight_max: Annotated[int, u16("switch", "requests that may be unanswered at a time")]
    mode: Annotated[int, u8("switch", "0 production, 1 replay: stamps are taken as now")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    rights: Annotated[int, u32("switch", "bits: 1 pay, 2 credit, 4 configure, 8 follow")]


# --------------------------------------------------------------------------- every message


class Header(Packed, kw_only=True):
    """Start of every message after sign-on."""

    version: Annotated[int, u8("sender", "protocol version: 1")] = PROTOCOL_VERSION
    type: Annotated[int, u8("sender", "message type; replies have bit 0x80 set")]
    flags: Annotated[int, u16("sender", "zero in version 1 (room: bit 0 partial approval, bit 1 offline advice)")] = 0
    sequence: Annotated[int, u32("requester", "any number; the reply carries the same, so replies can be matched")]


class LineResult(Packed, kw_only=True):
    """What the switch made of one bill line."""

    points_hundredths: Annotated[int, i64("switch", "points the line earned, hundredths")] = 0
    discount_minor: Annotated[int, i64("switch", "what the switch took off the line")] = 0
    unit_price_minor: Annotated[
        int, u32("switch", "unit price from the price list; 0 when the till priced the line")
    ] = 0
    points_category: Annotated[int, u8("switch", "category of the points")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    booking_days: Annotated[int, u16("switch", "dates until the points are booked; 0: at once")] = 0


class PurseFact(Packed, kw_only=True):
    """One purse in the answer to a card query."""

    purse: Annotated[int, u64("switch", "1 << 32 | points category, 2 << 32 | visit service")]
    amount: Annotated[int, i64("switch", "points in hundredths, or visits")]


class CardFacts(Packed, kw_only=True):
    """What a till shows of a card, between the fixed part of the reply and the purses."""

    card_type: Annotated[int, u16("switch", "code of the type")]
    status: Annotated[int, u8("switch", "CardStatus; EXPIRED as soon as its last date has passed")]
    level: Annotated[int, u8("switch", "level of the holder, or of the type")]
    flags: Annotated[int, u16("switch", "CardFlag bits")]
    discount_bp: Annotated[int, u16("switch", "the type's discount, basis points; 0 when the type gives none")]
    price_class: Annotated[int, u16("switch", "price class of the type")]
    purse_count: Annotated[int, u16("switch", "number of purses that follow")]
    expiry_date: Annotated[int, u32("switch", "last date of use; 0: no end")]
    account_number: Annotated[int, u64("switch", "account; 0 before issue")]
    member: Annotated[int, u64("switch", "member; 0: anonymous")]
    successor_number: Annotated[int, u64("switch", "card that goes on; 0: none")]
    day_debit_minor: Annotated[int, i64("switch", "debits and holds of the account today")]
    day_debit_count: Annotated[int, u32("switch", "their number")]
    day_recharge_count: Annotated[int, u32("switch", "recharges of the account today")]
    day_recharge_minor: Annotated[int, i64("switch", "their sum")]
    pending_hundredths: Annotated[int, i64("switch", "points that wait for their booking date, all categories")]


class RangeResult(Packed, kw_only=True):
    """What became of one card of a range."""

    code: Annotated[int, u16("switch", "response code")]
    detail: Annotated[int, u16("switch", "with CARD_STATUS: the card's status")]


class Reply(Packed, kw_only=True):
    """Start of the answer to every request that has a key, to a balance inquiry, a quote and a card query.

    `more` is what follows for some types: line results (debit, quote, backfill), `CardFacts` and purses (card query),
    range results (card operation), day totals (day close).
    """

    trailing: ClassVar[tuple[str, ...]] = ("more",)

    code: Annotated[int, u16("switch", "response code")]
    detail: Annotated[
        int,
        u16("switch", "FIELD_INVALID: offset of the field in the request's body; CARD_STATUS: the card's status"),
    ] = 0
    trace_number: Annotated[int, u32("switch", "the request's; 0 for inquiries")] = 0
    business_date: Annotated[int, u32("switch", "business date of the decision, days since 1970-01-01")] = 0
    retry_after_ms: Annotated[int, u32("switch", "with class retry: wait this long, then send the same bytes")] = 0
    amount_minor: Annotated[
        int, i64("switch", "value moved now: debited, credited, held, given back, paid out; else 0")
    ] = 0
    balance_minor: Annotated[int, i64("switch", "account balance (book) afterwards; 0 when no account was found")] = 0
    points_hundredths: Annotated[int, i64("switch", "points earned (below 0: taken back or used), hundredths")] = 0
    points_balance_hundredths: Annotated[int, i64("switch", "points of category 0 afterwards, hundredths")] = 0
    journal_sequence: Annotated[
        int,
        u64("switch", "entry that holds this decision; of an inquiry, the last entry that changed the account"),
    ] = 0
    available_minor: Annotated[int, i64("switch", "balance less what is held, afterwards")] = 0
    due_minor: Annotated[int, i64("switch", "debit, quote: what the bill came to after discount, refused ones too")] = 0
    discount_minor: Annotated[int, i64("switch", "debit, quote: what the switch took off the bill")] = 0
    recharged_minor: Annotated[int, i64("switch", "what automatic recharges added in this decision")] = 0
    round_off_minor: Annotated[int, u32("switch", "debit, quote: what cash was rounded down by")] = 0
    change_minor: Annotated[int, u32("switch", "debit, quote: cash that goes back; card operation: fee taken")] = 0
    more: bytes = b""

    def encode(self) -> bytes:
        """Fixed part and what follows."""
        return Packed.encode(self) + self.more

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Reply from its bytes."""
        if len(body) < cls.width_bytes():
            raise LayoutError("Reply length", 0, cls.width_bytes(), len(body), "the switch is broken")
        return cls(**cls._fixed_fields(body), more=bytes(body[cls.width_bytes() :]))

    @property
    def lines(self) -> tuple[LineResult, ...]:
        """Line results of a debit, a quote or a backfill."""
        return decode_rows(LineResult, self.more)

    @property
    def results(self) -> tuple[RangeResult, ...]:
        """Results of a card operation, one per card."""
        return decode_rows(RangeResult, self.more)

    @property
    def totals(self) -> tuple[DayTotal, ...]:
        """The switch's totals of a day close."""
        return decode_rows(DayTotal, self.more)

    @property
    def facts(self) -> CardFacts:
        """Facts of a card query."""
        return CardFacts.decode(self.more[: CardFacts.width_bytes()])

    @property
    def purses(self) -> tuple[PurseFact, ...]:
        """Purses of a card query."""
        return decode_rows(PurseFact, self.more[CardFacts.width_bytes() :])


class ErrorReply(Packed, kw_only=True):
    """Answer to a message that cannot be read; the session goes on until errors_max of them."""

    code: Annotated[int, u16("switch", "TYPE_UNKNOWN, LENGTH, RESERVED_NOT_ZERO or VERSION")]
    type: Annotated[int, u8("switch", "type byte of the message in question")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    offset: Annotated[int, u32("switch", "offset in the body, bytes")]
    expected: Annotated[int, u32("switch", "what should have been there (for LENGTH: bytes)")]
    got: Annotated[int, u32("switch", "what was there; of a reserved field its first four bytes, little-endian")]


class SignOffRequest(Packed, kw_only=True):
    """Last message of a session; the switch answers and closes."""


class EchoRequest(Packed, kw_only=True):
    """Proof of life in both directions; the reply repeats it and adds the switch's time."""

    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]


class EchoReply(Packed, kw_only=True):
    """Answer to an echo."""

    stamp_ms: Annotated[int, i64("switch", "the request's")]
    time_ms: Annotated[int, i64("switch", "switch's clock, milliseconds since 1970-01-01 UTC")]
    business_date: Annotated[int, u32("switch", "current business date, days since 1970-01-01")]
    reserved: Annotated[int, u32("switch", "zero")] = 0


# --------------------------------------------------------------------------- money


class BillLine(Packed, kw_only=True):
    """One line of a bill."""

    item: Annotated[int, u64("terminal", "article number (GTIN or the shop's own)")] = 0
    amount_minor: Annotated[int, i64("terminal", "what the line costs after the till's discounts; may be below 0")]
    quantity_milli: Annotated[int, i32("terminal", "thousandths of the article's unit; may be 0")] = 0
    department: Annotated[int, u16("terminal", "department of goods, numbered by the shop; 0: none")] = 0
    category: Annotated[int, u16("terminal", "class of goods, numbered by the shop; 0: none")] = 0
    brand: Annotated[int, u16("terminal", "brand, numbered by the shop; 0: none")] = 0
    flags: Annotated[int, u16("terminal", "LineFlag bits")] = 0
    till_discount_minor: Annotated[int, i32("terminal", "what the till has taken off already; recorded only")] = 0


class Tender(Packed, kw_only=True):
    """What pays one part of a bill."""

    kind: Annotated[int, u8("terminal", "TenderKind")]
    reserved: Annotated[int, u8("terminal", "zero")] = 0
    purse: Annotated[int, u16("terminal", "POINTS: category; VISITS: service; else 0")] = 0
    count: Annotated[int, u32("terminal", "VISITS: how many; else 0")] = 0
    amount_minor: Annotated[int, i64("terminal", "part of the bill that it pays; CASH: what was handed over")] = 0


class DebitRequest(Packed, kw_only=True):
    """Pay a bill from a card: reserve and take in one step. A quote has the same body and takes nothing.

    Without tenders the card pays all of it.
    """

    trailing: ClassVar[tuple[str, ...]] = ("lines", "tenders", "pin")

    trace_number: Annotated[
        int, u32("terminal", "any number that the terminal has not used on this business date; stored before sending")
    ]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number, 8 to 19 digits as a number")]
    amount_minor: Annotated[
        int,
        i64("terminal", "what the bill comes to before the switch's discount; with PRICED what is due after it, or 0"),
    ]
    line_count: Annotated[int, u8("terminal", "number of bill lines that follow, 0 to 255")] = 0
    entry_mode: Annotated[
        int, u8("terminal", "0 keyed, 1 bar code, 2 stripe, 3 chip, 4 contactless, 5 phone; recorded only")
    ] = 0
    tender_count: Annotated[int, u8("terminal", "number of tenders that follow the lines, 0 to 8")] = 0
    flags: Annotated[int, u8("terminal", "DebitFlag bits")] = 0
    settlement: Annotated[int, u8("terminal", "Settlement")] = 0
    reserved: Annotated[bytes, octets(3, "terminal", "zero (room: cryptogram length)")] = bytes(3)
    lines: tuple[BillLine, ...] = ()
    tenders: tuple[Tender, ...] = ()
    pin: bytes = b""

    def encode(self) -> bytes:
        """Fixed part, lines, tenders, PIN; the counts are taken from them."""
        if len(self.lines) > LINE_COUNT_MAX:
            raise LayoutError("DebitRequest.lines", 32, LINE_COUNT_MAX, len(self.lines), "split the bill")
        if len(self.tenders) > TENDER_COUNT_MAX:
            raise LayoutError("DebitRequest.tenders", 34, TENDER_COUNT_MAX, len(self.tenders), "use fewer tenders")
        body = bytearray(Packed.encode(self))
        body[LINE_COUNT_OFFSET] = len(self.lines)
        body[LINE_COUNT_OFFSET + 2] = len(self.tenders)
        rows = b"".join(row.encode() for row in (*self.lines, *self.tenders))
        return bytes(body) + rows + (self.pin.ljust(PIN_BYTES, b"\0") if self.flags & DebitFlag.PIN else b"")

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Request from its bytes; `LayoutError` when the length does not fit its counts."""
        fixed_bytes = cls.width_bytes()
        if len(body) < fixed_bytes:
            raise LayoutError("DebitRequest length", 0, fixed_bytes, len(body), "send at least the fixed part")
        fields = cls._fixed_fields(body)
        tenders_at = fixed_bytes + fields["line_count"] * BillLine.width_bytes()
        pin_at = tenders_at + fields["tender_count"] * Tender.width_bytes()
        expected_bytes = pin_at + (PIN_BYTES if fields["flags"] & DebitFlag.PIN else 0)
        if len(body) != expected_bytes:
            raise LayoutError("DebitRequest length", 32, expected_bytes, len(body), "send what the counts say")
        return cls(
            **fields,
            lines=decode_rows(BillLine, body[fixed_bytes:tenders_at]),
            tenders=decode_rows(Tender, body[tenders_at:pin_at]),
            pin=bytes(body[pin_at:]),
        )


LINE_COUNT_OFFSET = next(f.offset for f in layout_of(DebitRequest).fields if f.name == "line_count")


class ReversalRequest(Packed, kw_only=True):
    """Undo a debit, hold, credit or redemption of the same terminal: its outcome is not known, or it is given up."""

    trace_number: Annotated[int, u32("terminal", "a new trace number, as for every keyed request")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "the original's")]
    amount_minor: Annotated[int, i64("terminal", "the original's")]
    original_trace_number: Annotated[int, u32("terminal", "trace number of the request to undo")]
    original_business_date: Annotated[int, u32("terminal", "business date that the request carried")]
    reason: Annotated[int, u8("terminal", "0 unknown outcome, 1 customer, 2 operator; recorded only")] = 0
    reserved: Annotated[bytes, octets(7, "terminal", "zero")] = bytes(7)


class CreditRequest(Packed, kw_only=True):
    """Put value on a card."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]
    amount_minor: Annotated[int, i64("terminal", "amount to put on, minor units")]
    channel: Annotated[int, u8("terminal", "RechargeChannel")] = 0
    reserved: Annotated[bytes, octets(3, "terminal", "zero")] = bytes(3)
    operator_id: Annotated[int, u32("terminal", "who recharges; 0: nobody is named")] = 0
    received_minor: Annotated[int, i64("terminal", "amount received; recorded only")] = 0
    reference: Annotated[
        bytes, octets(16, "terminal", "the channel's own reference, credited once; zero: none (see text)")
    ] = bytes(16)


class HoldRequest(Packed, kw_only=True):
    """Reserve an amount; it counts in every limit until it is captured, released or expires."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]
    amount_minor: Annotated[int, i64("terminal", "amount to hold")]
    expires_in_s: Annotated[int, u32("terminal", "seconds until it expires; 0: the longest the type allows")] = 0
    entry_mode: Annotated[int, u8("terminal", "as in a debit; recorded only")] = 0
    reserved: Annotated[bytes, octets(3, "terminal", "zero")] = bytes(3)
    pin: Annotated[bytes, octets(16, "terminal", "PIN as ASCII digits, zero-padded; zero: none (see text)")] = bytes(16)


class CaptureRequest(Packed, kw_only=True):
    """Take all or a part of what is held."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "the hold's card")]
    amount_minor: Annotated[int, i64("terminal", "amount to take, at most what is held")]
    hold_sequence: Annotated[int, u64("terminal", "journal_sequence of the hold's reply")]
    keep_rest: Annotated[int, u8("terminal", "1: what is left stays held; 0: it is released")] = 0
    reserved: Annotated[bytes, octets(7, "terminal", "zero")] = bytes(7)


class ReleaseRequest(Packed, kw_only=True):
    """Give back what is held."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "the hold's card")]
    hold_sequence: Annotated[int, u64("terminal", "journal_sequence of the hold's reply")]


class RefundLine(Packed, kw_only=True):
    """Part of a refund that belongs to one line of the original."""

    line: Annotated[int, u16("terminal", "number of the line in the original, from 0")]
    reserved: Annotated[bytes, octets(6, "terminal", "zero")] = bytes(6)
    amount_minor: Annotated[int, i64("terminal", "amount refunded for it")]


class RefundRequest(Packed, kw_only=True):
    """Give back all or a part of an approved debit or capture, however old; never more than it took."""

    trailing: ClassVar[tuple[str, ...]] = ("lines",)

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "the original's card")]
    amount_minor: Annotated[int, i64("terminal", "amount to give back; with lines their sum")]
    original_sequence: Annotated[int, u64("terminal", "journal_sequence of the original's reply")]
    line_count: Annotated[int, u8("terminal", "number of lines that follow; 0: of the bill as a whole")] = 0
    reserved: Annotated[bytes, octets(7, "terminal", "zero")] = bytes(7)
    lines: tuple[RefundLine, ...] = ()

    def encode(self) -> bytes:
        """Fixed part and lines; `line_count` is taken from `lines`."""
        body = bytearray(Packed.encode(self))
        body[REFUND_LINE_COUNT_OFFSET] = len(self.lines)
        return bytes(body) + b"".join(line.encode() for line in self.lines)

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Request from its bytes; `LayoutError` when the length does not fit the line count."""
        return decode_with_rows(cls, body, RefundLine, "line_count", "lines")


REFUND_LINE_COUNT_OFFSET = next(f.offset for f in layout_of(RefundRequest).fields if f.name == "line_count")


class TransferRequest(Packed, kw_only=True):
    """Move value from one card's account to another's."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card that gives")]
    amount_minor: Annotated[int, i64("terminal", "amount to move")]
    to_card_number: Annotated[int, u64("terminal", "card that gets")]


class BalanceRequest(Packed, kw_only=True):
    """Ask; changes nothing, has no key."""

    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]


class CardQueryRequest(Packed, kw_only=True):
    """Ask for all that a till shows of a card; changes nothing, has no key."""

    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]


# --------------------------------------------------------------------------- points and visits


class RedeemRequest(Packed, kw_only=True):
    """Use points for a gift, or for something that the switch has no price for."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]
    points_hundredths: Annotated[int, i64("terminal", "points to use; with a gift its price for all pieces, or 0")]
    gift_id: Annotated[int, u32("terminal", "number of the gift; 0: none")] = 0
    pieces: Annotated[int, u16("terminal", "pieces of the gift; 0 without one")] = 0
    category: Annotated[int, u8("terminal", "points category; with a gift the gift's")] = 0
    reserved: Annotated[int, u8("terminal", "zero")] = 0


class ConvertRequest(Packed, kw_only=True):
    """Turn points into value at the category's rate."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]
    amount_minor: Annotated[int, i64("terminal", "value wanted, a multiple of the category's lot")]
    category: Annotated[int, u8("terminal", "points category")] = 0
    reserved: Annotated[bytes, octets(7, "terminal", "zero")] = bytes(7)


class AdjustPointsRequest(Packed, kw_only=True):
    """Correct points by hand, or by a custom rule; void what a query has shown."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "card number")]
    points_hundredths: Annotated[int, i64("operator", "points to add (below 0: to take); 0 with void_all")]
    category: Annotated[int, u8("operator", "points category")] = 0
    reason: Annotated[int, u8("operator", "reason, numbered by the group; recorded only")] = 0
    void_all: Annotated[int, u8("operator", "1: take all points of the category")] = 0
    reserved: Annotated[int, u8("operator", "zero")] = 0
    operator_id: Annotated[int, u32("operator", "who adjusts")] = 0
    if_sequence: Annotated[
        int, u64("operator", "only if the account's last entry still is this one (from a preview); 0: always")
    ] = 0
    reference: Annotated[bytes, octets(16, "operator", "applied once per reference; zero: none (see text)")] = bytes(16)


class TransferPointsRequest(Packed, kw_only=True):
    """Move points of one category from one card's account to another's."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "card that gives")]
    points_hundredths: Annotated[int, i64("operator", "points to move")]
    to_card_number: Annotated[int, u64("operator", "card that gets")]
    category: Annotated[int, u8("operator", "points category")] = 0
    reserved: Annotated[bytes, octets(7, "operator", "zero")] = bytes(7)


class BackfillRequest(Packed, kw_only=True):
    """Points for a sale that missed them: once per receipt, by the rules of the date of sale."""

    trailing: ClassVar[tuple[str, ...]] = ("lines",)

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "card number")]
    amount_minor: Annotated[int, i64("operator", "what the bill came to")]
    receipt: Annotated[int, u64("operator", "number of the receipt")]
    store_id: Annotated[int, u32("operator", "store of the sale")]
    sale_date: Annotated[int, u32("operator", "business date of the sale, at most 92 dates ago")]
    sale_minute: Annotated[int, u16("operator", "local time of the sale, minutes since midnight")] = 0
    settlement: Annotated[int, u8("operator", "Settlement")] = 0
    line_count: Annotated[int, u8("operator", "number of bill lines that follow, 0 to 255")] = 0
    operator_id: Annotated[int, u32("operator", "who asks")] = 0
    lines: tuple[BillLine, ...] = ()

    def encode(self) -> bytes:
        """Fixed part and lines; `line_count` is taken from `lines`."""
        body = bytearray(Packed.encode(self))
        body[BACKFILL_LINE_COUNT_OFFSET] = len(self.lines)
        return bytes(body) + b"".join(line.encode() for line in self.lines)

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Request from its bytes; `LayoutError` when the length does not fit the line count."""
        return decode_with_rows(cls, body, BillLine, "line_count", "lines")


BACKFILL_LINE_COUNT_OFFSET = next(f.offset for f in layout_of(BackfillRequest).fields if f.name == "line_count")


class LoadVisitsRequest(Packed, kw_only=True):
    """Put counted visits of a service on a card."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]
    received_minor: Annotated[int, i64("terminal", "price paid; recorded only")] = 0
    service: Annotated[int, u16("terminal", "service, numbered by the shop, above 0")]
    reserved: Annotated[int, u16("terminal", "zero")] = 0
    count: Annotated[int, u32("terminal", "visits to add, 1 to 1,000,000")]
    expiry_date: Annotated[int, u32("terminal", "last date of use of all visits of the service; 0: no end")] = 0
    operator_id: Annotated[int, u32("terminal", "who sells")] = 0


# --------------------------------------------------------------------------- day close


class DayTotal(Packed, kw_only=True):
    """Number and sum of approved requests of one type."""

    type: Annotated[int, u8("sender", "message type")]
    reserved: Annotated[bytes, octets(3, "sender", "zero")] = bytes(3)
    count: Annotated[int, u32("sender", "approved requests")]
    amount_minor: Annotated[int, i64("sender", "sum of `amount_minor` of their replies")]


class DayTotalsRequest(Packed, kw_only=True):
    """Close a business date of this terminal: its totals, rows in ascending order of type."""

    trailing: ClassVar[tuple[str, ...]] = ("totals",)

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    closed_date: Annotated[int, u32("terminal", "business date to close: today or the day before")]
    total_count: Annotated[int, u8("terminal", "number of totals that follow, 0 to 32")] = 0
    reserved: Annotated[bytes, octets(3, "terminal", "zero")] = bytes(3)
    totals: tuple[DayTotal, ...] = ()

    def encode(self) -> bytes:
        """Fixed part and totals; `total_count` is taken from `totals`."""
        body = bytearray(Packed.encode(self))
        body[TOTAL_COUNT_OFFSET] = len(self.totals)
        return bytes(body) + b"".join(total.encode() for total in self.totals)

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Request from its bytes; `LayoutError` when the length does not fit the count."""
        return decode_with_rows(cls, body, DayTotal, "total_count", "totals")


TOTAL_COUNT_OFFSET = next(f.offset for f in layout_of(DayTotalsRequest).fields if f.name == "total_count")


class DayRow(Packed, kw_only=True):
    """One keyed request of a date, as digests and lists have it."""

    trace_number: Annotated[int, u32("switch", "the request's")]
    type: Annotated[int, u8("switch", "its type")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    code: Annotated[int, u16("switch", "code of its answer")]
    amount_minor: Annotated[int, i64("switch", "`amount_minor` of its answer")]
    journal_sequence: Annotated[int, u64("switch", "entry that holds it")]


class DayDigestsRequest(Packed, kw_only=True):
    """Ask for digests of a range of trace numbers, cut into equal parts; changes nothing, has no key."""

    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    closed_date: Annotated[int, u32("terminal", "business date: today or the day before")]
    first_trace: Annotated[int, u32("terminal", "first trace number of the range")]
    last_trace: Annotated[int, u32("terminal", "last trace number of the range")]
    part_count: Annotated[int, u16("terminal", "parts to cut it into, 1 to 256; all but the last are equally long")]
    reserved: Annotated[int, u16("terminal", "zero")] = 0


class DayDigest(Packed, kw_only=True):
    """Digest of one part."""

    row_count: Annotated[int, u32("switch", "requests in the part")]
    reserved: Annotated[int, u32("switch", "zero")] = 0
    digest: Annotated[bytes, octets(16, "switch", "first half of SHA-256 over their `DayRow`s, by trace number")]


class DayReply(Packed, kw_only=True):
    """Answer to a digests or list request; rows of `DayDigest` or `DayRow` follow."""

    trailing: ClassVar[tuple[str, ...]] = ("more",)

    code: Annotated[int, u16("switch", "0, BUSINESS_DATE, FIELD_INVALID or BUSY (ask again)")] = 0
    row_count: Annotated[int, u16("switch", "rows that follow")] = 0
    next_trace: Annotated[int, u32("switch", "list: first trace number that did not fit; 0: all are there")] = 0
    more: bytes = b""

    def encode(self) -> bytes:
        """Fixed part and rows."""
        return Packed.encode(self) + self.more

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Reply from its bytes."""
        if len(body) < cls.width_bytes():
            raise LayoutError("DayReply length", 0, cls.width_bytes(), len(body), "the switch is broken")
        return cls(**cls._fixed_fields(body), more=bytes(body[cls.width_bytes() :]))


class DayListRequest(Packed, kw_only=True):
    """Ask for the requests of a range of trace numbers; changes nothing, has no key."""

    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    closed_date: Annotated[int, u32("terminal", "business date: today or the day before")]
    first_trace: Annotated[int, u32("terminal", "first trace number of the range")]
    last_trace: Annotated[int, u32("terminal", "last trace number of the range")]
    reserved: Annotated[int, u32("terminal", "zero")] = 0


# --------------------------------------------------------------------------- operators


class PutCardTypeRequest(Packed, kw_only=True):
    """Create a card type, or a version of it that holds from a business date on."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    code: Annotated[int, u16("operator", "code of the type, 1 to 1,023")]
    functions: Annotated[int, u16("operator", "Function bits")] = 7
    flags: Annotated[int, u32("operator", "CardTypeFlag bits")] = 0
    from_date: Annotated[int, u32("operator", "first business date of this version; 0: from the beginning")] = 0
    operator_id: Annotated[int, u32("operator", "who writes it")] = 0
    state: Annotated[int, u8("operator", "of a new type: 1 draft or 3 approved; else 0")] = TypeState.APPROVED
    medium: Annotated[int, u8("operator", "Medium")] = 0
    relation: Annotated[int, u8("operator", "Relation")] = 0
    level: Annotated[int, u8("operator", "level of its holders, higher is better")] = 0
    validity_days: Annotated[int, u16("operator", "dates of use after activation; 0: no end")] = 0
    discount_bp: Annotated[int, u16("operator", "discount, basis points, 0 to 10,000; read if DISCOUNT is on")] = 0
    organisation_id: Annotated[int, u32("operator", "owner of the type; 0: the group")] = 0
    stores_organisation_id: Annotated[int, u32("operator", "node under which stores accept it; 0: everywhere")] = 0
    daily_count_max: Annotated[
        int, u32("operator", "approved debits of the account per business date; 2^32-1: no limit")
    ] = NO_COUNT_LIMIT
    recharge_count_max: Annotated[
        int, u32("operator", "recharges of the account per business date, at most 65,535; 2^32-1: no limit")
    ] = NO_COUNT_LIMIT
    points_percent: Annotated[int, u32("operator", "points per main unit in percent: 100 is one point, 0 none")] = 0
    points_per_unit: Annotated[int, u32("operator", "multiplier of points_percent, 1 as a rule")] = 1
    single_minor_max: Annotated[int, i64("operator", "largest amount of one debit; 2^63-1: no limit")] = NO_LIMIT
    daily_minor_max: Annotated[
        int, i64("operator", "sum of the account's approved debits per business date; 2^63-1: no limit")
    ] = NO_LIMIT
    daily_points_max_hundredths: Annotated[
        int, i64("operator", "points that the account earns per business date, hundredths; 2^63-1: no limit")
    ] = NO_LIMIT
    recharge_day_minor_max: Annotated[
        int, i64("operator", "sum of the account's recharges per business date; 2^63-1: no limit")
    ] = NO_LIMIT
    ceiling_minor: Annotated[int, i64("operator", "highest balance a recharge may lead to; 2^63-1: no limit")] = (
        NO_LIMIT
    )
    face_minor_min: Annotated[int, i64("operator", "least value it is issued with")] = 0
    face_minor_max: Annotated[int, i64("operator", "largest value it is issued with")] = NO_LIMIT
    auto_below_minor: Annotated[int, i64("operator", "THRESHOLD: recharge below this")] = 0
    auto_add_minor: Annotated[int, i64("operator", "what an automatic recharge adds")] = 0
    auto_from_date: Annotated[int, u32("operator", "MONTHLY: not before this date")] = 0
    auto_until_date: Annotated[int, u32("operator", "MONTHLY: not after this date; 0: no end")] = 0
    auto_count_max: Annotated[int, u16("operator", "automatic recharges per business date (not MONTHLY)")] = 0
    auto_mode: Annotated[int, u8("operator", "AutoRecharge")] = 0
    pin_tries_max: Annotated[int, u8("operator", "wrong PINs in a row that lock it, 1 to 15")] = 3
    price_class: Annotated[int, u16("operator", "price class of its holders; 0: retail")] = 0
    number_digits: Annotated[int, u8("operator", "digits of its card numbers; 0: any")] = 0
    reserved: Annotated[int, u8("operator", "zero")] = 0
    number_prefix: Annotated[int, u32("operator", "leading digits of its card numbers; 0: any")] = 0
    hold_s_max: Annotated[int, u32("operator", "longest hold, seconds; 0: 7 days")] = 0
    card_cost_minor: Annotated[int, u32("operator", "what a card costs the group; recorded only")] = 0
    fees_minor: Annotated[bytes, octets(48, "operator", "twelve u32: amount of each FeeKind")] = bytes(48)
    fees_from_balance: Annotated[int, u16("operator", "bit n: fee n may be taken from the balance")] = 0
    fees_waivable: Annotated[int, u16("operator", "bit n: fee n may be waived")] = 0
    reserved_u32: Annotated[int, u32("operator", "zero")] = 0
    name: Annotated[bytes, octets(32, "operator", "name, UTF-8, zero-padded")] = bytes(32)


class SetTypeStateRequest(Packed, kw_only=True):
    """Move a card type on in its life."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    code: Annotated[int, u16("operator", "code of the type")]
    state: Annotated[int, u8("operator", "TypeState to go to")]
    reserved: Annotated[int, u8("operator", "zero")] = 0
    operator_id: Annotated[int, u32("operator", "who does it; approval takes somebody else than the author")] = 0


class PutStoreRequest(Packed, kw_only=True):
    """Create or change a store."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    store_id: Annotated[int, u32("operator", "number of the store, above 0")]
    organisation_id: Annotated[int, u32("operator", "node of the organisation that the store belongs to; 0: none")] = 0
    round_off_minor: Annotated[int, u16("operator", "unit that cash is rounded down to: 10, 100; 0: exact")] = 0
    reserved: Annotated[bytes, octets(6, "operator", "zero")] = bytes(6)


class PutTerminalRequest(Packed, kw_only=True):
    """Create or change a terminal; its key never stands in clear in the journal."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    terminal_id: Annotated[int, u32("operator", "number of the terminal, above 0")]
    store_id: Annotated[int, u32("operator", "the terminal's store, which must exist; 0 for an operator")]
    rights: Annotated[int, u32("operator", "bits: 1 pay, 2 credit, 4 configure, 8 follow, 16 cards")]
    status: Annotated[int, u8("operator", "1 active, 2 blocked")] = TerminalStatus.ACTIVE
    reserved: Annotated[bytes, octets(3, "operator", "zero")] = bytes(3)
    key: Annotated[
        bytes,
        octets(
            40, "operator", "32 random bytes and 8 zero bytes; in the journal the 40 bytes of the RFC 3394 wrapping"
        ),
    ]


class PutOrganisationRequest(Packed, kw_only=True):
    """Create or change a node of the organisation."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    organisation_id: Annotated[int, u32("operator", "number of the node, above 0")]
    parent_id: Annotated[int, u32("operator", "node above, which must exist; 0: none")] = 0
    node: Annotated[int, u8("operator", "OrganisationNode")]
    reserved: Annotated[bytes, octets(7, "operator", "zero")] = bytes(7)
    name: Annotated[bytes, octets(40, "operator", "name, UTF-8, zero-padded")] = bytes(40)


class OpenCardRequest(Packed, kw_only=True):
    """Make, issue and activate a card at once, with an account of its own or on the account of another card."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "number of the new card, 8 to 19 digits")]
    account_number: Annotated[
        int, u64("operator", "0 or card_number: a new account, named by this card; else an account's number")
    ] = 0
    card_type: Annotated[int, u16("operator", "code of a card type that exists")]
    status: Annotated[int, u8("operator", "1 active, 2 frozen")] = CardStatus.ACTIVE
    reserved: Annotated[bytes, octets(5, "operator", "zero")] = bytes(5)


class OperateCardRequest(Packed, kw_only=True):
    """One operation of the life cycle on a card or a range of cards; each card has a result of its own."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "card, or first card of the range")]
    related_number: Annotated[
        int,
        u64(
            "operator", "REPLACE: card that goes on; CORRECT: right number; ISSUE: card whose account it joins; else 0"
        ),
    ] = 0
    amount_minor: Annotated[int, i64("operator", "ISSUE, MAKE_AND_ISSUE: value it is issued with; else 0")] = 0
    operation: Annotated[int, u8("operator", "CardOperation")]
    fee_tender: Annotated[int, u8("operator", "FeeTender")] = 0
    flags: Annotated[int, u8("operator", "OperationFlag bits")] = 0
    reason: Annotated[int, u8("operator", "reason, numbered by the group; recorded only")] = 0
    card_type: Annotated[int, u16("operator", "RESERVE, MAKE, MAKE_AND_ISSUE: code of the type; else 0")] = 0
    count: Annotated[int, u16("operator", "cards of the range, 1 to 64")] = 1
    operator_id: Annotated[int, u32("operator", "who does it")] = 0
    approver_id: Annotated[int, u32("operator", "second person, where one is needed; else 0")] = 0
    store_id: Annotated[int, u32("operator", "DRAW: store that takes custody; else 0")] = 0
    organisation_id: Annotated[
        int, u32("operator", "ISSUE, MAKE_AND_ISSUE: issuing organisation; 0: that of the terminal's store")
    ] = 0
    member: Annotated[int, u64("operator", "ISSUE, MAKE_AND_ISSUE: member who gets it; 0: nobody is named")] = 0
    document: Annotated[int, u64("operator", "document that orders it; recorded")] = 0


class SetPinRequest(Packed, kw_only=True):
    """Change or reset a card's PIN; neither PIN ever stands in the journal."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "card number")]
    mode: Annotated[int, u8("operator", "PinMode")]
    reserved: Annotated[bytes, octets(3, "operator", "zero")] = bytes(3)
    operator_id: Annotated[int, u32("operator", "RESET: who does it")] = 0
    old_pin: Annotated[bytes, octets(16, "operator", "CHANGE: the PIN that holds; 4 to 12 ASCII digits, zero-padded")]
    new_pin: Annotated[bytes, octets(16, "operator", "the PIN to be; zero: none (see text)")]


class SetCardRequest(Packed, kw_only=True):
    """Set limits of one card, and the level, member and segments of its account."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "card number")]
    sets: Annotated[int, u8("operator", "bits: 1 limits, 2 level, 4 member, 8 segments")]
    level: Annotated[int, u8("operator", "level of the holder; 0: the type's")] = 0
    reserved: Annotated[bytes, octets(6, "operator", "zero")] = bytes(6)
    member: Annotated[int, u64("operator", "member; 0: anonymous")] = 0
    segments: Annotated[int, u64("operator", "bits that rules may ask for")] = 0
    single_minor_max: Annotated[int, i64("operator", "largest amount of one debit; 2^63-1: the type's alone")] = (
        NO_LIMIT
    )
    daily_minor_max: Annotated[int, i64("operator", "sum of the card's debits per business date")] = NO_LIMIT
    recharge_day_minor_max: Annotated[int, i64("operator", "sum of the card's recharges per business date")] = NO_LIMIT
    ceiling_minor: Annotated[int, i64("operator", "highest balance that a recharge by this card may lead to")] = (
        NO_LIMIT
    )
    daily_count_max: Annotated[int, u32("operator", "debits of the card per business date")] = NO_COUNT_LIMIT
    recharge_count_max: Annotated[int, u32("operator", "recharges of the card per business date")] = NO_COUNT_LIMIT


class PutPointsCategoryRequest(Packed, kw_only=True):
    """Create or change a points category; category 0 exists from the beginning."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    category: Annotated[int, u8("operator", "number of the category, 0 to 63")]
    flags: Annotated[int, u8("operator", "PointsCategoryFlag bits")] = PointsCategoryFlag.ENABLED
    tender_cap_bp: Annotated[int, u16("operator", "largest part of a bill that points may pay, basis points")] = 10_000
    tender_rate: Annotated[int, u32("operator", "hundredths of points that pay one minor unit; 0: cannot pay")] = 0
    convert_rate: Annotated[int, u32("operator", "hundredths of points that become one minor unit; 0: cannot")] = 0
    reserved: Annotated[int, u32("operator", "zero")] = 0
    convert_lot_minor: Annotated[int, i64("operator", "conversions give multiples of this, 1 or more")] = 1
    name: Annotated[bytes, octets(24, "operator", "name, UTF-8, zero-padded")] = bytes(24)


class PutGiftRequest(Packed, kw_only=True):
    """Create or change a gift."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    gift_id: Annotated[int, u32("operator", "number of the gift, above 0")]
    flags: Annotated[int, u8("operator", "1: deducts its price; 0: only requires the points")] = 1
    level_min: Annotated[int, u8("operator", "lowest level that may take it")] = 0
    category: Annotated[int, u8("operator", "points category of the price")] = 0
    reserved: Annotated[int, u8("operator", "zero")] = 0
    price_hundredths: Annotated[int, i64("operator", "points for one piece, 0 or more")]
    from_date: Annotated[int, u32("operator", "first business date; 0: from the beginning")] = 0
    until_date: Annotated[int, u32("operator", "last business date; 0: no end")] = 0
    account_max: Annotated[int, u32("operator", "pieces that one account may take; 2^32-1: no limit")] = NO_COUNT_LIMIT
    stock: Annotated[int, u32("operator", "pieces left; 2^32-1: not counted")] = NO_COUNT_LIMIT
    name: Annotated[bytes, octets(32, "operator", "name, UTF-8, zero-padded")] = bytes(32)


class PutRuleRequest(Packed, kw_only=True):
    """Put one rule into a draft set. A field that is 0 asks for nothing."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    ruleset: Annotated[int, u32("operator", "number of a set that is not active, above 0; made when new")]
    rule: Annotated[int, u32("operator", "number of the rule in its set, above 0; the same again replaces it")]
    layer: Annotated[int, u8("operator", "RuleLayer")]
    action: Annotated[int, u8("operator", "RuleAction")]
    level: Annotated[int, u8("operator", "level of the holder")] = 0
    weekdays: Annotated[int, u8("operator", "bit n - 1: ISO weekday n (1 is Monday); 0: all")] = 0
    card_type: Annotated[int, u16("operator", "card type")] = 0
    department: Annotated[int, u16("operator", "department of the line")] = 0
    category: Annotated[int, u16("operator", "class of the line")] = 0
    brand: Annotated[int, u16("operator", "brand of the line")] = 0
    reserved_u32: Annotated[int, u32("operator", "zero")] = 0
    item: Annotated[int, u64("operator", "article of the line")] = 0
    store_id: Annotated[int, u32("operator", "store of the sale")] = 0
    terminal_id: Annotated[int, u32("operator", "terminal of the sale")] = 0
    from_date: Annotated[int, u32("operator", "first business date")] = 0
    until_date: Annotated[int, u32("operator", "last business date")] = 0
    from_minute: Annotated[int, u16("operator", "first local minute of the day")] = 0
    until_minute: Annotated[int, u16("operator", "first local minute after it; 0: 1,440")] = 0
    settlements: Annotated[int, u16("operator", "bit n: settlement type n; 0: all")] = 0
    booking_days: Annotated[int, u16("operator", "POINTS_ITEM: dates until booking, 0 to 31; 0: at once")] = 0
    segments: Annotated[int, u64("operator", "any of these bits must be among the account's")] = 0
    bill_minor_min: Annotated[int, i64("operator", "the bill's amount before discount is at least this")] = 0
    unit_price_minor: Annotated[int, i64("operator", "DISCOUNT and REPLACE: what the unit costs")] = 0
    rate: Annotated[int, u32("operator", "points: percent, 0 to 10,000; discount: basis points, 0 to 10,000")] = 0
    priority: Annotated[int, u32("operator", "of equally specific rules the higher one counts, 0 to 65,535")] = 0
    points_category: Annotated[int, u8("operator", "POINTS_ITEM, POINTS_RECHARGE: category of the points")] = 0
    remove: Annotated[int, u8("operator", "1: the rule is taken out of the set")] = 0
    reserved: Annotated[bytes, octets(6, "operator", "zero")] = bytes(6)


class ActivateRulesRequest(Packed, kw_only=True):
    """Check a draft set as a whole and put it in force from a business date on."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    ruleset: Annotated[int, u32("operator", "number of the draft set; a new set without rules may be activated too")]
    from_date: Annotated[int, u32("operator", "first business date on which it is in force")]
    rule_count: Annotated[int, u32("operator", "rules that it should have: finds a lost one")]
    operator_id: Annotated[int, u32("operator", "who does it")] = 0


class PutPriceRequest(Packed, kw_only=True):
    """Set the unit price of an article in a price class, at once or from a business date on."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    item: Annotated[int, u64("operator", "article number, above 0")]
    unit_price_minor: Annotated[int, i64("operator", "price of one unit, 0 to 4,294,967,295")]
    price_class: Annotated[int, u16("operator", "price class; 0: retail")] = 0
    reserved: Annotated[int, u16("operator", "zero")] = 0
    from_date: Annotated[int, u32("operator", "first business date; 0 or today: at once")] = 0


class PutAllowedRequest(Packed, kw_only=True):
    """Put a store or an operator on a list of a card type, or take it off."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    code: Annotated[int, u16("operator", "code of the type")]
    list: Annotated[int, u8("operator", "AllowedList")]
    allowed: Annotated[int, u8("operator", "1: on the list, 0: off it")] = 1
    number: Annotated[int, u32("operator", "store or operator, above 0")]


class PutSwitchRequest(Packed, kw_only=True):
    """First entry of every journal, written by `cardswitch init`; refused on the wire."""

    trace_number: Annotated[int, u32("init", "1")] = 1
    business_date: Annotated[int, u32("init", "days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("init", "milliseconds since 1970-01-01 UTC")]
    partition: Annotated[int, u32("init", "partition of cards that this journal holds")]
    mode: Annotated[int, u8("init", "0 production, 1 replay")]
    reserved: Annotated[int, u8("init", "zero")] = 0
    cut_over_minutes: Annotated[int, u16("init", "minutes after local midnight at which a business date begins")] = 0
    timezone: Annotated[bytes, octets(32, "init", "IANA name of the time zone of business dates, zero-padded")]


class CutOverRequest(Packed, kw_only=True):
    """Begin the next business date. The switch writes it itself when its clock passes the cut-over."""

    trace_number: Annotated[int, u32("operator", "a new trace number; the switch's own: the date it begins")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    next_date: Annotated[int, u32("operator", "business date to begin: the next one; the switch's own: any later one")]
    operator_id: Annotated[int, u32("operator", "who does it; 0: the switch")] = 0


# --------------------------------------------------------------------------- followers


class FollowRequest(Packed, kw_only=True):
    """Read the journal from a position: whole blocks as bytes, so that the follower can check the chain itself."""

    partition: Annotated[int, u32("follower", "partition to read")]
    bytes_max: Annotated[int, u32("follower", "most journal bytes wanted: 1 to 65,000; 0 counts as 1, more as 65,000")]
    position: Annotated[int, u64("follower", "next byte wanted: 0, or `next_position` of the reply before")]


class FollowReply(Packed, kw_only=True):
    """Journal bytes from `position` on; only what is durable. Empty when the follower has everything."""

    trailing: ClassVar[tuple[str, ...]] = ("journal_bytes",)

    code: Annotated[int, u16("switch", "0, or POSITION_UNKNOWN")] = 0
    reserved: Annotated[int, u16("switch", "zero")] = 0
    partition: Annotated[int, u32("switch", "the request's")]
    position: Annotated[
        int, u64("switch", "of the first byte returned; above the wanted one where a segment's unused end is skipped")
    ]
    next_position: Annotated[int, u64("switch", "where to go on; with POSITION_UNKNOWN the wanted position again")]
    durable_position: Annotated[int, u64("switch", "end of what is durable")]
    journal_bytes: bytes = b""

    def encode(self) -> bytes:
        """Fixed part and journal bytes."""
        return Packed.encode(self) + self.journal_bytes

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Reply from its bytes."""
        if len(body) < cls.width_bytes():
            raise LayoutError("FollowReply length", 0, cls.width_bytes(), len(body), "the switch is broken")
        return cls(**cls._fixed_fields(body), journal_bytes=bytes(body[cls.width_bytes() :]))


class StatisticsRequest(Packed, kw_only=True):
    """Ask for the switch's counters; the reply's body is one JSON object of named integers (UTF-8)."""


class ReadRecordsRequest(Packed, kw_only=True):
    """Read records of one kind as the switch has them now; changes nothing. For consoles and tools, not for tills.

    Records come in ascending order of key. A kind of which the switch has more than 262,144 records is not listed:
    then the reply has the record with exactly this key, or none, and says so (`NOT_LISTED`). Card numbers are in
    clear: the link is encrypted, and the right to follow is asked for.
    """

    kind: Annotated[int, u8("operator", "RecordKind")]
    reserved: Annotated[bytes, octets(3, "operator", "zero")] = bytes(3)
    count_max: Annotated[int, u32("operator", "most records wanted; 0: as many as fit a reply")] = 0
    key_a: Annotated[int, u64("operator", "first key wanted: records come in ascending order of key from here on")] = 0
    key_b: Annotated[int, u64("operator", "second part of the first key, for kinds with a wide key")] = 0
    key_c: Annotated[int, u64("operator", "third part of the first key, for kinds with a wide key")] = 0


class ReadRecordsReply(Packed, kw_only=True):
    """Whole records, one behind the other."""

    trailing: ClassVar[tuple[str, ...]] = ("records",)

    code: Annotated[int, u16("switch", "0, or FIELD_INVALID: there is no such kind")] = 0
    is_last: Annotated[int, u8("switch", "RecordsEnd")] = 1
    reserved: Annotated[int, u8("switch", "zero")] = 0
    record_count: Annotated[int, u32("switch", "records that follow")] = 0
    records: bytes = b""

    def encode(self) -> bytes:
        """Fixed part and records."""
        return Packed.encode(self) + self.records

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Reply from its bytes."""
        if len(body) < cls.width_bytes():
            raise LayoutError("ReadRecordsReply length", 0, cls.width_bytes(), len(body), "the switch is broken")
        return cls(**cls._fixed_fields(body), records=bytes(body[cls.width_bytes() :]))


REQUESTS: dict[MessageType, type[Packed]] = {
    MessageType.SIGN_OFF: SignOffRequest,
    MessageType.ECHO: EchoRequest,
    MessageType.DEBIT: DebitRequest,
    MessageType.REVERSAL: ReversalRequest,
    MessageType.BALANCE: BalanceRequest,
    MessageType.CREDIT: CreditRequest,
    MessageType.HOLD: HoldRequest,
    MessageType.CAPTURE: CaptureRequest,
    MessageType.RELEASE: ReleaseRequest,
    MessageType.REFUND: RefundRequest,
    MessageType.QUOTE: DebitRequest,
    MessageType.CARD_QUERY: CardQueryRequest,
    MessageType.TRANSFER: TransferRequest,
    MessageType.REDEEM: RedeemRequest,
    MessageType.CONVERT: ConvertRequest,
    MessageType.ADJUST_POINTS: AdjustPointsRequest,
    MessageType.TRANSFER_POINTS: TransferPointsRequest,
    MessageType.DAY_TOTALS: DayTotalsRequest,
    MessageType.DAY_DIGESTS: DayDigestsRequest,
    MessageType.DAY_LIST: DayListRequest,
    MessageType.BACKFILL: BackfillRequest,
    MessageType.LOAD_VISITS: LoadVisitsRequest,
    MessageType.PUT_CARD_TYPE: PutCardTypeRequest,
    MessageType.PUT_STORE: PutStoreRequest,
    MessageType.PUT_TERMINAL: PutTerminalRequest,
    MessageType.OPEN_CARD: OpenCardRequest,
    MessageType.OPERATE_CARD: OperateCardRequest,
    MessageType.SET_PIN: SetPinRequest,
    MessageType.SET_CARD: SetCardRequest,
    MessageType.SET_TYPE_STATE: SetTypeStateRequest,
    MessageType.PUT_ORGANISATION: PutOrganisationRequest,
    MessageType.PUT_POINTS_CATEGORY: PutPointsCategoryRequest,
    MessageType.PUT_GIFT: PutGiftRequest,
    MessageType.PUT_RULE: PutRuleRequest,
    MessageType.ACTIVATE_RULES: ActivateRulesRequest,
    MessageType.PUT_PRICE: PutPriceRequest,
    MessageType.PUT_ALLOWED: PutAllowedRequest,
    MessageType.PUT_SWITCH: PutSwitchRequest,
    MessageType.CUT_OVER: CutOverRequest,
    MessageType.FOLLOW: FollowRequest,
    MessageType.STATISTICS: StatisticsRequest,
    MessageType.READ_RECORDS: ReadRecordsRequest,
}
"""Body of each request by type."""

RIGHT_NEEDED: dict[MessageType, Right] = {
    MessageType.DEBIT: Right.PAY,
    MessageType.REVERSAL: Right.PAY,
    MessageType.BALANCE: Right.PAY,
    MessageType.CREDIT: Right.CREDIT,
    MessageType.HOLD: Right.PAY,
    MessageType.CAPTURE: Right.PAY,
    MessageType.RELEASE: Right.PAY,
    MessageType.REFUND: Right.PAY,
    MessageType.QUOTE: Right.PAY,
    MessageType.CARD_QUERY: Right.PAY,
    MessageType.TRANSFER: Right.CREDIT,
    MessageType.REDEEM: Right.PAY,
    MessageType.CONVERT: Right.PAY,
    MessageType.ADJUST_POINTS: Right.CARDS,
    MessageType.TRANSFER_POINTS: Right.CARDS,
    MessageType.DAY_TOTALS: Right.PAY,
    MessageType.DAY_DIGESTS: Right.PAY,
    MessageType.DAY_LIST: Right.PAY,
    MessageType.BACKFILL: Right.CARDS,
    MessageType.LOAD_VISITS: Right.CREDIT,
    MessageType.PUT_CARD_TYPE: Right.CONFIGURE,
    MessageType.PUT_STORE: Right.CONFIGURE,
    MessageType.PUT_TERMINAL: Right.CONFIGURE,
    MessageType.OPEN_CARD: Right.CONFIGURE,
    MessageType.OPERATE_CARD: Right.CARDS,
    MessageType.SET_PIN: Right.CARDS,
    MessageType.SET_CARD: Right.CARDS,
    MessageType.SET_TYPE_STATE: Right.CONFIGURE,
    MessageType.PUT_ORGANISATION: Right.CONFIGURE,
    MessageType.PUT_POINTS_CATEGORY: Right.CONFIGURE,
    MessageType.PUT_GIFT: Right.CONFIGURE,
    MessageType.PUT_RULE: Right.CONFIGURE,
    MessageType.ACTIVATE_RULES: Right.CONFIGURE,
    MessageType.PUT_PRICE: Right.CONFIGURE,
    MessageType.PUT_ALLOWED: Right.CONFIGURE,
    MessageType.CUT_OVER: Right.CONFIGURE,
    MessageType.FOLLOW: Right.FOLLOW,
    MessageType.STATISTICS: Right.FOLLOW,
    MessageType.READ_RECORDS: Right.FOLLOW,
}
"""Right that a message needs; sign-off and echo need none."""

WITHOUT_KEY: frozenset[MessageType] = frozenset(
    {
        MessageType.SIGN_OFF,
        MessageType.ECHO,
        MessageType.BALANCE,
        MessageType.QUOTE,
        MessageType.CARD_QUERY,
        MessageType.DAY_DIGESTS,
        MessageType.DAY_LIST,
        MessageType.PUT_SWITCH,
        MessageType.FOLLOW,
        MessageType.STATISTICS,
        MessageType.READ_RECORDS,
    }
)
KEYED_TYPES: frozenset[MessageType] = frozenset(REQUESTS) - WITHOUT_KEY
"""Requests with a trace number: journaled, answered by `Reply`, remembered."""
