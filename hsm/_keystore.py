"""The sealed file: its format, how it is written so that a crash leaves the old or the new one, and who may write.

Format 1, little-endian. Everything before the ciphertext is authenticated with it (AES-256-GCM).

    offset  bytes
    0       8      magic "cardkeys"
    8       2      format: 1
    10      2      seal method: 1 Argon2id, 2 scrypt, 3 components
    12      4      size of the whole file
    16      4      iterations    \\
    20      4      memory, KiB    } cost of a guess; zeros for components
    24      4      lanes         /
    28      4      number of keys, n
    32      16     salt; zeros for components
    48      12     nonce, new for each writing
    60      5      check value of the sealing key (AES-CMAC)
    65      7      zeros
    72      24 n   facts: use (1 KEK, 2 SIGN, 3 LOG), zero, version (2), zeros (4), created ms (8),
                   check value (5), zeros (3)
    ...     32 n   the keys, encrypted
    ...     16     tag
    ...     32     SHA-256 of all before

What the hash and the check value are for: damage by accident is told from a wrong passphrase (`KeystoreAlteredError`,
`KeystoreTornError`, `KeystoreNotOpenedError`). Neither stops anyone: who alters the file on purpose can make salt, cost
and check value look like a wrong passphrase, which nobody can tell apart; all else the tag catches. A check value
tells someone who guesses passphrases nothing that the tag does not tell.
"""

import fcntl
import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hsm._cipher import GCM_NONCE_BYTES, GCM_TAG_BYTES, check_value, equal, gcm_open, gcm_seal, random_bytes
from hsm._files import FILE_MODE, put_file, sync_folder
from hsm._memory import KeyPage, KeySlot
from hsm._seal import NO_COST, Seal, SealCost, SealMethod, Secret
from hsm.backend import RESIDENT_KEY_BYTES, KeyFacts, KeyUse
from hsm.errors import (
    KeystoreAlteredError,
    KeystoreBusyError,
    KeystoreMissingError,
    KeystoreNotOpenedError,
    KeystoreTornError,
    KeystoreUncertainError,
    KeystoreUnknownError,
    KeystoreUnwritableError,
    SealTooCheapError,
)

MAGIC = b"cardkeys"
FORMAT = 1
HEADER = struct.Struct("<8sHHIIIII16s12s5s7x")
FACTS = struct.Struct("<BxH4xQ5s3x")
DIGEST_BYTES = 32
KEY_COUNT_MAX = 96  # a few versions of three uses over decades; with the working slots they fit one page of memory
FILE_BYTES_MAX = HEADER.size + KEY_COUNT_MAX * (FACTS.size + RESIDENT_KEY_BYTES) + GCM_TAG_BYTES + DIGEST_BYTES
USES = {1: KeyUse.KEK, 2: KeyUse.SIGN, 3: KeyUse.LOG}
USE_NUMBERS = {use: number for number, use in USES.items()}

assert HEADER.size == 72 and FACTS.size == 24 and GCM_NONCE_BYTES == 12


@dataclass(frozen=True, slots=True)
class Resident:
    """A key as the software backend holds it."""

    facts: KeyFacts
    slot: KeySlot


def file_bytes(key_count: int) -> int:
    """Size of a keystore with this many keys."""
    return HEADER.size + key_count * (FACTS.size + RESIDENT_KEY_BYTES) + GCM_TAG_BYTES + DIGEST_BYTES


def encode(seal: Seal, sealing_key: KeySlot, keys: Sequence[Resident]) -> bytes:
    """The whole file."""
    nonce = random_bytes(GCM_NONCE_BYTES)
    cost = seal.cost
    head = HEADER.pack(
        MAGIC,
        FORMAT,
        seal.method,
        file_bytes(len(keys)),
        cost.iterations,
        cost.memory_kib,
        cost.lanes,
        len(keys),
        seal.salt,
        nonce,
        check_value(sealing_key),
    )
    for key in keys:
        facts = key.facts
        head += FACTS.pack(USE_NUMBERS[facts.use], facts.version, facts.created_ms, facts.check_value)
    content = head + gcm_seal(sealing_key, nonce, head, [key.slot for key in keys])
    return content + hashlib.sha256(content).digest()


