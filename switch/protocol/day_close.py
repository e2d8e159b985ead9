"""The close of a terminal's business date: totals, and the dialogue that finds where they differ."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from .layout import LayoutError, Packed, i64, layout_of, octets, u8, u16, u32, u64
from .rows import decode_with_rows


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
