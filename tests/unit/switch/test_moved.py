"""What a reply says was moved, and what the images say: equal over all kinds of messages, and a lie is found."""

import struct
from typing import Any

import msgspec
import pytest

from switch._directory import open_directory
from switch._entries import Entry
from switch._moved import ReplyReader, Told, held, moved_by_images
from switch._verify import Verifier
from switch.protocol.messages import (
    CaptureRequest,
    CardOperation,
    ConvertRequest,
    FeeKind,
    FeeTender,
    HoldRequest,
    MessageType,
    OperateCardRequest,
    PutCardTypeRequest,
    PutPointsCategoryRequest,
    RedeemRequest,
    RefundRequest,
    ReleaseRequest,
    Reply,
    ReversalRequest,
    TransferRequest,
)
from switch.protocol.records import (
    GONE,
    AccountRecord,
    EntryHeader,
    PendingPointsRecord,
    PurseRecord,
    RecordKind,
)
from tests.support.desk import CARD, OTHER_CARD, Desk, make_shop

FEE_TYPE, FEE_CARD = 5, 6_300_000_000_000_000


@pytest.fixture
def shop(tmp_path):
    return make_shop(tmp_path / "data")


def operate(desk, operation, card=FEE_CARD, **fields):
    fields = {"operator_id": 71, **fields}
    request = OperateCardRequest(**desk.key(), card_number=card, operation=operation, **fields)
    return desk.ask(MessageType.OPERATE_CARD, request)


def trade(desk):
    """Every way in which value and points of an account move."""
    fees = struct.pack("<12I", *[10] * 12)
    for type_, form, fields in (
        (MessageType.PUT_CARD_TYPE, PutCardTypeRequest, {"code": FEE_TYPE, "fees_minor": fees}),
        (MessageType.PUT_POINTS_CATEGORY, PutPointsCategoryRequest, {"category": 0, "convert_rate": 1}),
    ):
        extra: dict[str, Any] = {"fees_from_balance": 0xFFF} if type_ == MessageType.PUT_CARD_TYPE else {}
        desk.approve(type_, form(**desk.key(), **fields, **extra))
    paid = desk.debit(5_000, line_count=2)
    desk.credit(70)

    def ask(type_, form, **fields):
        return desk.ask(type_, form(**desk.key(), card_number=CARD, **fields))

    def hold():
        return ask(MessageType.HOLD, HoldRequest, amount_minor=900)

    first, second, third = hold(), hold(), hold()
    replies = [
        ask(MessageType.CAPTURE, CaptureRequest, amount_minor=300, hold_sequence=first.journal_sequence),
        ask(MessageType.RELEASE, ReleaseRequest, hold_sequence=second.journal_sequence),
        desk.reverse(third, 900),
        ask(MessageType.REFUND, RefundRequest, amount_minor=100, original_sequence=paid.journal_sequence),
        ask(MessageType.TRANSFER, TransferRequest, amount_minor=40, to_card_number=OTHER_CARD),
        ask(MessageType.CONVERT, ConvertRequest, amount_minor=50),
        ask(MessageType.REDEEM, RedeemRequest, points_hundredths=60),
    ]
    request = ReversalRequest(
        **desk.key(),
        card_number=CARD,
        amount_minor=60,
        original_trace_number=replies[-1].trace_number,
        original_business_date=desk.today,
    )
    replies.append(desk.ask(MessageType.REVERSAL, request))
    by_balance = {"fee_tender": FeeTender.BALANCE}
    issued = {"card_type": FEE_TYPE, "amount_minor": 500, "count": 4, **by_balance}
    replies += [
        operate(desk, CardOperation.MAKE_AND_ISSUE, **issued),
        operate(desk, CardOperation.REPORT_LOSS, count=2, **by_balance),
        operate(desk, CardOperation.RESTORE, count=2, fee_tender=FeeTender.CASH),
        operate(desk, CardOperation.RENEW, count=2, **by_balance),
        operate(desk, CardOperation.CHARGE_FEE, count=4, reason=FeeKind.ANNUAL, **by_balance),
        operate(desk, CardOperation.RETURN, count=2),
        operate(desk, CardOperation.VOID, FEE_CARD + 2, count=2, flags=8, document=1),
    ]
    assert [reply.code for reply in replies] == [0] * len(replies)
    assert all(result.code == 0 for reply in replies[-7:] for result in reply.results)
    desk.commit()


