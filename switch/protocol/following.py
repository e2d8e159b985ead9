"""What followers and consoles read: the journal, counters, records."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from .layout import LayoutError, Packed, octets, u8, u16, u32, u64


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
