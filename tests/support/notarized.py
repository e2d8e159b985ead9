"""Signed heads for tests: a key in this process, directories signed to their end, and a switch that signs.

`python -m tests.support.notarized DATA` is `cardswitch serve` with a signer that is in no hurry to be careful: it signs
often, and starts its child again at once. While the file DATA.keystore-is-away is there, its keystore is not.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardswitch.key_house import KeyHouse, read_passphrase
from switch import _signing
from switch.__main__ import serve
from switch._directory import open_directory
from switch.notary import HeadSigner, Notary, sign_directory
from tests.support.desk import blocks_of
from tests.support.switch_process import ROOT, SwitchProcess

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


def keystore_switch(data: Path) -> Path:
    """File that takes the keystore away while it is there."""
    return data.with_name(f"{data.name}.keystore-is-away")


def signing_switch(data: Path) -> SwitchProcess:
    """A switch that signs heads."""
    return SwitchProcess(data, command=["tests.support.notarized", str(data)])


def notary_process(switch: SwitchProcess) -> int | None:
    """Process id of a switch's notary."""
    for child in switch.children():
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"switch._notary_process" in command:
            return child
    return None


def verify_apart(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The verifier as an outsider runs it: the file alone, elsewhere, without this project in Python's path."""
    folder.mkdir(exist_ok=True)
    copy = folder / "verify_receipt.py"
    shutil.copy(ROOT / "tools" / "verify_receipt.py", copy)
    return subprocess.run(
        [sys.executable, "-I", "-c", APART, str(copy), *map(str, arguments)],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


APART = f"""
import runpy, sys
sys.path[:] = [path for path in sys.path if path and not path.startswith({str(ROOT)!r}) or "site-packages" in path]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.argv[:] = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    assert not {{"switch", "cardswitch", "msgspec"}} & sys.modules.keys(), "the verifier took something of the project"
"""


def run_switch(data: Path) -> int:
    """`cardswitch serve` with a signer."""
    keys, away = Keys(), keystore_switch(data)

    def sign(version: int, message: bytes) -> bytes:
        if away.exists():
            raise OSError("the keystore is away")
        return keys.sign(version, message)

    _signing.SIGN_INTERVAL_S, _signing.AGAIN_S = 0.05, 0.1
    house = KeyHouse.open(data / "keys", read_passphrase)
    return serve(data, "127.0.0.1", 0, house, HeadSigner(sign, keys.public_key, KEY_VERSION))


if __name__ == "__main__":
    sys.exit(run_switch(Path(sys.argv[1])))
