"""How far the plug-ins have got, in a small file that is replaced as a whole."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from .errors import TerminalError

FORMAT = "cardswitch plug-ins"
VERSION = 1


class StateFileError(TerminalError):
    """A state file that cannot be used."""


class Counts(msgspec.Struct, forbid_unknown_fields=True):
    """What became of the sales that one plug-in was asked about."""

    sales: int = 0
    """Sales that it was asked about."""
    credited: int = 0
    """Adjustments that the switch took."""
    repeated: int = 0
    """Adjustments that the switch had taken before."""
    refused: int = 0
    """Adjustments that the switch refused for good."""
    failed: int = 0
    """Sales skipped because it failed."""
    overran: int = 0
    """Sales skipped because it was too slow."""


class State(msgspec.Struct, forbid_unknown_fields=True):
    """Content of the file."""

    position: int
    """Where the next block begins."""
    block_hash: str
    """Hash of the block before, in hex; empty at a start in the middle."""
    counts: dict[str, Counts] = {}
    """By plug-in."""
    format: str = FORMAT
    version: int = VERSION


class StateFile:
    """One runner's state; its lock keeps a second runner away until `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = self._take_lock()

    def load(self) -> State | None:
        """What was saved, or nothing at the first start."""
        try:
            content = self._path.read_bytes()  # disk
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateFileError(f"{self._path}: expected a readable file, got {error.strerror}") from error
        hint = "move it away to begin at the journal's end"
        try:
            state = msgspec.json.decode(content, type=State)
            bytes.fromhex(state.block_hash)
        except (msgspec.DecodeError, ValueError) as error:
            raise StateFileError(f"{self._path}: expected the state of plug-ins, got {error}; {hint}") from None
        if (state.format, state.version) != (FORMAT, VERSION):
            raise StateFileError(
                f"{self._path}: expected {FORMAT!r} version {VERSION}, got {state.format!r} {state.version}; {hint}"
            )
        return state

    def save(self, state: State) -> None:
        """Replace the file; when this returns the new one is durable."""
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # disk
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(state) + b"\n")
                file.flush()
                os.fsync(file.fileno())  # disk
            os.replace(temporary, self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # disk
            finally:
                os.close(folder)
        except OSError as error:
            raise StateFileError(
                f"{self._path}: expected to write the file, got {error.strerror}; make room and start again"
            ) from error

    def close(self) -> None:
        """Let another runner have it."""
        os.close(self._lock)

    def _take_lock(self) -> int:
        path = self._path.with_name(self._path.name + ".lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # disk
        except OSError as error:
            raise StateFileError(f"{path}: expected to create it, got {error.strerror}; check the folder") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StateFileError(
                f"{self._path}: expected to be its only user, got another process that holds it; stop that one first"
            ) from None
        return descriptor
