"""Records in the order of their keys."""

import random

import pytest

from switch._listing import list_records
from switch._tables import Tables
from switch.protocol.limits import RECORDS_LISTED_MAX
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
    firsts = [(0, 0, 0), (10, 2, 2**63), (500_000, 0, 0), (2**64 - 1,) * 3, (*keys[17][0], 0, 0)[:3]]
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
    assert list_records(tables, RecordKind.ACCOUNT, (RECORDS_LISTED_MAX, 0, 0), 10)[0] == [
        AccountRecord(account_number=RECORDS_LISTED_MAX).encode()
    ]

    tables.load([AccountRecord(account_number=RECORDS_LISTED_MAX + 1).encode()])

    assert list_records(tables, RecordKind.ACCOUNT, (0, 0, 0), 10) is None


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
