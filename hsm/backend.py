"""What every keeper of keys does, whether a sealed file (`software`) or a token (`pkcs11`).

Three kinds of keys stay inside and are named by use and version; all others live outside, wrapped under a KEK,
and come into clear only in a slot of locked memory. Backends are interchangeable: given the same KEK, the same key
wraps to the same blob (RFC 3394 has no randomness), and check values and MACs are equal.

Time enters as an argument, chance comes from inside. All operations may be called from any thread.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Self

from hsm._memory import KeySlot
from hsm.errors import (
    KeyExistsError,
    KeyNotFoundError,
    KeyTamperedError,
    WrongKeyLengthError,
    WrongKeyNameError,
    WrongMessageLengthError,
)

KEY_VERSION_MAX = 65_535  # two bytes in keyrings and on cards; versions start at 1
CREATED_MS_MAX = (1 << 63) - 1
RESIDENT_KEY_BYTES = 32  # AES-256 keys and Ed25519 seeds
WRAPPABLE_KEY_BYTES = (16, 24, 32)  # AES-128, two- and three-key TDES, AES-256
WRAP_OVERHEAD_BYTES = 8  # RFC 3394: the integrity block
CHECK_VALUE_BYTES = 5  # the most that X9.24-1 lets an AES-CMAC check value show
MAC_BYTES = 16
SIGNATURE_BYTES = 64
PUBLIC_KEY_BYTES = 32
MESSAGE_BYTES_MAX = 1 << 20  # a token takes a message in one call; larger ones are hashed first by their owner


class KeyUse(Enum):
    """What a key inside the backend may do, and nothing else."""

    KEK = "KEK"
    """AES-256: wraps and unwraps other keys (RFC 3394)."""
    SIGN = "SIGN"
    """Ed25519: signs the heads of journals."""
    LOG = "LOG"
    """AES-256: AES-CMAC that chains the key log."""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What may be known of a key inside.

    `check_value` is 5 bytes: AES-CMAC of one zero block, or for SIGN the start of SHA-256 of the public key.
    """

    use: KeyUse
    version: int
    check_value: bytes
    created_ms: int  # as the caller said it, milliseconds since 1970 UTC


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key outside: RFC 3394 `blob` under the KEK of a version, and the key's AES-CMAC check value (5 bytes)."""

    kek_version: int
    blob: bytes = field(repr=False)
    check_value: bytes

    @property
    def key_bytes(self) -> int:
        """Length of the key inside."""
        return len(self.blob) - WRAP_OVERHEAD_BYTES


