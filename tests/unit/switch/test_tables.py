import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch._tables import Tables
from switch.protocol.records import (
    AccountRecord,
    CardRecord,
    CardTypeRecord,
    RecordKind,
    StoreRecord,
    SwitchRecord,
    TerminalRecord,
)

CARD_TYPE_CODE_MAX = 1023


def account(number: int, balance_minor: int = 0) -> bytes:
    return AccountRecord(account_number=number, balance_minor=balance_minor).encode()


def card(number: int, account_number: int, status: int = 1) -> bytes:
    return CardRecord(
        card_number=number, account_number=account_number, card_type=1, status=status, opened_date=1
    ).encode()


def terminal(number: int, rights: int = 1) -> bytes:
    return TerminalRecord(terminal_id=number, status=1, rights=rights, store_id=0, wrapped_key=bytes(40)).encode()


def card_type(code: int) -> bytes:
    return CardTypeRecord(
        code=code,
        flags=0,
        daily_count_max=1,
        single_minor_max=1,
        daily_minor_max=1,
        daily_points_max_hundredths=1,
        points_percent=1,
        points_per_unit=1,
    ).encode()


def filled(*records: bytes, cards_max: int = 100) -> Tables:
    tables = Tables(cards_max, 10, 10)
    tables.load(records)
    return tables


def test_records_come_out_as_they_went_in():
    settings = SwitchRecord(mode=0, partition=9, timezone=b"UTC".ljust(32, b"\0")).encode()
    store = StoreRecord(store_id=4, organisation_id=2).encode()
    records = {
        (RecordKind.ACCOUNT, 10): account(10, 500),
        (RecordKind.CARD, 10): card(10, 10),
        (RecordKind.CARD_TYPE, 7): card_type(7),
        (RecordKind.STORE, 4): store,
        (RecordKind.TERMINAL, 3): terminal(3),
        (RecordKind.SWITCH, 9): settings,
    }

    tables = filled(*records.values())

    assert {key: tables.get(*key) for key in records} == records
    assert all(list(tables.records(kind)) == [record] for (kind, _), record in records.items())


def test_a_record_that_is_put_again_takes_the_place_of_the_first():
    tables = filled(account(10), card(10, 10), terminal(3), card_type(7))

    tables.load([account(10, 77), card(10, 10, status=2), terminal(3, rights=5), card_type(7)])

    assert tables.get(RecordKind.ACCOUNT, 10) == account(10, 77)
    assert tables.get(RecordKind.CARD, 10) == card(10, 10, status=2)
    assert tables.get(RecordKind.TERMINAL, 3) == terminal(3, rights=5)
    assert tables.counts() == {"accounts": 1, "cards": 1, "stores": 0, "terminals": 1}


def test_what_was_never_put_is_not_found():
    tables = filled(account(10), card(10, 10))

    assert [tables.get(kind, 11) for kind in RecordKind] == [None] * len(RecordKind)
    assert [tables.get(kind, 0) for kind in (RecordKind.ACCOUNT, RecordKind.CARD)] == [None, None]


@given(st.lists(st.integers(1, 2**64 - 1), unique=True, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_accounts_and_cards_find_each_other_in_whatever_order_each_comes(numbers, order):
    """Accounts first, as the balance store is read: then cards in another order."""
    accounts = [account(number, number % 1_000) for number in numbers]
    cards = [card(number, number) for number in numbers]
    order.shuffle(cards)

    tables = filled(*accounts, *cards)
    tables.loaded()

    assert {number: tables.get(RecordKind.ACCOUNT, number) for number in numbers} == {
        number: account(number, number % 1_000) for number in numbers
    }


def test_several_cards_spend_from_one_account():
    tables = filled(account(10, 500), card(10, 10), card(11, 10), card(12, 10))

    assert tables.counts()["accounts"] == 1
    assert tables.get(RecordKind.CARD, 12) == card(12, 10)
    assert tables.get(RecordKind.ACCOUNT, 10) == account(10, 500)


def in_order_of_numbers(*cards: tuple[int, int]) -> list[bytes]:
    """Records as the balance store gives them: accounts, then cards (number, account), each by their numbers."""
    accounts = [account(number, 500) for number in sorted({owner for _, owner in cards})]
    return accounts + [card(number, owner) for number, owner in sorted(cards)]


def test_a_card_may_come_before_the_card_that_names_its_account():
    tables = filled(*in_order_of_numbers((20, 20), (10, 20), (30, 30)))

    assert tables.get(RecordKind.ACCOUNT, 20) == account(20, 500)
    assert tables.counts() == {"accounts": 2, "cards": 3, "stores": 0, "terminals": 0}


def test_a_card_may_come_before_the_card_that_names_the_last_account():
    tables = filled(*in_order_of_numbers((20, 20), (10, 20)))

    assert tables.get(RecordKind.ACCOUNT, 20) == account(20, 500)
    assert tables.counts() == {"accounts": 1, "cards": 2, "stores": 0, "terminals": 0}


def test_an_account_is_not_found_under_the_number_of_a_card_that_only_spends_from_it():
    tables = filled(account(10), card(10, 10), card(11, 10))

    assert tables.get(RecordKind.ACCOUNT, 11) is None


def test_an_account_that_is_put_twice_before_its_card_counts_once():
    tables = filled(account(10, 1), account(10, 2), card(10, 10))

    assert tables.counts()["accounts"] == 1
    assert tables.get(RecordKind.ACCOUNT, 10) == account(10, 2)


@pytest.mark.parametrize(
    "record",
    [
        card(10, 10),  # no such account
        bytes(64),
        b"\x07" + bytes(63),
        account(0),
        terminal(0),
        card_type(CARD_TYPE_CODE_MAX + 1),
        b"\x01" + bytes(62),
    ],
    ids=["card without account", "kind 0", "kind 7", "account 0", "terminal 0", "card type 1024", "63 bytes"],
)
def test_a_record_that_does_not_fit_is_refused(record):
    with pytest.raises(ValueError, match="ledger record: expected 64 bytes of a known kind with room in its table"):
        filled(record)


def test_a_full_table_takes_no_more():
    tables = filled(account(1), card(1, 1), account(2), card(2, 2), cards_max=2)

    with pytest.raises(ValueError, match="raise the configured maximum"):
        tables.load([account(3)])
    with pytest.raises(ValueError, match="raise the configured maximum"):
        tables.load([card(3, 1)])

    assert tables.counts()["cards"] == 2


@pytest.mark.parametrize("code", [0, 1, CARD_TYPE_CODE_MAX])
def test_card_types_are_found_by_their_code(code):
    tables = filled(card_type(code))

    assert tables.get(RecordKind.CARD_TYPE, code) == card_type(code)
    assert tables.get(RecordKind.CARD_TYPE, CARD_TYPE_CODE_MAX + 1) is None
