"""What an operator's workplace may ask: configuration, cards, and reading along.

The calls that change something have trace numbers like a debit and end the
same way; none of them can be reversed, so an unanswered one is sent again
until it is answered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from switch.protocol.layout import Packed
from switch.protocol.limits import FOLLOW_BYTES_MAX
from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    NO_LIMIT,
    CardStatus,
    ChangeCardStatusRequest,
    FollowReply,
    FollowRequest,
    MessageType,
    OpenCardRequest,
    PutCardTypeRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Right,
    TerminalStatus,
)

from .outcome import Outcome

Build = Callable[[int, int, int], Packed]
"""Makes a request from trace number, business date (days) and stamp (milliseconds)."""

WIRE_KEY_BYTES = 40


class OperatorCalls:
    """The operator's half of `Client`."""

    async def _keyed(self, type_: MessageType, build: Build) -> Outcome:
        raise NotImplementedError

    async def _ask(self, type_: MessageType, body: bytes) -> object:
        raise NotImplementedError

    async def put_card_type(
        self,
        code: int,
        *,
        flags: int = 0,
        daily_count_max: int = NO_COUNT_LIMIT,
        single_minor_max: int = NO_LIMIT,
        daily_minor_max: int = NO_LIMIT,
        daily_points_max_hundredths: int = NO_LIMIT,
        points_percent: int = 0,
        points_per_unit: int = 1,
    ) -> Outcome:
        """Create or change a card type; amounts in minor units, points in hundredths."""
        return await self._keyed(
            MessageType.PUT_CARD_TYPE,
            lambda trace_number, business_date, stamp_ms: PutCardTypeRequest(
                trace_number=trace_number,
                business_date=business_date,
                stamp_ms=stamp_ms,
                code=code,
                flags=flags,
                daily_count_max=daily_count_max,
                single_minor_max=single_minor_max,
                daily_minor_max=daily_minor_max,
                daily_points_max_hundredths=daily_points_max_hundredths,
                points_percent=points_percent,
                points_per_unit=points_per_unit,
            ),
        )

    async def put_store(self, store_id: int, organisation_id: int = 0) -> Outcome:
        """Create or change a store."""
        return await self._keyed(
            MessageType.PUT_STORE,
            lambda trace_number, business_date, stamp_ms: PutStoreRequest(
                trace_number=trace_number,
                business_date=business_date,
                stamp_ms=stamp_ms,
                store_id=store_id,
                organisation_id=organisation_id,
            ),
        )

    async def put_terminal(
        self,
        terminal_id: int,
        key: bytes,
        *,
        store_id: int = 0,
        rights: int = Right.PAY,
        status: int = TerminalStatus.ACTIVE,
    ) -> Outcome:
        """Create or change a terminal with its 32-byte key; `store_id` 0 is an operator's workplace."""
        return await self._keyed(
            MessageType.PUT_TERMINAL,
            lambda trace_number, business_date, stamp_ms: PutTerminalRequest(
                trace_number=trace_number,
                business_date=business_date,
                stamp_ms=stamp_ms,
                terminal_id=terminal_id,
                store_id=store_id,
                rights=rights,
                status=status,
                key=key.ljust(WIRE_KEY_BYTES, b"\0"),
            ),
        )

    async def open_card(
        self, card_number: int, card_type: int, *, account_number: int = 0, status: int = CardStatus.ACTIVE
    ) -> Outcome:
        """Make a card known, with an account of its own (0) or on another card's."""
        return await self._keyed(
            MessageType.OPEN_CARD,
            lambda trace_number, business_date, stamp_ms: OpenCardRequest(
                trace_number=trace_number,
                business_date=business_date,
                stamp_ms=stamp_ms,
                card_number=card_number,
                account_number=account_number,
                card_type=card_type,
                status=status,
            ),
        )

    async def change_card_status(self, card_number: int, status: int, reason: int = 0) -> Outcome:
        """Block or unblock a card; it holds from the next request on."""
        return await self._keyed(
            MessageType.CHANGE_CARD_STATUS,
            lambda trace_number, business_date, stamp_ms: ChangeCardStatusRequest(
                trace_number=trace_number,
                business_date=business_date,
                stamp_ms=stamp_ms,
                card_number=card_number,
                status=status,
                reason=reason,
            ),
        )

    async def follow(self, position: int = 0, *, partition: int = 0, bytes_max: int = FOLLOW_BYTES_MAX) -> FollowReply:
        """Durable journal bytes from a position on; an empty reply means that there are no more yet."""
        request = FollowRequest(partition=partition, bytes_max=bytes_max, position=position)
        reply = await self._ask(MessageType.FOLLOW, request.encode())
        assert isinstance(reply, FollowReply)
        return reply

    async def read_journal(self, position: int = 0, *, partition: int = 0) -> AsyncIterator[FollowReply]:
        """Replies from a position up to what is durable now, one after the other."""
        while True:
            reply = await self.follow(position, partition=partition)
            if not reply.journal_bytes:
                return
            yield reply
            position = reply.next_position

    async def statistics(self) -> dict[str, int]:
        """The switch's counters by name."""
        reply = await self._ask(MessageType.STATISTICS, b"")
        assert isinstance(reply, dict)
        return reply
