"""Every message of protocol 1: the one place where fields, offsets and meanings are written down.

A message is a header and a body inside one Noise transport message.  Requests
that change something begin with the same key (trace number and business date,
together with the terminal that signed on) and are answered by one `Reply`,
whatever their type; the switch remembers that answer under the key.
"""

from __future__ import annotations

import enum
from typing import Annotated, ClassVar, Self

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


class MessageType(enum.IntEnum):
    """Type byte of a request; its reply has the same number with REPLY_BIT set."""

    SIGN_OFF = 0x01
    ECHO = 0x02
    DEBIT = 0x10
    REVERSAL = 0x11
    BALANCE = 0x12
    CREDIT = 0x13
    PUT_CARD_TYPE = 0x40
    PUT_STORE = 0x41
    PUT_TERMINAL = 0x42
    OPEN_CARD = 0x43
    CHANGE_CARD_STATUS = 0x44
    PUT_SWITCH = 0x4F
    FOLLOW = 0x60
    STATISTICS = 0x61
    ERROR = 0x7F


RESERVED_TYPES: dict[int, str] = {
    0x14: "hold",
    0x15: "capture",
    0x16: "release",
    0x17: "refund",
    0x18: "quote",
    0x19: "points as tender",
    0x1A: "offline advice",
    0x1B: "transfer",
    0x20: "day close: totals",
    0x21: "day close: digests of a range",
    0x22: "day close: list of sales",
}
"""Numbers that later versions will use; refused as unknown until then."""


class Right(enum.IntFlag):
    """What a signed-on terminal may send."""

    PAY = 1
    """debit, reversal, balance"""
    CREDIT = 2
    """credit"""
    CONFIGURE = 4
    """card types, stores, terminals, cards"""
    FOLLOW = 8
    """the journal and statistics"""


class CardStatus(enum.IntEnum):
    """Status of a card (a later version has the whole life cycle)."""

    ACTIVE = 1
    BLOCKED = 2


class TerminalStatus(enum.IntEnum):
    """Status of a terminal; a blocked one cannot sign on and is cut off at its next frame."""

    ACTIVE = 1
    BLOCKED = 2


class CardTypeFlag(enum.IntFlag):
    """Choices of a card type."""

    ZERO_AMOUNT = 1
    """A debit of amount zero is approved (it counts for the daily count)."""
    NET_LINES = 2
    """Points: lines below zero reduce the base; without it they count as zero."""
    ROUND_LINES = 4
    """Points: rounded down once per line; without it once per bill."""


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


class Reply(Packed, kw_only=True):
    """Answer to every request that has a key, and to a balance inquiry."""

    code: Annotated[int, u16("switch", "response code")]
    detail: Annotated[int, u16("switch", "with FIELD_INVALID: offset of the field in the request's body")] = 0
    trace_number: Annotated[int, u32("switch", "the request's; 0 for a balance inquiry")] = 0
    business_date: Annotated[int, u32("switch", "business date of the decision, days since 1970-01-01")] = 0
    retry_after_ms: Annotated[int, u32("switch", "with class retry: wait this long, then send the same bytes")] = 0
    amount_minor: Annotated[int, i64("switch", "amount debited, credited or given back now; else 0")] = 0
    balance_minor: Annotated[int, i64("switch", "account balance afterwards; 0 when no card was found")] = 0
    points_hundredths: Annotated[int, i64("switch", "points earned (below 0: taken back), hundredths")] = 0
    points_balance_hundredths: Annotated[int, i64("switch", "points afterwards, hundredths")] = 0
    journal_sequence: Annotated[
        int,
        u64("switch", "entry that holds this decision; in a balance inquiry, the last entry that changed the account"),
    ] = 0


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
    department: Annotated[int, u16("terminal", "department of goods, numbered by the shop")] = 0
    category: Annotated[int, u16("terminal", "class of goods, numbered by the shop")] = 0
    brand: Annotated[int, u16("terminal", "brand, numbered by the shop")] = 0
    flags: Annotated[int, u16("terminal", "zero in version 1 (room: promotion goods, no points)")] = 0
    till_discount_minor: Annotated[int, i32("terminal", "what the till has taken off already")] = 0


