"""errors.json: wrong bytes and what the switch makes of them."""

from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.frames import frame
from switch.protocol.limits import FRAME_BYTES_MAX
from switch.protocol.messages import (
    REPLY_BIT,
    DebitFlag,
    EchoRequest,
    ErrorReply,
    HandleAlarmRequest,
    Header,
    MessageType,
    RefundLine,
    RefundRequest,
    ReversalRequest,
    SignOnAnswer,
)
from switch.protocol.noise import CipherState
from switch.protocol.session import refuse_sign_on
from tests.vectors.example import CARD, CARD_TENDER, DATE, DEBIT, KEY, NOW_MS, fields_of, sign_on

ANSWER_AND_CLOSE, CLOSE, ANSWER_AND_GO_ON = "answer, close", "close", "answer, go on"


def changed(data: bytes, at: int, value: int) -> bytes:
    """The bytes with another one at an offset."""
    return data[:at] + bytes([value]) + data[at + 1 :]


def message(type_: int, body: bytes, version: int = 1, flags: int = 0) -> bytes:
    """Header and body, not sealed yet."""
    return Header(version=version, type=type_, flags=flags, sequence=100).encode() + body


def sign_on_cases(start: bytes) -> list[dict[str, Any]]:
    """Wrong first frames; `start` is the right one."""
    refused = ResponseCode.SIGN_ON_REFUSED
    cases = [
        ("another version", changed(start, 6, 2), ResponseCode.VERSION),
        ("other letters", changed(start, 2, 0x58), refused),
        ("reserved not zero", changed(start, 7, 1), refused),
        ("terminal 0", start[:10] + bytes(4) + start[14:], refused),
        ("too short", frame(start[2:-1]), refused),
        ("another terminal's number", changed(start, 10, 0xEA), refused),
        ("wrong tag, as with a wrong psk", changed(start, 61, start[61] ^ 1), refused),
    ]
    return [
        {
            "stage": "sign-on",
            "name": name,
            "given": given.hex(),
            "answer": refuse_sign_on(code).hex(),
            "reply": fields_of(SignOnAnswer(code=code)),
            "switch": ANSWER_AND_CLOSE,
        }
        for name, given, code in cases
    ]


def frame_cases(echo: bytes) -> list[dict[str, Any]]:
    """Wrong frames after sign-on; `echo` is a right one."""
    cases = [
        ("length zero", bytes(2), CLOSE),
        ("length above frame_bytes_max, body not even sent", (FRAME_BYTES_MAX + 1).to_bytes(2, "big"), CLOSE),
        ("shorter than a tag", frame(bytes(15)), CLOSE),
        ("wrong tag", changed(echo, len(echo) - 1, echo[-1] ^ 1), CLOSE),
        ("the same frame twice", echo + echo, "answer the first, close at the second"),
    ]
    notes = {
        "the same frame twice": "the answer tells the time of the switch's clock, so its bytes cannot be given here"
    }
    return [
        {"stage": "frame", "name": name, "given": given.hex(), "answer": None, "switch": then}
        | ({"note": notes[name]} if name in notes else {})
        for name, given, then in cases
    ]


