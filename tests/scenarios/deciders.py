"""Everything that must follow the tables, made from the same settings and asked in the same way."""

from __future__ import annotations

from typing import Any

from switch.protocol.messages import DayDigestsRequest, DayListRequest, DayReply, Header, MessageType
from tests.twin.world import twin_of

from .mirror import entries_of

HEADER_BYTES = Header.width_bytes()
REPLY_BIT = 0x80


class TwinDecider:
    """The twin, with its own entry behind those that it wrote before."""

    def __init__(self, **settings: Any) -> None:
        self.twin = twin_of(**settings)

    def decide(self, terminal_id: int, rights: int, message: bytes, now_ms: int) -> tuple[bytes, bytes | None]:
        """Whole reply and entries."""
        outcome = self.twin.decide(terminal_id, rights, message, now_ms)
        return outcome.reply, b"".join((*outcome.before, outcome.entry or b"")) or None


class FastPath:
    """The engine in this process; digests and lists are answered beside it, as in the switch."""

    def __init__(self, **settings: Any) -> None:
        from switch.inquiries import DayBook
        from tests.support.engine import InProcessEngine

        self.engine = InProcessEngine(**settings)
        self.day_book = DayBook(self.engine.window, self.engine.commit)
        self.today = 0

    def decide(self, terminal_id: int, rights: int, message: bytes, now_ms: int) -> tuple[bytes, bytes | None]:
        """Whole reply and entries."""
        if message[1] in (MessageType.DAY_DIGESTS, MessageType.DAY_LIST):
            sequence = int.from_bytes(message[4:8], "little")
            header = Header(type=message[1] | REPLY_BIT, sequence=sequence)
            return header.encode() + self._day_reply(terminal_id, message[1], message[HEADER_BYTES:]).encode(), None
        reply, data = self.engine.decide(terminal_id, rights, message, now_ms)
        for entry in entries_of(data):
            self.today = max(self.today, entry.head.business_date)
        return reply, data

    def _day_reply(self, terminal_id: int, message_type: int, body: bytes) -> DayReply:
        if message_type == MessageType.DAY_DIGESTS:
            return self.day_book.digests(terminal_id, DayDigestsRequest.decode(body), self.today)
        return self.day_book.rows(terminal_id, DayListRequest.decode(body), self.today)


DECIDERS = {"twin": TwinDecider, "fast path": FastPath}
"""What the tables are played to."""
