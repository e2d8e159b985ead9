"""The journal as a follower gets it: bytes in pieces, put together to blocks, checked, cut into entries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from switch.protocol.messages import FollowReply
from switch.protocol.records import BLOCK_MAGIC, HASHED_HEADER_BYTES, BlockHeader, EntryHeader

from .errors import TerminalError

BLOCK_HEADER_BYTES = BlockHeader.width_bytes()
ENTRY_HEADER_BYTES = EntryHeader.width_bytes()


class JournalFeedError(TerminalError):
    """What came is not the journal that was followed so far."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, cut into its parts."""

    header: EntryHeader
    request: bytes
    reply: bytes
    images: bytes
    """All images, one behind the other."""


class JournalFeed:
    """Takes follow replies in their order, gives the entries of whole blocks.

    `position` is where the next block begins, `block_hash` the hash of the one
    before: what a follower keeps to go on later.  An empty hash stands for a
    start in the middle, whose first block is believed to follow.
    """

    def __init__(self, position: int = 0, block_hash: bytes = b"") -> None:
        self.position = position
        self.block_hash = block_hash
        self._pending = bytearray()

    @property
    def wanted_position(self) -> int:
        """First byte that has not come yet."""
        return self.position + len(self._pending)

    def take(self, reply: FollowReply) -> Iterator[list[Entry]]:
        """The entries of each block that a reply completes; `position` has passed a block when the next is asked for.

        `JournalFeedError` when the bytes are not the continuation of what came before.
        """
        if reply.journal_bytes and reply.position != self.wanted_position:
            if self._pending or reply.position < self.wanted_position:
                raise JournalFeedError(
                    f"journal: expected position {self.wanted_position}, got {reply.position} in the middle of a block;"
                    " begin anew with the state as it was saved"
                )
            self.position = reply.position  # the unused end of a segment
        self._pending += reply.journal_bytes
        while (block := self._next_block()) is not None:
            header, body = block
            yield _entries_in(body)
            self.block_hash = header.block_hash
            size_bytes = BLOCK_HEADER_BYTES + len(body)
            self.position += size_bytes
            del self._pending[:size_bytes]

    def _next_block(self) -> tuple[BlockHeader, bytes] | None:
        if len(self._pending) < BLOCK_HEADER_BYTES:
            return None
        head = bytes(self._pending[:BLOCK_HEADER_BYTES])
        if not head.startswith(BLOCK_MAGIC.to_bytes(4, "little")):
            raise JournalFeedError(
                f"journal: expected a block at position {self.position}, got something else;"
                " the saved position is not of this journal: move the state file away to begin at its end"
            )
        header = BlockHeader.decode(head)
        if len(self._pending) < BLOCK_HEADER_BYTES + header.body_bytes:
            return None
        body = bytes(self._pending[BLOCK_HEADER_BYTES : BLOCK_HEADER_BYTES + header.body_bytes])
        if hashlib.sha256(head[:HASHED_HEADER_BYTES] + body).digest() != header.block_hash:
            raise JournalFeedError(
                f"journal: expected block {header.block_number} to have its own hash, got another;"
                " run cardswitch verify on the switch's data directory"
            )
        if self.block_hash and header.previous_hash != self.block_hash:
            raise JournalFeedError(
                f"journal: expected block {header.block_number} to follow the last one read, got another chain;"
                " the saved position is not of this journal: move the state file away to begin at its end"
            )
        return header, body


def _entries_in(body: bytes) -> list[Entry]:
    entries, at = [], 0
    while at < len(body):
        header = EntryHeader.decode(body[at : at + ENTRY_HEADER_BYTES])
        if not ENTRY_HEADER_BYTES <= header.entry_bytes <= len(body) - at:
            raise JournalFeedError(
                f"journal: expected entry {header.sequence} within its block, got {header.entry_bytes} bytes;"
                " this program may be older than the switch"
            )
        request_at = at + ENTRY_HEADER_BYTES
        reply_at = request_at + _padded(header.request_bytes)
        images_at = reply_at + _padded(header.reply_bytes)
        entries.append(
            Entry(
                header,
                body[request_at : request_at + header.request_bytes],
                body[reply_at : reply_at + header.reply_bytes],
                body[images_at : at + header.entry_bytes],
            )
        )
        at += header.entry_bytes
    return entries


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // 8) * 8
