"""What every conversation has: sign-on, the header, the reply and its parts, errors of form, echo and sign-off."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from .day_close import DayTotal
from .layout import LayoutError, Packed, i64, octets, u8, u16, u32, u64
from .rows import decode_rows
from .security import IssuerAnswer
from .terms import MAGIC, PROTOCOL_VERSION


class SignOnHeader(Packed, kw_only=True):
    """Clear start of a connection; also the prologue of the Noise handshake, so it cannot be altered unseen."""

    magic: Annotated[bytes, octets(4, "terminal", "the letters CSWP")] = MAGIC
    version: Annotated[int, u8("terminal", "protocol version: 1")] = PROTOCOL_VERSION
    reserved: Annotated[int, u8("terminal", "zero")] = 0
    software_version: Annotated[
        int, u16("terminal", "version of its software: major * 256 + minor; 0: it does not say")
    ] = 0
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
    flags: Annotated[int, u8("switch", "TerminalFlag bits of this terminal")] = 0
    rights: Annotated[int, u32("switch", "Right bits: what this terminal may send")]


class Header(Packed, kw_only=True):
    """Start of every message after sign-on."""

    version: Annotated[int, u8("sender", "protocol version: 1")] = PROTOCOL_VERSION
    type: Annotated[int, u8("sender", "message type; replies have bit 0x80 set")]
    flags: Annotated[int, u16("sender", "zero in version 1 (room: offline advice)")] = 0
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
        u16("switch", "what `code` names: an offset in the request's body, a status, a state, a rule, a line; else 0"),
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
    receipt_code: Annotated[
        int, u64("switch", "of an approval: 40 bits for the receipt, shown as 8 letters (see text); else 0")
    ] = 0
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
        row_bytes = LineResult.width_bytes()  # an issuer answer behind them is shorter than a row
        return decode_rows(LineResult, self.more[: len(self.more) // row_bytes * row_bytes])

    @property
    def issuer_answer(self) -> IssuerAnswer | None:
        """What goes back to the medium, at the end of the reply to a request with evidence."""
        answer_bytes = IssuerAnswer.width_bytes()
        if len(self.more) % LineResult.width_bytes() != answer_bytes:
            return None
        return IssuerAnswer.decode(self.more[-answer_bytes:])

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
