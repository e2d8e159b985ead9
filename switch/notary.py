"""Signs what the journal holds, off the road of a request, so that outsiders can check it with a public key.

A notary reads durable blocks like any follower, checks each, builds the hash tree of RFC 6962 over their entries, and
signs a head (`switch/protocol/heads.py`).  The key is not here: `HeadSigner` asks whoever keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from switch._blocks import BlockReader, segment_path
from switch._directory import DirectoryError
from switch._heads import Heads, HeadsWriter, head_hash, key_id, sealed_by_checksum
from switch._merkle import MerkleTree
from switch.journal import BLOCK_BYTES_MAX
from switch.protocol.entries import EntryHeader
from switch.protocol.heads import HEAD_ENTRIES_MAX, SignedHead

BLOCK_ENTRIES_MAX = BLOCK_BYTES_MAX // EntryHeader.width_bytes()
"""No block has more entries: a head ends while one more of these would still fit."""


class NotaryError(DirectoryError):
    """Journal and heads contradict each other, or a signature is wrong: nothing more is signed; says what and why."""


@dataclass(frozen=True, slots=True)
class HeadSigner:
    """How heads are signed: a keystore's Ed25519 key of a version, and the public keys of all versions.

    `sign(version, message)` returns 64 bytes and `public_key(version)` 32; both may raise what they like.
    """

    sign: Callable[[int, bytes], bytes]
    public_key: Callable[[int], bytes]
    key_version: int
    newest: Callable[[], int] | None = None
    """The version that signs now, looked at before each head; without it `key_version` for ever."""

    def version(self) -> int:
        """The version that signs now; quick."""
        return self.key_version if self.newest is None else self.newest()


def signature_fits(head: SignedHead, public_key: bytes) -> bool:
    """Whether a head is signed by this key, and names it."""
    if head.key_id != key_id(public_key):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(head.signature, head.message())
    except InvalidSignature:
        return False
    return True


def reader_behind(journal_directory: Path, partition: int, segment_bytes: int, head: SignedHead | None) -> BlockReader:
    """A reader of the blocks behind a head, or from the first block on; it hashes each."""
    if head is None:
        return BlockReader(str(journal_directory), partition, segment_bytes)
    return BlockReader(
        str(journal_directory),
        partition,
        segment_bytes,
        head.end_position,
        head.block_number + 1,
        head.block_hash,
        head.last_sequence + 1,
    )


class Notary:
    """Follows one journal and signs heads; there is one at a time for a directory.

    Making one settles what an earlier one left behind. `read_bytes` hears how much was read, and may pause.
    """

    def __init__(
        self,
        journal_directory: Path,
        partition: int,
        segment_bytes: int,
        signer: HeadSigner,
        read_bytes: Callable[[int], None] = lambda count: None,
        entries_max: int = HEAD_ENTRIES_MAX,
    ) -> None:
        self._directory, self._partition, self._segment_bytes = journal_directory, partition, segment_bytes
        self._signer, self._read_bytes = signer, read_bytes
        self._entries_max = entries_max
        self._file = HeadsWriter(journal_directory)
        self.last: SignedHead | None = None
        try:
            self._resume()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Let the file of heads go."""
        self._file.close()

    def follow(self, until_position: int, now_ms: int) -> int:
        """Sign everything up to a durable position, the end of a block; how many heads that made.

        Whatever the signer raises passes through; then make a new notary.
        """
        first_number = self._number
        while self._reader.position < until_position:
            self._take_block()
            is_long = self._tree.leaf_count > self._entries_max - BLOCK_ENTRIES_MAX
            if is_long or self._reader.position >= until_position:
                head = self._head(self._signer.version(), now_ms)
                self._file.decide(head)
                self._sign(head)
        return self._number - first_number

    @property
    def _number(self) -> int:
        return 0 if self.last is None else self.last.head_number + 1

    def _resume(self) -> None:
        """Go on behind the last signed head; one that was decided and not signed is made again and signed."""
        count = self._file.count()
        decided = self._file.read(count - 1) if count else None
        signed_count = count - (decided is not None and not decided.is_signed)
        if signed_count:
            self.last = self._file.signed(signed_count - 1)
            self._check_last(self.last)
        self._reader = reader_behind(self._directory, self._partition, self._segment_bytes, self.last)
        self._blocks = self._reader.blocks()
        self._tree = MerkleTree()
        if decided is not None and not decided.is_signed:
            self._sign_decided(decided)

    def _check_last(self, last: SignedHead) -> None:
        before = self._file.signed(last.head_number - 1) if last.head_number else None
        if last.partition != self._partition:
            raise NotaryError(f"{self._file.path}: expected heads of partition {self._partition}, got {last.partition}")
        if not signature_fits(last, self._signer.public_key(last.key_version)):
            raise NotaryError(
                f"{self._file.path}: expected head {last.head_number} to be signed with version {last.key_version} of "
                "the signing key, got another signature; restore the file from a copy, or put back the key"
            )
        if last.previous_head_hash != head_hash(before):
            raise NotaryError(
                f"{self._file.path}: expected head {last.head_number} to name head {last.head_number - 1}, got another "
                "one; restore the file from a copy"
            )
        anchor = BlockReader(
            str(self._directory), self._partition, self._segment_bytes, last.block_position, last.block_number
        )
        if not anchor.holds_block(last.block_hash):
            number, offset = divmod(last.block_position, self._segment_bytes)
            raise NotaryError(
                f"{segment_path(str(self._directory), number)}: expected block {last.block_number} at offset {offset} "
                f"as head {last.head_number} has signed it, got another one or none; restore the segment from a copy"
            )

    def _take_block(self) -> None:
        block = next(self._blocks, None)
        if block is None:
            place = self._reader.position if self._reader.fault is None else self._reader.fault_position
            number, offset = divmod(place, self._segment_bytes)
            raise NotaryError(
                f"{segment_path(str(self._directory), number)}: expected block {self._reader.block_number} at offset "
                f"{offset}, got: {self._reader.fault or 'no block'}; restore the segment from a copy"
            )
        _, header, body = block
        self._tree.add_entries(body)
        self._read_bytes(len(header) + len(body))

    def _head(self, key_version: int, now_ms: int) -> SignedHead:
        """What is to be said of everything read since the last head."""
        before = self.last
        return SignedHead(
            partition=self._partition,
            key_version=key_version,
            head_number=self._number,
            first_sequence=1 if before is None else before.last_sequence + 1,
            last_sequence=self._reader.next_sequence - 1,
            block_number=self._reader.block_number - 1,
            block_position=self._reader.last_block_position,
            end_position=self._reader.position,
            time_ms=now_ms if before is None else max(now_ms, before.time_ms),
            key_id=key_id(self._signer.public_key(key_version)),
            block_hash=self._reader.chain_hash,
            root=self._tree.root(),
            previous_head_hash=head_hash(before),
        )

    def _sign_decided(self, decided: SignedHead) -> None:
        """Who can write to the disk could have put it there: it is signed only if the journal says the same."""
        while self._reader.position < decided.end_position and self._tree.leaf_count < self._entries_max:
            self._take_block()
        again = self._head(decided.key_version, decided.time_ms) if self._tree.leaf_count else None
        if again is None or sealed_by_checksum(again) != decided.encode():
            raise NotaryError(
                f"{self._file.path}: expected head {decided.head_number}, which was to be signed, to be what the "
                "journal holds, got another one; compare the journal with a copy before you remove that record"
            )
        self._sign(again)

    def _sign(self, head: SignedHead) -> None:
        decided = SignedHead.decode(sealed_by_checksum(head))
        signature = self._signer.sign(head.key_version, decided.message())
        signed = SignedHead.decode(decided.encode()[: -len(decided.signature)] + signature)
        if not signature_fits(signed, self._signer.public_key(head.key_version)):
            raise NotaryError(
                f"head {head.head_number}: expected a signature that fits version {head.key_version} of the signing "
                "key, got another; check the keystore"
            )
        self._file.seal(head.head_number, signature)
        self.last = signed
        self._tree = MerkleTree()


def sign_directory(
    journal_directory: Path, partition: int, segment_bytes: int, signer: HeadSigner, until_position: int, now_ms: int
) -> int:
    """Sign a journal that no switch is writing, in this process; how many heads that made."""
    notary = Notary(journal_directory, partition, segment_bytes, signer)
    try:
        return notary.follow(until_position, now_ms)
    finally:
        notary.close()


def last_head(journal_directory: Path) -> SignedHead | None:
    """The newest signed head, or None."""
    heads = Heads(journal_directory)
    count = heads.signed_count()
    return heads.signed(count - 1) if count else None