class Backend(ABC):
    """Keeper of the resident keys. Raises only `hsm.errors`; `BackendClosedError` for all after `close`."""

    # Resident keys

    @abstractmethod
    def generate(self, use: KeyUse, version: int, created_ms: int) -> KeyFacts:
        """Make a random key that never leaves. Durable when it returns. `KeyExistsError` if that name is taken."""

    @abstractmethod
    def import_key(self, use: KeyUse, version: int, slot: KeySlot, created_ms: int) -> KeyFacts:
        """Take in a key that was combined from components in locked memory (32 bytes; for SIGN the seed of RFC 8032).

        Durable when it returns. The caller wipes the slot. `KeyExistsError`, `WrongKeyLengthError`.
        """

    @abstractmethod
    def facts(self, use: KeyUse, version: int) -> KeyFacts:
        """What may be known of one key. `KeyNotFoundError`."""

    @abstractmethod
    def keys(self) -> list[KeyFacts]:
        """All resident keys, by use (KEK, SIGN, LOG) and then version."""

    @abstractmethod
    def destroy(self, use: KeyUse, version: int) -> None:
        """Erase a key for good. Durable when it returns. `KeyNotFoundError`.

        The name may be used again: a restored backup comes back under the name it had.
        """

    # Keys outside, under a KEK

    @abstractmethod
    def generate_wrapped(self, kek_version: int, key_bytes: int) -> WrappedKey:
        """Make a random key of 16, 24 or 32 bytes inside and hand it out wrapped only.

        `KeyNotFoundError`, `WrongKeyLengthError`.
        """

    @abstractmethod
    def wrap(self, kek_version: int, slot: KeySlot) -> WrappedKey:
        """Wrap the key in a slot. `KeyNotFoundError`, `WrongKeyLengthError`."""

    @abstractmethod
    def unwrap_into(self, wrapped: WrappedKey, slot: KeySlot) -> None:
        """Unwrap into a slot of just the key's length (`wrapped.key_bytes`, else `WrongKeyLengthError`).

        `KeyTamperedError` for every fault of the blob or its check value; then the slot holds zeros.
        `KeyNotFoundError` if that KEK version is not here.
        """

    @abstractmethod
    def rewrap(self, wrapped: WrappedKey, new_kek_version: int) -> WrappedKey:
        """The same key under another KEK, not in clear outside the backend. `KeyTamperedError`, `KeyNotFoundError`."""

    @abstractmethod
    def check_value(self, wrapped: WrappedKey) -> bytes:
        """Open the blob inside, compare with its check value, return that. `KeyTamperedError`, `KeyNotFoundError`."""

    # Proofs

    @abstractmethod
    def mac(self, version: int, message: bytes) -> bytes:
        """AES-CMAC (16 bytes, RFC 4493 with AES-256) with the LOG key of a version.

        `KeyNotFoundError`, `WrongMessageLengthError`.
        """

    @abstractmethod
    def sign(self, version: int, message: bytes) -> bytes:
        """Ed25519 signature (64 bytes, RFC 8032) with the SIGN key of a version.

        `KeyNotFoundError`, `WrongMessageLengthError`.
        """

    @abstractmethod
    def public_key(self, version: int) -> bytes:
        """Raw Ed25519 public key (32 bytes) of the SIGN key of a version. `KeyNotFoundError`."""

    @abstractmethod
    def close(self) -> None:
        """Wipe what is in memory and let go of file or token. Closing twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


# Checks that both backends make before any key is touched.


def check_name(use: KeyUse, version: int) -> None:
    """Raise `WrongKeyNameError` for a use or version that cannot be."""
    if not isinstance(use, KeyUse):
        raise WrongKeyNameError(
            f"expected a KeyUse, got {type(use).__name__}: name the use as KeyUse.KEK, .SIGN or .LOG"
        )
    # Not isinstance: True is an int, and no version.
    if type(version) is not int or not 1 <= version <= KEY_VERSION_MAX:
        raise WrongKeyNameError(
            f"expected a key version from 1 to {KEY_VERSION_MAX}, got {version!r}: name one of keys()"
        )


def check_created(created_ms: int) -> None:
    """Raise `WrongKeyNameError` for a moment that cannot be written down."""
    if type(created_ms) is not int or not 0 <= created_ms <= CREATED_MS_MAX:
        raise WrongKeyNameError(
            f"expected milliseconds since 1970 as created_ms, got {created_ms!r}: give the present moment"
        )


def check_resident_length(slot: KeySlot) -> None:
    """Raise `WrongKeyLengthError` unless a slot has a resident key's length."""
    key_bytes = len(slot)
    if key_bytes != RESIDENT_KEY_BYTES:
        raise WrongKeyLengthError(
            f"expected a key of {RESIDENT_KEY_BYTES} bytes, got {key_bytes}: combine components of full key length"
        )


def check_wrappable_length(key_bytes: int) -> None:
    """Raise `WrongKeyLengthError` unless a key of this length can be wrapped."""
    if key_bytes not in WRAPPABLE_KEY_BYTES:
        raise WrongKeyLengthError(f"expected a key of 16, 24 or 32 bytes, got {key_bytes}: choose one of these")


def check_wrapped(wrapped: WrappedKey) -> None:
    """Raise `KeyTamperedError` for a blob whose form alone is wrong, `WrongKeyNameError` for such a KEK version."""
    check_name(KeyUse.KEK, wrapped.kek_version)
    if wrapped.key_bytes not in WRAPPABLE_KEY_BYTES or len(wrapped.check_value) != CHECK_VALUE_BYTES:
        raise tampered(wrapped)


def check_unwrap_slot(wrapped: WrappedKey, slot: KeySlot) -> None:
    """Raise `WrongKeyLengthError` unless a slot has just the length of the key to be unwrapped."""
    slot_bytes = len(slot)
    if slot_bytes != wrapped.key_bytes:
        raise WrongKeyLengthError(
            f"expected a slot of {wrapped.key_bytes} bytes, got {slot_bytes}: take one of wrapped.key_bytes"
        )


def check_message(message: bytes) -> None:
    """Raise `WrongMessageLengthError` for nothing (tokens refuse it) and for more than `MESSAGE_BYTES_MAX`."""
    if not 1 <= len(message) <= MESSAGE_BYTES_MAX:
        raise WrongMessageLengthError(
            f"expected a message of 1 to {MESSAGE_BYTES_MAX} bytes, got {len(message)}: "
            f"of a larger one authenticate a hash"
        )


def tampered(wrapped: WrappedKey) -> KeyTamperedError:
    """The one error for every fault of a wrapped key."""
    return KeyTamperedError(
        f"expected a key wrapped under KEK version {wrapped.kek_version} that fits its check value, got something "
        f"else: restore this key from a backup or issue it anew"
    )


def not_found(use: KeyUse, version: int) -> KeyNotFoundError:
    """The error for a name that no key has."""
    return KeyNotFoundError(
        f"expected a {use.value} key of version {version}, got none: it was never made here, or was "
        f"destroyed; see keys()"
    )


def taken(use: KeyUse, version: int) -> KeyExistsError:
    """The error for a name that a key already has."""
    return KeyExistsError(
        f"expected a new version, got {use.value} {version}, which is here already: take the next version"
    )
