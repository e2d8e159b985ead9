"""Keys for tests: fixed ones, by purpose and version, given out like those of a key house."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from switch._keys import KeyRing
from switch._tables import Tables
from switch.key_desk import KeyDesk, KeyUnavailableError
from switch.protocol.messages import KeyPurpose, KeyState
from switch.protocol.records import KeyRecord

LONG = (KeyPurpose.STORAGE, KeyPurpose.PIN)
VERSIONS = range(1, 10)


def key_of(purpose: int, version: int) -> bytes:
    """A key like any other, the same in every run."""
    return hashlib.sha256(f"test key {purpose} {version}".encode()).digest()[: 32 if purpose in LONG else 16]


def check_value_of(key: bytes) -> bytes:
    """First 5 bytes of the AES-CMAC of a zero block."""
    cmac = CMAC(AES(key))
    cmac.update(bytes(16))
    return cmac.finalize()[:5]


class Slot(bytearray):
    """A key that can be wiped."""

    def wipe(self) -> None:
        self[:] = bytes(len(self))


class FixedKeys:
    """A key source that has versions 1 to 9 of every purpose."""

    def take(self, purpose: int, version: int) -> tuple[Slot, bytes]:
        """A key of its own for every purpose and version; others are not there."""
        if version not in VERSIONS:
            raise KeyUnavailableError(f"test key {purpose} {version}: expected version 1 to 9, got {version}")
        key = key_of(purpose, version)
        return Slot(key), check_value_of(key)


def key_record(purpose: int, version: int, state: int = KeyState.ACTIVE) -> bytes:
    """What the ledger says of a key."""
    value = check_value_of(key_of(purpose, version)).ljust(8, b"\0")
    return KeyRecord(state=state, purpose=purpose, key_version=version, check_value=value).encode()


def loaded_ring(tables: Tables | None = None, *also: tuple[int, int]) -> KeyRing:
    """Storage, PIN and receipt keys of version 1, and others; with tables, their records are put there too."""
    ring = KeyRing()
    first = [(KeyPurpose.STORAGE, 1), (KeyPurpose.PIN, 1), (KeyPurpose.RECEIPT, 1)]
    for purpose, version in (*first, *also):
        ring.load(purpose, version, Slot(key_of(purpose, version)))
        if tables is not None:
            tables.load([key_record(purpose, version)])
    return ring


class FixedDesk(KeyDesk):
    """A desk whose storage key is version 1, whatever the ledger says."""

    def __init__(self, ring: KeyRing, tables: Tables) -> None:
        super().__init__(FixedKeys(), ring, tables)
        self._storage[1] = Slot(key_of(KeyPurpose.STORAGE, 1))

    def active_storage_version(self) -> int:
        return 1


def wrapped(key: bytes) -> bytes:
    """A terminal's key as a fixed desk wraps it."""
    return aes_key_wrap(key_of(KeyPurpose.STORAGE, 1), key)


def wrapped_card_key(key: bytes) -> bytes:
    """A medium's own key as a fixed desk wraps it."""
    return aes_key_wrap(key_of(KeyPurpose.STORAGE, 1), key)
