"""Backend over one sealed file: for shops without an HSM, for training, and as the oracle of the PKCS#11 backend.

While it is open the keys lie in a page of locked memory (`hsm._memory`); the file (`hsm._keystore`) is sealed by a
passphrase or by components. One process writes at a time; readers open the file as it is and need no lock, but do not
see later changes.
"""

import hashlib
import os
import threading
from pathlib import Path
from typing import Self

from hsm import _cipher, _keystore
from hsm._keystore import KEY_COUNT_MAX, Resident, WriterLock
from hsm._memory import KeyPage, KeySlot
from hsm._seal import LIVE_COST, SEALING_KEY_BYTES, TRAINING_COST, Seal, SealCost, SealMethod, Secret
from hsm.backend import (
    CHECK_VALUE_BYTES,
    RESIDENT_KEY_BYTES,
    Backend,
    KeyFacts,
    KeyUse,
    WrappedKey,
    check_created,
    check_message,
    check_name,
    check_resident_length,
    check_unwrap_slot,
    check_wrappable_length,
    check_wrapped,
    not_found,
    taken,
    tampered,
)
from hsm.errors import (
    BackendClosedError,
    KeyPageFullError,
    KeystoreExistsError,
    KeystoreReadOnlyError,
    KeystoreUncertainError,
)

__all__ = ["LIVE_COST", "TRAINING_COST", "SealCost", "SealMethod", "Secret", "SoftwareBackend"]

WORKING_SLOT_COUNT = 31  # sealing keys and one operation per thread; with KEY_COUNT_MAX one page of memory
USE_ORDER = list(KeyUse)


