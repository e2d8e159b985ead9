"""The issuer master keys: one file of wrapped keys, their states and histories, changed only by two people at a time.

Every change is written in two steps, each durable: a line of the key log, then the whole file anew under the next
revision number. A crash leaves the old or the new file. A process that read an older revision is refused
(`KeyringChangedError`); it reloads and looks again. The file is sealed by a MAC of the backend, so that nobody swaps
blobs or states by hand; it does not stop who puts back a whole older file, which `verify_log` finds by the log.

Keys are in clear only in slots of locked memory (`load_into`).
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
from msgspec.structs import replace

from hsm._cipher import copy_into, equal, random_bytes
from hsm._files import replace_file, sole_writer
from hsm._keyring_file import KeyringContent, KeyringFile, file_bytes
from hsm._memory import KeyPage, KeySlot
from hsm.backend import Backend, KeyUse, WrappedKey
from hsm.errors import KeyNotFoundError, WrongKeyNameError
from hsm.key_log import EMPTY, KeyLog, LogHead, LogLine, sealing_key
from hsm.key_states import (
    KEY_BYTES,
    KEY_VERSION_MAX,
    LOADABLE,
    Change,
    KeyAct,
    KeyEntry,
    KeyState,
    Purpose,
    state_after,
)
from hsm.keyring_errors import (
    KeyLengthError,
    KeyringAlteredError,
    KeyringChangedError,
    KeyringEntryError,
    KeyringExistsError,
    KeyringFullError,
    KeyringMissingError,
    KeyringSealUnknownError,
    KeyStateError,
    LogTornError,
)
from hsm.people import TwoPeople, person
from hsm.tr31 import fill_bytes, unwrap, wrap
from hsm.tr31_purposes import check_purpose, header_of

FORMAT = 1
FILE_BYTES_MAX = 1 << 22  # 4 MiB: some thousand keys with long histories
_DOMAIN = b"keyring\0"
_DOMAIN_BESIDE = b"file beside keyring\0"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far rotations are: keys by KEK version (a KEK version may go when it has none), and by state."""

    keys_by_kek_version: dict[int, int]
    keys_by_state: dict[KeyState, int]


