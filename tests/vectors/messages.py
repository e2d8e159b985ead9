"""messages.json: every message sealed with the keys of the example."""

import json
import struct
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.frames import frame
from switch.protocol.layout import Packed
from switch.protocol.limits import FULL_RETRY_AFTER_MS
from switch.protocol.messages import (
    NO_LIMIT,
    REPLY_BIT,
    BalanceRequest,
    CardTypeFlag,
    ChangeCardStatusRequest,
    CreditRequest,
    DebitRequest,
    EchoReply,
    EchoRequest,
    ErrorReply,
    FollowReply,
    FollowRequest,
    Header,
    MessageType,
    OpenCardRequest,
    PutCardTypeRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Reply,
    ReversalRequest,
    Right,
    SignOffRequest,
    StatisticsRequest,
)
from switch.protocol.noise import CipherState
from tests.vectors.example import CARD, DATE, DEBIT, DEBIT_REPLY, KEY, NOW_MS, fields_of, sign_on

REQUESTS: list[tuple[str, MessageType, Packed]] = [
    ("echo", MessageType.ECHO, EchoRequest(stamp_ms=NOW_MS)),
    ("debit with two lines", MessageType.DEBIT, DEBIT),
    ("debit without lines", MessageType.DEBIT, DebitRequest(**KEY, card_number=CARD, amount_minor=1)),
    (
        "reversal",
        MessageType.REVERSAL,
        ReversalRequest(
            **KEY | {"trace_number": 2},
            card_number=CARD,
            amount_minor=1_100,
            original_trace_number=1,
            original_business_date=DATE,
            reason=1,
        ),
    ),
    ("balance", MessageType.BALANCE, BalanceRequest(stamp_ms=NOW_MS, card_number=CARD)),
    (
        "credit",
        MessageType.CREDIT,
        CreditRequest(**KEY | {"trace_number": 3}, card_number=CARD, amount_minor=50_000, channel=1, reference=99),
    ),
    (
        "put card type",
        MessageType.PUT_CARD_TYPE,
        PutCardTypeRequest(
            **KEY | {"trace_number": 4},
            code=1,
            flags=CardTypeFlag.NET_LINES,
            daily_count_max=20,
            single_minor_max=100_000,
            daily_minor_max=500_000,
            daily_points_max_hundredths=NO_LIMIT,
            points_percent=100,
        ),
    ),
    ("put store", MessageType.PUT_STORE, PutStoreRequest(**KEY | {"trace_number": 5}, store_id=12, organisation_id=3)),
    (
        "put terminal",
        MessageType.PUT_TERMINAL,
        PutTerminalRequest(
            **KEY | {"trace_number": 6},
            terminal_id=1002,
            store_id=12,
            rights=Right.PAY,
            key=bytes(range(32)) + bytes(8),
        ),
    ),
    ("open card", MessageType.OPEN_CARD, OpenCardRequest(**KEY | {"trace_number": 7}, card_number=CARD, card_type=1)),
    (
        "change card status",
        MessageType.CHANGE_CARD_STATUS,
        ChangeCardStatusRequest(**KEY | {"trace_number": 8}, card_number=CARD, status=2, reason=5),
    ),
    ("follow", MessageType.FOLLOW, FollowRequest(partition=0, bytes_max=65_000, position=0)),
    ("statistics", MessageType.STATISTICS, StatisticsRequest()),
    ("sign-off", MessageType.SIGN_OFF, SignOffRequest()),
]

STATISTICS = b'{"connections_signed_on":1,"entries":7}'
REPLIES: list[tuple[str, MessageType, Packed | bytes]] = [
    ("reply to the echo", MessageType.ECHO, EchoReply(stamp_ms=NOW_MS, time_ms=NOW_MS + 3, business_date=DATE)),
    ("reply to the debit", MessageType.DEBIT, DEBIT_REPLY),
    (
        "a declined debit",
        MessageType.DEBIT,
        Reply(code=ResponseCode.FUNDS, trace_number=1, business_date=DATE, balance_minor=900, journal_sequence=8),
    ),
    (
        "a debit to send again later",
        MessageType.DEBIT,
        Reply(code=ResponseCode.DISK_FULL, trace_number=1, business_date=DATE, retry_after_ms=FULL_RETRY_AFTER_MS),
    ),
    (
        "reply to the reversal",
        MessageType.REVERSAL,
        Reply(
            code=ResponseCode.APPROVED,
            trace_number=2,
            business_date=DATE,
            amount_minor=1_100,
            balance_minor=50_000,
            points_hundredths=-1_100,
            journal_sequence=9,
        ),
    ),
    (
        "reply to the balance inquiry",
        MessageType.BALANCE,
        Reply(code=ResponseCode.APPROVED, business_date=DATE, balance_minor=50_000, journal_sequence=9),
    ),
    (
        "an operator's field refused",
        MessageType.PUT_CARD_TYPE,
        Reply(code=ResponseCode.FIELD_INVALID, detail=48, trace_number=4, business_date=DATE, journal_sequence=10),
    ),
    (
        "reply to follow",
        MessageType.FOLLOW,
        FollowReply(
            partition=0, position=0, next_position=16, durable_position=4_096, journal_bytes=b"CSWB" + bytes(12)
        ),
    ),
    ("follow without the right", MessageType.FOLLOW, Reply(code=ResponseCode.NOT_PERMITTED, business_date=DATE)),
    ("reply to statistics", MessageType.STATISTICS, STATISTICS),
    (
        "error reply",
        MessageType.ERROR,
        ErrorReply(code=ResponseCode.LENGTH, type=MessageType.DEBIT, offset=0, expected=40, got=39),
    ),
    ("reply to sign-off", MessageType.SIGN_OFF, b""),
]


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
            " In fields, 64-bit integers are strings of digits and bytes are in hex."
        ),
        "cases": cases,
    }
