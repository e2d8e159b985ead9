"""Every request has a valid sample, and from it everything that may be wrong with a request can be made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from switch.protocol.layout import layout_of
from switch.protocol.messages import KEYED_TYPES, REQUESTS, BillLine, MessageType

from .peer import Peer, new_trace
from .running import CARD, CARD_TYPE, STORE

HOT_TYPES = (
    MessageType.DEBIT,
    MessageType.REVERSAL,
    MessageType.BALANCE,
    MessageType.CREDIT,
    MessageType.PUT_CARD_TYPE,
    MessageType.PUT_STORE,
    MessageType.OPEN_CARD,
    MessageType.CHANGE_CARD_STATUS,
)
"""Answered inside the fast path."""
COLD_TYPES = (
    MessageType.SIGN_OFF,
    MessageType.ECHO,
    MessageType.PUT_TERMINAL,
    MessageType.FOLLOW,
    MessageType.STATISTICS,
)
"""Answered by the dispatcher."""
SENDABLE_TYPES = (*HOT_TYPES, *COLD_TYPES)
NEW_CARD, NEW_TERMINAL, NEW_STORE, NEW_CARD_TYPE = 7_100_000_000_000_001, 9_001, 9, 9
INTEGER_RANGES = {"B": (0, 2**8 - 1), "H": (0, 2**16 - 1), "I": (0, 2**32 - 1), "Q": (0, 2**64 - 1)} | {
    "i": (-(2**31), 2**31 - 1),
    "q": (-(2**63), 2**63 - 1),
}


def sample(peer: Peer, type_: MessageType) -> bytes:
    """Body of a valid request with a trace number of its own."""
    fields: dict[MessageType, dict[str, object]] = {
        MessageType.ECHO: {"stamp_ms": 1},
        MessageType.DEBIT: {
            "card_number": CARD,
            "amount_minor": 300,
            "lines": (BillLine(amount_minor=100), BillLine(amount_minor=200)),
        },
        MessageType.REVERSAL: {
            "card_number": CARD,
            "amount_minor": 300,
            "original_trace_number": 4_000_000_000,
            "original_business_date": peer.terms.business_date,
        },
        MessageType.BALANCE: {"card_number": CARD},
        MessageType.CREDIT: {"card_number": CARD, "amount_minor": 500, "channel": 1},
        MessageType.PUT_CARD_TYPE: {"code": NEW_CARD_TYPE},
        MessageType.PUT_STORE: {"store_id": NEW_STORE},
        MessageType.PUT_TERMINAL: {
            "terminal_id": NEW_TERMINAL,
            "store_id": STORE,
            "rights": 1,
            "key": b"n" * 32 + bytes(8),
        },
        MessageType.OPEN_CARD: {"card_number": NEW_CARD, "card_type": CARD_TYPE},
        MessageType.CHANGE_CARD_STATUS: {"card_number": CARD, "status": 1},
        MessageType.PUT_SWITCH: {"partition": 0, "mode": 0, "timezone": b"UTC".ljust(32, b"\0")},
        MessageType.FOLLOW: {"partition": 0, "bytes_max": 1, "position": 0},
    }
    return peer.request(type_, **fields.get(type_, {})).encode()


class Altered(NamedTuple):
    """A body with one field set."""

    field: str
    offset: int
    width: int
    value: int
    body: bytes


def reserved_set(type_: MessageType, body: bytes) -> Iterator[Altered]:
    """The body with each byte of each reserved field set in turn; line flags and the end of a key count as such."""
    places = [(f.name, f.offset, f.wire.width_bytes) for f in layout_of(REQUESTS[type_]).fields]
    places = [place for place in places if place[0].startswith("reserved")]
    if type_ == MessageType.DEBIT:
        flags = next(f.offset for f in layout_of(BillLine).fields if f.name == "flags")
        starts = range(REQUESTS[type_].width_bytes(), len(body), BillLine.width_bytes())
        places += [(f"line at {start}", start + flags, 2) for start in starts]
    if type_ == MessageType.PUT_TERMINAL:
        places.append(("end of key", len(body) - 8, 8))
    for name, offset, width in places:
        for at in range(offset, offset + width):
            altered = body[:at] + b"\x80" + body[at + 1 :]
            got = int.from_bytes(altered[offset : offset + min(width, 4)], "little")
            yield Altered(name, offset, width, got, altered)


def integers_at_extremes(type_: MessageType, body: bytes) -> Iterator[Altered]:
    """The body with each integer field at its extremes, at 0 and 1 and beside them, each under a new key."""
    for field in layout_of(REQUESTS[type_]).fields:
        if field.wire.format not in INTEGER_RANGES:
            continue
        low, high = INTEGER_RANGES[field.wire.format]
        width = field.wire.width_bytes
        for value in sorted({0, 1, high, high - 1, low, low + 1, max(low, -1)}):
            number = value.to_bytes(width, "little", signed=low < 0)
            altered = body[: field.offset] + number + body[field.offset + width :]
            if type_ in KEYED_TYPES and field.name != "trace_number":
                altered = new_trace().to_bytes(4, "little") + altered[4:]
            yield Altered(field.name, field.offset, width, value, altered)
