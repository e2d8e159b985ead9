"""Layouts of what is kept: ledger records, journal entries, journal blocks.

An entry says what was asked (the request's body as it came), what was decided
(the reply's body as it leaves) and what every touched record looks like
afterwards (its images).  So a reader needs no rules: the last image of a
record is the record.  A block is one group commit: a header with the hash of
the block before, and the entries that share one sync.
"""

from __future__ import annotations

import enum
from typing import Annotated

from .layout import Packed, i64, octets, u8, u16, u32, u64

RECORD_BYTES = 64
"""Every ledger record: one cache line, the same bytes in memory, in LMDB and as an image in an entry."""
ENTRY_ALIGN_BYTES = 8
BLOCK_MAGIC = int.from_bytes(b"CSWB", "little")
BLOCK_VERSION = 1


class RecordKind(enum.IntEnum):
    """First byte of a record; also the LMDB database that holds it."""

    ACCOUNT = 1
    CARD = 2
    CARD_TYPE = 3
    STORE = 4
    TERMINAL = 5
    SWITCH = 6


class AccountRecord(Packed, kw_only=True):
    """Purse of one or several cards, named by the number of its first card."""

    kind: Annotated[int, u8("switch", "1")] = RecordKind.ACCOUNT
    version: Annotated[int, u8("switch", "1")] = 1
    reserved: Annotated[int, u16("switch", "zero")] = 0
    business_date: Annotated[
        int, u32("switch", "date that the day counters below belong to, days since 1970-01-01")
    ] = 0
    account_number: Annotated[int, u64("switch", "key: number of the account's first card")]
    balance_minor: Annotated[int, i64("switch", "stored value, minor units")] = 0
    points_hundredths: Annotated[int, i64("switch", "points, hundredths")] = 0
    day_debit_minor: Annotated[int, i64("switch", "sum of approved debits of the business date")] = 0
    day_points_hundredths: Annotated[int, i64("switch", "points earned on the business date")] = 0
    day_debit_count: Annotated[int, u32("switch", "number of approved debits of the business date")] = 0
    reserved_more: Annotated[int, u32("switch", "zero")] = 0
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class CardRecord(Packed, kw_only=True):
    """One plastic or token."""

    kind: Annotated[int, u8("switch", "2")] = RecordKind.CARD
    version: Annotated[int, u8("switch", "1")] = 1
    card_type: Annotated[int, u16("switch", "code of the card type")]
    status: Annotated[int, u8("switch", "1 active, 2 blocked")]
    reserved: Annotated[bytes, octets(3, "switch", "zero")] = bytes(3)
    card_number: Annotated[int, u64("switch", "key: card number")]
    account_number: Annotated[int, u64("switch", "account that the card spends from")]
    opened_date: Annotated[int, u32("switch", "business date of opening, days since 1970-01-01")]
    reserved_more: Annotated[
        bytes, octets(28, "switch", "zero (room: expiry, key version, counters, chain, PIN tries)")
    ] = bytes(28)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class CardTypeRecord(Packed, kw_only=True):
    """What the cards of one type may do."""

    kind: Annotated[int, u8("switch", "3")] = RecordKind.CARD_TYPE
    version: Annotated[int, u8("switch", "1")] = 1
    flags: Annotated[int, u16("switch", "as in the request")]
    daily_count_max: Annotated[int, u32("switch", "as in the request")]
    code: Annotated[int, u64("switch", "key: code of the type")]
    single_minor_max: Annotated[int, i64("switch", "as in the request")]
    daily_minor_max: Annotated[int, i64("switch", "as in the request")]
    daily_points_max_hundredths: Annotated[int, i64("switch", "as in the request")]
    points_percent: Annotated[int, u32("switch", "as in the request")]
    points_per_unit: Annotated[int, u32("switch", "as in the request")]
    reserved: Annotated[int, u64("switch", "zero")] = 0
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class StoreRecord(Packed, kw_only=True):
    """A store."""

    kind: Annotated[int, u8("switch", "4")] = RecordKind.STORE
    version: Annotated[int, u8("switch", "1")] = 1
    reserved: Annotated[int, u16("switch", "zero")] = 0
    organisation_id: Annotated[int, u32("switch", "node of the organisation")]
    store_id: Annotated[int, u64("switch", "key: number of the store")]
    reserved_more: Annotated[bytes, octets(40, "switch", "zero")] = bytes(40)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class TerminalRecord(Packed, kw_only=True):
    """A terminal or an operator's workplace."""

    kind: Annotated[int, u8("switch", "5")] = RecordKind.TERMINAL
    version: Annotated[int, u8("switch", "1")] = 1
    status: Annotated[int, u8("switch", "1 active, 2 blocked")]
    rights: Annotated[int, u8("switch", "bits: 1 pay, 2 credit, 4 configure, 8 follow")]
    store_id: Annotated[int, u32("switch", "the terminal's store; 0 for an operator")]
    terminal_id: Annotated[int, u64("switch", "key: number of the terminal")]
    wrapped_key: Annotated[bytes, octets(40, "switch", "RFC 3394 wrapping of the terminal's 32-byte key")]
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class SwitchRecord(Packed, kw_only=True):
    """What holds for the whole journal."""

    kind: Annotated[int, u8("switch", "6")] = RecordKind.SWITCH
    version: Annotated[int, u8("switch", "1")] = 1
    mode: Annotated[int, u8("switch", "0 production, 1 replay")]
    reserved: Annotated[bytes, octets(5, "switch", "zero")] = bytes(5)
    partition: Annotated[int, u64("switch", "key: partition of cards")]
    timezone: Annotated[bytes, octets(32, "switch", "IANA name, zero-padded")]
    reserved_more: Annotated[int, u64("switch", "zero")] = 0
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


RECORDS: dict[RecordKind, type[Packed]] = {
    RecordKind.ACCOUNT: AccountRecord,
    RecordKind.CARD: CardRecord,
    RecordKind.CARD_TYPE: CardTypeRecord,
    RecordKind.STORE: StoreRecord,
    RecordKind.TERMINAL: TerminalRecord,
    RecordKind.SWITCH: SwitchRecord,
}


class EntryHeader(Packed, kw_only=True):
    """Start of an entry; request body, reply body (both zero-padded to 8) and images of 64 bytes follow it."""

    entry_bytes: Annotated[int, u32("switch", "length of the whole entry, a multiple of 8")]
    crc32c: Annotated[int, u32("switch", "CRC-32C (Castagnoli) of the entry from offset 8 to its end")] = 0
    sequence: Annotated[int, u64("switch", "number of the entry, from 1, without gaps")]
    time_ms: Annotated[int, i64("switch", "clock of the decision, milliseconds since 1970-01-01 UTC")]
    terminal_id: Annotated[int, u32("switch", "who asked; 0 for init")]
    business_date: Annotated[int, u32("switch", "business date of the decision, days since 1970-01-01")]
    request_type: Annotated[int, u8("switch", "type byte of the request")]
    version: Annotated[int, u8("switch", "1")] = 1
    image_count: Annotated[int, u8("switch", "number of images")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    request_bytes: Annotated[int, u16("switch", "length of the request's body, without padding")]
    reply_bytes: Annotated[int, u16("switch", "length of the reply's body")]
    reserved_more: Annotated[int, u64("switch", "zero (room: organisations, price of time)")] = 0


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
