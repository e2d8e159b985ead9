"""Decoding of replies by the type of their request."""

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.errors import LocalProtocolError, PeerError
from switch.protocol.messages import (
    REPLY_BIT,
    DayReply,
    EchoReply,
    ErrorReply,
    FollowReply,
    Header,
    MessageType,
    RangeResult,
    ReadRecordsReply,
    Reply,
    SignedOnReply,
    SignedOnRow,
)
from switch.protocol.session import parse_reply

ECHO, DEBIT, SIGN_OFF = MessageType.ECHO, MessageType.DEBIT, MessageType.SIGN_OFF


def reply_header(type_):
    return Header(type=type_ | REPLY_BIT, sequence=1)


REPLY = Reply(code=51, trace_number=1)
ECHO_REPLY = EchoReply(stamp_ms=1, time_ms=2, business_date=3)
FOLLOW_REPLY = FollowReply(partition=0, position=8, next_position=32, durable_position=99, journal_bytes=b"x" * 72)
OPERATED = Reply(code=0, trace_number=1, more=RangeResult(code=0, detail=0).encode() * 2)
DAY_REPLY = DayReply(row_count=1, more=bytes(24))
RECORDS = ReadRecordsReply(record_count=1, records=bytes(64))
SESSION = SignedOnRow(
    session=7,
    signed_on_ms=1,
    last_message_ms=2,
    frame_count=3,
    address=bytes(16),
    terminal_id=4,
    error_count=0,
    key_version=1,
    software_version=1,
    protocol_version=1,
)
SIGNED_ON = SignedOnReply(is_last=0, row_count=2, rows=SESSION.encode() * 2)
ERROR_REPLY = ErrorReply(code=221, type=DEBIT, offset=0, expected=40, got=39)
NOT_PERMITTED = Reply(code=ResponseCode.NOT_PERMITTED, business_date=3)


@pytest.mark.parametrize(
    ("asked", "answered", "body", "expected"),
    [
        (DEBIT, DEBIT, REPLY.encode(), REPLY),
        (MessageType.OPERATE_CARD, MessageType.OPERATE_CARD, OPERATED.encode(), OPERATED),
        (MessageType.DAY_TOTALS, MessageType.DAY_TOTALS, REPLY.encode(), REPLY),
        (MessageType.DAY_DIGESTS, MessageType.DAY_DIGESTS, DAY_REPLY.encode(), DAY_REPLY),
        (MessageType.DAY_LIST, MessageType.DAY_LIST, DAY_REPLY.encode(), DAY_REPLY),
        (MessageType.DAY_LIST, MessageType.DAY_LIST, NOT_PERMITTED.encode(), NOT_PERMITTED),
        (MessageType.READ_RECORDS, MessageType.READ_RECORDS, RECORDS.encode(), RECORDS),
        (MessageType.READ_RECORDS, MessageType.READ_RECORDS, NOT_PERMITTED.encode(), NOT_PERMITTED),
        (MessageType.SIGNED_ON, MessageType.SIGNED_ON, SIGNED_ON.encode(), SIGNED_ON),
        (MessageType.SIGNED_ON, MessageType.SIGNED_ON, NOT_PERMITTED.encode(), NOT_PERMITTED),
        (MessageType.BALANCE, MessageType.BALANCE, REPLY.encode(), REPLY),
        (ECHO, ECHO, ECHO_REPLY.encode(), ECHO_REPLY),
        (MessageType.FOLLOW, MessageType.FOLLOW, FOLLOW_REPLY.encode(), FOLLOW_REPLY),
        (MessageType.FOLLOW, MessageType.FOLLOW, NOT_PERMITTED.encode(), NOT_PERMITTED),
        (MessageType.STATISTICS, MessageType.STATISTICS, b'{"entries": 7}', {"entries": 7}),
        (MessageType.STATISTICS, MessageType.STATISTICS, NOT_PERMITTED.encode(), NOT_PERMITTED),
        (SIGN_OFF, SIGN_OFF, b"", None),
        (DEBIT, MessageType.ERROR, ERROR_REPLY.encode(), ERROR_REPLY),
        (SIGN_OFF, MessageType.ERROR, ERROR_REPLY.encode(), ERROR_REPLY),
    ],
    ids=lambda value: f"{value:02x}" if isinstance(value, int) else "",
)
def test_each_reply_is_decoded_by_the_type_of_its_request(asked, answered, body, expected):
    assert parse_reply(asked, reply_header(answered), body) == expected


@pytest.mark.parametrize(
    ("asked", "answered", "body"),
    [
        pytest.param(DEBIT, MessageType.CREDIT, REPLY.encode(), id="reply to another type"),
        pytest.param(DEBIT, DEBIT, REPLY.encode()[:-1], id="too short"),
        pytest.param(ECHO, ECHO, ECHO_REPLY.encode() + b"\0", id="too long"),
        pytest.param(ECHO, ECHO, ECHO_REPLY.encode()[:-1] + b"\1", id="reserved not zero"),
        pytest.param(MessageType.FOLLOW, MessageType.FOLLOW, bytes(31), id="follow too short"),
        pytest.param(MessageType.SIGNED_ON, MessageType.SIGNED_ON, SIGNED_ON.encode()[:-1], id="half a session"),
        pytest.param(MessageType.STATISTICS, MessageType.STATISTICS, b"{", id="no JSON"),
        pytest.param(MessageType.STATISTICS, MessageType.STATISTICS, b'{"entries": 0.5}', id="no integer"),
        pytest.param(SIGN_OFF, SIGN_OFF, b"\0", id="sign-off with a body"),
        pytest.param(DEBIT, MessageType.ERROR, bytes(15), id="error too short"),
    ],
)
def test_a_reply_that_is_none_is_the_switchs_fault(asked, answered, body):
    with pytest.raises(PeerError):
        parse_reply(asked, reply_header(answered), body)


def test_a_type_that_is_no_request_is_our_own_mistake():
    with pytest.raises(LocalProtocolError, match="0x1a"):
        parse_reply(0x1A, reply_header(0x1A), b"")


def test_a_follow_reply_is_never_taken_for_a_refusal():
    """72 journal bytes make it as long as a Reply; its code tells them apart."""
    assert len(FOLLOW_REPLY.encode()) == Reply.width_bytes()
    assert isinstance(
        parse_reply(MessageType.FOLLOW, reply_header(MessageType.FOLLOW), FOLLOW_REPLY.encode()), FollowReply
    )
