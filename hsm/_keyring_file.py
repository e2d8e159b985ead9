"""The form of the keyring's file: its keys, where its log ended, and the seal over both."""

import msgspec

from hsm.key_log import LogHead
from hsm.key_states import KeyEntry


class KeyringContent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed."""

    format: int
    revision: int
    log_head: LogHead
    keys: tuple[KeyEntry, ...]


class KeyringFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    log_key_version: int
    mac: str
    content: msgspec.Raw


def file_bytes(file: KeyringFile) -> bytes:
    """A file as it is written, to the letter."""
    return msgspec.json.encode(file) + b"\n"
