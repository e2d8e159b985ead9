"""The till's further calls: what is sent is what was said, and records are read to their end."""

import asyncio
from typing import Any

import pytest

from switch.protocol.messages import (
    BillLine,
    DebitRequest,
    MessageType,
    ReadRecordsReply,
    ReadRecordsRequest,
    RecordsEnd,
    RefundLine,
    Reply,
    Tender,
)
from switch.protocol.records import PurseRecord, RecordKind, StoreRecord
from terminals._clock import Surroundings
from terminals.operators import OperatorCalls
from terminals.till_calls import RecordsNotListedError, TillCalls

CARD, OTHER = 6200_0000_0000_0001, 6200_0000_0000_0002
LINES = (BillLine(item=1, amount_minor=70),)


class Recorder(OperatorCalls, TillCalls):
    """Keeps what would be sent, and answers inquiries from a table of records."""

    def __init__(self, records: tuple[Any, ...] = (), page: int = 2, end: RecordsEnd | None = None) -> None:
        self._surroundings = Surroundings(now_ms=lambda: 5)
        self.sent: list[tuple[MessageType, Any]] = []
        self._records, self._page, self._end = records, page, end

    async def _keyed(self, type_, build):
        form = build(7, 17_000, 5)
        self.sent.append((type_, type(form).decode(form.encode())))

    async def _ask(self, type_, body):
        if type_ != MessageType.READ_RECORDS:
            self.sent.append((type_, body))
            return Reply(code=0)
        request = ReadRecordsRequest.decode(body)
        wanted = (request.key_a, request.key_b, request.key_c)
        there = [row for row in self._records if key_of(row) >= wanted]
        page = there[: request.count_max or self._page]
        last = RecordsEnd.LAST if len(page) == len(there) else RecordsEnd.MORE
        rows = b"".join(row.encode() for row in page)
        return ReadRecordsReply(is_last=self._end or last, record_count=len(page), records=rows)


def key_of(row):
    if isinstance(row, StoreRecord):
        return (row.store_id, 0, 0)
    return (row.account_number, row.purse, 0)


@pytest.mark.parametrize(
    ("call", "type_", "said"),
    [
        (
            lambda c: c.hold(CARD, 500, expires_in_s=60),
            MessageType.HOLD,
            {"card_number": CARD, "amount_minor": 500, "expires_in_s": 60},
        ),
        (
            lambda c: c.capture(CARD, 400, 77, keep_rest=True),
            MessageType.CAPTURE,
            {"card_number": CARD, "amount_minor": 400, "hold_sequence": 77, "keep_rest": 1},
        ),
        (lambda c: c.release(CARD, 77), MessageType.RELEASE, {"card_number": CARD, "hold_sequence": 77}),
        (
            lambda c: c.refund(CARD, 70, 9, [RefundLine(line=0, amount_minor=70)]),
            MessageType.REFUND,
            {"card_number": CARD, "amount_minor": 70, "original_sequence": 9, "line_count": 1},
        ),
        (
            lambda c: c.transfer(CARD, 70, OTHER),
            MessageType.TRANSFER,
            {"card_number": CARD, "amount_minor": 70, "to_card_number": OTHER},
        ),
        (
            lambda c: c.redeem(CARD, gift_id=5, pieces=2, category=1),
            MessageType.REDEEM,
            {"card_number": CARD, "points_hundredths": 0, "gift_id": 5, "pieces": 2, "category": 1},
        ),
        (
            lambda c: c.convert(CARD, 100, category=1),
            MessageType.CONVERT,
            {"card_number": CARD, "amount_minor": 100, "category": 1},
        ),
        (
            lambda c: c.load_visits(CARD, 3, 10, received_minor=5, expiry_date=20_000, operator_id=7),
            MessageType.LOAD_VISITS,
            {"service": 3, "count": 10, "received_minor": 5, "expiry_date": 20_000, "operator_id": 7},
        ),
        (
            lambda c: c.adjust_points(CARD, -50, category=1, reason=2, operator_id=7, if_sequence=9, reference=b"r"),
            MessageType.ADJUST_POINTS,
            {
                "points_hundredths": -50,
                "category": 1,
                "reason": 2,
                "if_sequence": 9,
                "reference": b"r".ljust(16, b"\0"),
            },
        ),
        (
            lambda c: c.transfer_points(CARD, 50, OTHER, category=1),
            MessageType.TRANSFER_POINTS,
            {"points_hundredths": 50, "to_card_number": OTHER, "category": 1},
        ),
        (
            lambda c: c.backfill(CARD, 70, receipt=8, store_id=12, sale_date=16_999, sale_minute=600, lines=LINES),
            MessageType.BACKFILL,
            {"receipt": 8, "store_id": 12, "sale_date": 16_999, "sale_minute": 600, "line_count": 1, "lines": LINES},
        ),
    ],
)
def test_what_is_sent_is_what_was_said(call, type_, said):
    recorder = Recorder()

    asyncio.run(call(recorder))

    ((sent_type, form),) = recorder.sent
    assert sent_type == type_
    assert {name: getattr(form, name) for name in said} == said
    assert (form.trace_number, form.business_date, form.stamp_ms) == (7, 17_000, 5)


def test_a_quote_is_a_debit_without_a_key():
    recorder = Recorder()
    tenders = (Tender(kind=1, amount_minor=70),)

    asyncio.run(recorder.quote(CARD, 70, LINES, tenders, flags=1, settlement=6))

    ((type_, body),) = recorder.sent
    request = DebitRequest.decode(body)
    assert type_ == MessageType.QUOTE
    assert (request.trace_number, request.lines, request.tenders, request.flags) == (0, LINES, tenders, 1)


async def collect(records):
    return [record async for record in records]


def test_records_are_read_page_by_page_to_their_end():
    stores = tuple(StoreRecord(store_id=number) for number in (1, 2, 3, 5, 8))
    recorder = Recorder(stores)

    assert asyncio.run(collect(recorder.records(RecordKind.STORE))) == list(stores)
    assert asyncio.run(collect(recorder.records(RecordKind.STORE, 3))) == list(stores[2:])
    assert asyncio.run(recorder.record(RecordKind.STORE, 5)) == stores[3]
    assert asyncio.run(recorder.record(RecordKind.STORE, 4)) is None
    assert asyncio.run(recorder.record(RecordKind.STORE, 9)) is None


def test_records_with_a_wide_key_are_read_from_a_key_on():
    purses = tuple(PurseRecord(account_number=a, purse=p, key_c=0) for a, p in ((1, 4), (1, 9), (2, 4)))
    recorder = Recorder(purses)

    assert asyncio.run(collect(recorder.records(RecordKind.PURSE, 1, 5))) == list(purses[1:])
    assert asyncio.run(recorder.record(RecordKind.PURSE, 1, 9, 0)) == purses[1]
    assert asyncio.run(recorder.record(RecordKind.PURSE, 1, 5, 0)) is None


def test_a_kind_that_is_not_listed_says_so_and_is_still_found_by_its_key():
    store = StoreRecord(store_id=1)
    recorder = Recorder((store,), end=RecordsEnd.NOT_LISTED)

    with pytest.raises(RecordsNotListedError):
        asyncio.run(collect(recorder.records(RecordKind.STORE)))
    assert asyncio.run(recorder.record(RecordKind.STORE, 1)) == store
