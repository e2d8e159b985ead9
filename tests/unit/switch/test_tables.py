import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch._tables import Tables
from switch.protocol.lifecycle import ENDED, LIVE
from switch.protocol.records import (
    FIRST_WIDE_KEY_KIND,
    AccountRecord,
    CardRecord,
    CardTypeRecord,
    GiftRecord,
    MediumPolicyRecord,
    OrganisationRecord,
    PointsCategoryRecord,
    RecordKind,
    RulesetRecord,
    StoreRecord,
    SwitchRecord,
    TerminalRecord,
    TypeStateRecord,
    record_bytes,
)

CARD_TYPE_CODE_MAX = 1023


def account(number: int, balance_minor: int = 0) -> bytes:
    return AccountRecord(account_number=number, balance_minor=balance_minor).encode()


def card(number: int, account_number: int, status: int = 1, card_type: int = 1) -> bytes:
    return CardRecord(
        card_number=number, account_number=account_number, card_type=card_type, status=status, opened_date=1
    ).encode()


def terminal(number: int, rights: int = 1) -> bytes:
    return TerminalRecord(terminal_id=number, status=1, rights=rights, store_id=0, wrapped_key=bytes(40)).encode()


def card_type(code: int, from_date: int = 0, points_percent: int = 1) -> bytes:
    return CardTypeRecord(
        code=code, from_date=from_date, key=code << 32 | from_date, points_percent=points_percent
    ).encode()


def no_key_fits(kind: RecordKind) -> int | tuple[int, int, int]:
    """A key that no test has used."""
    return 11 if kind < FIRST_WIDE_KEY_KIND else (11, 11, 11)


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
        (RecordKind.CARD_TYPE, 7 << 32 | 5): card_type(7, 5),
        (RecordKind.STORE, 4): store,
        (RecordKind.TERMINAL, 3): terminal(3),
        (RecordKind.SWITCH, 9): settings,
        (RecordKind.ORGANISATION, 2**64 - 2): OrganisationRecord(organisation_id=2**64 - 2, node=1).encode(),
        (RecordKind.TYPE_STATE, 0): TypeStateRecord(state=1, code=0).encode(),
        (RecordKind.POINTS_CATEGORY, 0): PointsCategoryRecord(category=0, tender_rate=5).encode(),
        (RecordKind.GIFT, 8): GiftRecord(gift_id=8, price_hundredths=100).encode(),
        (RecordKind.RULESET, 6): RulesetRecord(ruleset=6, state=1).encode(),
        (RecordKind.MEDIUM_POLICY, 0): MediumPolicyRecord(code=0, media=2).encode(),
    }
    assert {kind for kind, _ in records} == {kind for kind in RecordKind if kind < FIRST_WIDE_KEY_KIND}

    tables = filled(*records.values())

    assert {key: tables.get(*key) for key in records} == records
    assert all(list(tables.records(kind)) == [record] for (kind, _), record in records.items())


def test_a_record_that_is_put_again_takes_the_place_of_the_first():
    tables = filled(account(10), card(10, 10), terminal(3), card_type(7))

    tables.load([account(10, 77), card(10, 10, status=2), terminal(3, rights=5), card_type(7)])

    assert tables.get(RecordKind.ACCOUNT, 10) == account(10, 77)
    assert tables.get(RecordKind.CARD, 10) == card(10, 10, status=2)
    assert tables.get(RecordKind.TERMINAL, 3) == terminal(3, rights=5)
    assert {name: count for name, count in tables.counts().items() if count} == {
        "accounts": 1,
        "cards": 1,
        "terminals": 1,
        "card_type_versions": 1,
    }


def test_what_was_never_put_is_not_found():
    tables = filled(account(10), card(10, 10))

    assert [tables.get(kind, no_key_fits(kind)) for kind in RecordKind] == [None] * len(RecordKind)
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
    assert (tables.counts()["accounts"], tables.counts()["cards"]) == (2, 3)


def test_a_card_may_come_before_the_card_that_names_the_last_account():
    tables = filled(*in_order_of_numbers((20, 20), (10, 20)))

    assert tables.get(RecordKind.ACCOUNT, 20) == account(20, 500)
    assert (tables.counts()["accounts"], tables.counts()["cards"]) == (1, 2)


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
        card(0, 0),
        b"",
        bytes(64),
        b"\x0c" + bytes(63),
        b"\xff" + bytes(63),
        account(0),
        terminal(0),
        TypeStateRecord(state=1, code=CARD_TYPE_CODE_MAX + 1).encode(),
        PointsCategoryRecord(category=64).encode(),
        OrganisationRecord(organisation_id=2**64 - 1, node=1).encode(),
        card_type(CARD_TYPE_CODE_MAX + 1),
        CardTypeRecord(code=7, from_date=5, key=7 << 32 | 6).encode(),
        account(1)[:-1],
        account(1)[:64],
    ],
    ids=[
        "card of an unknown account",
        "card 0",
        "no bytes",
        "kind 0",
        "kind 12",
        "kind 255",
        "account 0",
        "terminal 0",
        "state of type 1024",
        "points category 64",
        "organisation 2^64-1",
        "card type 1024",
        "card type with another key",
        "127 bytes",
        "an account of version 1",
    ],
)
def test_a_record_that_does_not_fit_is_refused(record):
    with pytest.raises(ValueError, match="ledger record: expected the bytes of a known kind with room in its table"):
        filled(record)