class DebitRequest(Packed, kw_only=True):
    """Pay a bill from a card: reserve and take in one step."""

    trailing: ClassVar[tuple[str, ...]] = ("lines",)

    trace_number: Annotated[
        int, u32("terminal", "any number that the terminal has not used on this business date; stored before sending")
    ]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number, 8 to 19 digits as a number")]
    amount_minor: Annotated[int, i64("terminal", "amount due, minor units")]
    line_count: Annotated[int, u8("terminal", "number of bill lines that follow, 0 to 255")] = 0
    entry_mode: Annotated[
        int, u8("terminal", "0 keyed, 1 bar code, 2 stripe, 3 chip, 4 contactless, 5 phone; recorded only")
    ] = 0
    reserved: Annotated[bytes, octets(6, "terminal", "zero (room: cryptogram length, tender)")] = bytes(6)
    lines: tuple[BillLine, ...] = ()

    def encode(self) -> bytes:
        """Fixed part and lines; `line_count` is taken from `lines`."""
        if len(self.lines) > LINE_COUNT_MAX:
            raise LayoutError("DebitRequest.lines", 32, LINE_COUNT_MAX, len(self.lines), "split the bill")
        body = bytearray(Packed.encode(self))
        body[LINE_COUNT_OFFSET] = len(self.lines)
        return bytes(body) + b"".join(line.encode() for line in self.lines)

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Request from its bytes; `LayoutError` when the length does not fit the line count."""
        fixed_bytes, line_bytes = cls.width_bytes(), BillLine.width_bytes()
        if len(body) < fixed_bytes:
            raise LayoutError("DebitRequest length", 0, fixed_bytes, len(body), "send at least the fixed part")
        fields = cls._fixed_fields(body)
        expected_bytes = fixed_bytes + fields["line_count"] * line_bytes
        if len(body) != expected_bytes:
            raise LayoutError("DebitRequest length", 32, expected_bytes, len(body), "send line_count lines")
        starts = range(fixed_bytes, expected_bytes, line_bytes)
        return cls(**fields, lines=tuple(BillLine.decode(body[at : at + line_bytes]) for at in starts))


LINE_COUNT_OFFSET = next(f.offset for f in layout_of(DebitRequest).fields if f.name == "line_count")


class ReversalRequest(Packed, kw_only=True):
    """Undo a debit of the same terminal whose outcome it does not know, or that the customer gave up."""

    trace_number: Annotated[int, u32("terminal", "a new trace number, as for every keyed request")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "the original's")]
    amount_minor: Annotated[int, i64("terminal", "the original's")]
    original_trace_number: Annotated[int, u32("terminal", "trace number of the debit to undo")]
    original_business_date: Annotated[int, u32("terminal", "business date that the debit carried")]
    reason: Annotated[int, u8("terminal", "0 unknown outcome, 1 customer, 2 operator; recorded only")] = 0
    reserved: Annotated[bytes, octets(7, "terminal", "zero")] = bytes(7)


class CreditRequest(Packed, kw_only=True):
    """Put value on a card."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]
    amount_minor: Annotated[int, i64("terminal", "amount to put on, minor units")]
    channel: Annotated[int, u8("terminal", "0 opening balance, 1 cash, 2 bank card, 3 transfer; recorded only")] = 0
    reserved: Annotated[bytes, octets(7, "terminal", "zero")] = bytes(7)
    reference: Annotated[int, u64("terminal", "the channel's own reference; recorded only")] = 0


class BalanceRequest(Packed, kw_only=True):
    """Ask; changes nothing, has no key."""

    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]


# --------------------------------------------------------------------------- operators


class PutCardTypeRequest(Packed, kw_only=True):
    """Create or change a card type."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    code: Annotated[int, u16("operator", "code of the type, 1 to 1,023")]
    flags: Annotated[
        int, u16("operator", "bits: 1 amount zero allowed, 2 points on net lines, 4 points rounded per line")
    ] = 0
    daily_count_max: Annotated[
        int, u32("operator", "approved debits of the account per business date; 2^32-1: no limit")
    ] = NO_COUNT_LIMIT
    single_minor_max: Annotated[int, i64("operator", "largest amount of one debit; 2^63-1: no limit")] = NO_LIMIT
    daily_minor_max: Annotated[
        int, i64("operator", "sum of the account's approved debits per business date; 2^63-1: no limit")
    ] = NO_LIMIT
    daily_points_max_hundredths: Annotated[
        int, i64("operator", "points that the account earns per business date, hundredths; 2^63-1: no limit")
    ] = NO_LIMIT
    points_percent: Annotated[int, u32("operator", "points per main unit in percent: 100 is one point, 0 none")] = 0
    points_per_unit: Annotated[int, u32("operator", "multiplier of points_percent, 1 as a rule")] = 1


class PutStoreRequest(Packed, kw_only=True):
    """Create or change a store."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    store_id: Annotated[int, u32("operator", "number of the store, above 0")]
    organisation_id: Annotated[int, u32("operator", "node of the organisation that the store belongs to")] = 0


