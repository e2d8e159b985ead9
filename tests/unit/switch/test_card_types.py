"""Versions of card types: which one is in force on a date, in whatever order they came and dates are asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch._card_types import TYPE_VERSIONS_MAX
from switch._tables import Tables
from switch.protocol.records import CardTypeRecord, RecordKind

CARD_TYPE_CODE_MAX = 1023
DATE_MAX = 2**32 - 1


def version(code: int, from_date: int, points_percent: int = 1) -> bytes:
    return CardTypeRecord(
        code=code, from_date=from_date, key=code << 32 | from_date, points_percent=points_percent
    ).encode()


def tables_with(*records: bytes) -> Tables:
    tables = Tables(1, 1, 1)
    tables.load(records)
    return tables


@pytest.mark.parametrize("code", [0, 1, CARD_TYPE_CODE_MAX])
def test_a_version_is_found_by_code_and_first_date(code):
    tables = tables_with(version(code, 5))

    assert tables.get(RecordKind.CARD_TYPE, code << 32 | 5) == version(code, 5)
    assert tables.get(RecordKind.CARD_TYPE, code << 32 | 4) is None
    assert tables.get(RecordKind.CARD_TYPE, (CARD_TYPE_CODE_MAX + 1) << 32) is None
    assert tables.get(RecordKind.CARD_TYPE, 2**64 - 1) is None


def test_the_version_in_force_is_the_last_one_that_has_begun():
    types = tables_with(version(7, 30), version(7, 10), version(7, 20)).card_types

    found = {day: types.on(7, day) for day in (0, 9, 10, 19, 20, 29, 30, DATE_MAX)}

    assert found == {
        0: None,
        9: None,
        10: version(7, 10),
        19: version(7, 10),
        20: version(7, 20),
        29: version(7, 20),
        30: version(7, 30),
        DATE_MAX: version(7, 30),
    }


def test_a_version_that_is_put_again_counts_from_then_on():
    tables = tables_with(version(7, 0))
    assert tables.card_types.on(7, 5) == version(7, 0)

    tables.load([version(7, 0, points_percent=9)])

    assert tables.card_types.on(7, 5) == version(7, 0, points_percent=9)
    assert len(tables.card_types) == 1


dates = st.one_of(st.integers(0, 12), st.just(DATE_MAX))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 3), dates, st.integers(1, 9)),
        st.tuples(st.just("ask"), st.integers(1, 4), dates),
    ),
    max_size=60,
)


@given(steps)
def test_puts_and_questions_in_any_order_are_answered_as_by_a_list(asked):
    tables, versions = tables_with(), {}
    for what, code, day, *rest in asked:
        if what == "put":
            versions[code, day] = version(code, day, *rest)
            tables.load([versions[code, day]])
        begun = [from_date for number, from_date in versions if number == code and from_date <= day]

        assert tables.card_types.on(code, day) == (versions[code, max(begun)] if begun else None)
    assert sorted(tables.records(RecordKind.CARD_TYPE)) == sorted(versions.values())


def test_there_is_room_for_so_many_versions_and_no_more():
    tables = tables_with(*(version(1 + n % 1000, n) for n in range(TYPE_VERSIONS_MAX)))

    with pytest.raises(ValueError, match="with room in its table"):
        tables.load([version(1, 5_000)])

    tables.load([version(1, 0, points_percent=5)])  # takes the place of one that is there
    assert tables.counts()["card_type_versions"] == TYPE_VERSIONS_MAX
    assert tables.card_types.on(1, 4_000) == version(1, 4_000)
