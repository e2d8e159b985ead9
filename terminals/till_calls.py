"""What a till or a service desk may ask beside paying, recharging and asking for a balance.

Calls that change something end like a debit: approved, declined or unknown. An
unanswered one is sent again until it is answered. The inquiries (quote, card
query, records) change nothing and have no trace number.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    AdjustPointsRequest,
    BackfillRequest,
    BillLine,
    CaptureRequest,
    CardQueryRequest,
    ConfirmWriteRequest,
    ConvertRequest,
    DebitRequest,
    Evidence,
    HoldRequest,
    LoadVisitsRequest,
    MessageType,
    ReadRecordsReply,
    ReadRecordsRequest,
    RecordsEnd,
    RedeemRequest,
    RefundLine,
    RefundRequest,
    ReleaseRequest,
    Reply,
    Tender,
    TransferPointsRequest,
    TransferRequest,
)
from switch.protocol.records import RECORDS, RecordKind, record_bytes, record_key

from ._clock import Surroundings
from .outcome import Outcome

REFERENCE_BYTES = 16
WIDE_KEY_PARTS = 3


class RecordsNotListedError(Exception):
    """The switch has too many records of the kind to list them; one can still be read by its exact key."""


class TillCalls:
    """The till's other half of `Client`."""

    _surroundings: Surroundings

    async def _order(self, type_: MessageType, form: type[Packed], **fields: Any) -> Outcome:
        raise NotImplementedError

    async def _ask(self, type_: MessageType, body: bytes) -> object:
        raise NotImplementedError

    # ------------------------------------------------------------------- inquiries

    async def quote(
        self,
        card_number: int,
        amount_minor: int,
        lines: Iterable[BillLine] = (),
        tenders: Iterable[Tender] = (),
        *,
        flags: int = 0,
        settlement: int = 0,
        evidence: Evidence | None = None,
    ) -> Reply:
        """What a debit of this bill would be answered; takes nothing, a PIN is not asked for.

        A code or a tag finds its card by its `evidence` (card number 0), which stays good for the debit.
        """
        request = DebitRequest(
            trace_number=0,
            business_date=0,
            stamp_ms=self._surroundings.now_ms(),
            card_number=card_number,
            amount_minor=amount_minor,
            flags=flags,
            settlement=settlement,
            lines=tuple(lines),
            tenders=tuple(tenders),
            evidence=evidence,
        )
        return await self._inquire(MessageType.QUOTE, request)

    async def card_query(self, card_number: int) -> Reply:
        """All that a till shows of a card: `reply.facts` and `reply.purses` when the code is 0."""
        return await self._inquire(
            MessageType.CARD_QUERY,
            CardQueryRequest(stamp_ms=self._surroundings.now_ms(), card_number=card_number),
        )

    async def read_records(self, kind: RecordKind, *key: int, count_max: int = 0) -> ReadRecordsReply:
        """One reply with records of a kind, in ascending order from the key on; needs the right to follow."""
        parts = (*key, 0, 0, 0)[:WIDE_KEY_PARTS]
        request = ReadRecordsRequest(kind=kind, count_max=count_max, key_a=parts[0], key_b=parts[1], key_c=parts[2])
        reply = await self._ask(MessageType.READ_RECORDS, request.encode())
        assert isinstance(reply, ReadRecordsReply)
        return reply

    async def record(self, kind: RecordKind, *key: int) -> Packed | None:
        """The record with exactly this key, or nothing."""
        reply = await self.read_records(kind, *key, count_max=1)
        width_bytes = record_bytes(kind)
        if len(reply.records) < width_bytes:
            return None
        found = reply.records[:width_bytes]
        wanted = (*key, 0, 0)[: len(record_key(found))]
        return RECORDS[kind].decode(found) if record_key(found) == wanted else None

    async def records(self, kind: RecordKind, *key: int) -> AsyncIterator[Packed]:
        """Every record of a kind from a key on; `RecordsNotListedError` when there are too many to list."""
        width_bytes = record_bytes(kind)
        while True:
            reply = await self.read_records(kind, *key)
            if reply.is_last == RecordsEnd.NOT_LISTED:
                raise RecordsNotListedError(f"{kind.name}: expected records that can be listed, got too many of them")
            rows = [reply.records[at : at + width_bytes] for at in range(0, len(reply.records), width_bytes)]
            for row in rows:
                yield RECORDS[kind].decode(row)
            if reply.code != ResponseCode.APPROVED or reply.is_last == RecordsEnd.LAST or not rows:
                return
            *upper, lowest = record_key(rows[-1])
            key = (*upper, lowest + 1)

    async def _inquire(self, type_: MessageType, request: Packed) -> Reply:
        reply = await self._ask(type_, request.encode())
        assert isinstance(reply, Reply)
        return reply

    # ------------------------------------------------------------------- money

    async def hold(self, card_number: int, amount_minor: int, *, expires_in_s: int = 0) -> Outcome:
        """Reserve an amount; its name for capture and release is `reply.journal_sequence`."""
        return await self._order(
            MessageType.HOLD,
            HoldRequest,
            card_number=card_number,
            amount_minor=amount_minor,
            expires_in_s=expires_in_s,
        )

    async def capture(
        self, card_number: int, amount_minor: int, hold_sequence: int, *, keep_rest: bool = False
    ) -> Outcome:
        """Take all or a part of what is held; the rest is released unless it is kept."""
        return await self._order(
            MessageType.CAPTURE,
            CaptureRequest,
            card_number=card_number,
            amount_minor=amount_minor,
            hold_sequence=hold_sequence,
            keep_rest=int(keep_rest),
        )

    async def release(self, card_number: int, hold_sequence: int) -> Outcome:
        """Give back what is held."""
        return await self._order(
            MessageType.RELEASE, ReleaseRequest, card_number=card_number, hold_sequence=hold_sequence
        )

    async def refund(
        self, card_number: int, amount_minor: int, original_sequence: int, lines: Iterable[RefundLine] = ()
    ) -> Outcome:
        """Give back a part or all of an approved debit or capture, however old."""
        return await self._order(
            MessageType.REFUND,
            RefundRequest,
            card_number=card_number,
            amount_minor=amount_minor,
            original_sequence=original_sequence,
            lines=tuple(lines),
        )

    async def transfer(self, card_number: int, amount_minor: int, to_card_number: int) -> Outcome:
        """Move value from one card's account to another's."""
        return await self._order(
            MessageType.TRANSFER,
            TransferRequest,
            card_number=card_number,
            amount_minor=amount_minor,
            to_card_number=to_card_number,
        )

    async def confirm_write(self, card_number: int, counter: int) -> Outcome:
        """The stripe was rewritten with `next` of an issuer answer and read back: its old counter is a copy's now."""
        return await self._order(
            MessageType.CONFIRM_WRITE, ConfirmWriteRequest, card_number=card_number, counter=counter
        )

    # ------------------------------------------------------------------- points and visits

    async def redeem(
        self, card_number: int, *, points_hundredths: int = 0, gift_id: int = 0, pieces: int = 0, category: int = 0
    ) -> Outcome:
        """Use points for pieces of a gift, or (without gift) for something that the switch has no price for."""
        return await self._order(
            MessageType.REDEEM,
            RedeemRequest,
            card_number=card_number,
            points_hundredths=points_hundredths,
            gift_id=gift_id,
            pieces=pieces,
            category=category,
        )

    async def convert(self, card_number: int, amount_minor: int, *, category: int = 0) -> Outcome:
        """Turn points into value at the category's rate."""
        return await self._order(
            MessageType.CONVERT, ConvertRequest, card_number=card_number, amount_minor=amount_minor, category=category
        )

    async def load_visits(
        self,
        card_number: int,
        service: int,
        count: int,
        *,
        received_minor: int = 0,
        expiry_date: int = 0,
        operator_id: int = 0,
    ) -> Outcome:
        """Put counted visits of a service on a card."""
        return await self._order(
            MessageType.LOAD_VISITS,
            LoadVisitsRequest,
            card_number=card_number,
            service=service,
            count=count,
            received_minor=received_minor,
            expiry_date=expiry_date,
            operator_id=operator_id,
        )

    async def adjust_points(
        self,
        card_number: int,
        points_hundredths: int,
        *,
        category: int = 0,
        reason: int = 0,
        void_all: bool = False,
        operator_id: int = 0,
        if_sequence: int = 0,
        reference: bytes = b"",
    ) -> Outcome:
        """Correct points by hand; with `if_sequence` only if the account is as a preview has shown it."""
        return await self._order(
            MessageType.ADJUST_POINTS,
            AdjustPointsRequest,
            card_number=card_number,
            points_hundredths=points_hundredths,
            category=category,
            reason=reason,
            void_all=int(void_all),
            operator_id=operator_id,
            if_sequence=if_sequence,
            reference=reference.ljust(REFERENCE_BYTES, b"\0"),
        )

    async def transfer_points(
        self, card_number: int, points_hundredths: int, to_card_number: int, *, category: int = 0
    ) -> Outcome:
        """Move points of one category from one card's account to another's."""
        return await self._order(
            MessageType.TRANSFER_POINTS,
            TransferPointsRequest,
            card_number=card_number,
            points_hundredths=points_hundredths,
            to_card_number=to_card_number,
            category=category,
        )

    async def backfill(
        self,
        card_number: int,
        amount_minor: int,
        *,
        receipt: int,
        store_id: int,
        sale_date: int,
        sale_minute: int = 0,
        settlement: int = 0,
        operator_id: int = 0,
        lines: Iterable[BillLine] = (),
    ) -> Outcome:
        """Points for a sale that missed them, once per receipt, by the rules of the date of sale."""
        return await self._order(
            MessageType.BACKFILL,
            BackfillRequest,
            card_number=card_number,
            amount_minor=amount_minor,
            receipt=receipt,
            store_id=store_id,
            sale_date=sale_date,
            sale_minute=sale_minute,
            settlement=settlement,
            operator_id=operator_id,
            lines=tuple(lines),
        )