class Keyring:
    """Made by `create` and `open`. One thread at a time; other processes are kept apart by lock and revision.

    Every changing operation raises `KeyringBusyError`, `KeyringChangedError`, and `LogTornError` until `repair_log`.
    """

    def __init__(self, path: Path, backend: Backend, log: KeyLog, log_key_version: int, page: KeyPage) -> None:
        """`page` lends slots for keys on their way in or out."""
        self.path = path
        self._backend = backend
        self._log = log
        self._log_key_version = log_key_version
        self._page = page
        self._content = KeyringContent(FORMAT, 0, EMPTY, ())
        self._log_verified = False

    def __repr__(self) -> str:
        return f"<Keyring {self.path}, revision {self.revision}, {len(self.entries)} keys>"

    @classmethod
    def create(cls, path: Path, log_path: Path, backend: Backend, log_key_version: int, page: KeyPage) -> Self:
        """An empty keyring and an empty log. `KeyringExistsError`, `LogExistsError`."""
        keyring = cls(path, backend, KeyLog(log_path, backend, log_key_version), log_key_version, page)
        with sole_writer(path):
            if path.exists():
                raise KeyringExistsError(f"expected no file {path}, got one: open it, or choose another place")
            KeyLog.create(log_path)
            keyring._write(keyring._content)
        return keyring

    @classmethod
    def open(cls, path: Path, log_path: Path, backend: Backend, page: KeyPage) -> Self:
        """An existing keyring. `KeyringMissingError`, `KeyringSealUnknownError`, `KeyringAlteredError`.

        The log is looked at by the first change and by `verify_log`: a crash in it keeps no switch from starting.
        """
        keyring = cls(path, backend, KeyLog(log_path, backend, 0), 0, page)
        keyring.reload()
        return keyring

    def reload(self) -> None:
        """Read the file again, after `KeyringChangedError`."""
        self._content, self._log_key_version = self._read()
        self._log.seal_with(self._log_key_version)
        self._log_verified = False

    # What is there

    @property
    def revision(self) -> int:
        """Rises by one with each change."""
        return self._content.revision

    @property
    def log_key_version(self) -> int:
        """The LOG key that seals the file, and the log's next line."""
        return self._log_key_version

    @property
    def log_head(self) -> LogHead:
        """The last line of the log whose act was done. Keep it elsewhere too: see `key_log`."""
        return self._content.log_head

    @property
    def entries(self) -> tuple[KeyEntry, ...]:
        """All keys, in the order in which they were added."""
        return self._content.keys

    def entry(self, purpose: Purpose, version: int) -> KeyEntry:
        """One key. `KeyringEntryError` if there is none."""
        for entry in self.entries:
            if (entry.purpose, entry.version) == (purpose, version):
                return entry
        raise KeyringEntryError(f"expected a key {purpose.name} version {version}, got none: see the list of keys")

    def active(self, purpose: Purpose, partner: str = "") -> KeyEntry | None:
        """The key under which new things of a purpose are made, if there is one."""
        partner = person(partner) if partner else ""
        for entry in self.entries:
            if (entry.purpose, entry.partner, entry.state) == (purpose, partner, KeyState.ACTIVE):
                return entry
        return None

    def load_into(self, purpose: Purpose, version: int, slot: KeySlot) -> None:
        """Unwrap into a slot of `KEY_BYTES[purpose]`. `KeyStateError` once RETIRED; the backend's errors."""
        entry = self.entry(purpose, version)
        if entry.state not in LOADABLE:
            raise KeyStateError(f"expected {entry.name} to be in use, got it {entry.state}: nothing may rest on it")
        self._backend.unwrap_into(entry.wrapped(), slot)

    def progress(self) -> Progress:
        """Counts for who waits for the end of a rotation; destroyed keys count by state only."""
        kept = Counter(entry.kek_version for entry in self.entries if entry.state is not KeyState.DESTROYED)
        return Progress(dict(kept), dict(Counter(entry.state for entry in self.entries)))

    def verify_log(self) -> list[LogLine]:
        """All lines of the log, if it is whole and this keyring is not an older one put back.

        Errors as `KeyLog.verify`; `KeyringAlteredError` if the log goes on from acts that this keyring does not know.
        """
        lines = self._log.verify(self.log_head)
        newest = max((line.revision for line in lines), default=0)
        if newest > self.revision + 1:  # one more is an act that a crash prevented
            raise KeyringAlteredError(
                f"expected revision {newest} or {newest - 1} of {self.path}, got {self.revision}: "
                f"an older keyring was put back; restore the newest"
            )
        expected = sealing_key(lines, self.log_head.sequence) or self._log_key_version
        if expected != self._log_key_version:
            raise KeyringAlteredError(
                f"expected {self.path} to be sealed by LOG key {expected}, got {self._log_key_version}: "
                f"somebody has the older key; restore the file from a backup"
            )
        return lines

    # What two people can do

    def add(
        self,
        purpose: Purpose,
        version: int,
        kek_version: int,
        people: TwoPeople,
        *,
        partner: str = "",
        exportable: bool = False,
    ) -> KeyEntry:
        """A key that the backend draws. `KeyringEntryError` if that version ever was."""
        self._check_new(purpose, version, partner)
        wrapped = self._backend.generate_wrapped(kek_version, KEY_BYTES[purpose])
        return self._add(purpose, version, wrapped, people, partner, exportable)

    def add_slot(
        self,
        purpose: Purpose,
        version: int,
        kek_version: int,
        slot: KeySlot,
        people: TwoPeople,
        *,
        partner: str = "",
        exportable: bool = False,
    ) -> KeyEntry:
        """A key that custodians combined (`components.Assembly`); the slot stays the caller's, who wipes it.

        `KeyLengthError`, `KeyringEntryError`.
        """
        self._check_new(purpose, version, partner)
        if len(slot) != KEY_BYTES[purpose]:
            raise KeyLengthError(
                f"expected a key of {KEY_BYTES[purpose]} bytes for {purpose.name}, got {len(slot)}: check the forms"
            )
        return self._add(purpose, version, self._backend.wrap(kek_version, slot), people, partner, exportable)

    def import_tr31(
        self, block: str, purpose: Purpose, version: int, kek_version: int, kbpk_version: int, people: TwoPeople
    ) -> KeyEntry:
        """A key from a partner, wrapped under an ACTIVE or VERIFY_ONLY KBPK. May leave again if its header says so.

        Errors of `tr31.unwrap`; `KeyBlockUnsupportedError` for a block of another purpose; `KeyLengthError`.
        """
        with self._page.take(KEY_BYTES[Purpose.KBPK]) as kbpk:
            self._load_kbpk(kbpk_version, kbpk, {KeyState.ACTIVE, KeyState.VERIFY_ONLY})
            header, key = unwrap(kbpk, block)
        try:
            check_purpose(header, purpose)
            self._check_new(purpose, version, "")
            if len(key) != KEY_BYTES[purpose]:
                raise KeyLengthError(
                    f"expected a key of {KEY_BYTES[purpose]} bytes for {purpose.name}, got {len(key)}: ask the sender"
                )
            with self._page.take(len(key)) as slot:
                copy_into(slot, key)
                wrapped = self._backend.wrap(kek_version, slot)
        finally:
            key[:] = bytes(len(key))
        return self._add(purpose, version, wrapped, people, "", header.exportability != "N")

    def export_tr31(self, purpose: Purpose, version: int, kbpk_version: int, people: TwoPeople) -> str:
        """The key as a block for a partner, under that partner's ACTIVE KBPK. `KeyStateError` if it may not leave."""
        entry = self.entry(purpose, version)
        if not entry.exportable or purpose is Purpose.KBPK:
            raise KeyStateError(f"expected a key that may leave, got {entry.name}, which may not: agree on another key")
        if entry.state not in LOADABLE:
            raise KeyStateError(f"expected {entry.name} to be in use, got it {entry.state}: export the ACTIVE version")
        with self._page.take(KEY_BYTES[Purpose.KBPK]) as kbpk, self._page.take(KEY_BYTES[purpose]) as slot:
            self._load_kbpk(kbpk_version, kbpk, {KeyState.ACTIVE})
            self._backend.unwrap_into(entry.wrapped(), slot)
            block = wrap(kbpk, header_of(purpose, version), slot, random_bytes(fill_bytes(len(slot))))
        self._change(people, KeyAct.EXPORT, entry, [self._marked(entry, people, KeyAct.EXPORT, entry.state)])
        return block

    def activate(self, purpose: Purpose, version: int, people: TwoPeople) -> None:
        """Make new things under this key from now on; the one that was ACTIVE becomes VERIFY_ONLY in the same step."""
        entry = self.entry(purpose, version)
        after = state_after(entry.state, KeyAct.ACTIVATE, entry.name)
        changed = [self._marked(entry, people, KeyAct.ACTIVATE, after)]
        before = self.active(purpose, entry.partner)
        if before:
            changed.append(self._marked(before, people, KeyAct.WITHDRAW, KeyState.VERIFY_ONLY))
        self._change(people, KeyAct.ACTIVATE, entry, changed)

    def withdraw(self, purpose: Purpose, version: int, people: TwoPeople) -> None:
        """Stop issuing under the ACTIVE key without a successor; what was issued goes on working."""
        self._advance(purpose, version, KeyAct.WITHDRAW, people)

    def retire(self, purpose: Purpose, version: int, people: TwoPeople) -> None:
        """End what rests on this key, for good. The switch lists the cards that would stop; look there first."""
        self._advance(purpose, version, KeyAct.RETIRE, people)

    def destroy(self, purpose: Purpose, version: int, people: TwoPeople) -> None:
        """Give up a RETIRED key: its blob is no longer in the file.

        Backups and the disk's old blocks still hold it, good for nothing without its KEK: the key is beyond all reach
        when the KEK of that version is destroyed too.
        """
        self._advance(purpose, version, KeyAct.DESTROY, people)

    def rewrap(self, new_kek_version: int, people: TwoPeople, pause: Callable[[], None]) -> int:
        """Put every key under another KEK, one durable step each, with `pause()` between; how many were left to do.

        Killed at any point, it goes on where it was when called again. The old KEK may go when `progress` shows none.
        """
        left = [
            (entry.purpose, entry.version)
            for entry in self.entries
            if entry.kek_version != new_kek_version and entry.state is not KeyState.DESTROYED
        ]
        for number, name in enumerate(left):
            if number:
                pause()
            entry = self.entry(*name)
            wrapped = self._backend.rewrap(entry.wrapped(), new_kek_version)
            if not equal(wrapped.check_value, entry.check_value):
                raise KeyringAlteredError(f"expected {entry.name} to be the same key under another KEK, got another")
            marked = self._marked(entry, people, KeyAct.REWRAP, entry.state)
            self._change(
                people, KeyAct.REWRAP, entry, [replace(marked, kek_version=wrapped.kek_version, blob=wrapped.blob)]
            )
        return len(left)

    def repair_log(self, people: TwoPeople) -> int:
        """Remove the last line that a crash cut, and log that; how many bytes. 0 and no change if there is none."""
        with sole_writer(self.path):
            self._check_unchanged()
            try:
                self._log.verify(self.log_head)
            except LogTornError:
                removed = self._log.cut_torn_line()
                self._commit(people, KeyAct.REPAIR_LOG, {}, self._content.keys)
                return removed
        return 0

    def note(self, people: TwoPeople, act: KeyAct, version: int = 0) -> None:
        """Log an act on a key that the backend keeps (of that version) or on its file; whoever does it does it after.

        Killed between the two, it is logged again when it is done again.
        """
        facts: dict[str, str | int] = {"version": version}
        with sole_writer(self.path):
            self._check_unchanged()
            self._commit(people, act, facts, self._content.keys)

    def activate_log_key(self, version: int, people: TwoPeople) -> None:
        """Seal file and log by another LOG key of the backend. `KeyNotFoundError`.

        Two lines: one under the old key, one under the new. Killed between the two, the next act's line is the link.
        """
        facts = self._backend.facts(KeyUse.LOG, version)
        if version == self._log_key_version:
            return
        named: dict[str, str | int] = {"version": version, "check_value": facts.check_value.hex().upper()}
        with sole_writer(self.path):
            self._check_unchanged()
            self._commit(people, KeyAct.ACTIVATE_LOG, named, self._content.keys, version)
            self._commit(people, KeyAct.LINK_LOG, named, self._content.keys)

    # Beside the keyring

    def seal(self, content: bytes) -> tuple[int, bytes]:
        """Version of the log key and its MAC over a file that lies beside the keyring."""
        return self._log_key_version, self._beside(self._log_key_version, content)

    def is_sealed(self, content: bytes, log_key_version: int, mac: bytes) -> bool:
        """Whether such a file is as `seal` left it."""
        try:
            return equal(self._beside(log_key_version, content), mac)
        except (KeyNotFoundError, WrongKeyNameError):
            return False

    def _beside(self, log_key_version: int, content: bytes) -> bytes:
        return self._backend.mac(log_key_version, _DOMAIN_BESIDE + hashlib.sha256(content).digest())

    # Within

    def _check_new(self, purpose: Purpose, version: int, partner: str) -> None:
        if type(version) is not int or not 1 <= version <= KEY_VERSION_MAX:
            raise KeyringEntryError(
                f"expected a version from 1 to {KEY_VERSION_MAX}, got {version!r}: take the next one"
            )
        if any((entry.purpose, entry.version) == (purpose, version) for entry in self.entries):
            raise KeyringEntryError(
                f"expected a version of {purpose.name} that never was, got {version}: take the next one"
            )
        if bool(partner) != (purpose is Purpose.KBPK):
            raise KeyringEntryError(
                f"expected a partner for KBPK and for nothing else, got {partner!r} for {purpose.name}"
            )

    def _add(
        self, purpose: Purpose, version: int, wrapped: WrappedKey, people: TwoPeople, partner: str, exportable: bool
    ) -> KeyEntry:
        entry = KeyEntry(
            purpose=purpose,
            version=version,
            state=KeyState.NEW,
            partner=person(partner) if partner else "",
            exportable=exportable,
            kek_version=wrapped.kek_version,
            blob=wrapped.blob,
            check_value=wrapped.check_value,
            history=(Change(KeyAct.ADD, KeyState.NEW, people.time_ms, people.author, people.approver),),
        )
        self._change(people, KeyAct.ADD, entry, [], added=entry)
        return entry

    def _advance(self, purpose: Purpose, version: int, act: KeyAct, people: TwoPeople) -> None:
        entry = self.entry(purpose, version)
        marked = self._marked(entry, people, act, state_after(entry.state, act, entry.name))
        if marked.state is KeyState.DESTROYED:
            marked = replace(marked, blob=b"")
        self._change(people, act, entry, [marked])

    def _marked(self, entry: KeyEntry, people: TwoPeople, act: KeyAct, state: KeyState) -> KeyEntry:
        change = Change(act, state, people.time_ms, people.author, people.approver)
        return replace(entry, state=state, history=(*entry.history, change))

    def _load_kbpk(self, version: int, slot: KeySlot, states: set[KeyState]) -> None:
        entry = self.entry(Purpose.KBPK, version)
        if entry.state not in states:
            expected = " or ".join(sorted(states))
            raise KeyStateError(f"expected {entry.name} to be {expected}, got it {entry.state}: name the partner's own")
        self._backend.unwrap_into(entry.wrapped(), slot)

    def _change(
        self, people: TwoPeople, act: KeyAct, subject: KeyEntry, changed: list[KeyEntry], added: KeyEntry | None = None
    ) -> None:
        after = {(entry.purpose, entry.version): entry for entry in (*self.entries, *changed)}
        keys = (*after.values(), added) if added else tuple(after.values())
        kek_version = next((entry.kek_version for entry in changed), subject.kek_version)
        facts: dict[str, str | int] = {
            "purpose": subject.purpose.name,
            "version": subject.version,
            "check_value": subject.check_value.hex().upper(),
            "kek_version": kek_version,
        }
        with sole_writer(self.path):
            self._check_unchanged()
            self._commit(people, act, facts, keys)

    def _check_unchanged(self) -> None:
        there = self._read()[0].revision
        if there != self.revision:
            raise KeyringChangedError(
                f"expected revision {self.revision} of {self.path}, got {there}: another process changed it; "
                f"reload, look, and decide again"
            )

    def _commit(
        self,
        people: TwoPeople,
        act: KeyAct,
        facts: dict[str, str | int],
        keys: tuple[KeyEntry, ...],
        log_key_version: int = 0,
    ) -> None:
        """Log line first, then the file: no key changes without a line. With another LOG key the file is the first."""
        if not self._log_verified:
            self.verify_log()
            self._log_verified = True
        revision = self.revision + 1
        head = self._log.append(people, act, revision, **facts)
        content = KeyringContent(FORMAT, revision, head, keys)
        if log_key_version:
            self._log_key_version = log_key_version
            self._log.seal_with(log_key_version)
        self._write(content)
        self._content = content

    def _write(self, content: KeyringContent) -> None:
        raw = msgspec.json.encode(content)
        mac = self._mac(self._log_key_version, raw).hex()
        content_bytes = file_bytes(KeyringFile(self._log_key_version, mac, msgspec.Raw(raw)))
        if len(content_bytes) > FILE_BYTES_MAX:
            raise KeyringFullError(
                f"expected at most {FILE_BYTES_MAX} bytes in {self.path}, got {len(content_bytes)}: begin another"
            )
        replace_file(self.path, content_bytes)

    def _read(self) -> tuple[KeyringContent, int]:
        """What the file says, and the LOG key that seals it."""
        try:
            with self.path.open("rb") as file:
                text = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError as error:
            raise KeyringMissingError(
                f"expected a keyring {self.path}, got no file: restore it, or check the path"
            ) from error
        try:
            whole = msgspec.json.decode(text, type=KeyringFile)
            raw = bytes(whole.content)
            if text != file_bytes(whole):
                raise ValueError("other characters than we write")
            if not equal(self._mac(whole.log_key_version, raw).hex().encode(), whole.mac.encode()):
                raise ValueError("another MAC")
            content = msgspec.json.decode(raw, type=KeyringContent)
        except KeyNotFoundError as error:
            raise KeyringSealUnknownError(
                f"expected {self.path} sealed by a LOG key of this backend, got another ({error}): "
                f"put back the keystore that belongs to it"
            ) from None
        except (msgspec.DecodeError, ValueError, WrongKeyNameError) as error:
            raise KeyringAlteredError(
                f"expected a keyring in {self.path} that this backend sealed, got something else "
                f"({type(error).__name__}): check which backend is open, or restore a backup"
            ) from None
        if content.format != FORMAT:
            raise KeyringAlteredError(f"expected format {FORMAT} in {self.path}, got {content.format}: use its release")
        return content, whole.log_key_version

    def _mac(self, log_key_version: int, raw: bytes) -> bytes:
        return self._backend.mac(log_key_version, _DOMAIN + hashlib.sha256(raw).digest())