def decode(
    path: Path, content: bytes, secret: Secret, page: KeyPage, sealing_key: KeySlot, known: Seal | None = None
) -> tuple[Seal, list[Resident]]:
    """Open a file's content: fills `sealing_key`, takes a slot of the page for each key.

    With a `known` seal, `sealing_key` is what it gave, and the secret is not looked at.
    """
    if len(content) < HEADER.size and MAGIC.startswith(content[: len(MAGIC)]):
        raise torn(path, HEADER.size, len(content))
    if content[: len(MAGIC)] != MAGIC:
        raise KeystoreUnknownError(
            f"expected a keystore in {path}, got a file that does not begin like one: check the path"
        )
    _, form, method, size, iterations, memory_kib, lanes, key_count, salt, nonce, value = HEADER.unpack_from(content)
    if form != FORMAT:
        raise KeystoreUnknownError(
            f"expected format {FORMAT} in {path}, got {form}: open it with the release that wrote it"
        )
    if size != len(content):
        raise torn(path, size, len(content))
    if hashlib.sha256(content[:-DIGEST_BYTES]).digest() != content[-DIGEST_BYTES:]:
        raise altered(path)
    if key_count > KEY_COUNT_MAX or file_bytes(key_count) != size:
        raise altered(path)
    seal = read_seal(path, method, SealCost(iterations, memory_kib, lanes), salt)
    if known is None:
        seal.derive_into(sealing_key, secret)
    elif seal != known:
        raise KeystoreNotOpenedError(f"expected {path} under the seal that it was opened with, got another: open anew")
    if not equal(check_value(sealing_key), value):
        raise KeystoreNotOpenedError(
            f"expected the secret that seals {path}, got another (or salt, cost or check value in the file were "
            f"altered on purpose, which looks the same): try again, then restore a copy"
        )
    head_bytes = HEADER.size + key_count * FACTS.size
    slots = [page.take(RESIDENT_KEY_BYTES) for _ in range(key_count)]
    if not gcm_open(sealing_key, nonce, content[:head_bytes], content[head_bytes:-DIGEST_BYTES], slots):
        raise altered(path)
    return seal, [
        Resident(KeyFacts(USES[use], version, bytes(kcv), created_ms), slot)
        for (use, version, created_ms, kcv), slot in zip(
            FACTS.iter_unpack(content[HEADER.size : head_bytes]), slots, strict=True
        )
    ]


def read_seal(path: Path, method: int, cost: SealCost, salt: bytes) -> Seal:
    """The seal that a header names, its cost within bounds."""
    try:
        known = SealMethod(method)
        if known is not SealMethod.COMPONENTS:
            cost.check()
        elif cost != NO_COST:
            raise altered(path)
    except (ValueError, SealTooCheapError):
        raise altered(path) from None
    return Seal(known, cost, salt)


def read(path: Path) -> bytes:
    """The file's content. `KeystoreMissingError`, `KeystoreUnknownError` for one too large."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)  # disk
    except FileNotFoundError:
        raise KeystoreMissingError(
            f"expected a keystore at {path}, got no file: restore it, or check the path"
        ) from None
    except OSError as error:
        raise KeystoreMissingError(
            f"expected a readable keystore at {path}, got {error.strerror}: check rights"
        ) from None
    if len(content) > FILE_BYTES_MAX:
        raise KeystoreUnknownError(f"expected at most {FILE_BYTES_MAX} bytes in {path}, got more: this is no keystore")
    return content


def write(path: Path, content: bytes) -> None:
    """Replace the file so that a crash leaves the old or the new one whole.

    Raises `KeystoreUnwritableError` (the old one is as it was), `KeystoreUncertainError` (the new one is there, but
    the directory could not be synced).
    """
    try:
        put_file(path, content)
    except OSError as error:
        raise KeystoreUnwritableError(
            f"expected to write {path}, got {error.strerror}: the change did not happen; free space or mend rights, "
            f"then do it again"
        ) from None
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise KeystoreUncertainError(
            f"expected to sync the directory of {path}, got {error.strerror}: the change happened, a power cut may "
            f"undo it; check the disk, open the keystore again and look at keys()"
        ) from None


class WriterLock:
    """One writer at a time, across processes: flock on a file beside the keystore, which itself is replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".lock")
        self.process_id = os.getpid()
        try:
            self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise KeystoreUnwritableError(
                f"expected to open {self.path}, got {error.strerror}: check the directory and its rights"
            ) from None
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._close()
            raise KeystoreBusyError(
                f"expected to be the only writer of {path}, got another that has it open: "
                f"let it finish, or open it for reading"
            ) from None

    def release(self) -> None:
        """Let the next writer in. Releasing twice is harmless."""
        if self.handle >= 0:
            # Parent and forked child share the lock. The child must not give away the parent's, and the parent
            # must say so aloud, or the lock would last as long as the child.
            if os.getpid() == self.process_id:
                fcntl.flock(self.handle, fcntl.LOCK_UN)
            self._close()

    def _close(self) -> None:
        os.close(self.handle)
        self.handle = -1


def torn(path: Path, expected_bytes: int, got_bytes: int) -> KeystoreTornError:
    """The error for a file of another size than it says."""
    return KeystoreTornError(f"expected {expected_bytes} bytes in {path}, got {got_bytes}: restore a whole copy")


def altered(path: Path) -> KeystoreAlteredError:
    """The error for a file that is not what was written."""
    return KeystoreAlteredError(f"expected {path} as it was written, got altered content: restore a copy")
