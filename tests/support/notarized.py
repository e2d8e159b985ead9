"""Signed heads for tests: a key in this process, directories signed to their end, and a switch that signs.

`python -m tests.support.notarized DATA SEED_FILE` is `cardswitch serve` with a signer.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from switch.__main__ import serve
from switch._directory import open_directory
from switch.notary import HeadSigner, Notary, sign_directory
from tests.support.desk import blocks_of

KEY_VERSION = 3


class Keys:
    """Ed25519 keys by version, as a keystore has them."""

    def __init__(self, *versions: int, seed: bytes = b"notary") -> None:
        self._keys = {
            version: Ed25519PrivateKey.from_private_bytes((seed + bytes([version])).ljust(32, b"."))
            for version in versions or (KEY_VERSION,)
        }
        self.signed: list[bytes] = []

    def sign(self, version: int, message: bytes) -> bytes:
        self.signed.append(message)
        return self._keys[version].sign(message)

    def public_key(self, version: int = KEY_VERSION) -> bytes:
        return self._keys[version].public_key().public_bytes_raw()

    def signer(self, version: int = KEY_VERSION) -> HeadSigner:
        return HeadSigner(self.sign, self.public_key, version)


def notary_of(path: Path, keys: Keys | None = None, **options: int) -> Notary:
    """A notary of a directory, in this process."""
    directory = open_directory(path)
    settings = directory.settings
    signer = (keys or Keys()).signer()
    return Notary(directory.journal, settings.partition, settings.segment_bytes, signer, **options)  # type: ignore[arg-type]


def sign_to_end(path: Path, keys: Keys | None = None, now_ms: int = 1_000) -> int:
    """Sign everything that a directory holds."""
    directory = open_directory(path)
    settings = directory.settings
    signer, until = (keys or Keys()).signer(), blocks_of(path)[-1].end
    return sign_directory(directory.journal, settings.partition, settings.segment_bytes, signer, until, now_ms)


def write_public_key(path: Path, keys: Keys | None = None) -> Path:
    """The public key as an auditor gets it: a PEM file."""
    der = bytes.fromhex("302a300506032b6570032100") + (keys or Keys()).public_key()  # RFC 8410
    lines = base64.b64encode(der).decode()
    path.write_text(f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n")
    return path


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), "127.0.0.1", 0, Keys().signer()))
