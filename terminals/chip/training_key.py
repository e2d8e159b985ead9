"""Files with issuer keys for training cards: `{"training_key": "32 hexadecimal digits", "key_version": 1}`.

Live keys never are in such a file: they stay in the key store, and only a key store says of a key that it is live.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from .applet import KEY_BYTES
from .errors import ChipError
from .personalise import IssuerKey

FILE_BYTES_MAX = 4_096
"""A key file takes about 80 bytes; whatever is longer is something else."""
KEY_VERSION_MAX = 255


class TrainingKeyError(ChipError):
    """A training key file that cannot be used or written."""


class _KeyFile(msgspec.Struct, forbid_unknown_fields=True):
    training_key: str
    key_version: int


def read_training_key(path: Path) -> IssuerKey:
    """The key in a file; `TrainingKeyError` where it is none, or readable by others. No error shows the key."""
    hint = 'write {"training_key": "32 hexadecimal digits", "key_version": 1}'
    try:
        with open(path, "rb") as file:  # disk
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(FILE_BYTES_MAX)
    except OSError as error:
        raise TrainingKeyError(
            f"{path}: expected a training key, got {error.strerror}; make one with"
            " `cardswitch device card training-key`"
        ) from None
    if mode & 0o077:
        raise TrainingKeyError(f"{path}: expected mode 0600, got {mode:04o}; run chmod 600 on it")
    try:
        parsed = msgspec.json.decode(content, type=_KeyFile)
        key = bytes.fromhex(parsed.training_key)
    except (msgspec.DecodeError, ValueError):  # their text may show the key
        raise TrainingKeyError(f"{path}: expected a training key, got something else; {hint}") from None
    if len(key) != KEY_BYTES or not 1 <= parsed.key_version <= KEY_VERSION_MAX:
        raise TrainingKeyError(
            f"{path}: expected {KEY_BYTES} bytes and a version of 1 to {KEY_VERSION_MAX}, got {len(key)} and"
            f" {parsed.key_version}; {hint}"
        )
    return IssuerKey(parsed.key_version, key, is_live=False)


def write_training_key(path: Path, key: bytes, key_version: int) -> None:
    """Write a new key file with mode 0600; `TrainingKeyError` when it exists already or cannot be written."""
    if len(key) != KEY_BYTES or not 1 <= key_version <= KEY_VERSION_MAX:
        raise TrainingKeyError(
            f"training key: expected {KEY_BYTES} bytes and a version of 1 to {KEY_VERSION_MAX}, got {len(key)} and"
            f" {key_version}; correct it"
        )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # disk
    except OSError as error:
        raise TrainingKeyError(
            f"{path}: expected to write a new file, got {error.strerror}; choose another name"
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(_KeyFile(key.hex(), key_version)) + b"\n")
