"""Journal bytes put together to blocks; a block is believed when its hash and its place in the chain are right."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from switch.protocol.messages import FollowReply
from switch.protocol.records import BLOCK_MAGIC, BLOCK_VERSION, HASHED_HEADER_BYTES, BlockHeader

from .errors import JournalError

BLOCK_HEADER_BYTES = BlockHeader.width_bytes()
HASH_BYTES = 32
_HEAD = struct.Struct("<IHHIIQQIIq32s32sI12s")
assert _HEAD.size == BLOCK_HEADER_BYTES


class JournalFeed:
    """Takes follow replies in order, gives bodies of whole blocks.

    `position` is where the next block begins and `block_hash` the hash of the
    one before: what a follower keeps.
    """

    def __init__(self, partition: int, position: int = 0, block_hash: bytes = bytes(HASH_BYTES)) -> None:
        self.partition = partition
        self.position = position
        self.block_hash = block_hash
        self._pending = bytearray()

    @property
    def wanted_position(self) -> int:
        """First byte that has not come yet."""
        return self.position + len(self._pending)

    def take(self, reply: FollowReply) -> Iterator[bytes]:
        """Body of each block that a reply completes; `position` has passed it when the body is given out."""
        if reply.code:
            raise JournalError(
                f"journal: expected bytes from position {self.wanted_position}, got code {reply.code}: it is another"
                " journal, or an older copy; run cardswitch admin rebuild if the switch's data was replaced on purpose"
            )
        if reply.journal_bytes and reply.position != self.wanted_position:
            if self._pending or reply.position < self.wanted_position:
                raise JournalError(f"journal: expected position {self.wanted_position}, got {reply.position}")
            self.position = reply.position  # the unused end of a segment
        self._pending += reply.journal_bytes
        while len(self._pending) >= BLOCK_HEADER_BYTES:
            head = bytes(self._pending[:BLOCK_HEADER_BYTES])
            magic, version, _, partition, _, number, _, body_bytes, _, _, before, own, _, _ = _HEAD.unpack(head)
            if (magic, version, partition) != (BLOCK_MAGIC, BLOCK_VERSION, self.partition):
                raise JournalError(f"journal: expected a block at position {self.position}, got something else")
            end = BLOCK_HEADER_BYTES + body_bytes
            if len(self._pending) < end:
                return
            body = bytes(memoryview(self._pending)[BLOCK_HEADER_BYTES:end])
            if before != self.block_hash:
                raise JournalError(
                    f"journal: expected block {number} to follow the last one read, got another chain;"
                    " run cardswitch admin rebuild if the switch's data was replaced on purpose"
                )
            digest = hashlib.sha256(head[:HASHED_HEADER_BYTES])
            digest.update(body)
            if digest.digest() != own:
                raise JournalError(
                    f"journal: block {number} does not have its own hash; run cardswitch verify on the switch's data"
                )
            del self._pending[:end]
            self.position += end
            self.block_hash = own
            yield body
