"""Keys at the switch: loaded from the key source, put into use, and used to wrap what terminals and operators send.

Owns the way of a key from the source (a keyring under an HSM, given by whoever
starts the switch) into the key ring of the decision.  Never writes a key
anywhere.  Invariant: the versions that the journal says are in use are loaded,
and no others; a switch that cannot load one of them does not start.

Sections 18 and 19 of docs/decision.md say what the messages mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from switch.protocol.messages import (
    ChangeKeyRequest,
    Header,
    KeyPurpose,
    KeyState,
    MediumFlag,
    MessageType,
    PutKeyRequest,
    PutMediumRequest,
    PutTerminalRequest,
    RewrapKeyRequest,
)
from switch.protocol.records import CardKeyRecord, CardRecord, KeyRecord, RecordKind, TerminalRecord

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from switch._keys import KeyRing
    from switch._tables import Tables

HEADER_BYTES = Header.width_bytes()
TERMINAL_KEY_BYTES = 32
CARD_KEY_BYTES = 16
CHECK_VALUE_BYTES = 5
IN_USE = frozenset({KeyState.NEW, KeyState.ACTIVE, KeyState.VERIFY_ONLY})
"""States in which a version is loaded."""


class KeyUnavailableError(Exception):
    """A key that cannot be had, or is another than was meant; says what was expected, what came, what to do."""


class Key(Protocol):
    """A key in memory of its source's choosing: a buffer that can be wiped."""

    def __buffer__(self, flags: int, /) -> memoryview:
        """Its bytes."""

    def wipe(self) -> None:
        """Give it up."""


class KeySource(Protocol):
    """Where keys come from."""

    def take(self, purpose: int, version: int) -> tuple[Key, bytes]:
        """A key and its check value (5 bytes); `KeyUnavailableError`. Whoever takes it wipes it."""