@pytest.mark.parametrize("record", [account(1)[:64], card(1, 1)[:64]], ids=["account", "card"])
def test_a_record_of_another_length_is_refused_when_accounts_and_cards_are_loaded(record):
    accounts, cards = ([record], [card(1, 1)]) if record[0] == RecordKind.ACCOUNT else ([account(1)], [record])

    with pytest.raises(ValueError, match="and 64 bytes"):
        Tables(10, 10, 10).load_accounts_and_cards(accounts, cards)


def test_a_full_table_takes_no_more():
    tables = filled(account(1), card(1, 1), account(2), card(2, 2), cards_max=2)

    with pytest.raises(ValueError, match="raise the configured maximum"):
        tables.load([account(3)])
    with pytest.raises(ValueError, match="raise the configured maximum"):
        tables.load([card(3, 1)])

    assert tables.counts()["cards"] == 2


# ------------------------------------------------------------------------ cards and the accounts they spend from


def test_a_card_may_be_made_before_there_is_an_account():
    tables = filled(card(10, 0))

    assert tables.get(RecordKind.CARD, 10) == card(10, 0)
    assert tables.get(RecordKind.ACCOUNT, 10) is None


def test_a_card_that_is_issued_gets_its_account():
    tables = filled(card(10, 0), card(20, 0), account(10, 1), card(10, 10), account(10, 2))

    assert tables.get(RecordKind.ACCOUNT, 10) == account(10, 2)
    assert tables.get(RecordKind.CARD, 10) == card(10, 10)
    assert tables.counts()["accounts"] == 1


def test_an_account_is_found_when_the_card_of_its_number_spends_from_another_one():
    tables = filled(account(10, 1), card(10, 10), account(20, 1), card(20, 20))

    tables.load([card(10, 20), account(10, 5), account(20, 6)])

    assert tables.get(RecordKind.ACCOUNT, 10) == account(10, 5)
    assert tables.get(RecordKind.ACCOUNT, 20) == account(20, 6)
    assert tables.counts()["accounts"] == 2


def test_a_card_may_leave_its_account_and_come_back():
    tables = filled(account(10, 1), card(10, 10), card(11, 10), card(10, 0))

    assert tables.get(RecordKind.ACCOUNT, 10) == account(10, 1)
    tables.load([card(10, 10), account(10, 7), card(11, 10)])

    assert tables.get(RecordKind.ACCOUNT, 10) == account(10, 7)
    assert tables.counts() == filled(account(10), card(10, 10), card(11, 10)).counts()


numbers = st.integers(1, 12)
steps = st.lists(st.tuples(numbers, st.integers(0, 12)), max_size=40)


@given(steps, st.booleans())
def test_cards_that_move_between_accounts_leave_every_account_findable(moves, by_load):
    """Against a dictionary; then all of it once more by way of the balance store's order."""
    accounts: dict[int, bytes] = {}
    cards: dict[int, bytes] = {}
    tables = Tables(100, 10, 10)

    def all_is_there(tables: Tables) -> None:
        assert {n: tables.get(RecordKind.ACCOUNT, n) for n in range(1, 13)} == {
            n: accounts.get(n) for n in range(1, 13)
        }
        assert {n: tables.get(RecordKind.CARD, n) for n in range(1, 13)} == {n: cards.get(n) for n in range(1, 13)}
        assert tables.counts()["accounts"] == len(accounts)
        live = [c for c in map(CardRecord.decode, cards.values()) if c.account_number and c.status in LIVE]
        assert {n: tables.live_cards_of(n) for n in range(1, 13)} == {
            n: sum(c.account_number == n for c in live) for n in range(1, 13)
        }
        unended = [c for c in map(CardRecord.decode, cards.values()) if c.status not in ENDED]
        assert tables.cards_of_type(1) == (len(cards), len(unended))

    for turn, (number, owner) in enumerate(moves):
        if owner:
            accounts[owner] = account(owner, turn)
            tables.load([accounts[owner]])
        cards[number] = card(number, owner, status=1 + turn % 15)
        tables.load([cards[number]])
        if owner:
            accounts[owner] = account(owner, turn + 1_000)
            tables.load([accounts[owner]])
        all_is_there(tables)
    again = Tables(100, 10, 10)
    in_order = [accounts[n] for n in sorted(accounts)], [cards[n] for n in sorted(cards)]
    if by_load:
        again.load_accounts_and_cards(*in_order)
    else:
        again.load([*in_order[0], *in_order[1]])
    again.loaded()
    all_is_there(again)


@pytest.mark.parametrize("ended_status", range(10, 16))
def test_cards_of_a_type_are_counted_made_and_live(ended_status):
    tables = filled(account(1), *(card(n, 1) for n in range(1, 6)), card(6, 0, card_type=2))
    assert tables.cards_of_type(1) == (5, 5)

    tables.load([card(3, 1, status=ended_status), card(4, 1, status=9), card(5, 1, status=8)])

    assert tables.cards_of_type(1) == (5, 4)
    assert tables.cards_of_type(2) == (1, 1)
    assert tables.cards_of_type(3) == (0, 0)


@pytest.mark.parametrize("kind", [k for k in RecordKind if k < FIRST_WIDE_KEY_KIND])
def test_every_kind_comes_out_in_its_own_length(kind):
    samples = {
        RecordKind.ACCOUNT: account(1),
        RecordKind.CARD: card(1, 0),
        RecordKind.CARD_TYPE: card_type(1),
        RecordKind.SWITCH: SwitchRecord(mode=0, partition=1, timezone=bytes(32)).encode(),
    }
    record = samples.get(kind, bytes([kind]) + bytes(7) + (1).to_bytes(8, "little") + bytes(record_bytes(kind) - 16))

    tables = filled(record)

    assert list(tables.records(kind)) == [record] == [tables.get(kind, 1 << 32 if kind == RecordKind.CARD_TYPE else 1)]
