"""A training card's memory: a file that is replaced as a whole, so that it holds the state before or after a write.

The key is in it in clear. That is the point of a training card, and the reason why no live key may get there: the
personaliser refuses it (`personalise`). The file has mode 0600 all the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from hsm._files import replace_file
from hsm.cards import ATC_MAX, CHAIN_BYTES, UID_BYTES, AcData

from .._files import take_lock
from .applet import KEY_BYTES, CardState
from .errors import ChipError

FORMAT = "cardswitch training card"
VERSION = 1
LOG_ENTRIES_MAX = 32
"""As many transactions as a chip keeps; the oldest goes first."""
FILE_BYTES_MAX = 64 * 1024
"""A card's file takes about 4 kB with a full log; whatever is longer is something else."""
FAULTS_BYTES_MAX = 8 * 1024


class CardFileError(ChipError):
    """A training card's file that cannot be used."""


class LogEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A cryptogram that the card has made."""

    counter: int
    amount_minor: int
    currency: int
    type: int
    time_s: int
    terminal: str
    """8 bytes in hex."""
    answered: bool = False
    """Whether the issuer's answer was taken."""

    @classmethod
    def of(cls, counter: int, data: AcData) -> LogEntry:
        """For a cryptogram about to be made."""
        return cls(
            counter=counter,
            amount_minor=data.amount_minor,
            currency=data.currency,
            type=data.transaction_type,
            time_s=data.time_s,
            terminal=data.terminal.hex(),
        )


class HeldKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A key that the card goes over to when its issuer says so; left out of `repr`."""

    key_version: int
    key: str
    """16 bytes in hex."""

    def __repr__(self) -> str:
        return f"HeldKey(key_version={self.key_version}, key=<hidden>)"


class CardMemory(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a card keeps without power; the key is left out of `repr`."""

    uid: str
    """7 bytes in hex."""
    state: int = CardState.BLANK
    card_number: int = 0
    key_version: int = 0
    key: str = ""
    """The card's own derived key, 16 bytes in hex; nothing on a blank card."""
    counter: int = 0
    """The last that was used."""
    held_keys: tuple[HeldKey, ...] = ()
    """Keys of later versions, ascending."""
    chain: str = "00000000"
    """4 bytes in hex."""
    log: tuple[LogEntry, ...] = ()
    format: str = FORMAT
    version: int = VERSION

    def __repr__(self) -> str:
        return f"CardMemory(uid={self.uid}, state={self.state}, counter={self.counter}, key=<hidden>)"


class Memory(Protocol):
    """Where a training card keeps what it must not forget."""

    def load(self) -> CardMemory:
        """What was stored last."""
        ...

    def store(self, memory: CardMemory) -> None:
        """Durable when it returns; afterwards `load` gives this, or, if power is lost meanwhile, the one before."""
        ...


class CardFile:
    """A training card's file; its lock keeps a second card with the same memory away until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = take_lock(path, CardFileError)

    @staticmethod
    def make(path: Path, uid: bytes) -> None:
        """Write the file of a new blank card; `CardFileError` when there is one already."""
        if len(uid) != UID_BYTES:
            raise CardFileError(f"UID: expected {UID_BYTES} bytes, got {len(uid)}; give {2 * UID_BYTES} hex digits")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # disk
        except FileExistsError:
            raise CardFileError(f"{path}: expected no such file, got one; choose another name") from None
        except OSError as error:
            raise CardFileError(f"{path}: expected to write it, got {error.strerror}; check the folder") from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(CardMemory(uid=uid.hex().upper())) + b"\n")

    def load(self) -> CardMemory:
        """The card as it was stored last; `CardFileError` where the file is no card's."""
        return read_card_file(self.path)

    def store(self, memory: CardMemory) -> None:
        """Replace the file; when this returns the new one is durable."""
        try:
            replace_file(self.path, msgspec.json.encode(memory) + b"\n")  # disk
        except OSError as error:
            raise CardFileError(f"{self.path}: expected to store, got {error.strerror}; make room") from error

    def close(self) -> None:
        """Let another process have the card."""
        os.close(self._lock)


def read_card_file(path: Path) -> CardMemory:
    """A training card's memory, to look at; `CardFileError` where there is none."""
    try:
        with open(path, "rb") as file:  # disk
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise CardFileError(
            f"{path}: expected a training card, got {error.strerror}; make one with `cardswitch device card new`"
        ) from None
    hint = "restore it or make a new card"
    try:
        memory = msgspec.json.decode(content[:FILE_BYTES_MAX], type=CardMemory)
        is_sound = (
            (memory.format, memory.version) == (FORMAT, VERSION)
            and len(bytes.fromhex(memory.uid)) == UID_BYTES
            and len(bytes.fromhex(memory.key)) == (KEY_BYTES if memory.state != CardState.BLANK else 0)
            and all(len(bytes.fromhex(held.key)) == KEY_BYTES for held in memory.held_keys)
            and memory.state in list(CardState)
            and 0 <= memory.counter <= ATC_MAX
            and len(bytes.fromhex(memory.chain)) == CHAIN_BYTES
        )
    except (msgspec.DecodeError, ValueError):  # their text may hold the key
        is_sound = False
    if not is_sound:
        raise CardFileError(f"{path}: expected {FORMAT!r} version {VERSION}, got something else; {hint}")
    return memory


# ----------------------------------------------------------------------- faults for a card that is being served


def _faults_path(path: Path) -> Path:
    return path.with_name(path.name + ".faults")


def leave_faults(path: Path, text: str) -> None:
    """Have the process that serves the card at `path` take these faults before its next command."""
    faults = _faults_path(path)
    try:
        descriptor = os.open(faults, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)  # disk
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode() + b"\n")
    except OSError as error:
        raise CardFileError(f"{faults}: expected to write it, got {error.strerror}; check the folder") from error


def fault_collector(path: Path) -> Callable[[], str]:
    """A function that takes away what was left for the card at `path`, and returns it."""
    faults = _faults_path(path)
    taken = path.with_name(path.name + ".faults-taken")

    def collect() -> str:
        try:
            os.rename(faults, taken)  # what is appended from now on makes a new file
            with open(taken, "rb") as file:
                return file.read(FAULTS_BYTES_MAX).decode("ascii", "replace")
        except FileNotFoundError:
            return ""

    return collect
