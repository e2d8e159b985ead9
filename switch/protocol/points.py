"""Requests about points and visits: redeeming, converting, adjusting, moving, what a sale missed, visits bought."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from .bill import BillLine
from .evidenced import EvidencedRequest
from .layout import Packed, i64, layout_of, octets, u8, u16, u32, u64
from .rows import decode_with_rows
from .security import Evidence


class RedeemRequest(EvidencedRequest, kw_only=True):
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
    evidence: Evidence | None = None


class ConvertRequest(EvidencedRequest, kw_only=True):
    """Turn points into value at the category's rate."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]
    amount_minor: Annotated[int, i64("terminal", "value wanted, a multiple of the category's lot")]
    category: Annotated[int, u8("terminal", "points category")] = 0
    reserved: Annotated[bytes, octets(7, "terminal", "zero")] = bytes(7)
    evidence: Evidence | None = None


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
