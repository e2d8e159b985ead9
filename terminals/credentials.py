"""Who a terminal is: its number and its secret key, in a small file that only its owner may read."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import msgspec

from .errors import CredentialsError

KEY_BYTES = 32
FILE_BYTES_MAX = 4_096
"""A key file takes about 100 bytes; whatever is longer is something else."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A terminal's number and its pre-shared key; the key is left out of `repr`."""

    terminal_id: int
    key: bytes

    def __post_init__(self) -> None:
        if not 1 <= self.terminal_id < 2**32:
            raise CredentialsError(f"terminal_id: expected 1 to 4294967295, got {self.terminal_id}; correct the number")
        if len(self.key) != KEY_BYTES:
            raise CredentialsError(
                f"key of terminal {self.terminal_id}: expected {KEY_BYTES} bytes, got {len(self.key)};"
                f" write it as {2 * KEY_BYTES} hexadecimal digits"
            )

    def __repr__(self) -> str:
        return f"Credentials(terminal_id={self.terminal_id}, key=<hidden>)"


class _KeyFile(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    terminal_id: int
    key: str
    next_key: str = ""


def read_credentials(path: Path) -> Credentials:
    """Credentials from a key file `{"terminal_id": 1, "key": "64 hexadecimal digits"}`.

    `CredentialsError` when the file is missing, is readable by group or
    others, or does not hold exactly these two fields, and `next_key` while the
    key is being changed (`terminal_key.py`).  A key never appears in an error.
    """
    return read_key_file(path)[0]


def read_key_file(path: Path) -> tuple[Credentials, Credentials | None]:
    """The key of a key file, and the next one while it is being changed; errors as for `read_credentials`."""
    try:
        with open(path, "rb") as file:  # disk
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise CredentialsError(
                    f"{path}: expected mode 0600, got {mode:04o}; run chmod 600 on it,"
                    " and change the key if others may have read it"
                )
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise CredentialsError(f"{path}: expected a readable key file, got {error.strerror}; check the path") from error
    hint = '; write {"terminal_id": 1, "key": "64 hexadecimal digits"}'
    if len(content) > FILE_BYTES_MAX:
        raise CredentialsError(f"{path}: expected at most {FILE_BYTES_MAX} bytes, got more{hint}")
    try:
        parsed = msgspec.json.decode(content, type=_KeyFile)
    except msgspec.DecodeError as error:
        raise CredentialsError(f"{path}: {error}{hint}") from None  # the chain would show the file's bytes
    try:
        key, next_key = bytes.fromhex(parsed.key), bytes.fromhex(parsed.next_key)
    except ValueError:
        raise CredentialsError(f"{path}: key: expected hexadecimal digits, got something else{hint}") from None
    try:
        credentials = Credentials(parsed.terminal_id, key)
        return credentials, Credentials(parsed.terminal_id, next_key) if parsed.next_key else None
    except CredentialsError as error:
        raise CredentialsError(f"{path}: {error}") from None


def encode_key_file(key: Credentials, next_key: Credentials | None = None) -> bytes:
    """Content of a key file."""
    return msgspec.json.encode(_KeyFile(key.terminal_id, key.key.hex(), next_key.key.hex() if next_key else "")) + b"\n"


def write_credentials(path: Path, credentials: Credentials) -> None:
    """Write a new key file with mode 0600; `CredentialsError` when it exists already or cannot be written."""
    content = encode_key_file(credentials)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # disk
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise CredentialsError(f"{path}: expected no such file, got one; move the old key file away first") from None
    except OSError as error:
        raise CredentialsError(
            f"{path}: expected to write a key file, got {error.strerror}; check the folder"
        ) from error