def message_cases(receive_key: bytes, send_key: bytes) -> list[dict[str, Any]]:
    """Messages that cannot be read, each the first one after sign-on."""
    debit, length, reserved = MessageType.DEBIT, ResponseCode.LENGTH, ResponseCode.RESERVED_NOT_ZERO
    body = DEBIT.encode()
    handle_alarm = HandleAlarmRequest(**KEY, alarm=17, operator_id=77)
    reversal = ReversalRequest(
        **KEY, card_number=CARD, amount_minor=1, original_trace_number=2, original_business_date=DATE
    )
    refund = RefundRequest(
        **KEY, card_number=CARD, amount_minor=1, original_sequence=7, lines=(RefundLine(line=0, amount_minor=1),)
    )
    cases: list[tuple[str, bytes, ErrorReply, int]] = [
        (
            "shorter than its header",
            bytes([1, debit, 0, 0]),
            ErrorReply(code=length, type=debit, offset=0, expected=8, got=4),
            0,
        ),
        (
            "another version",
            message(debit, body, version=2),
            ErrorReply(code=ResponseCode.VERSION, type=debit, offset=0, expected=1, got=2),
            100,
        ),
        (
            "flags not zero",
            message(debit, body, flags=1),
            ErrorReply(code=reserved, type=debit, offset=0, expected=0, got=1),
            100,
        ),
        (
            "unknown type",
            message(0x1A, body),
            ErrorReply(code=ResponseCode.TYPE_UNKNOWN, type=0x1A, offset=0, expected=0, got=0x1A),
            100,
        ),
        (
            "a debit one byte too short for its lines",
            message(debit, body[:-1]),
            ErrorReply(code=length, type=debit, offset=0, expected=104, got=103),
            100,
        ),
        (
            "a debit shorter than its fixed part",
            message(debit, body[:39]),
            ErrorReply(code=length, type=debit, offset=0, expected=40, got=39),
            100,
        ),
        (
            "a debit that announces a tender and a PIN and has neither",
            message(debit, changed(changed(body, 34, 1), 35, DebitFlag.PIN)),
            ErrorReply(code=length, type=debit, offset=0, expected=136, got=104),
            100,
        ),
        (
            "an unknown flag of a debit",
            message(debit, changed(body, 35, 8)),
            ErrorReply(code=reserved, type=debit, offset=35, expected=0, got=8),
            100,
        ),
        (
            "a reserved field not zero",
            message(debit, changed(body, 37, 5)),
            ErrorReply(code=reserved, type=debit, offset=37, expected=0, got=5),
            100,
        ),
        (
            "a reserved field of 7 bytes not zero behind its first four",
            message(MessageType.REVERSAL, changed(reversal.encode(), 46, 5)),
            ErrorReply(code=reserved, type=MessageType.REVERSAL, offset=41, expected=0, got=0),
            100,
        ),
        (
            "a reserved field of 2 bytes not zero at its last",
            message(MessageType.HANDLE_ALARM, changed(handle_alarm.encode(), 27, 5)),
            ErrorReply(code=reserved, type=MessageType.HANDLE_ALARM, offset=25, expected=0, got=0x050000),
            100,
        ),
        (
            "an unknown flag of the second line",
            message(debit, changed(body, 40 + 32 + 26, 4)),
            ErrorReply(code=reserved, type=debit, offset=98, expected=0, got=4),
            100,
        ),
        (
            "a reserved byte of a tender not zero",
            message(debit, changed(changed(body, 34, 1) + CARD_TENDER.encode(), 104 + 1, 5)),
            ErrorReply(code=reserved, type=debit, offset=105, expected=0, got=5),
            100,
        ),
        (
            "a reserved field of the first refund line not zero",
            message(MessageType.REFUND, changed(refund.encode(), 48 + 2, 5)),
            ErrorReply(code=reserved, type=MessageType.REFUND, offset=50, expected=0, got=5),
            100,
        ),
    ]
    return [
        {
            "stage": "message",
            "name": name,
            "message": plaintext.hex(),
            "given": frame(CipherState(receive_key).encrypt(plaintext)).hex(),
            "answer": frame(
                CipherState(send_key).encrypt(
                    Header(type=MessageType.ERROR | REPLY_BIT, sequence=sequence).encode() + reply.encode()
                )
            ).hex(),
            "reply": {"sequence": sequence} | fields_of(reply),
            "switch": ANSWER_AND_GO_ON,
        }
        for name, plaintext, reply, sequence in cases
    ]


def errors_file() -> dict[str, Any]:
    """errors.json"""
    start, success = sign_on()
    echo = frame(
        CipherState(success.receive_key).encrypt(message(MessageType.ECHO, EchoRequest(stamp_ms=NOW_MS).encode()))
    )
    return {
        "about": (
            "What the switch makes of wrong bytes. Stage sign-on: first bytes of a connection, terminal 1001 known with"
            " the psk of sign_on.json. Other stages: first bytes after that sign-on. answer: the switch's first frame,"
            " or null; reply: the fields in it, of an error reply"
            " also the sequence of its header; message: the header and body that given holds sealed."
        ),
        "cases": [
            *sign_on_cases(start),
            *frame_cases(echo),
            *message_cases(success.receive_key, success.send_key),
        ],
    }
