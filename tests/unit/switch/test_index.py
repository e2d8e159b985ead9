import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switch._index import GrowingIndex

U64_MAX = 2**64 - 1
# Few high bits and neighbouring numbers, so that keys share parts, lines and probes; the extremes besides.
keys = st.one_of(
    st.integers(1, 200),
    st.integers(1, U64_MAX),
    st.builds(lambda high, low: (high << 32) | low, st.integers(0, 3), st.integers(1, 50)),
    st.sampled_from([1, 2**32, 2**63, U64_MAX]),
)
values = st.integers(0, U64_MAX)


@given(st.lists(st.tuples(keys, values), max_size=400))
@settings(max_examples=200)
def test_it_remembers_what_a_dictionary_remembers(pairs):
    index, expected = GrowingIndex(), {}

    for key, value in pairs:
        index.put(key, value)
        expected[key] = value

    assert len(index) == index.count == len(expected)
    assert {key: index.get(key) for key in expected} == expected


@given(st.sets(keys, max_size=100), st.sets(keys, max_size=100))
def test_a_key_that_was_never_put_is_absent(present, asked):
    index = GrowingIndex()

    for key in present:
        index.put(key, key)

    assert {key for key in asked if index.get(key) is not None} == present & asked
    assert all(index.get(key, "none") == "none" for key in asked - present)


@pytest.mark.parametrize("step", [1, 4, 1 << 32, 0x9E3779B97F4A7C15])
def test_it_keeps_every_key_while_it_grows(step):
    index = GrowingIndex()
    count = 60_000
    many = [(n * step) & U64_MAX or 1 for n in range(1, count + 1)]

    for n, key in enumerate(many):
        index.put(key, n)

    assert len(index) == count
    assert [index.get(key) for key in many] == list(range(count))


def test_a_key_that_is_put_again_has_the_later_value_and_counts_once():
    index = GrowingIndex()

    index.put(5, 1)
    index.put(5, 2)

    assert index.get(5) == 2
    assert len(index) == 1


def test_key_0_is_refused_and_never_found():
    index = GrowingIndex()

    with pytest.raises(ValueError, match="expected 1 or more, got 0"):
        index.put(0, 1)

    assert index.get(0) is None
    assert len(index) == 0
