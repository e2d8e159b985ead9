"""Records with three numbers as their key: found by all of them, removed when gone, bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch._tables import Tables
from switch._wide import WideTable
from switch.protocol.records import (
    FIRST_WIDE_KEY_KIND,
    GONE,
    HoldRecord,
    MarkRecord,
    MediumRecord,
    PurseRecord,
    RecordKind,
    record_bytes,
    record_key,
)

WIDE_KINDS = [kind for kind in RecordKind if kind >= FIRST_WIDE_KEY_KIND]


def mark(a: int, b: int, c: int, count: int = 1, state: int = 0) -> bytes:
    return MarkRecord(key_a=a, key_b=b, key_c=c, count=count, state=state).encode()


def marks_of(tables: Tables) -> dict[tuple[int, ...], bytes]:
    return {record_key(record): record for record in tables.records(RecordKind.MARK)}


@pytest.mark.parametrize("kind", WIDE_KINDS)
def test_every_kind_has_its_table_and_its_length(kind):
    record = bytes([kind, 1, 0, 0, 9, 9, 9, 9]) + b"".join(n.to_bytes(8, "little") for n in (3, 2, 1))
    record = record.ljust(record_bytes(kind), b"\x11")
    tables = Tables(1, 1, 1)

    tables.load([record])

    assert tables.get(kind, (3, 2, 1)) == record
    assert tables.get(kind, (1, 2, 3)) is None
    assert [list(tables.records(other)) for other in WIDE_KINDS] == [
        [record] if other == kind else [] for other in WIDE_KINDS
    ]
    assert sorted(tables.counts().values()) == [0] * (len(tables.counts()) - 1) + [1]


@pytest.mark.parametrize("record", [MarkRecord, HoldRecord, PurseRecord])
def test_a_number_that_differs_anywhere_is_another_key(record):
    length = record.width_bytes()
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2**64 - 1, 0, 0), (0, 2**64 - 1, 0), (0, 0, 2**64 - 1)]
    kind = next(kind for kind in WIDE_KINDS if kind.name in ("MARK", "HOLD", "PURSE") and record_bytes(kind) == length)
    images = {key: bytes([kind]) + bytes(7) + b"".join(n.to_bytes(8, "little") for n in key) for key in keys}
    images = {key: image.ljust(length, b"\x01") for key, image in images.items()}
    tables = Tables(1, 1, 1)

    tables.load(images.values())

    assert {key: tables.get(kind, key) for key in keys} == images


def test_a_record_that_is_gone_is_removed_and_may_come_again():
    tables = Tables(1, 1, 1)
    tables.load([mark(1, 2, 3), mark(1, 2, 4)])

    tables.load([mark(1, 2, 3, state=GONE)])
    assert tables.get(RecordKind.MARK, (1, 2, 3)) is None
    assert marks_of(tables) == {(1, 2, 4): mark(1, 2, 4)}

    tables.load([mark(1, 2, 3, count=7)])
    assert tables.get(RecordKind.MARK, (1, 2, 3)) == mark(1, 2, 3, count=7)
    assert len(tables.marks) == 2


def test_removing_what_is_not_there_changes_nothing():
    tables = Tables(1, 1, 1)
    tables.load([mark(1, 2, 3)])

    tables.load([mark(9, 9, 9, state=GONE)])

    assert marks_of(tables) == {(1, 2, 3): mark(1, 2, 3)}


def test_a_full_table_takes_no_more_until_one_is_gone():
    tables = Tables(1, 1, 1, marks_max=3)
    tables.load([mark(n, 0, 0) for n in range(3)])

    with pytest.raises(ValueError, match="raise the configured maximum"):
        tables.load([mark(3, 0, 0)])
    tables.load([mark(1, 0, 0, count=5)])  # one that is there may change

    tables.load([mark(2, 0, 0, state=GONE), mark(3, 0, 0)])
    assert marks_of(tables).keys() == {(0, 0, 0), (1, 0, 0), (3, 0, 0)}
    with pytest.raises(ValueError, match="raise the configured maximum"):
        tables.load([mark(4, 0, 0)])


words = st.integers(0, 6)
changes = st.lists(st.tuples(words, words, words, st.integers(0, 2)), max_size=400)


@given(changes, st.binary(min_size=16, max_size=16))
def test_it_is_a_dictionary(asked, hash_key):
    tables, expected = Tables(1, 1, 1, hash_key=hash_key), {}
    for turn, (a, b, c, what) in enumerate(asked):
        if what:
            expected[a, b, c] = mark(a, b, c, count=turn)
            tables.load([expected[a, b, c]])
        else:
            expected.pop((a, b, c), None)
            tables.load([mark(a, b, c, state=GONE)])

    assert marks_of(tables) == expected
    assert {key: tables.get(RecordKind.MARK, key) for key in expected} == expected
    assert len(tables.marks) == len(expected)


def test_no_result_depends_on_the_hash_key():
    images = [mark(n % 50, n % 7, n, state=GONE if n % 3 == 0 else 0) for n in range(1_000)] + [
        mark(n % 50, n % 7, n, state=GONE if n % 4 == 0 else 0) for n in range(1_000)
    ]

    found = []
    for hash_key in (bytes(16), b"\xff" * 16, b"k" * 16):
        tables = Tables(1, 1, 1, hash_key=hash_key)
        tables.load(images)
        found.append(list(tables.records(RecordKind.MARK)))

    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("word", range(3))
def test_keys_with_equal_hashes_that_differ_in_one_number_are_kept_apart(word):
    """Of 200,000 keys some four pairs share all 32 bits of their hash."""
    count = 200_000
    tables = Tables(1, 1, 1, marks_max=count, hash_key=b"k" * 16)

    tables.load(mark(*(n if at == word else 5 for at in range(3))) for n in range(count))

    assert len(tables.marks) == count


def test_many_records_with_equal_hashes_among_them_are_kept_apart():
    """Of 150,000 keys some pairs share all 32 bits of their hash; adding and removing splits every bucket often."""
    count = 150_000
    tables = Tables(1, 1, 1, marks_max=count, hash_key=b"k" * 16)
    tables.load(mark(n, n & 7, 0, count=n) for n in range(count))

    assert all(tables.get(RecordKind.MARK, (n, n & 7, 0)) == mark(n, n & 7, 0, count=n) for n in range(0, count, 7))
    assert sorted(record[4:8] for record in tables.records(RecordKind.MARK)) == sorted(
        n.to_bytes(4, "little") for n in range(count)
    )

    tables.load(mark(n, n & 7, 0, state=GONE) for n in range(0, count, 2))
    assert len(tables.marks) == count // 2
    assert tables.get(RecordKind.MARK, (4, 4, 0)) is None
    assert tables.get(RecordKind.MARK, (5, 5, 0)) == mark(5, 5, 0, count=5)
    tables.load(mark(n, 8, 1) for n in range(count // 2))  # all places that became free, and no more

    with pytest.raises(ValueError, match="raise the configured maximum"):
        tables.load([mark(0, 9, 9)])


@pytest.mark.parametrize("kind", [RecordKind.ACCOUNT, 15, 29, 256])
def test_a_kind_without_a_wide_key_has_no_such_table(kind):
    with pytest.raises(ValueError, match="expected a kind of record with a wide key"):
        WideTable(kind, 10)


def test_a_hash_key_of_another_length_is_refused():
    with pytest.raises(ValueError, match="hash key: expected 16 bytes, got 15"):
        WideTable(RecordKind.MARK, 10, bytes(15))


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 6), st.booleans()), max_size=60))
def test_records_of_an_owner_are_found_without_the_rest_of_their_keys(moves):
    kept: dict[tuple[int, int, int], bytes] = {}
    tables = Tables(1, 1, 1, purses_max=28)
    for owner, purse, is_gone in moves:
        record = PurseRecord(account_number=owner * 2**40, purse=purse, amount=len(kept), state=GONE * is_gone).encode()
        tables.load([record])
        kept.pop((owner * 2**40, purse, 0), None)
        if not is_gone:
            kept[owner * 2**40, purse, 0] = record
        for one in range(1, 5):
            found = list(tables.purses.owned_by(one * 2**40))
            assert sorted(found) == sorted(r for key, r in kept.items() if key[0] == one * 2**40)
    assert list(tables.purses.owned_by(1)) == []


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6), st.booleans()), max_size=60))
def test_the_media_of_a_card_are_found_though_it_is_no_part_of_their_keys(moves):
    kept: dict[int, bytes] = {}
    tables = Tables(1, 1, 1, media_max=6)
    for card, medium_id, is_gone in moves:
        owner = int.from_bytes(kept[medium_id][32:40], "little") if medium_id in kept else card * 2**40
        record = MediumRecord(
            medium=1, medium_id=medium_id, key_version=1, card_number=owner, counter=len(kept), state=GONE * is_gone
        ).encode()
        tables.load([record])
        kept.pop(medium_id, None)
        if not is_gone:
            kept[medium_id] = record
        for one in range(1, 5):
            of_card = [record for record in kept.values() if record[32:40] == (one * 2**40).to_bytes(8, "little")]
            assert sorted(tables.media.owned_by(one * 2**40)) == sorted(of_card)
    assert list(tables.media.owned_by(1)) == []


def test_a_table_that_is_not_kept_by_owner_says_so():
    with pytest.raises(ValueError, match="expected one that is kept by owner"):
        list(WideTable(RecordKind.MARK, 5).owned_by(1))
