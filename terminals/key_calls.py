"""What security staff asks about keys: versions and their states, wrappings, terminals that shall renew their key.

No key ever travels here, and none of these calls needs one.
"""

from __future__ import annotations

from typing import Any

from switch.protocol.layout import Packed
from switch.protocol.messages import (
    MessageType,
    PutKeyRequest,
    PutTerminalRequest,
    RewrapKeyRequest,
    TerminalFlag,
)
from switch.protocol.records import CardKeyRecord, CardRecord, RecordKind, TerminalRecord

from .outcome import Outcome

CHECK_VALUE_FIELD_BYTES = 8
NO_KEY = bytes(40)
"""In a put terminal: it keeps the keys that it has."""


class KeyCalls:
    """The security officer's part of `Client`."""

    async def _order(self, type_: MessageType, form: type[Packed], **fields: Any) -> Outcome:
        raise NotImplementedError

    async def put_key(
        self, purpose: int, key_version: int, state: int, check_value: bytes, operator_id: int, approver_id: int
    ) -> Outcome:
        """Tell the switch of a key version (state NEW: it loads the key), or move it on in its life."""
        return await self._order(
            MessageType.PUT_KEY,
            PutKeyRequest,
            purpose=purpose,
            key_version=key_version,
            state=state,
            check_value=check_value.ljust(CHECK_VALUE_FIELD_BYTES, b"\0"),
            operator_id=operator_id,
            approver_id=approver_id,
        )

    async def rewrap_key(self, record: TerminalRecord | CardKeyRecord | CardRecord, storage_version: int) -> Outcome:
        """Wrap the keys of one record under the active storage key; of a card its PIN, under the active PIN key."""
        if isinstance(record, CardRecord):
            kind, key = RecordKind.CARD, (record.card_number, 0, 0)
        elif isinstance(record, TerminalRecord):
            kind, key = RecordKind.TERMINAL, (record.terminal_id, 0, 0)
        else:
            kind, key = RecordKind.CARD_KEY, (record.medium, record.medium_id, record.key_version)
        return await self._order(
            MessageType.REWRAP_KEY,
            RewrapKeyRequest,
            kind=kind,
            storage_version=storage_version,
            key_a=key[0],
            key_b=key[1],
            key_c=key[2],
        )

    async def renew_terminal_key(self, terminal: TerminalRecord) -> Outcome:
        """Ask a terminal to give itself a new key at its next sign-on; all else of it stays."""
        return await self._order(
            MessageType.PUT_TERMINAL,
            PutTerminalRequest,
            terminal_id=terminal.terminal_id,
            store_id=terminal.store_id,
            rights=terminal.rights,
            status=terminal.status,
            flags=terminal.flags | TerminalFlag.RENEW_KEY,
            key=NO_KEY,
        )
