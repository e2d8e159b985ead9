"""What the journal is made of: entries, and blocks of them.

An entry says what was asked (the request's body as it came), what was decided
(the reply's body as it leaves) and what every touched record looks like
afterwards (its images).  So a reader needs no rules: the last image of a
record is the record.  A block is one group commit: a header with the hash of
the block before, and the entries that share one sync.
"""

from __future__ import annotations

from typing import Annotated

from .layout import Packed, i64, octets, u8, u16, u32, u64

ENTRY_ALIGN_BYTES = 8
BLOCK_MAGIC = int.from_bytes(b"CSWB", "little")
BLOCK_VERSION = 1
ENTRY_VERSION = 2


class EntryHeader(Packed, kw_only=True):
    """Start of an entry; request body and reply body (both zero-padded to 8) and the images follow it.

    Images stand in ascending order of kind, then of key.
    """

    entry_bytes: Annotated[int, u32("switch", "length of the whole entry, a multiple of 8")]
    crc32c: Annotated[int, u32("switch", "CRC-32C (Castagnoli) of the entry from offset 8 to its end")] = 0
    sequence: Annotated[int, u64("switch", "number of the entry, from 1, without gaps")]
    time_ms: Annotated[int, i64("switch", "clock of the decision, milliseconds since 1970-01-01 UTC")]
    terminal_id: Annotated[int, u32("switch", "who asked; 0 for init and for the switch itself")]
    business_date: Annotated[int, u32("switch", "business date of the decision, days since 1970-01-01")]
    request_type: Annotated[int, u8("switch", "type byte of the request")]
    version: Annotated[int, u8("switch", "2")] = ENTRY_VERSION
    image_count: Annotated[int, u16("switch", "number of images")] = 0
    request_bytes: Annotated[int, u16("switch", "length of the request's body, without padding")]
    reply_bytes: Annotated[int, u16("switch", "length of the reply's body, without padding")]
    issuing_organisation_id: Annotated[int, u32("switch", "organisation that issued the card concerned; 0: none")] = 0
    accepting_organisation_id: Annotated[int, u32("switch", "organisation of the terminal's store; 0: none")] = 0


class BlockHeader(Packed, kw_only=True):
    """Start of a block; `body_bytes` of entries follow."""

    magic: Annotated[int, u32("switch", "the letters CSWB")] = BLOCK_MAGIC
    version: Annotated[int, u16("switch", "1")] = BLOCK_VERSION
    header_bytes: Annotated[int, u16("switch", "128")] = 128
    partition: Annotated[int, u32("switch", "partition of the journal")]
    entry_count: Annotated[int, u32("switch", "number of entries")]
    block_number: Annotated[int, u64("switch", "number of the block, from 0, without gaps")]
    first_sequence: Annotated[int, u64("switch", "sequence of the first entry")]
    body_bytes: Annotated[int, u32("switch", "length of all entries")]
    reserved: Annotated[int, u32("switch", "zero")] = 0
    time_ms: Annotated[int, i64("switch", "clock of the last entry")]
    previous_hash: Annotated[bytes, octets(32, "switch", "hash of the block before; zero for block 0")]
    block_hash: Annotated[bytes, octets(32, "switch", "SHA-256 of this header's first 80 bytes followed by the body")]
    header_crc32c: Annotated[int, u32("switch", "CRC-32C of this header's first 112 bytes")] = 0
    reserved_more: Annotated[bytes, octets(12, "switch", "zero")] = bytes(12)


HASHED_HEADER_BYTES = 80
"""Part of the block header that `block_hash` covers: everything before `block_hash` itself."""
CHECKED_HEADER_BYTES = 112
"""Part of the block header that `header_crc32c` covers: everything before it. Starts rely on it, audits on the hash."""
