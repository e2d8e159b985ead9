"""errors.json: wrong bytes and what the switch makes of them."""

from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.frames import frame
from switch.protocol.limits import FRAME_BYTES_MAX
from switch.protocol.messages import (
    REPLY_BIT,
    EchoRequest,
    ErrorReply,
    Header,
    MessageType,
)
from switch.protocol.noise import CipherState
from switch.protocol.session import refuse_sign_on
from tests.vectors.example import DEBIT, NOW_MS, sign_on


def errors_file() -> dict[str, Any]:
    """errors.json"""
    start, success = sign_on()

    def sealed(plaintext: bytes) -> bytes:
        return frame(CipherState(success.receive_key).encrypt(plaintext))

    def error_reply(code: ResponseCode, type_: int, offset: int, expected: int, got: int, sequence: int = 100) -> bytes:
        body = ErrorReply(code=code, type=type_, offset=offset, expected=expected, got=got).encode()
        header = Header(type=MessageType.ERROR | REPLY_BIT, sequence=sequence).encode()
        return frame(CipherState(success.send_key).encrypt(header + body))

    def message(type_: int, body: bytes, version: int = 1, flags: int = 0) -> bytes:
        return sealed(Header(version=version, type=type_, flags=flags, sequence=100).encode() + body)

    def changed(data: bytes, at: int, value: int) -> bytes:
        return data[:at] + bytes([value]) + data[at + 1 :]

    refused, version = ResponseCode.SIGN_ON_REFUSED, ResponseCode.VERSION
    debit, echo = MessageType.DEBIT, message(MessageType.ECHO, EchoRequest(stamp_ms=NOW_MS).encode())
    body = DEBIT.encode()
    cases: list[tuple[str, str, bytes, bytes | None, str]] = [
        ("sign-on", "another version", changed(start, 6, 2), refuse_sign_on(version), "answer, close"),
        ("sign-on", "other letters", changed(start, 2, 0x58), refuse_sign_on(refused), "answer, close"),
        ("sign-on", "reserved not zero", changed(start, 7, 1), refuse_sign_on(refused), "answer, close"),
        ("sign-on", "terminal 0", start[:10] + bytes(4) + start[14:], refuse_sign_on(refused), "answer, close"),
        ("sign-on", "too short", frame(start[2:-1]), refuse_sign_on(refused), "answer, close"),
        ("sign-on", "another terminal's number", changed(start, 10, 0xEA), refuse_sign_on(refused), "answer, close"),
        (
            "sign-on",
            "wrong tag, as with a wrong psk",
            changed(start, 61, start[61] ^ 1),
            refuse_sign_on(refused),
            "answer, close",
        ),
        ("frame", "length zero", bytes(2), None, "close"),
        (
            "frame",
            "length above frame_bytes_max, body not even sent",
            (FRAME_BYTES_MAX + 1).to_bytes(2, "big"),
            None,
            "close",
        ),
        ("frame", "shorter than a tag", frame(bytes(15)), None, "close"),
        ("frame", "wrong tag", changed(echo, len(echo) - 1, echo[-1] ^ 1), None, "close"),
        ("frame", "the same frame twice", echo + echo, None, "answer the first, close at the second"),
        (
            "message",
            "shorter than its header",
            sealed(bytes([1, debit, 0, 0])),
            error_reply(ResponseCode.LENGTH, debit, 0, 8, 4, sequence=0),
            "answer, go on",
        ),
        (
            "message",
            "another version",
            message(debit, body, version=2),
            error_reply(version, debit, 0, 1, 2),
            "answer, go on",
        ),
        (
            "message",
            "flags not zero",
            message(debit, body, flags=1),
            error_reply(ResponseCode.RESERVED_NOT_ZERO, debit, 0, 0, 1),
            "answer, go on",
        ),
        (
            "message",
            "unknown type",
            message(0x14, body),
            error_reply(ResponseCode.TYPE_UNKNOWN, 0x14, 0, 0, 0x14),
            "answer, go on",
        ),
        (
            "message",
            "a debit one byte too short for its lines",
            message(debit, body[:-1]),
            error_reply(ResponseCode.LENGTH, debit, 0, 104, 103),
            "answer, go on",
        ),
        (
            "message",
            "a debit shorter than its fixed part",
            message(debit, body[:39]),
            error_reply(ResponseCode.LENGTH, debit, 0, 40, 39),
            "answer, go on",
        ),
        (
            "message",
            "a reserved field not zero",
            message(debit, changed(body, 34, 5)),
            error_reply(ResponseCode.RESERVED_NOT_ZERO, debit, 34, 0, 5),
            "answer, go on",
        ),
        (
            "message",
            "flags of the second line not zero",
            message(debit, changed(body, 40 + 32 + 26, 1)),
            error_reply(ResponseCode.RESERVED_NOT_ZERO, debit, 98, 0, 1),
            "answer, go on",
        ),
    ]
    return {
        "about": (
            "What the switch makes of wrong bytes. Stage sign-on: first bytes of a connection, terminal 1001 known with"
            " the psk of sign_on.json. Other stages: first bytes after that sign-on; answer: the switch's first frame."
        ),
        "cases": [
            {
                "stage": stage,
                "name": name,
                "given": given.hex(),
                "answer": answer.hex() if answer else None,
                "switch": then,
            }
            for stage, name, given, answer, then in cases
        ],
    }
