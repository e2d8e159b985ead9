"""A journal entry for tools, cut into its parts: header, request, reply, images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from switch.protocol.records import ENTRY_ALIGN_BYTES, EntryHeader, images_of

HEADER_BYTES = EntryHeader.width_bytes()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; `request` and `reply` are bodies without padding."""

    header: EntryHeader
    request: bytes
    reply: bytes
    image_bytes: bytes

    def images(self) -> list[bytes]:
        """What every touched record looks like afterwards."""
        return images_of(self.image_bytes)


def padded(size_bytes: int) -> int:
    """Room that a body takes in an entry."""
    return -(-size_bytes // ENTRY_ALIGN_BYTES) * ENTRY_ALIGN_BYTES


def cut(entry: bytes) -> Entry:
    """The parts of a whole entry."""
    header = EntryHeader.decode(entry[:HEADER_BYTES])
    reply_at = HEADER_BYTES + padded(header.request_bytes)
    return Entry(
        header,
        entry[HEADER_BYTES : HEADER_BYTES + header.request_bytes],
        entry[reply_at : reply_at + header.reply_bytes],
        entry[reply_at + padded(header.reply_bytes) :],
    )


def entries_in(body: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of every entry in a block's body."""
    at = 0
    while at < len(body):
        entry_bytes = int.from_bytes(body[at : at + 4], "little")
        yield at, body[at : at + entry_bytes]
        at += entry_bytes