class SoftwareBackend(Backend):
    """Made by `create` and `open`. Operations take turns: each is a few microseconds, or one writing of the file."""

    def __init__(self, path: Path, page: KeyPage, seal: Seal, sealing_key: KeySlot, lock: WriterLock | None) -> None:
        self._path = path
        self._page = page
        self._seal = seal
        self._sealing_key = sealing_key
        self._lock = lock
        self._turn = threading.RLock()
        self._keys: dict[tuple[KeyUse, int], Resident] = {}
        self._closed = False

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        secret: Secret,
        *,
        cost: SealCost = LIVE_COST,
        method: SealMethod | None = None,
    ) -> Self:
        """A new, empty keystore, open for writing. `cost` and `method` (default: the best there is) seal a passphrase.

        Raises `KeystoreExistsError`, `SealTooCheapError`, `KeystoreBusyError`, `KeystoreUnwritableError`,
        `LockedMemoryShortError`.
        """
        file = Path(path).resolve()  # or a link would have a lock of its own
        seal = Seal.new(secret, cost, method)
        lock = WriterLock(file)
        page = KeyPage(KEY_COUNT_MAX + WORKING_SLOT_COUNT)
        try:
            if file.exists():
                raise KeystoreExistsError(f"expected no file at {file}, got one: open it, or move it away first")
            sealing_key = page.take(SEALING_KEY_BYTES)
            seal.derive_into(sealing_key, secret)
            _keystore.write(file, _keystore.encode(seal, sealing_key, []))
            return cls(file, page, seal, sealing_key, lock)
        except BaseException:
            page.close()
            lock.release()
            raise

    @classmethod
    def open(cls, path: str | os.PathLike[str], secret: Secret, *, writable: bool = True) -> Self:
        """An existing keystore.

        Raises `KeystoreMissingError`, `KeystoreBusyError` (another writer), `KeystoreNotOpenedError` (wrong passphrase
        or components), `KeystoreTornError`, `KeystoreAlteredError`, `KeystoreUnknownError`, `LockedMemoryShortError`.
        """
        file = Path(path).resolve()  # or a link would have a lock of its own
        if not file.exists():
            _keystore.read(file)  # says what is missing, and leaves no lock file behind
        lock = WriterLock(file) if writable else None
        page = KeyPage(KEY_COUNT_MAX + WORKING_SLOT_COUNT)
        try:
            sealing_key = page.take(SEALING_KEY_BYTES)
            seal, keys = _keystore.decode(file, _keystore.read(file), secret, page, sealing_key)
            backend = cls(file, page, seal, sealing_key, lock)
            backend._keys = {(key.facts.use, key.facts.version): key for key in keys}
            return backend
        except BaseException:
            page.close()
            if lock:
                lock.release()
            raise

    def __repr__(self) -> str:
        return f"<SoftwareBackend {self._path}, {len(self._keys)} keys{', closed' if self._closed else ''}>"

    def reseal(self, secret: Secret, *, cost: SealCost = LIVE_COST, method: SealMethod | None = None) -> None:
        """Change the passphrase, the components, or the one for the other. Durable when it returns.

        Copies of the file from before still open with the old secret: destroy them.
        """
        seal = Seal.new(secret, cost, method)
        with self._turn:
            self._check_writable()
            sealing_key = self._page.take(SEALING_KEY_BYTES)
            try:
                seal.derive_into(sealing_key, secret)
                self._write(seal, sealing_key, self._keys)
            except BaseException:
                sealing_key.wipe()
                raise
            self._sealing_key.wipe()
            self._seal, self._sealing_key = seal, sealing_key

    def refresh(self) -> None:
        """Read the file again, for the keys that another process has made or destroyed; needs no secret.

        `KeystoreNotOpenedError` when it was sealed anew since; else errors as `open`, and nothing has changed.
        """
        with self._turn:
            self._check_open()
            content = _keystore.read(self._path)
            _, keys = _keystore.decode(self._path, content, b"", self._page, self._sealing_key, self._seal)
            before, self._keys = self._keys, {(key.facts.use, key.facts.version): key for key in keys}
            for key in before.values():
                key.slot.wipe()

    # Resident keys

    def generate(self, use: KeyUse, version: int, created_ms: int) -> KeyFacts:
        """See `Backend`."""
        return self._add(use, version, None, created_ms)

    def import_key(self, use: KeyUse, version: int, slot: KeySlot, created_ms: int) -> KeyFacts:
        """See `Backend`."""
        check_resident_length(slot)
        return self._add(use, version, slot, created_ms)

    def facts(self, use: KeyUse, version: int) -> KeyFacts:
        """See `Backend`."""
        with self._turn:
            return self._resident(use, version).facts

    def keys(self) -> list[KeyFacts]:
        """See `Backend`."""
        with self._turn:
            self._check_open()
            facts = [key.facts for key in self._keys.values()]
        return sorted(facts, key=lambda key: (USE_ORDER.index(key.use), key.version))

    def destroy(self, use: KeyUse, version: int) -> None:
        """See `Backend`. Copies of the file from before still hold the key: destroy them."""
        with self._turn:
            self._check_writable()
            key = self._resident(use, version)
            remaining = {name: other for name, other in self._keys.items() if other is not key}
            self._save(remaining)
            key.slot.wipe()

    # Keys outside, under a KEK

    def generate_wrapped(self, kek_version: int, key_bytes: int) -> WrappedKey:
        """See `Backend`."""
        check_wrappable_length(key_bytes)
        with self._turn:
            self._resident(KeyUse.KEK, kek_version)
            with self._page.take(key_bytes) as slot:
                _cipher.random_into(slot)
                return self.wrap(kek_version, slot)

    def wrap(self, kek_version: int, slot: KeySlot) -> WrappedKey:
        """See `Backend`."""
        check_wrappable_length(len(slot))
        with self._turn:
            kek = self._resident(KeyUse.KEK, kek_version).slot
            return WrappedKey(kek_version, _cipher.wrap_key(kek, slot), _cipher.check_value(slot))

    def unwrap_into(self, wrapped: WrappedKey, slot: KeySlot) -> None:
        """See `Backend`."""
        check_wrapped(wrapped)
        check_unwrap_slot(wrapped, slot)
        with self._turn:
            kek = self._resident(KeyUse.KEK, wrapped.kek_version).slot
            opened = _cipher.unwrap_key(kek, wrapped.blob, slot)
            if not (opened and _cipher.equal(_cipher.check_value(slot), wrapped.check_value)):
                _cipher.cleanse(slot)
                raise tampered(wrapped)

    def rewrap(self, wrapped: WrappedKey, new_kek_version: int) -> WrappedKey:
        """See `Backend`."""
        check_wrapped(wrapped)
        with self._turn:
            self._resident(KeyUse.KEK, new_kek_version)
            with self._page.take(wrapped.key_bytes) as slot:
                self.unwrap_into(wrapped, slot)
                return self.wrap(new_kek_version, slot)

    def check_value(self, wrapped: WrappedKey) -> bytes:
        """See `Backend`."""
        check_wrapped(wrapped)
        with self._turn:
            self._check_open()
            with self._page.take(wrapped.key_bytes) as slot:
                self.unwrap_into(wrapped, slot)
                return _cipher.check_value(slot)

    # Proofs

    def mac(self, version: int, message: bytes) -> bytes:
        """See `Backend`."""
        check_message(message)
        with self._turn:
            return _cipher.cmac(self._resident(KeyUse.LOG, version).slot, message)

    def sign(self, version: int, message: bytes) -> bytes:
        """See `Backend`."""
        check_message(message)
        with self._turn:
            return _cipher.ed25519_sign(self._resident(KeyUse.SIGN, version).slot, message)

    def public_key(self, version: int) -> bytes:
        """See `Backend`."""
        with self._turn:
            return _cipher.ed25519_public_key(self._resident(KeyUse.SIGN, version).slot)

    def close(self) -> None:
        """See `Backend`."""
        with self._turn:
            self._closed = True
            self._page.close()
            if self._lock:
                self._lock.release()

    # Inside

    def _check_open(self) -> None:
        if self._closed:
            raise BackendClosedError(f"expected an open keystore, got {self._path} after close: open it again")

    def _check_writable(self) -> None:
        self._check_open()
        if self._lock is None:
            raise KeystoreReadOnlyError(f"expected {self._path} open for writing, got it for reading: open it writable")

    def _resident(self, use: KeyUse, version: int) -> Resident:
        self._check_open()
        check_name(use, version)
        key = self._keys.get((use, version))
        if key is None:
            raise not_found(use, version)
        return key

    def _add(self, use: KeyUse, version: int, source: KeySlot | None, created_ms: int) -> KeyFacts:
        check_name(use, version)
        check_created(created_ms)
        with self._turn:
            self._check_writable()
            if (use, version) in self._keys:
                raise taken(use, version)
            if len(self._keys) == KEY_COUNT_MAX:
                raise KeyPageFullError(
                    f"expected at most {KEY_COUNT_MAX} keys, got one more: destroy retired ones first"
                )
            slot = self._page.take(RESIDENT_KEY_BYTES)
            try:
                if source is None:
                    _cipher.random_into(slot)
                else:
                    _cipher.copy_into(slot, source)
                facts = KeyFacts(use, version, resident_check_value(use, slot), created_ms)
                self._save({**self._keys, (use, version): Resident(facts, slot)})
            except BaseException:
                slot.wipe()
                raise
            return facts

    def _save(self, keys: dict[tuple[KeyUse, int], Resident]) -> None:
        """Write, and only then believe it."""
        self._write(self._seal, self._sealing_key, keys)
        self._keys = keys

    def _write(self, seal: Seal, sealing_key: KeySlot, keys: dict[tuple[KeyUse, int], Resident]) -> None:
        try:
            _keystore.write(self._path, _keystore.encode(seal, sealing_key, list(keys.values())))
        except KeystoreUncertainError:
            self.close()  # what is in memory is no longer what is in the file
            raise


def resident_check_value(use: KeyUse, slot: KeySlot) -> bytes:
    """The check value that `KeyFacts` shows."""
    if use is KeyUse.SIGN:
        return hashlib.sha256(_cipher.ed25519_public_key(slot)).digest()[:CHECK_VALUE_BYTES]
    return _cipher.check_value(slot)
