"""Records in the order of their keys."""

import random
from typing import Any

import pytest

from switch._listing import list_records
from switch._tables import Tables
from switch.inquiries import read_records
from switch.protocol.codes import ResponseCode
from switch.protocol.limits import RECORDS_LISTED_MAX
from switch.protocol.messages import ReadRecordsRequest, RecordsEnd
from switch.protocol.records import (
    AccountRecord,
    CardRecord,
    PriceRecord,
    RecordKind,
    StoreRecord,
    SwitchRecord,
    record_key,
)

CHOICE = random.Random(5)
PRICES = [
    PriceRecord(
        item=CHOICE.randrange(30),
        price_class=CHOICE.randrange(5),
        key_c=CHOICE.randrange(2**64),
        unit_price_minor=number,
    ).encode()
    for number in range(400)
]
STORES = [StoreRecord(store_id=number).encode() for number in CHOICE.sample(range(1, 10**6), 300)]


@pytest.fixture(scope="module")
def tables():
    tables = Tables(1000, 10, 1000, prices_max=1000)
    tables.load(PRICES)
    tables.load(STORES)
    return tables


@pytest.mark.parametrize(("kind", "records"), [(RecordKind.PRICE, PRICES), (RecordKind.STORE, STORES)])
@pytest.mark.parametrize("count_max", [0, 1, 2, 7, 299, 300, 301, 399, 400, 401, 5000])
def test_the_lowest_keys_from_a_key_on(tables, kind, records, count_max):
    words = len(record_key(records[0]))
    keys = sorted({record_key(record): record for record in records}.items())
    firsts: list[Any] = [(0, 0, 0), (10, 2, 2**63), (500_000, 0, 0), (2**64 - 1,) * 3, (*keys[17][0], 0, 0)[:3]]
    for first in firsts:
        wanted = [record for key, record in keys if key >= first[:words]]
        assert list_records(tables, kind, first, count_max) == (wanted[:count_max], len(wanted) > count_max)


def test_records_that_have_ended_are_not_listed():
    tables = Tables(10, 10, 10, prices_max=10)
    tables.load(PRICES[:5])
    gone = PRICES[2][:2] + b"\xff" + PRICES[2][3:]
    tables.load([gone])

    found = list_records(tables, RecordKind.PRICE, (0, 0, 0), 10)

    assert found == (sorted(PRICES[:2] + PRICES[3:5], key=record_key), False)


def test_a_kind_with_too_many_records_is_not_listed():
    tables = Tables(RECORDS_LISTED_MAX + 1, 10, 10)
    tables.load(AccountRecord(account_number=number).encode() for number in range(1, RECORDS_LISTED_MAX + 1))
    last = AccountRecord(account_number=RECORDS_LISTED_MAX).encode()
    assert list_records(tables, RecordKind.ACCOUNT, (RECORDS_LISTED_MAX, 0, 0), 10) == ([last], False)

    tables.load([AccountRecord(account_number=RECORDS_LISTED_MAX + 1).encode()])

    assert list_records(tables, RecordKind.ACCOUNT, (0, 0, 0), 10) is None
    single = read_records(tables, ReadRecordsRequest(kind=RecordKind.ACCOUNT, key_a=5))
    assert (single.is_last, single.records) == (RecordsEnd.NOT_LISTED, AccountRecord(account_number=5).encode())
    assert read_records(tables, ReadRecordsRequest(kind=RecordKind.ACCOUNT)).record_count == 0


def test_cards_card_types_and_the_switch_are_kinds_too():
    tables = Tables(10, 10, 10)
    switch = SwitchRecord(mode=0, partition=3, timezone=b"UTC".ljust(32, b"\0")).encode()
    account = AccountRecord(account_number=12345678).encode()
    card = CardRecord(card_type=1, status=1, card_number=12345678, account_number=12345678).encode()
    tables.load([switch, account, card])

    assert list_records(tables, RecordKind.SWITCH, (0, 0, 0), 10) == ([switch], False)
    assert list_records(tables, RecordKind.SWITCH, (4, 0, 0), 10) == ([], False)
    assert list_records(tables, RecordKind.CARD, (0, 0, 0), 10) == ([card], False)
    assert list_records(tables, RecordKind.CARD_TYPE, (0, 0, 0), 10) == ([], False)


def test_paging_through_a_kind(tables):
    found, reply_count = b"", 0
    key: tuple[int, ...] = (0, 0, 0)
    while True:
        reply = read_records(
            tables,
            ReadRecordsRequest(kind=RecordKind.PRICE, count_max=150, key_a=key[0], key_b=key[1], key_c=key[2]),
        )
        reply_count += 1
        found += reply.records
        if reply.is_last:
            break
        last = record_key(reply.records[-64:])
        key = (*last[:2], last[2] + 1)
    wanted: list[bytes] = sorted(set(PRICES), key=record_key)
    assert (reply_count, found) == (3, b"".join(wanted))


def test_a_reply_has_no_more_records_than_fit_a_frame():
    tables = Tables(2000, 10, 10)
    tables.load(AccountRecord(account_number=number).encode() for number in range(1, 1001))

    reply = read_records(tables, ReadRecordsRequest(kind=RecordKind.ACCOUNT, count_max=5000))

    assert (reply.is_last, reply.record_count, len(reply.encode())) == (RecordsEnd.MORE, 507, 8 + 507 * 128)


def test_a_kind_that_does_not_exist(tables):
    assert read_records(tables, ReadRecordsRequest(kind=99)).code == ResponseCode.FIELD_INVALID
