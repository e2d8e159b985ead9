"""A switch's data directory: what lies where, who may open it, how it begins.

| path         | what it is                                                                                     |
|--------------|------------------------------------------------------------------------------------------------|
| switch.toml  | bounds and sizes, chosen at `init`, read at start                                              |
| keys/        | keystore, keyring and key log of `hsm`: whoever starts the switch opens them                   |
| operator.key | credentials of the first operator, for the admin side; take it away from here                  |
| lock         | held by the running switch                                                                     |
| journal/     | segments                                                                                       |
| ledger/      | LMDB balance store and the logs of answers; rebuilt from the journal when it is removed        |
"""

from __future__ import annotations

import fcntl
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec

PARTITION_MAX = 2**32 - 1
"""Four bytes in every block header."""
SEGMENT_BYTES = 64 << 20
"""Default size of a journal segment: prepared in about 100 ms, and small enough to copy around."""
SEGMENT_BYTES_MIN = 1 << 20
"""Smallest segment: the longest block is a quarter of it, and a block must hold the longest debit many times."""


class DirectoryError(Exception):
    """A data directory that cannot be used; says what was expected, what was found and what to do."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds and sizes of one switch; each costs memory or disk as stated."""

    partition: int = 0
    segment_bytes: int = SEGMENT_BYTES
    """Size of a journal segment; fixed for the life of the journal."""
    cards_max: int = 10_000_000
    """Address space of 256 bytes a card; memory only for cards that exist (about 290 bytes each)."""
    terminals_max: int = 65_536
    stores_max: int = 65_536
    organisations_max: int = 65_536
    """As many as stores: each may be a node of its own. Here and below: address space, memory only for what exists."""
    purses_max: int = 10_000_000
    """Points beside category 0 and visits, 76 bytes each: one for every card there may be."""
    holds_max: int = 1_000_000
    """Open holds, 140 bytes each: one for every tenth card; an account has at most sixteen."""
    pending_points_max: int = 10_000_000
    """Points that wait for their date, 76 bytes for each account, category and date."""
    marks_max: int = 50_000_000
    """What may happen only once (receipts, references, refunds, gifts), 76 bytes each; never given up again."""
    card_limits_max: int = 1_000_000
    """Cards with limits of their own, 140 bytes each."""
    rules_max: int = 200_000
    """Rules of all sets, 140 bytes each: fifty sets of 4,000."""
    prices_max: int = 2_000_000
    """Article prices in all price classes, 76 bytes each."""
    day_closes_max: int = 2_000_000
    """Days closed, 76 bytes for each terminal and date: five years of a thousand terminals."""
    media_max: int = 20_000_000
    """Media enrolled, 140 bytes each: a chip and a stripe for every card there may be."""
    card_keys_max: int = 1_000_000
    """Media with a random key of their own, 76 bytes each; media with derived keys need none."""
    alarms_max: int = 100_000
    """Alarms, 140 bytes each, never given up: fifty a day for five years."""
    answers_per_date_max: int = 64_000_000
    """Requests remembered per business date, 37 to 59 bytes each; beyond it new ones get WINDOW_FULL."""
    connections_max: int = 12_000
    """Open connections, signed on or not; beyond it a connection is closed at once and counted."""
    checkpoint_bytes: int = 1 << 30
    """Journal bytes after which the balance store is brought up; a restart replays at most about this much."""
    checkpoint_interval_s: int = 30
    """The store is brought up this often while the journal grows slowly (under 8 MiB/s)."""

    def __post_init__(self) -> None:
        if self.segment_bytes % 4096 or self.segment_bytes < SEGMENT_BYTES_MIN:
            raise ValueError(
                f"segment_bytes: expected a multiple of 4096, {SEGMENT_BYTES_MIN} or more, got {self.segment_bytes}"
            )
        for name in self.__struct_fields__:
            if getattr(self, name) < (0 if name == "partition" else 1):
                raise ValueError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if self.partition > PARTITION_MAX:
            raise ValueError(f"partition: expected 0 to {PARTITION_MAX}, got {self.partition}")


@dataclass(frozen=True)
class DataDirectory:
    """An initialized directory."""

    path: Path
    settings: Settings

    @property
    def journal(self) -> Path:
        """Directory of the segments."""
        return self.path / "journal"

    @property
    def keys(self) -> Path:
        """Directory of the key house."""
        return self.path / "keys"

    @property
    def ledger(self) -> Path:
        """Directory of the balance store."""
        return self.path / "ledger"

    def lock(self) -> int:
        """Become the one switch on this directory; the descriptor holds the lock until it is closed."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise DirectoryError(
                f"{self.path}: expected no switch on this directory, got one running as process {holder}; "
                "stop that one first, or use another directory"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor


def open_directory(path: Path) -> DataDirectory:
    """A directory that `create_directory` has made."""
    try:
        content = (path / "switch.toml").read_text()
    except OSError as error:
        raise DirectoryError(
            f"{path}: expected a data directory; make one with: cardswitch init --data {path}"
        ) from error
    try:
        return DataDirectory(path, msgspec.convert(tomllib.loads(content), Settings))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise DirectoryError(f"{path / 'switch.toml'}: {error}; correct the line") from error


def create_directory(path: Path, settings: Settings, operator_key: bytes, operator_id: int) -> DataDirectory:
    """Lay out a directory that has nothing but, perhaps, its keys; DirectoryError when there is anything else in it."""
    path.mkdir(parents=True, exist_ok=True)
    if any(entry.name != "keys" for entry in path.iterdir()):
        raise DirectoryError(f"{path}: expected an empty directory, got one with files; choose another")
    (path / "journal").mkdir()
    write_secret(path / "operator.key", json.dumps({"terminal_id": operator_id, "key": operator_key.hex()}) + "\n")
    lines = [f"{name} = {getattr(settings, name)}" for name in settings.__struct_fields__]
    (path / "switch.toml").write_text("\n".join(lines) + "\n")
    return DataDirectory(path, settings)


def write_secret(path: Path, content: str) -> None:
    """A file that only its owner may read, from its first moment on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