class PutTerminalRequest(Packed, kw_only=True):
    """Create or change a terminal; its key never stands in clear in the journal."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    terminal_id: Annotated[int, u32("operator", "number of the terminal, above 0")]
    store_id: Annotated[int, u32("operator", "the terminal's store, which must exist; 0 for an operator")]
    rights: Annotated[int, u32("operator", "bits: 1 pay, 2 credit, 4 configure, 8 follow")]
    status: Annotated[int, u8("operator", "1 active, 2 blocked")] = TerminalStatus.ACTIVE
    reserved: Annotated[bytes, octets(3, "operator", "zero")] = bytes(3)
    key: Annotated[
        bytes,
        octets(
            40, "operator", "32 random bytes and 8 zero bytes; in the journal the 40 bytes of the RFC 3394 wrapping"
        ),
    ]


class OpenCardRequest(Packed, kw_only=True):
    """Make a card known, with an account of its own or on the account of another card."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "number of the new card, 8 to 19 digits")]
    account_number: Annotated[
        int, u64("operator", "0 or card_number: a new account, named by this card; else an account's number")
    ] = 0
    card_type: Annotated[int, u16("operator", "code of a card type that exists")]
    status: Annotated[int, u8("operator", "1 active, 2 blocked")] = CardStatus.ACTIVE
    reserved: Annotated[bytes, octets(5, "operator", "zero")] = bytes(5)


class ChangeCardStatusRequest(Packed, kw_only=True):
    """Block or unblock a card."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "card number")]
    status: Annotated[int, u8("operator", "1 active, 2 blocked")]
    reason: Annotated[int, u8("operator", "recorded only")] = 0
    reserved: Annotated[bytes, octets(6, "operator", "zero")] = bytes(6)


class PutSwitchRequest(Packed, kw_only=True):
    """First entry of every journal, written by `cardswitch init`; refused on the wire."""

    trace_number: Annotated[int, u32("init", "1")] = 1
    business_date: Annotated[int, u32("init", "days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("init", "milliseconds since 1970-01-01 UTC")]
    partition: Annotated[int, u32("init", "partition of cards that this journal holds")]
    mode: Annotated[int, u8("init", "0 production, 1 replay")]
    reserved: Annotated[bytes, octets(3, "init", "zero")] = bytes(3)
    timezone: Annotated[bytes, octets(32, "init", "IANA name of the time zone of business dates, zero-padded")]


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


REQUESTS: dict[MessageType, type[Packed]] = {
    MessageType.SIGN_OFF: SignOffRequest,
    MessageType.ECHO: EchoRequest,
    MessageType.DEBIT: DebitRequest,
    MessageType.REVERSAL: ReversalRequest,
    MessageType.BALANCE: BalanceRequest,
    MessageType.CREDIT: CreditRequest,
    MessageType.PUT_CARD_TYPE: PutCardTypeRequest,
    MessageType.PUT_STORE: PutStoreRequest,
    MessageType.PUT_TERMINAL: PutTerminalRequest,
    MessageType.OPEN_CARD: OpenCardRequest,
    MessageType.CHANGE_CARD_STATUS: ChangeCardStatusRequest,
    MessageType.PUT_SWITCH: PutSwitchRequest,
    MessageType.FOLLOW: FollowRequest,
    MessageType.STATISTICS: StatisticsRequest,
}
"""Body of each request by type."""

RIGHT_NEEDED: dict[MessageType, Right] = {
    MessageType.DEBIT: Right.PAY,
    MessageType.REVERSAL: Right.PAY,
    MessageType.BALANCE: Right.PAY,
    MessageType.CREDIT: Right.CREDIT,
    MessageType.PUT_CARD_TYPE: Right.CONFIGURE,
    MessageType.PUT_STORE: Right.CONFIGURE,
    MessageType.PUT_TERMINAL: Right.CONFIGURE,
    MessageType.OPEN_CARD: Right.CONFIGURE,
    MessageType.CHANGE_CARD_STATUS: Right.CONFIGURE,
    MessageType.FOLLOW: Right.FOLLOW,
    MessageType.STATISTICS: Right.FOLLOW,
}
"""Right that a message needs; sign-off and echo need none."""

KEYED_TYPES: frozenset[MessageType] = frozenset(
    {
        MessageType.DEBIT,
        MessageType.REVERSAL,
        MessageType.CREDIT,
        MessageType.PUT_CARD_TYPE,
        MessageType.PUT_STORE,
        MessageType.PUT_TERMINAL,
        MessageType.OPEN_CARD,
        MessageType.CHANGE_CARD_STATUS,
    }
)
"""Requests with a trace number: journaled, answered by `Reply`, remembered."""
