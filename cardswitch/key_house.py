"""The key house: keystore or token, keyring and key log of one switch, opened for whoever starts it.

| file in keys/ | what it is |
|---|---|
| backend.json | which backend keeps the KEKs: a sealed file, or a PKCS#11 token by its label |
| keystore | the sealed file (software backend only) |
| keyring | the issuer's keys, each wrapped under a KEK |
| key.log | who changed which key, and when |

The passphrase (or the token's PIN) comes from a file or the environment, never from the command line, where every
process of the machine could read it.  CARDSWITCH_KEY_COST=training makes a keystore that opens in a millisecond, and
is as quickly guessed: for tests and training shops.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self

import msgspec

from hsm._files import replace_file
from hsm._memory import KeyPage, KeySlot
from hsm._seal import LIVE_COST, TRAINING_COST
from hsm.backend import Backend, KeyUse
from hsm.errors import HsmError, KeyNotFoundError, KeystoreNotOpenedError
from hsm.key_states import KEY_BYTES, KeyState, Purpose
from hsm.keyring import Keyring
from hsm.keyring_errors import KeyringSealUnknownError
from hsm.people import TwoPeople
from hsm.software import SoftwareBackend
from switch._directory import DirectoryError
from switch._key_chain import KeyChain
from switch.key_desk import KeyUnavailableError
from switch.notary import HeadSigner

SLOT_COUNT = 64
"""Keys in hand at a time: PIN and storage keys for as long as the switch runs, others while they are loaded."""
FIRST_PURPOSES = (Purpose.STORAGE, Purpose.PIN, Purpose.RECEIPT)
VERSION_FIRST = 1


class BackendChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of backend.json."""

    backend: Literal["software", "pkcs11"] = "software"
    module: str = ""
    """PKCS#11: path of the vendor's library."""
    token: str = ""
    """PKCS#11: label of the token."""


def read_passphrase(what: str = "passphrase of the keys") -> bytes:
    """From CARDSWITCH_PASSPHRASE_FILE, systemd's credentials, CARDSWITCH_PASSPHRASE, or the terminal, in this order."""
    if (named := _passphrase_file()) is not None:
        try:
            return Path(named).read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise DirectoryError(
                f"CARDSWITCH_PASSPHRASE_FILE: expected a file that can be read, got {error.strerror} for {named}"
            ) from error
    if (given := os.environ.get("CARDSWITCH_PASSPHRASE")) is not None:
        return given.encode()
    if sys.stdin.isatty():
        return getpass.getpass(f"{what}: ").encode()
    raise DirectoryError(
        f"{what}: expected it in the file that CARDSWITCH_PASSPHRASE_FILE names (or in CARDSWITCH_PASSPHRASE), "
        "got neither; set one, or start from a terminal"
    )


PASSPHRASE_VARIABLES = ("CARDSWITCH_PASSPHRASE_FILE", "CARDSWITCH_PASSPHRASE", "CREDENTIALS_DIRECTORY")
"""Where `read_passphrase` looks; kept from processes that open no keys."""


def is_passphrase_given() -> bool:
    """Whether `read_passphrase` asks nobody."""
    return _passphrase_file() is not None or "CARDSWITCH_PASSPHRASE" in os.environ


def _passphrase_file() -> str | None:
    if named := os.environ.get("CARDSWITCH_PASSPHRASE_FILE"):
        return named
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    named = f"{credentials}/cardswitch-passphrase" if credentials else ""
    return named if named and Path(named).exists() else None


