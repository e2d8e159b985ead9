"""How far the plug-ins have got, in a small file that is replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hsm._files import replace_file

from ._files import take_lock
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
        self._lock = take_lock(path, StateFileError)

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
        try:
            replace_file(self._path, msgspec.json.encode(state) + b"\n")  # disk
        except OSError as error:
            raise StateFileError(
                f"{self._path}: expected to write the file, got {error.strerror}; make room and start again"
            ) from error

    def close(self) -> None:
        """Let another runner have it."""
        os.close(self._lock)
