"""What followers and consoles read: the journal, counters, records, who is signed on."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from .layout import LayoutError, Packed, i64, octets, u8, u16, u32, u64
from .rows import decode_rows


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
    is_last: Annotated[int, u8("switch", "RecordsEnd: whether there are more")] = 1
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


class SignedOnRequest(Packed, kw_only=True):
    """Ask who is signed on at this moment; changes nothing and is in no journal. For consoles, not for tills.

    Sessions come in the order in which they were signed on. Each has a number that is not given again until the switch
    starts anew, so whoever asks on behind the last one misses none that stays, and sees none twice.
    """

    after_session: Annotated[int, u64("operator", "0, or the last session of the reply before")] = 0
    terminal_id: Annotated[int, u32("operator", "only sessions of this terminal; 0: of all")] = 0
    count_max: Annotated[int, u32("operator", "most sessions wanted; 0: as many as fit a reply")] = 0


class SignedOnRow(Packed, kw_only=True):
    """One session that is signed on."""

    session: Annotated[int, u64("switch", "number of the session, from 1, ascending since the switch started")]
    signed_on_ms: Annotated[int, i64("switch", "when it signed on, milliseconds since 1970-01-01 UTC")]
    last_message_ms: Annotated[int, i64("switch", "when the last whole frame came; the sign-on, when none has")]
    frame_count: Annotated[int, u64("switch", "frames that came since the sign-on, echoes among them")]
    address: Annotated[
        bytes, octets(16, "switch", "where it connects from: IPv6, or IPv4 as ::ffff:a.b.c.d; 0: unknown")
    ]
    terminal_id: Annotated[int, u32("switch", "who it is")]
    error_count: Annotated[int, u32("switch", "error replies so far")]
    key_version: Annotated[int, u16("switch", "version of the terminal's key that it signed on with")]
    software_version: Annotated[int, u16("switch", "as in its sign-on header: major * 256 + minor; 0: not told")]
    protocol_version: Annotated[int, u8("switch", "version of the protocol that it speaks")]
    reserved: Annotated[bytes, octets(3, "switch", "zero")] = bytes(3)


class SignedOnReply(Packed, kw_only=True):
    """Who is signed on; rows as many as `row_count` says, one behind the other."""

    trailing: ClassVar[tuple[str, ...]] = ("rows",)

    code: Annotated[int, u16("switch", "0")] = 0
    is_last: Annotated[int, u8("switch", "1: there are no more; 0: ask on behind the last session of this reply")] = 1
    reserved: Annotated[int, u8("switch", "zero")] = 0
    row_count: Annotated[int, u32("switch", "rows that follow")] = 0
    rows: bytes = b""

    @property
    def sessions(self) -> tuple[SignedOnRow, ...]:
        """The rows, decoded."""
        return decode_rows(SignedOnRow, self.rows)

    def encode(self) -> bytes:
        """Fixed part and rows."""
        return Packed.encode(self) + self.rows

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Reply from its bytes."""
        rest_bytes = len(body) - cls.width_bytes()
        if rest_bytes < 0 or rest_bytes % SignedOnRow.width_bytes():
            raise LayoutError("SignedOnReply length", 0, cls.width_bytes(), len(body), "the switch is broken")
        return cls(**cls._fixed_fields(body), rows=bytes(body[cls.width_bytes() :]))
