"""The file `heads.keys` beside the heads: who was handed the signing of heads, signed by the old and the new key.

Public: outsiders who hold one public key follow it to the others, and the switch reads which version signs.  A line of
JSON per statement; the file is replaced whole.  Whoever has an old key can hand over to any other key, so a key that
leaked is not rotated but told of (docs/security.md).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from switch._directory import DirectoryError

FILE_NAME = "heads.keys"
CHAIN_DOMAIN = b"cardswitch:journal-key:1\0"
"""Stands before what is signed, so that a signature of something else never hands over."""
_STATEMENT = struct.Struct("<IIq32s32s")
FILE_MODE = 0o644


class Succession(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From one version of the signing key to another; keys and signatures in hexadecimal digits."""

    old_version: int
    new_version: int
    time_ms: int
    old_key: str
    new_key: str
    by_old: str = ""
    by_new: str = ""

    def message(self) -> bytes:
        """What both keys sign."""
        keys = bytes.fromhex(self.old_key), bytes.fromhex(self.new_key)
        return CHAIN_DOMAIN + _STATEMENT.pack(self.old_version, self.new_version, self.time_ms, *keys)

    def fits(self) -> bool:
        """Whether both signatures are right."""
        try:
            for key, signature in ((self.old_key, self.by_old), (self.new_key, self.by_new)):
                Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), self.message())
        except (InvalidSignature, ValueError, struct.error):
            return False
        return True


def hand_over(
    old_version: int,
    new_version: int,
    time_ms: int,
    sign: Callable[[int, bytes], bytes],
    public_key: Callable[[int], bytes],
) -> Succession:
    """A statement, signed by both keys."""
    bare = Succession(old_version, new_version, time_ms, public_key(old_version).hex(), public_key(new_version).hex())
    by_old, by_new = (sign(version, bare.message()).hex() for version in (old_version, new_version))
    return msgspec.structs.replace(bare, by_old=by_old, by_new=by_new)


class KeyChain:
    """The statements of one journal, read again when the file has changed."""

    def __init__(self, journal_directory: Path) -> None:
        self.path = journal_directory / FILE_NAME
        self._seen: tuple[int, int] | None = None
        self._found: list[Succession] = []

    def statements(self) -> list[Succession]:
        """All whole ones, oldest first; `DirectoryError` for one that no two keys have signed."""
        try:
            facts = self.path.stat()
        except FileNotFoundError:
            self._seen, self._found = None, []
            return self._found
        if (seen := (facts.st_mtime_ns, facts.st_size)) != self._seen:
            self._found = self._read()
            self._seen = seen
        return self._found

    def version(self, default: int) -> int:
        """The version that signs now."""
        found = self.statements()
        return found[-1].new_version if found else default

    def public_key(self, version: int) -> bytes | None:
        """Of a version that a statement names, though its key may be gone."""
        for statement in self.statements():
            if version == statement.old_version:
                return bytes.fromhex(statement.old_key)
            if version == statement.new_version:
                return bytes.fromhex(statement.new_key)
        return None

    def append(self, statement: Succession) -> None:
        """One more; durable when it returns."""
        text = b"".join(msgspec.json.encode(one) + b"\n" for one in [*self.statements(), statement])
        place = self.path.with_suffix(".new")
        with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE), "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        place.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _read(self) -> list[Succession]:
        found: list[Succession] = []
        for number, line in enumerate(self.path.read_bytes().splitlines(), 1):
            try:
                statement = msgspec.json.decode(line, type=Succession)
            except msgspec.DecodeError:
                statement = None
            if statement is None or not statement.fits():
                raise DirectoryError(
                    f"{self.path}: expected line {number} to be signed by the old key and the new one, got another;"
                    " restore the file from a copy"
                )
            found.append(statement)
        return found
