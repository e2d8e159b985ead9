"""A terminal's key file at work: the key, and while it is being changed the next one beside it.

| found in the file    | meaning                                                    | what the kit does              |
|----------------------|------------------------------------------------------------|--------------------------------|
| `key`                | the switch has this key                                    | signs on with it               |
| `key` and `next_key` | a change was begun; the switch has either of them, or both | signs on with whichever works, |
|                      |                                                            | and finishes the change        |

The file is never without a key that the switch accepts: the next key is on
disk before it is sent, and the old one leaves the file after the switch has
said that it has ended.  Each write is a new file that takes the old one's
place, synced with its folder.
"""

from __future__ import annotations

from pathlib import Path

from hsm._files import replace_file

from .credentials import Credentials, encode_key_file, read_key_file
from .errors import CredentialsError


class TerminalKey:
    """One terminal's key file; `CredentialsError` when it cannot be read, or was changed by somebody else meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key, self._next = read_key_file(path)  # disk

    def __repr__(self) -> str:
        is_changing = self._next is not None
        return f"TerminalKey({str(self._path)!r}, terminal_id={self._key.terminal_id}, is_changing={is_changing})"

    @property
    def key(self) -> Credentials:
        """The key to sign on with."""
        return self._key

    @property
    def next(self) -> Credentials | None:
        """The key that a change which has not ended goes over to."""
        return self._next

    def begin(self, key: bytes) -> Credentials:
        """Put the next key beside the one in use, on disk; one that is there already is kept, and is the answer."""
        if self._next is None:
            self._write(self._key, Credentials(self._key.terminal_id, key))
        assert self._next is not None
        return self._next

    def finish(self) -> None:
        """The switch has ended the old key: the next one takes its place."""
        if self._next is not None:
            self._write(self._next, None)

    def _write(self, key: Credentials, next_key: Credentials | None) -> None:
        if read_key_file(self._path) != (self._key, self._next):  # disk
            raise CredentialsError(
                f"{self._path}: expected the key file as this program read it, got another one;"
                " let one program at a time use it, and start this one again"
            )
        try:
            replace_file(self._path, encode_key_file(key, next_key))  # disk
        except OSError as error:
            raise CredentialsError(
                f"{self._path}: expected to write the key file anew, got {error.strerror}; make room and call again"
            ) from error
        self._key, self._next = key, next_key
