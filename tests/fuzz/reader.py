"""A block is believed only when chain, hash and checksums say so: a journal reader written from docs/protocol.md alone.

Section 12; nothing of `switch` is imported, so a mistake there cannot hide here.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK_HEADER = struct.Struct("<4sHHIIQQIIq32s32sI12s")
ENTRY_HEADER = struct.Struct("<IIQqIIBBHHHII")
IMAGE_BYTES = {1: 128, 2: 128, 3: 256, 5: 128, 10: 128, 12: 128, 16: 128, 18: 128, 21: 128, 24: 128, 27: 128}
"""Lengths of the kinds of records that are not 64 bytes long."""


def _table() -> list[int]:
    rows = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        rows.append(crc)
    return rows


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry."""

    sequence: int
    terminal_id: int
    business_date: int
    request_type: int
    request: bytes
    reply: bytes
    images: tuple[bytes, ...]


class JournalReader:
    """Takes journal bytes in pieces of any size; `entries` grows with every whole block that holds."""

    def __init__(self, partition: int, *, checking: bool = True, midway: bool = False) -> None:
        self._partition, self._checking = partition, checking
        self._bytes = bytearray()
        self.hash = bytes(32)
        self.block_count = 0
        self.next_sequence = 1
        self._midway = midway
        """Began somewhere behind the first block: the first one that comes is believed to follow."""
        self.entries: list[Entry] = []

    @property
    def unfinished_bytes(self) -> int:
        """Bytes of a block whose rest has not come."""
        return len(self._bytes)

    def feed(self, data: bytes) -> None:
        """Take the next bytes; `AssertionError` for a block that does not hold."""
        self._bytes += data
        while len(self._bytes) >= BLOCK_HEADER.size:
            body_bytes = BLOCK_HEADER.unpack_from(self._bytes)[7]
            end = BLOCK_HEADER.size + body_bytes
            if len(self._bytes) < end:
                return
            block = bytes(self._bytes[:end])
            del self._bytes[:end]
            self._take_block(block)

    def _take_block(self, block: bytes) -> None:
        magic, version, header_bytes, partition, entry_count, *rest = BLOCK_HEADER.unpack_from(block)
        number, first_sequence, _, zero, _, before, own, header_checksum, zeros = rest
        if self._midway:
            self.block_count, self.next_sequence, self.hash, self._midway = number, first_sequence, before, False
        assert (magic, version, header_bytes, partition) == (b"CSWB", 1, 128, self._partition)
        assert (number, first_sequence, before) == (self.block_count, self.next_sequence, self.hash)
        assert zero == 0 and not any(zeros)
        assert crc32c(block[:112]) == header_checksum
        body = block[BLOCK_HEADER.size :]
        assert hashlib.sha256(block[:80] + body).digest() == own
        entries = list(self._entries(body))
        assert len(entries) == entry_count
        self.entries += entries
        self.block_count += 1
        self.hash = own

    def _entries(self, body: bytes) -> Iterator[Entry]:
        at = 0
        while at < len(body):
            size, checksum, sequence, _, terminal_id, date, *rest = ENTRY_HEADER.unpack_from(body, at)
            type_, version, image_count, request_bytes, reply_bytes, _, _ = rest
            request_at = at + ENTRY_HEADER.size
            reply_at = request_at + (request_bytes + 7) // 8 * 8
            images_at = reply_at + (reply_bytes + 7) // 8 * 8
            images = tuple(self._images(body[images_at : at + size]))
            assert version == 2 and len(images) == image_count and at + size <= len(body)
            assert sequence == self.next_sequence
            if self._checking:
                assert crc32c(body[at + 8 : at + size]) == checksum, f"entry {sequence}"
            self.next_sequence += 1
            yield Entry(
                sequence,
                terminal_id,
                date,
                type_,
                body[request_at : request_at + request_bytes],
                body[reply_at : reply_at + reply_bytes],
                images,
            )
            at += size

    @staticmethod
    def _images(images: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(images):
            size = IMAGE_BYTES.get(images[at], 64)
            assert at + size <= len(images)
            yield images[at : at + size]
            at += size
