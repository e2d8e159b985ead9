"""Replies of messages.json: every kind of reply, with every kind of row that may follow one."""

from hashlib import sha256

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.limits import FULL_RETRY_AFTER_MS
from switch.protocol.messages import (
    CardFacts,
    CardStatus,
    DayDigest,
    DayReply,
    DayRow,
    DayTotal,
    EchoReply,
    ErrorReply,
    FollowReply,
    LineResult,
    MessageType,
    PurseFact,
    RangeResult,
    ReadRecordsReply,
    RecordsEnd,
    Reply,
    SignedOnReply,
    SignedOnRow,
)
from switch.protocol.records import StoreRecord
from tests.vectors.example import CARD, DATE, DEBIT_REPLY, NOW_MS

STATISTICS = b'{"connections_signed_on":1,"entries":7}'
ROWS = (
    DayRow(trace_number=1, type=MessageType.DEBIT, code=0, amount_minor=1_100, journal_sequence=7),
    DayRow(trace_number=2, type=MessageType.DEBIT, code=ResponseCode.FUNDS, amount_minor=0, journal_sequence=8),
)


def rows(*structs: Packed) -> bytes:
    """What follows a fixed part."""
    return b"".join(struct.encode() for struct in structs)


REPLIES: list[tuple[str, MessageType, Packed | bytes]] = [
    ("reply to the echo", MessageType.ECHO, EchoReply(stamp_ms=NOW_MS, time_ms=NOW_MS + 3, business_date=DATE)),
    ("reply to the debit", MessageType.DEBIT, DEBIT_REPLY),
    (
        "a declined debit",
        MessageType.DEBIT,
        Reply(
            code=ResponseCode.FUNDS,
            trace_number=1,
            business_date=DATE,
            balance_minor=900,
            available_minor=900,
            due_minor=1_100,
            journal_sequence=8,
        ),
    ),
    (
        "a debit of a card that is lost",
        MessageType.DEBIT,
        Reply(
            code=ResponseCode.CARD_STATUS,
            detail=CardStatus.LOST,
            trace_number=1,
            business_date=DATE,
            balance_minor=900,
            available_minor=900,
            due_minor=1_100,
            journal_sequence=8,
        ),
    ),
    (
        "a debit with tenders, approved: card 5.00, points 1.00, cash 10.00 for 5.00",
        MessageType.DEBIT,
        Reply(
            code=ResponseCode.APPROVED,
            trace_number=3,
            business_date=DATE,
            amount_minor=500,
            balance_minor=49_500,
            points_hundredths=1_000,
            points_balance_hundredths=2_100,
            journal_sequence=9,
            available_minor=49_500,
            due_minor=1_100,
            change_minor=500,
            more=rows(
                LineResult(points_hundredths=1_200),
                LineResult(points_hundredths=-200),
                LineResult(points_hundredths=-10_000, points_category=2),
            ),
        ),
    ),
    (
        "a debit approved in part",
        MessageType.DEBIT,
        Reply(
            code=ResponseCode.PARTIAL,
            trace_number=4,
            business_date=DATE,
            amount_minor=900,
            points_hundredths=800,
            points_balance_hundredths=2_000,
            journal_sequence=10,
            due_minor=938,
            more=rows(LineResult(points_hundredths=800, unit_price_minor=625)),
        ),
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
            trace_number=5,
            business_date=DATE,
            amount_minor=1_100,
            balance_minor=50_000,
            available_minor=50_000,
            points_hundredths=-1_100,
            journal_sequence=9,
        ),
    ),
    (
        "reply to the balance inquiry",
        MessageType.BALANCE,
        Reply(
            code=ResponseCode.APPROVED,
            business_date=DATE,
            balance_minor=50_000,
            available_minor=30_000,
            journal_sequence=9,
        ),
    ),
    (
        "reply to the hold: its journal sequence is its name",
        MessageType.HOLD,
        Reply(
            code=ResponseCode.APPROVED,
            trace_number=7,
            business_date=DATE,
            amount_minor=20_000,
            balance_minor=50_000,
            available_minor=30_000,
            journal_sequence=9,
        ),
    ),
    (
        "reply to the quote of a type with 5 percent discount",
        MessageType.QUOTE,
        Reply(
            code=ResponseCode.APPROVED,
            business_date=DATE,
            amount_minor=1_038,
            balance_minor=50_000,
            available_minor=50_000,
            points_hundredths=1_100,
            due_minor=1_038,
            discount_minor=62,
            journal_sequence=9,
            more=rows(LineResult(points_hundredths=1_300, discount_minor=62), LineResult(points_hundredths=-200)),
        ),
    ),
    (
        "reply to the card query, with two purses",
        MessageType.CARD_QUERY,
        Reply(
            code=ResponseCode.APPROVED,
            business_date=DATE,
            balance_minor=50_000,
            available_minor=50_000,
            points_balance_hundredths=1_100,
            journal_sequence=9,
            more=rows(
                CardFacts(
                    card_type=1,
                    status=CardStatus.ACTIVE,
                    level=0,
                    flags=0,
                    discount_bp=0,
                    price_class=0,
                    purse_count=2,
                    expiry_date=DATE + 730,
                    account_number=CARD,
                    member=4_711,
                    successor_number=0,
                    day_debit_minor=1_100,
                    day_debit_count=1,
                    day_recharge_count=1,
                    day_recharge_minor=50_000,
                    pending_hundredths=300,
                ),
                PurseFact(purse=1 << 32, amount=1_100),
                PurseFact(purse=2 << 32 | 4, amount=10),
            ),
        ),
    ),
    (
        "reply to the day totals, which differ: the switch's own rows",
        MessageType.DAY_TOTALS,
        Reply(
            code=ResponseCode.TOTALS_DIFFER,
            trace_number=20,
            business_date=DATE,
            journal_sequence=30,
            more=rows(
                DayTotal(type=MessageType.DEBIT, count=2, amount_minor=2_101),
                DayTotal(type=MessageType.REVERSAL, count=1, amount_minor=1_100),
            ),
        ),
    ),
    (
        "reply to the day digests: the second part has no requests",
        MessageType.DAY_DIGESTS,
        DayReply(
            row_count=2,
            more=rows(
                DayDigest(row_count=2, digest=sha256(rows(*ROWS)).digest()[:16]),
                DayDigest(row_count=0, digest=sha256().digest()[:16]),
            ),
        ),
    ),
    ("reply to the day list", MessageType.DAY_LIST, DayReply(row_count=2, more=rows(*ROWS))),
    (
        "an operator's field refused",
        MessageType.PUT_CARD_TYPE,
        Reply(code=ResponseCode.FIELD_INVALID, detail=52, trace_number=24, business_date=DATE, journal_sequence=10),
    ),
    (
        "reply to the range: the second number was reserved",
        MessageType.OPERATE_CARD,
        Reply(
            code=ResponseCode.APPROVED,
            trace_number=30,
            business_date=DATE,
            journal_sequence=11,
            more=rows(
                RangeResult(code=ResponseCode.APPROVED, detail=0),
                RangeResult(code=ResponseCode.RESERVED_SKIPPED, detail=0),
                RangeResult(code=ResponseCode.APPROVED, detail=0),
            ),
        ),
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
        "reply to read records: there are more stores",
        MessageType.READ_RECORDS,
        ReadRecordsReply(
            is_last=RecordsEnd.MORE,
            record_count=2,
            records=rows(
                StoreRecord(store_id=1, organisation_id=3, last_sequence=4),
                StoreRecord(store_id=12, organisation_id=3, round_off_minor=10, last_sequence=5),
            ),
        ),
    ),
    (
        "reply to signed on: there are more",
        MessageType.SIGNED_ON,
        SignedOnReply(
            is_last=0,
            row_count=2,
            rows=rows(
                SignedOnRow(
                    session=8,
                    signed_on_ms=NOW_MS - 60_000,
                    last_message_ms=NOW_MS - 40,
                    frame_count=19,
                    address=bytes.fromhex("00000000000000000000ffffc0000207"),
                    terminal_id=1_002,
                    error_count=0,
                    key_version=2,
                    software_version=0x0103,
                    protocol_version=1,
                ),
                SignedOnRow(
                    session=11,
                    signed_on_ms=NOW_MS - 30_000,
                    last_message_ms=NOW_MS - 30_000,
                    frame_count=0,
                    address=bytes.fromhex("20010db8000000000000000000000001"),
                    terminal_id=1_003,
                    error_count=1,
                    key_version=1,
                    software_version=0,
                    protocol_version=1,
                ),
            ),
        ),
    ),
    (
        "error reply",
        MessageType.ERROR,
        ErrorReply(code=ResponseCode.LENGTH, type=MessageType.DEBIT, offset=0, expected=40, got=39),
    ),
    ("reply to sign-off", MessageType.SIGN_OFF, b""),
]
