"""messages.json: every message sealed with the keys of the example; the messages are in requests.py and replies.py."""

import json
import struct
from collections.abc import Callable
from typing import Any

from switch.protocol.frames import frame
from switch.protocol.layout import Packed
from switch.protocol.messages import REPLY_BIT, DayDigest, DayRow, Header, MessageType, decode_rows
from switch.protocol.noise import CipherState
from switch.protocol.records import StoreRecord
from tests.vectors.example import fields_of, sign_on
from tests.vectors.replies import REPLIES
from tests.vectors.requests import REQUESTS

ROWS_OF_REPLIES: dict[int, Callable[[Any], tuple[Packed, ...]]] = {
    MessageType.DEBIT: lambda reply: reply.lines,
    MessageType.QUOTE: lambda reply: reply.lines,
    MessageType.CARD_QUERY: lambda reply: (reply.facts, *reply.purses),
    MessageType.DAY_TOTALS: lambda reply: reply.totals,
    MessageType.OPERATE_CARD: lambda reply: reply.results,
    MessageType.DAY_DIGESTS: lambda reply: decode_rows(DayDigest, reply.more),
    MessageType.DAY_LIST: lambda reply: decode_rows(DayRow, reply.more),
    MessageType.READ_RECORDS: lambda reply: decode_rows(StoreRecord, reply.records),
    MessageType.SIGNED_ON: lambda reply: reply.sessions,
}
"""What follows the fixed part of a reply; requests have their rows among their fields."""


def rows_of(type_: int, body: Packed | bytes) -> dict[str, Any]:
    """The rows behind a reply's fixed part, each with its name; empty when there are none."""
    rows = ROWS_OF_REPLIES[type_ & ~REPLY_BIT](body) if type_ & ~REPLY_BIT in ROWS_OF_REPLIES else ()
    return {"rows": [{"struct": type(row).__name__} | fields_of(row) for row in rows]} if rows else {}


def case(name: str, direction: str, key: bytes, nonce: int, type_: int, body: Packed | bytes) -> dict[str, Any]:
    """One sealed message with everything that is needed to check it."""
    body_bytes = body if isinstance(body, bytes) else body.encode()
    header = Header(type=type_, sequence=100 + nonce).encode()
    cipher = CipherState(key)
    cipher.nonce = nonce
    return {
        "name": name,
        "direction": direction,
        "type": type_,
        "sequence": 100 + nonce,
        "nonce": nonce,
        "key": key.hex(),
        "nonce_hex": struct.pack(">IQ", 0, nonce).hex(),
        "fields": json.loads(body or "{}") if isinstance(body, bytes) else fields_of(body),
        **(rows_of(type_, body) if type_ & REPLY_BIT else {}),
        "header": header.hex(),
        "body": body_bytes.hex(),
        "frame": frame(cipher.encrypt(header + body_bytes)).hex(),
    }


def messages_file() -> dict[str, Any]:
    """messages.json"""
    _, success = sign_on()
    cases = [
        case(name, "terminal to switch", success.receive_key, nonce, type_, body)
        for nonce, (name, type_, body) in enumerate(REQUESTS)
    ]
    cases += [
        case(name, "switch to terminal", success.send_key, nonce, type_ | REPLY_BIT, body)
        for nonce, (name, type_, body) in enumerate(REPLIES)
    ]
    return {
        "about": (
            "Every message, sealed with the keys of sign_on.json; each direction counts its nonces from 0."
            " In fields, 64-bit integers are strings of digits and bytes are in hex; rows stand behind a reply."
        ),
        "cases": cases,
    }
