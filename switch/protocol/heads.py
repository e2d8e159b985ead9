"""Signed heads: what a notary says of the journal, in a file of their own beside its segments.

A head covers the entries from the one behind the head before up to the end of a block.  Whoever has the public key
and a head can check one entry with a short proof, or the whole journal, and trusts nobody who stores either.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

from .layout import Packed, i64, octets, u16, u32, u64

__all__ = [
    "HEAD_BYTES",
    "HEAD_CHECKED_BYTES",
    "HEAD_DOMAIN",
    "HEAD_ENTRIES_MAX",
    "HEAD_MAGIC",
    "HEAD_SIGNED_BYTES",
    "HEAD_VERSION",
    "KEY_ID_BYTES",
    "SIGNATURE_BYTES",
    "SignedHead",
]

HEAD_MAGIC = int.from_bytes(b"CSWH", "little")
HEAD_VERSION = 1
HEAD_BYTES = 256
"""A head never straddles a sector."""
SIGNATURE_BYTES = 64
HEAD_CHECKED_BYTES = HEAD_BYTES - SIGNATURE_BYTES - 4
"""Part of a head that `crc32c` covers: everything before it."""
HEAD_SIGNED_BYTES = HEAD_BYTES - SIGNATURE_BYTES
"""Part of a head that the signature covers, behind `HEAD_DOMAIN`: everything before the signature."""
HEAD_DOMAIN = b"cardswitch:journal-head:1\0"
"""Stands before what is signed, so that a signature of something else is never one of a head."""
HEAD_ENTRIES_MAX = 1 << 20
"""Most entries of one head: a proof has at most 20 hashes, and finding them reads at most so many entries."""
KEY_ID_BYTES = 8
"""A key is named by the start of the SHA-256 of its 32 public bytes."""


class SignedHead(Packed, kw_only=True):
    """One record of the file `heads`: what the journal was up to the end of a block, signed."""

    magic: Annotated[int, u32("notary", "the letters CSWH")] = HEAD_MAGIC
    version: Annotated[int, u16("notary", "1")] = HEAD_VERSION
    head_bytes: Annotated[int, u16("notary", "256")] = HEAD_BYTES
    partition: Annotated[int, u32("notary", "partition of the journal")]
    key_version: Annotated[int, u32("notary", "version of the signing key")]
    head_number: Annotated[int, u64("notary", "number of the head, from 0, without gaps")]
    first_sequence: Annotated[int, u64("notary", "first entry covered: the one behind the head before")]
    last_sequence: Annotated[int, u64("notary", "last entry covered: the last one of a block")]
    block_number: Annotated[int, u64("notary", "block that ends there")]
    block_position: Annotated[int, u64("notary", "journal position of that block")]
    end_position: Annotated[int, u64("notary", "journal position behind that block")]
    time_ms: Annotated[int, i64("notary", "when the head was made, milliseconds since 1970-01-01 UTC; never goes back")]
    key_id: Annotated[bytes, octets(KEY_ID_BYTES, "notary", "start of the SHA-256 of the public key's 32 bytes")]
    block_hash: Annotated[bytes, octets(32, "notary", "`block_hash` of that block: the chain up to there")]
    root: Annotated[bytes, octets(32, "notary", "root of the RFC 6962 tree whose leaves are the entries, whole")]
    previous_head_hash: Annotated[
        bytes, octets(32, "notary", "SHA-256 of the head before, without its signature; 0: none")
    ]
    reserved: Annotated[bytes, octets(12, "notary", "zero")] = bytes(12)
    crc32c: Annotated[int, u32("notary", "CRC-32C of the bytes before")] = 0
    signature: Annotated[
        bytes,
        octets(SIGNATURE_BYTES, "notary", "Ed25519 of the domain and the bytes before; zero: decided, not yet signed"),
    ] = bytes(SIGNATURE_BYTES)

    @property
    def entry_count(self) -> int:
        """Number of leaves of the tree."""
        return self.last_sequence - self.first_sequence + 1

    @property
    def is_signed(self) -> bool:
        """Whether there is a signature, right or wrong."""
        return any(self.signature)

    def hash(self) -> bytes:
        """What the next head says of this one. Signatures are left out: a keystore may sign the same head twice."""
        return hashlib.sha256(self.encode()[:HEAD_SIGNED_BYTES]).digest()

    def message(self) -> bytes:
        """What the key signs."""
        return HEAD_DOMAIN + self.encode()[:HEAD_SIGNED_BYTES]
