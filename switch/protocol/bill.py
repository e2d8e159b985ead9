"""A bill and how it is paid: lines, tenders, the debit that carries them, and the refund of one."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from .evidenced import decode_evidence, encode_evidence
from .layout import LayoutError, Packed, i32, i64, layout_of, octets, u8, u16, u32, u64
from .rows import decode_rows, decode_with_rows
from .security import EVIDENCE_BYTES, Evidence
from .terms import LINE_COUNT_MAX, PIN_BYTES, TENDER_COUNT_MAX, DebitFlag


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

    Without tenders the card pays all of it.  With a code or a tag the card number may be 0: the switch finds it.
    """

    trailing: ClassVar[tuple[str, ...]] = ("lines", "tenders", "pin", "evidence")

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
    reserved: Annotated[bytes, octets(3, "terminal", "zero")] = bytes(3)
    lines: tuple[BillLine, ...] = ()
    tenders: tuple[Tender, ...] = ()
    pin: bytes = b""
    evidence: Evidence | None = None

    def encode(self) -> bytes:
        """Fixed part, lines, tenders, PIN, evidence; the counts are taken from them."""
        if len(self.lines) > LINE_COUNT_MAX:
            raise LayoutError("DebitRequest.lines", 32, LINE_COUNT_MAX, len(self.lines), "split the bill")
        if len(self.tenders) > TENDER_COUNT_MAX:
            raise LayoutError("DebitRequest.tenders", 34, TENDER_COUNT_MAX, len(self.tenders), "use fewer tenders")
        body = bytearray(Packed.encode(self))
        body[LINE_COUNT_OFFSET] = len(self.lines)
        body[LINE_COUNT_OFFSET + 2] = len(self.tenders)
        rows = b"".join(row.encode() for row in (*self.lines, *self.tenders))
        pin = self.pin.ljust(PIN_BYTES, b"\0") if self.flags & DebitFlag.PIN else b""
        return bytes(body) + rows + pin + encode_evidence(self)

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
        if len(body) not in (expected_bytes, expected_bytes + EVIDENCE_BYTES):
            raise LayoutError("DebitRequest length", 32, expected_bytes, len(body), "send what the counts say")
        return cls(
            **fields,
            lines=decode_rows(BillLine, body[fixed_bytes:tenders_at]),
            tenders=decode_rows(Tender, body[tenders_at:pin_at]),
            pin=bytes(body[pin_at:expected_bytes]),
            evidence=decode_evidence(body[expected_bytes:]),
        )


LINE_COUNT_OFFSET = next(f.offset for f in layout_of(DebitRequest).fields if f.name == "line_count")


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