class KeyDesk:
    """Loads keys into the ring, wraps and unwraps under the storage keys."""

    def __init__(self, source: KeySource, ring: KeyRing, tables: Tables) -> None:
        self._source, self._ring, self._tables = source, ring, tables
        self._storage: dict[int, Key] = {}

    # -- loading

    def load_all(self) -> None:
        """Load every version that the journal says is in use; `KeyUnavailableError` names the first that cannot be."""
        for record in self._records():
            if record.state in IN_USE:
                self._load(record.purpose, record.key_version, record.check_value[:CHECK_VALUE_BYTES])

    def settle(self) -> None:
        """Forget versions that are not in use any more."""
        in_use = {(record.purpose, record.key_version) for record in self._records() if record.state in IN_USE}
        for purpose, version in set(self._ring.loaded) - in_use:  # retired, or loaded for a request that was refused
            self._ring.forget(purpose, version)
            storage = self._storage.pop(version, None) if purpose == KeyPurpose.STORAGE else None
            if storage is not None:
                storage.wipe()

    def _records(self) -> Iterator[KeyRecord]:
        return (KeyRecord.decode(record) for record in self._tables.records(RecordKind.KEY))

    def _load(self, purpose: int, version: int, check_value: bytes) -> None:
        if (purpose, version) in self._ring.loaded:
            return
        key, is_value = self._source.take(purpose, version)
        if is_value != check_value:
            key.wipe()
            raise KeyUnavailableError(
                f"{KeyPurpose(purpose).name} key, version {version}: expected check value {check_value.hex()}, "
                f"got {is_value.hex()} from the keyring; put back the keyring that belongs to this journal"
            )
        self._ring.load(purpose, version, key)
        if purpose == KeyPurpose.STORAGE:
            self._storage[version] = key
        else:
            key.wipe()

    # -- wrapping

    def active_storage_version(self) -> int:
        """Version of the storage key that new wrappings use; `KeyUnavailableError` when there is none."""
        for record in self._records():
            if record.purpose == KeyPurpose.STORAGE and record.state == KeyState.ACTIVE:
                return record.key_version
        raise KeyUnavailableError("storage key: expected an active version, got none; activate one: cardswitch keys")

    def wrap(self, key: Buffer, storage_version: int) -> bytes:
        """A key by RFC 3394: deterministic, so a repeated request stays the same bytes."""
        return aes_key_wrap(self._storage_key(storage_version), bytes(key))

    def unwrap(self, wrapped: bytes, storage_version: int) -> bytes:
        """The key inside; `KeyUnavailableError` when the storage key is another."""
        try:
            return aes_key_unwrap(self._storage_key(storage_version), wrapped)
        except InvalidUnwrap:
            raise KeyUnavailableError(
                f"wrapped key: expected it to open with storage key {storage_version}, got a failed integrity check; "
                "put back the keyring that this journal was written with"
            ) from None

    def _storage_key(self, version: int) -> bytes:
        key = self._storage.get(version)
        if key is None:
            raise KeyUnavailableError(f"storage key {version}: expected it to be loaded; see cardswitch keys show")
        return memoryview(key)  # type: ignore[return-value]  # cryptography takes any buffer as a key

    # -- messages

    def prepare(self, message: bytes, before: bytes | None = None) -> bytes:
        """A message with the clear keys in it wrapped, and the keys it names loaded; `KeyUnavailableError`.

        `before`: body of the request of this type that was answered under the same key, as journaled. A repeat of it
        comes out as the same bytes, whatever has become of the keys since.
        """
        head, body = message[:HEADER_BYTES], message[HEADER_BYTES:]
        return head + _PREPARED[MessageType(head[1])](self, body, before)

    def _version(self, before: PutTerminalRequest | PutMediumRequest | ChangeKeyRequest | None) -> int | None:
        """Storage key that wrapped the request that was answered before; None when that is not there any more."""
        return before.storage_version if before is not None and before.storage_version in self._storage else None

    def _put_terminal(self, body: bytes, before: bytes | None) -> bytes:
        request = PutTerminalRequest.decode(body)
        if not any(request.key):
            return body
        answered = None if before is None else PutTerminalRequest.decode(before)
        version = self._version(answered) or self.active_storage_version()
        key = self.wrap(request.key[:TERMINAL_KEY_BYTES], version)
        return _changed(request, key=key, storage_version=version)

    def _put_medium(self, body: bytes, before: bytes | None) -> bytes:
        request = PutMediumRequest.decode(body)
        if not request.flags & MediumFlag.STORED_KEY or not any(request.key):
            return body
        answered = None if before is None else PutMediumRequest.decode(before)
        version = self._version(answered) or self.active_storage_version()
        key = self.wrap(request.key[:CARD_KEY_BYTES], version)
        return _changed(request, key=key, storage_version=version)

    def change_key(self, body: bytes, terminal_id: int, before: bytes | None = None) -> bytes:
        """A terminal's own new key, wrapped like the one it has; a repeat (`before`: see `prepare`) as it was."""
        request = ChangeKeyRequest.decode(body)
        record = self._tables.get(RecordKind.TERMINAL, terminal_id)
        if request.confirm or record is None:
            return body
        answered = None if before is None else ChangeKeyRequest.decode(before)
        version = self._version(answered) or TerminalRecord.decode(record).storage_version
        return _changed(request, key=self.wrap(request.key[:TERMINAL_KEY_BYTES], version), storage_version=version)

    def _put_key(self, body: bytes, before: bytes | None) -> bytes:
        if body == before:
            return body  # answered already: nothing is to be loaded
        request = PutKeyRequest.decode(body)
        known = self._tables.get(RecordKind.KEY, (request.purpose, request.key_version, 0))
        # One that is known is loaded already, or will not be used again.
        is_wanted = known is None and request.state == KeyState.NEW
        if is_wanted and request.purpose in set(KeyPurpose) and request.key_version:
            self._load(request.purpose, request.key_version, request.check_value[:CHECK_VALUE_BYTES])
        return body

    def _rewrap(self, body: bytes, before: bytes | None) -> bytes:
        request = RewrapKeyRequest.decode(body)
        if before is not None and _changed(RewrapKeyRequest.decode(before), wrapped=request.wrapped) == body:
            return before
        wide = (request.key_a, request.key_b, request.key_c)
        version = request.storage_version
        if request.kind == RecordKind.CARD:
            return self._reseal(request)
        if request.kind == RecordKind.TERMINAL:
            found = self._tables.get(RecordKind.TERMINAL, request.key_a)
            if found is None:
                return body
            terminal = TerminalRecord.decode(found)
            parts = [terminal.wrapped_key, terminal.wrapped_next]
            old_version = terminal.storage_version
        elif request.kind == RecordKind.CARD_KEY:
            found = self._tables.get(RecordKind.CARD_KEY, wide)
            if found is None:
                return body
            card_key = CardKeyRecord.decode(found)
            parts, old_version = [card_key.wrapped_key], card_key.storage_version
        else:
            return body
        rewrapped = [self.wrap(self.unwrap(part, old_version), version) if any(part) else part for part in parts]
        return _changed(request, wrapped=b"".join(rewrapped).ljust(len(request.wrapped), b"\0"))

    def _reseal(self, request: RewrapKeyRequest) -> bytes:
        """A card's PIN under another PIN key: the switch opens it and seals it anew; it never leaves in clear."""
        found = self._tables.get(RecordKind.CARD, request.key_a)
        card = None if found is None else CardRecord.decode(found)
        version = request.storage_version
        is_loaded = (KeyPurpose.PIN, version) in self._ring.loaded
        if card is None or not is_loaded or card.pin_key_version in (0, version):
            return request.encode()  # the decision says what is wrong with it
        try:
            sealed = self._ring.reseal_pin(card.pin_hash, card.pin_key_version, version)
        except KeyError:
            raise KeyUnavailableError(
                f"PIN key {card.pin_key_version}: expected it to be loaded, got it out of use; set the card's PIN anew"
            ) from None
        return _changed(request, wrapped=sealed.ljust(len(request.wrapped), b"\0"))


def _changed(
    request: PutTerminalRequest | PutMediumRequest | ChangeKeyRequest | RewrapKeyRequest, **fields: object
) -> bytes:
    values = {name: getattr(request, name) for name in request.__struct_fields__} | fields
    return type(request)(**values).encode()


_PREPARED = {
    MessageType.PUT_TERMINAL: KeyDesk._put_terminal,
    MessageType.PUT_MEDIUM: KeyDesk._put_medium,
    MessageType.PUT_KEY: KeyDesk._put_key,
    MessageType.REWRAP_KEY: KeyDesk._rewrap,
}
