"""Everything that must follow the tables, made from the same settings and asked in the same way."""

from __future__ import annotations

from typing import Any

from switch.protocol.messages import DayDigestsRequest, DayListRequest, DayReply, Header, MessageType
from switch.protocol.records import RecordKind, SwitchRecord
from tests.twin.model import Twin

from .mirror import entries_of

HEADER_BYTES = Header.width_bytes()
REPLY_BIT = 0x80
MAXIMA = {
    "accounts_max": RecordKind.ACCOUNT,
    "cards_max": RecordKind.CARD,
    "terminals_max": RecordKind.TERMINAL,
    "stores_max": RecordKind.STORE,
}
"""Settings of a switch, as `given limit` names them, and the kind of record that they bound."""


def switch_record(timezone: str, cut_over_minutes: int) -> bytes:
    """What `init` writes of a switch whose business date begins later than midnight."""
    name = timezone.encode().ljust(32, b"\0")
    return SwitchRecord(mode=0, cut_over_minutes=cut_over_minutes, partition=0, timezone=name).encode()


class TwinDecider:
    """The twin, with its own entry behind those that it wrote before."""

    def __init__(self, **settings: Any) -> None:
        maxima = {MAXIMA[name]: settings.pop(name) for name in list(settings) if name in MAXIMA}
        if minutes := settings.get("cut_over_minutes"):
            settings["switch_record"] = switch_record(settings["timezone"], minutes)
        self.twin = Twin(maxima=maxima, **settings)

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
        if minutes := settings.get("cut_over_minutes"):
            self.engine.tables.load([switch_record(settings["timezone"], minutes)])

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
