"""Ranges of card numbers: how they count, and how they are cut into messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.cards.numbers import Run, following, luhn_digit, runs, with_digit
from terminals import luhn


@given(st.integers(10**7, 10**18))
def test_check_digits_are_those_of_the_terminals(payload):
    assert luhn_digit(payload) == luhn.luhn_digit(str(payload))
    assert luhn.luhn_holds(str(with_digit(payload)))


@given(st.integers(10**7, 10**15), st.integers(1, 200), st.booleans(), st.integers(1, 64))
def test_runs_hold_every_number_once_in_order(first, count, with_check_digit, length_max):
    first = with_digit(first) if with_check_digit else first
    numbers = list(following(first, count, with_check_digit=with_check_digit))
    found = list(runs(numbers, length_max))
    assert [number for run in found for number in run.numbers()] == numbers
    assert max(run.count for run in found) <= length_max
    assert len(found) == -(-count // length_max)
    assert all(run.last == list(run.numbers())[-1] for run in found)


def test_what_does_not_follow_begins_a_run_of_its_own():
    assert list(runs([10000001, 10000002, 10000004, 10000005])) == [
        Run(10000001, 2, False),
        Run(10000004, 2, False),
    ]
    checked = [with_digit(n) for n in (6222_0001, 6222_0002)]
    assert list(runs([*checked, checked[-1] + 1])) == [Run(checked[0], 2, True), Run(checked[-1] + 1, 1, False)]
    assert list(runs([])) == []
    with pytest.raises(StopIteration):
        next(runs([]))
