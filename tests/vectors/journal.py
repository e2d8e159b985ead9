"""journal.json: two blocks for those who follow the journal."""

from hashlib import sha256
from typing import Any

from msgspec import structs

from switch.protocol.layout import Packed, layout_of
from switch.protocol.messages import (
    MessageType,
    OpenCardRequest,
    PutSwitchRequest,
    Reply,
)
from switch.protocol.records import (
    CHECKED_HEADER_BYTES,
    ENTRY_ALIGN_BYTES,
    HASHED_HEADER_BYTES,
    AccountRecord,
    BlockHeader,
    CardRecord,
    EntryHeader,
    SwitchRecord,
)
from tests.vectors.example import CARD, DATE, DEBIT, DEBIT_REPLY, KEY, NOW_MS, TERMINAL_ID


def crc32c(data: bytes) -> int:
    """CRC-32C bit by bit, as docs/protocol.md spells it out."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def entry(sequence: int, terminal_id: int, type_: int, request: Packed, reply: bytes, *images: Packed) -> bytes:
    """One journal entry."""
    body = request.encode()
    rest = b"".join(part + bytes(-len(part) % ENTRY_ALIGN_BYTES) for part in (body, reply))
    rest += b"".join(image.encode() for image in images)
    header = EntryHeader(
        entry_bytes=layout_of(EntryHeader).width_bytes + len(rest),
        sequence=sequence,
        time_ms=NOW_MS,
        terminal_id=terminal_id,
        business_date=DATE,
        request_type=type_,
        image_count=len(images),
        request_bytes=len(body),
        reply_bytes=len(reply),
    ).encode()
    checksum = crc32c(header[8:] + rest)
    return header[:4] + checksum.to_bytes(4, "little") + header[8:] + rest


def block(number: int, first_sequence: int, entries: list[bytes], previous_hash: bytes) -> bytes:
    """One journal block."""
    body = b"".join(entries)

    def header(block_hash: bytes, checksum: int = 0) -> bytes:
        return BlockHeader(
            partition=0,
            entry_count=len(entries),
            block_number=number,
            first_sequence=first_sequence,
            body_bytes=len(body),
            time_ms=NOW_MS,
            previous_hash=previous_hash,
            block_hash=block_hash,
            header_crc32c=checksum,
        ).encode()

    block_hash = sha256(header(bytes(32))[:HASHED_HEADER_BYTES] + body).digest()
    return header(block_hash, crc32c(header(block_hash)[:CHECKED_HEADER_BYTES])) + body


def journal_file() -> dict[str, Any]:
    """journal.json"""
    timezone = b"Europe/Berlin".ljust(32, b"\0")
    put_switch = PutSwitchRequest(business_date=DATE, stamp_ms=NOW_MS, partition=0, mode=0, timezone=timezone)
    open_card = OpenCardRequest(**KEY, card_number=CARD, card_type=1)
    opened = Reply(code=0, trace_number=1, business_date=DATE, journal_sequence=2)
    debit = structs.replace(DEBIT_REPLY, journal_sequence=3).encode()
    first = block(
        0,
        1,
        [
            entry(
                1,
                0,
                MessageType.PUT_SWITCH,
                put_switch,
                Reply(code=0, trace_number=1, business_date=DATE, journal_sequence=1).encode(),
                SwitchRecord(mode=0, partition=0, timezone=timezone, last_sequence=1),
            ),
            entry(
                2,
                TERMINAL_ID,
                MessageType.OPEN_CARD,
                open_card,
                opened.encode(),
                AccountRecord(account_number=CARD, last_sequence=2),
                CardRecord(
                    card_type=1, status=1, card_number=CARD, account_number=CARD, opened_date=DATE, last_sequence=2
                ),
            ),
        ],
        bytes(32),
    )
    account = AccountRecord(
        business_date=DATE,
        account_number=CARD,
        balance_minor=48_900,
        points_hundredths=1_100,
        day_debit_minor=1_100,
        day_points_hundredths=1_100,
        day_debit_count=1,
        last_sequence=3,
    )
    second = block(1, 3, [entry(3, TERMINAL_ID, MessageType.DEBIT, DEBIT, debit, account)], first[80:112])
    return {
        "about": "Two journal blocks with three entries: layout, CRC-32C and hash chain. The content is made up.",
        "crc32c_of_123456789": f"{crc32c(b'123456789'):08x}",
        "blocks": [first.hex(), second.hex()],
        "block_hashes": [first[80:112].hex(), second[80:112].hex()],
        "entries": [
            {"block": number, "offset": at, "sequence": sequence, "crc32c": raw[at + 4 : at + 8][::-1].hex()}
            for number, raw, at, sequence in (
                (0, first, 128, 1),
                (0, first, 128 + int.from_bytes(first[128:132], "little"), 2),
                (1, second, 128, 3),
            )
        ],
    }