class KeyHouse:
    """Open keys of one switch: the key source of `switch.key_desk`, and what `cardswitch keys` works on."""

    def __init__(
        self, path: Path, secret: Callable[[], bytes], backend: Backend, keyring: Keyring, page: KeyPage
    ) -> None:
        self.path = path
        self.backend, self.keyring = backend, keyring
        self._secret, self._page = secret, page

    @classmethod
    def create(
        cls,
        path: Path,
        secret: Callable[[], bytes],
        people: TwoPeople,
        choice: BackendChoice | None = None,
    ) -> Self:
        """A new house with one KEK, one signing key, one log key, and the first purposes, active."""
        choice = choice or BackendChoice()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path / "backend.json", msgspec.json.encode(choice) + b"\n")
        backend = _create_backend(path, choice, secret())
        resident = backend.keys()
        for use in (KeyUse.KEK, KeyUse.SIGN, KeyUse.LOG):
            if use not in {facts.use for facts in resident}:
                backend.generate(use, VERSION_FIRST, people.time_ms)
        page = KeyPage(SLOT_COUNT)
        keyring = Keyring.create(path / "keyring", path / "key.log", backend, VERSION_FIRST, page)
        for purpose in FIRST_PURPOSES:
            keyring.add(purpose, VERSION_FIRST, VERSION_FIRST, people)
            keyring.activate(purpose, VERSION_FIRST, people)
        return cls(path, secret, backend, keyring, page)

    @classmethod
    def open(cls, path: Path, secret: Callable[[], bytes], *, writable: bool = False) -> Self:
        """An existing house; errors of `hsm` name what is wrong with it."""
        try:
            choice = msgspec.json.decode((path / "backend.json").read_bytes(), type=BackendChoice)
        except (OSError, msgspec.DecodeError) as error:
            raise DirectoryError(
                f"{path}: expected the keys of a switch, with backend.json; restore the folder from its copy"
            ) from error
        backend = _open_backend(path, choice, secret(), writable)
        page = KeyPage(SLOT_COUNT)
        keyring = Keyring.open(path / "keyring", path / "key.log", backend, page)
        return cls(path, secret, backend, keyring, page)

    def take(self, purpose: int, version: int) -> tuple[KeySlot, bytes]:
        """A key of the keyring in a slot of locked memory, and its check value; `KeyUnavailableError`."""
        try:
            slot = self._page.take(KEY_BYTES[Purpose(purpose)])
        except HsmError as error:
            raise KeyUnavailableError(str(error)) from error
        try:
            try:
                self.keyring.reload()  # somebody may have added the key since
            except KeyringSealUnknownError:  # sealed by a LOG key that is younger than this process
                self._look_again()
                self.keyring.reload()
            entry = self.keyring.entry(Purpose(purpose), version)
            try:
                self.keyring.load_into(entry.purpose, version, slot)
            except KeyNotFoundError:  # wrapped under a KEK that is younger than this process
                self._look_again()
                self.keyring.load_into(entry.purpose, version, slot)
        except (HsmError, DirectoryError, OSError) as error:
            slot.wipe()
            raise KeyUnavailableError(str(error)) from error
        return slot, entry.check_value

    def check_restore(self) -> int:
        """Open the files anew, as a machine would that restores them, and open every key; how many. `HsmError`.

        A token is open once in a process: there the keyring alone is read again.
        """
        is_file = isinstance(self.backend, SoftwareBackend)
        other = type(self).open(self.path, self._secret) if is_file else self
        try:
            other.keyring.reload()
            entries = [entry for entry in other.keyring.entries if entry.state is not KeyState.DESTROYED]
            for entry in entries:
                other.backend.check_value(entry.wrapped())
            return len(entries)
        finally:
            if is_file:
                other.close()

    @property
    def page(self) -> KeyPage:
        """Where slots come from, for `hsm.components`."""
        return self._page

    def signer(self, journal: Path) -> HeadSigner:
        """What signs journal heads, with the version that the statements beside them name; else the first."""
        resident = self.backend.keys()
        first = min(facts.version for facts in resident if facts.use == KeyUse.SIGN)
        chain = KeyChain(journal)

        def public_key(version: int) -> bytes:
            # From the statements first: its key may be destroyed.
            return chain.public_key(version) or self._at_backend(lambda: self.backend.public_key(version))

        return HeadSigner(
            lambda version, message: self._at_backend(lambda: self.backend.sign(version, message)),
            public_key,
            chain.version(first),
            lambda: chain.version(first),
        )

    def _at_backend(self, ask: Callable[[], bytes]) -> bytes:
        """Ask the backend; when it has not the key, once more after a look at what another process has made."""
        try:
            return ask()
        except KeyNotFoundError:
            self._look_again()
            return ask()

    def close(self) -> None:
        """Wipe what is in memory."""
        self.backend.close()
        self._page.close()

    def _look_again(self) -> None:
        """See KEKs that another process has made. A token shows them by itself."""
        if not isinstance(self.backend, SoftwareBackend):
            return
        try:
            self.backend.refresh()
        except KeystoreNotOpenedError:  # sealed anew since: by a passphrase that is given, or else a person starts us
            if not is_passphrase_given():
                raise
            backend = SoftwareBackend.open(self.path / "keystore", self._secret(), writable=False)
            self.backend.close()
            self.backend = backend
            self.keyring = Keyring.open(self.path / "keyring", self.path / "key.log", backend, self._page)


def _create_backend(path: Path, choice: BackendChoice, secret: bytes) -> Backend:
    if choice.backend == "pkcs11":
        return _open_backend(path, choice, secret, True)
    is_training = os.environ.get("CARDSWITCH_KEY_COST") == "training"
    return SoftwareBackend.create(path / "keystore", secret, cost=TRAINING_COST if is_training else LIVE_COST)


def _open_backend(path: Path, choice: BackendChoice, secret: bytes, writable: bool) -> Backend:
    if choice.backend == "pkcs11":
        from hsm.pkcs11 import Pkcs11Backend  # needs a vendor's library

        return Pkcs11Backend.open(choice.module, choice.token, secret)
    return SoftwareBackend.open(path / "keystore", secret, writable=writable)
