"""Tokens of SoftHSM in a directory of the test's own: software that behaves like an HSM, and protects nothing."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

MODULE_PATH = "/usr/lib/softhsm/libsofthsm2.so"
PIN = b"135724681357"  # two halves that two people typed, joined
SO_PIN = "87654321"


@dataclass(frozen=True, slots=True)
class SoftToken:
    """What `Pkcs11Backend.open` wants, and where the token's files lie."""

    label: str
    directory: Path
    module_path: str = MODULE_PATH
    pin: bytes = PIN


class SoftHsm:
    """A configuration of SoftHSM. It is read when the module is loaded, that is when a backend opens."""

    def __init__(self, directory: Path) -> None:
        if not Path(MODULE_PATH).exists() or shutil.which("softhsm2-util") is None:
            pytest.skip("SoftHSM is not installed: run `make setup`, or apt-get install softhsm2")
        self.tokens = directory / "tokens"
        self.tokens.mkdir()
        self.configuration = directory / "softhsm2.conf"
        self.configuration.write_text(
            f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )

    def new_token(self, label: str) -> SoftToken:
        """An initialised, empty token."""
        there = {*self.tokens.iterdir()}
        command = [
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            label,
            "--so-pin",
            SO_PIN,
            "--pin",
            PIN.decode(),
        ]
        subprocess.run(command, check=True, capture_output=True, env={"SOFTHSM2_CONF": str(self.configuration)})
        (directory,) = {*self.tokens.iterdir()} - there
        return SoftToken(label, directory)