def test_every_reply_says_what_its_entry_moved_and_what_none_says_is_counted_apart(shop):
    trade(Desk(shop))
    verifier = Verifier(open_directory(shop))

    verifier.run()

    assert verifier.differences == []
    assert {what: (one.entry_count, one.balance_minor) for what, one in verifier.untold.items()} == {
        "points ended by a return": (1, 0),
        "value written off": (1, -2 * 480),
    }
    accounts = [AccountRecord.decode(record) for record in verifier.tables.records(RecordKind.ACCOUNT)]
    assert verifier.balance_sum_minor == sum(account.balance_minor for account in accounts)


MOVING = [
    MessageType.DEBIT,
    MessageType.CREDIT,
    MessageType.CAPTURE,
    MessageType.REFUND,
    MessageType.CONVERT,
]


@pytest.mark.parametrize("type_", MOVING, ids=lambda type_: type_.name)
@pytest.mark.parametrize("field", ["amount_minor", "recharged_minor", "points_hundredths"])
def test_a_reply_that_says_another_amount_is_seen(type_, field):
    reply = Reply(code=0, amount_minor=500, points_hundredths=200)
    honest = ReplyReader().read(entry_of(type_, reply))

    told = ReplyReader().read(entry_of(type_, msgspec.structs.replace(reply, **{field: getattr(reply, field) + 1})))

    assert told != honest


def entry_of(type_, reply):
    """An entry with this reply; its request is all zeros."""
    header = EntryHeader(
        entry_bytes=0,
        sequence=1,
        time_ms=0,
        terminal_id=7,
        business_date=0,
        request_type=type_,
        request_bytes=64,
        reply_bytes=96,
    )
    return Entry(header, bytes(40) if type_ == MessageType.DEBIT else bytes(64), reply.encode(), b"")


def test_a_refusal_moves_nothing_but_what_was_recharged_before_it():
    reply = Reply(code=51, recharged_minor=300, points_hundredths=7)

    assert ReplyReader().read(entry_of(MessageType.DEBIT, reply)) == Told(300, 0)


def test_a_fee_beyond_what_a_reply_holds_is_not_told():
    request = OperateCardRequest(
        trace_number=1,
        business_date=0,
        stamp_ms=0,
        card_number=CARD,
        operation=CardOperation.RENEW,
        fee_tender=FeeTender.BALANCE,
    )
    reply = Reply(code=0, change_minor=2**32 - 1, more=bytes(4))
    entry = entry_of(MessageType.OPERATE_CARD, reply)
    entry = Entry(entry.header, request.encode(), reply.encode(), b"")

    told = ReplyReader().read(entry)

    assert (told.balance_minor, told.untold) == (None, "fees beyond what a reply holds")


@pytest.mark.parametrize(
    ("record", "minor", "hundredths"),
    [
        (AccountRecord(account_number=1, balance_minor=5, points_hundredths=6), 5, 6),
        (PurseRecord(account_number=1, purse=1 << 32 | 3, amount=7), 0, 7),
        (PurseRecord(account_number=1, purse=1 << 32 | 3, amount=7, state=GONE), 0, 0),
        (PurseRecord(account_number=1, purse=2 << 32 | 3, amount=7), 0, 0),
        (PendingPointsRecord(account_number=1, category=0, booking_date=9, amount_hundredths=8), 0, 8),
        (PendingPointsRecord(account_number=1, category=0, booking_date=9, amount_hundredths=8, state=GONE), 0, 0),
    ],
)
def test_accounts_purses_of_points_and_points_that_wait_stand_for_something_and_visits_do_not(
    record, minor, hundredths
):
    assert held(record.encode()) == (minor, hundredths)


def test_points_that_are_booked_move_nothing_in_sum():
    pending = PendingPointsRecord(account_number=1, category=3, booking_date=9, amount_hundredths=8)
    purse = PurseRecord(account_number=1, purse=1 << 32 | 3, amount=8)
    images = purse.encode() + msgspec.structs.replace(pending, state=GONE).encode()
    entry = Entry(entry_of(MessageType.DEBIT, Reply(code=0)).header, b"", b"", images)

    before = {RecordKind.PENDING_POINTS: pending.encode()}

    assert moved_by_images(entry.images(), lambda kind, key: before.get(RecordKind(kind))) == (0, 0)
