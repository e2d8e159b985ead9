"""What security staff asks beside keys: media and what they may do, ways between stores, alarms."""

from __future__ import annotations

from typing import Any, Unpack

from switch.protocol.layout import Packed
from switch.protocol.messages import (
    HandleAlarmRequest,
    MediumFlag,
    MediumKind,
    MediumState,
    MessageType,
    PutMediumPolicyRequest,
    PutMediumRequest,
    PutTravelRequest,
)
from switch.protocol.records import MediumRecord

from .operator_fields import MediumFields, MediumPolicyFields
from .outcome import Outcome

STORED_KEY_BYTES = 16
"""AES-128, as every key of a medium."""
WIRE_STORED_KEY_BYTES = 24


class SecurityCalls:
    """The part of `Client` that media, their policies and alarms are looked after with."""

    async def _order(self, type_: MessageType, form: type[Packed], **fields: Any) -> Outcome:
        raise NotImplementedError

    async def put_medium(
        self,
        card_number: int,
        medium: int,
        medium_id: int,
        *,
        stored_key: bytes = b"",
        operator_id: int = 0,
        **fields: Unpack[MediumFields],
    ) -> Outcome:
        """Enrol a medium, or tell the switch anew what to expect of it; `stored_key` (16 bytes) is its own random key.

        The key stands in the trace file too: `compact_trace` takes it out once there was an answer.
        """
        flags = fields.pop("flags", 0) | (MediumFlag.STORED_KEY if stored_key else 0)
        return await self._order(
            MessageType.PUT_MEDIUM,
            PutMediumRequest,
            card_number=card_number,
            medium=medium,
            medium_id=medium_id,
            flags=flags,
            key=stored_key.ljust(WIRE_STORED_KEY_BYTES, b"\0"),
            operator_id=operator_id,
            **fields,
        )

    async def revoke_medium(self, record: MediumRecord, operator_id: int = 0) -> Outcome:
        """End a medium for good; its counters and key versions stay as they are, for who looks later."""
        counts = record.medium != MediumKind.CODE  # a code's request has none
        return await self.put_medium(
            record.card_number,
            record.medium,
            record.medium_id,
            operator_id=operator_id,
            state=MediumState.REVOKED,
            key_version=record.key_version,
            key_version_held=record.key_version_held,
            flags=record.flags,
            counter=record.counter if counts else 0,
            chain=record.chain,
        )

    async def put_medium_policy(
        self, code: int, operator_id: int, approver_id: int, **fields: Unpack[MediumPolicyFields]
    ) -> Outcome:
        """What the media of a card type may do, as a whole: what is left out has the default of the message."""
        return await self._order(
            MessageType.PUT_MEDIUM_POLICY,
            PutMediumPolicyRequest,
            code=code,
            operator_id=operator_id,
            approver_id=approver_id,
            **fields,
        )

    async def put_travel(self, store_id: int, other_store_id: int, minutes: int, operator_id: int = 0) -> Outcome:
        """Least minutes between two stores, either way; 0: not checked between these two."""
        return await self._order(
            MessageType.PUT_TRAVEL,
            PutTravelRequest,
            store_id=store_id,
            other_store_id=other_store_id,
            minutes=minutes,
            operator_id=operator_id,
        )

    async def handle_alarm(self, sequence: int, state: int, operator_id: int) -> Outcome:
        """Move the alarm that a journal entry has raised on in its life (`AlarmState`); somebody must be named."""
        return await self._order(
            MessageType.HANDLE_ALARM, HandleAlarmRequest, alarm=sequence, state=state, operator_id=operator_id
        )
