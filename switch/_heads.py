"""The file of signed heads beside the journal's segments: read by anyone, written by one notary.

A head comes into being in two steps, each synced before the next: the record without its signature, then the
signature.  What will be signed is therefore durable before any signature exists, and a notary that goes on after a
crash can only sign the same bytes again: two different heads with one number never exist.

| what a new notary finds at the end          | what it does                                                      |
|---------------------------------------------|-------------------------------------------------------------------|
| a record cut short, or torn, not signed     | removes it: nothing of it was signed                              |
| a whole record that is not signed           | makes it again from the journal; if it is equal, signs it         |
| a whole record, signed                      | checks signature and link, goes on behind it                      |
| anything else                               | refuses by name                                                   |
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from pathlib import Path

from switch._blocks import crc32c
from switch._directory import DirectoryError
from switch.protocol.heads import (
    HEAD_BYTES,
    HEAD_CHECKED_BYTES,
    HEAD_MAGIC,
    HEAD_SIGNED_BYTES,
    HEAD_VERSION,
    KEY_ID_BYTES,
    SIGNATURE_BYTES,
    SignedHead,
)

HEADS_NAME = "heads"


def key_id(public_key: bytes) -> bytes:
    """Name of a public key: the start of its SHA-256."""
    return hashlib.sha256(public_key).digest()[:KEY_ID_BYTES]


def head_hash(head: SignedHead | None) -> bytes:
    """What the next head says of this one; zeros when there is none before."""
    return bytes(32) if head is None else head.hash()


def sealed_by_checksum(head: SignedHead) -> bytes:
    """Bytes of a head that is not signed yet, with its checksum."""
    content = head.encode()[:HEAD_CHECKED_BYTES]
    return content + crc32c(content).to_bytes(4, "little") + bytes(SIGNATURE_BYTES)


class Heads:
    """Reads heads; those of a running notary too. Without the file there are none."""

    def __init__(self, journal_directory: Path) -> None:
        self.path = journal_directory / HEADS_NAME

    def count(self) -> int:
        """Number of whole records, the last of which may not be signed yet."""
        try:
            return self.path.stat().st_size // HEAD_BYTES
        except FileNotFoundError:
            return 0

    def read(self, number: int) -> SignedHead | None:
        """A head by its number, signed or not; None when it is torn. DirectoryError when another stands there."""
        with self.path.open("rb") as file:
            content = os.pread(file.fileno(), HEAD_BYTES, number * HEAD_BYTES)
        checksum = int.from_bytes(content[HEAD_CHECKED_BYTES:HEAD_SIGNED_BYTES], "little")
        if len(content) != HEAD_BYTES or checksum != crc32c(content[:HEAD_CHECKED_BYTES]):
            return None
        head = SignedHead.decode(content)
        if (head.magic, head.version, head.head_number) != (HEAD_MAGIC, HEAD_VERSION, number):
            raise DirectoryError(
                f"{self.path}: expected head {number} of version {HEAD_VERSION}, got head {head.head_number} of "
                f"version {head.version}; restore the file from a copy"
            )
        return head

    def signed(self, number: int) -> SignedHead:
        """A head that must be there, whole and signed; DirectoryError when not."""
        head = self.read(number)
        if head is None or not head.is_signed:
            raise DirectoryError(
                f"{self.path}: expected head {number}, got {'a damaged' if head is None else 'an unsigned'} record; "
                "restore the file from a copy"
            )
        return head

    def signed_count(self) -> int:
        """Number of signed heads: all, or all but the last."""
        count = self.count()
        if count:
            last = self.read(count - 1)
            count -= last is None or not last.is_signed
        return count

    def covering(self, sequence: int) -> SignedHead | None:
        """The head that covers an entry; None when none does yet."""
        low, high = 0, self.signed_count()
        if high == 0 or self.signed(high - 1).last_sequence < sequence:
            return None
        while low < high:
            middle = (low + high) // 2
            if self.signed(middle).last_sequence < sequence:
                low = middle + 1
            else:
                high = middle
        return self.signed(low)


class HeadsWriter(Heads):
    """The one writer of the file; a second one waits until the first has ended."""

    def __init__(self, journal_directory: Path) -> None:
        super().__init__(journal_directory)
        is_new = not self.path.exists()
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        if is_new:
            directory = os.open(journal_directory, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(directory)  # disk
            finally:
                os.close(directory)
        self._settle_end()

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)

    def _settle_end(self) -> None:
        """Remove what was cut short before it was durable; only then could it not have been signed."""
        count = self.count()
        self._truncate(count)
        if count and self.read(count - 1) is None:
            content = os.pread(self._file, HEAD_BYTES, (count - 1) * HEAD_BYTES)
            if any(content[HEAD_SIGNED_BYTES:]):
                raise DirectoryError(
                    f"{self.path}: expected head {count - 1} to fit its checksum, got damage in a signed head; "
                    "restore the file from a copy"
                )
            self._truncate(count - 1)

    def _truncate(self, count: int) -> None:
        if os.fstat(self._file).st_size != count * HEAD_BYTES:
            os.ftruncate(self._file, count * HEAD_BYTES)
            os.fsync(self._file)  # disk

    def decide(self, head: SignedHead) -> None:
        """Make durable what is going to be signed."""
        self._write(sealed_by_checksum(head), head.head_number * HEAD_BYTES)

    def seal(self, head_number: int, signature: bytes) -> None:
        """Add the signature of the head that was decided."""
        self._write(signature, head_number * HEAD_BYTES + HEAD_SIGNED_BYTES)

    def _write(self, content: bytes, offset: int) -> None:
        written = os.pwrite(self._file, content, offset)
        if written != len(content):
            raise OSError(errno.ENOSPC, f"expected to write {len(content)} bytes, got {written}", str(self.path))
        os.fdatasync(self._file)  # disk
