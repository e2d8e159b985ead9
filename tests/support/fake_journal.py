"""A journal in memory and a switch that shows it, for whoever follows."""

from __future__ import annotations

import hashlib
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    BillLine,
    CardStatus,
    DebitRequest,
    FollowReply,
    LineResult,
    MessageType,
    Reply,
)
from switch.protocol.records import (
    HASHED_HEADER_BYTES,
    AccountRecord,
    BlockHeader,
    CardRecord,
    EntryHeader,
)
from terminals.errors import SwitchUnreachableError
from terminals.plug_ins import Credit

CARD, MEMBER = 9999_0100_0001_4533, 77
SATURDAY = 20_617
"""2026-06-13."""
NOON_MS = SATURDAY * 86_400_000 + 12 * 3_600_000


class FakeJournal:
    """Blocks of entries, made by a test."""

    def __init__(self) -> None:
        self.content = b""
        self.next_sequence = 1
        self._hash = bytes(32)
        self._block_number = 0

    def debit(
        self,
        amount_minor: int,
        lines: tuple[BillLine, ...] = (),
        results: tuple[LineResult, ...] = (),
        *,
        code: int = 0,
        type_: MessageType = MessageType.DEBIT,
        business_date: int = SATURDAY,
        **reply_fields: Any,
    ) -> bytes:
        """One entry of a debit by CARD."""
        sequence = self.next_sequence
        self.next_sequence += 1
        request = DebitRequest(
            trace_number=sequence,
            business_date=business_date,
            stamp_ms=NOON_MS,
            card_number=CARD,
            amount_minor=amount_minor,
            lines=lines,
        ).encode()
        reply = Reply(
            code=code,
            amount_minor=amount_minor,
            due_minor=amount_minor,
            journal_sequence=sequence,
            more=b"".join(result.encode() for result in results),
            **reply_fields,
        ).encode()
        account = AccountRecord(account_number=CARD, balance_minor=1_000, member=MEMBER, last_sequence=sequence)
        images = account.encode() if code in (ResponseCode.APPROVED, ResponseCode.PARTIAL) else b""
        header = EntryHeader(
            entry_bytes=EntryHeader.width_bytes() + len(_padded(request)) + len(_padded(reply)) + len(images),
            sequence=sequence,
            time_ms=NOON_MS,
            terminal_id=7,
            business_date=business_date,
            request_type=type_,
            image_count=1 if images else 0,
            request_bytes=len(request),
            reply_bytes=len(reply),
        )
        return header.encode() + _padded(request) + _padded(reply) + images

    def block(self, *entries: bytes) -> None:
        """Append a block."""
        body = b"".join(entries)
        fields: dict[str, Any] = {
            "partition": 0,
            "entry_count": len(entries),
            "block_number": self._block_number,
            "first_sequence": self.next_sequence - len(entries),
            "body_bytes": len(body),
            "time_ms": NOON_MS,
            "previous_hash": self._hash,
        }
        head = BlockHeader(**fields, block_hash=bytes(32)).encode()
        self._hash = hashlib.sha256(head[:HASHED_HEADER_BYTES] + body).digest()
        self._block_number += 1
        self.content += BlockHeader(**fields, block_hash=self._hash).encode() + body

    def read(self, position: int, bytes_max: int) -> FollowReply:
        """What a switch would answer."""
        piece = self.content[position : position + bytes_max]
        return FollowReply(
            partition=0,
            position=position,
            next_position=position + len(piece),
            durable_position=len(self.content),
            journal_bytes=piece,
        )


class FakeSwitch:
    """Shows a journal and takes adjustments, once per reference."""

    def __init__(self, journal: FakeJournal, *, piece_bytes: int = 1_000) -> None:
        self.journal = journal
        self.piece_bytes = piece_bytes
        self.points: dict[int, int] = {}
        """Credited so far, by category."""
        self.references: set[bytes] = set()
        self.away_count = 0
        """So many of the next credits are not heard, though the first of them counts."""
        self.refused: set[int] = set()
        """Categories that it does not know."""

    async def follow(self, position: int, *, bytes_max: int = 65_535) -> FollowReply:
        return self.journal.read(position, min(bytes_max, self.piece_bytes))

    async def card(self, card_number: int) -> CardRecord:
        return CardRecord(
            card_type=1, status=CardStatus.ACTIVE, card_number=card_number, account_number=card_number, issued_date=1
        )

    async def time_zone(self) -> str:
        return "Asia/Shanghai"

    async def credit(
        self, card_number: int, category: int, points_hundredths: int, reference: bytes
    ) -> tuple[Credit, str]:
        assert len(reference) == 16
        assert card_number == CARD
        if category in self.refused:
            return Credit.REFUSED, "95 CATEGORY_UNKNOWN"
        is_new = reference not in self.references
        if is_new:
            self.references.add(reference)
            self.points[category] = self.points.get(category, 0) + points_hundredths
        if self.away_count:
            self.away_count -= 1
            raise SwitchUnreachableError("no answer")
        return (Credit.CREDITED if is_new else Credit.REPEATED), ""


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 8)
