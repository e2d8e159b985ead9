import math

from hypothesis import given
from hypothesis import strategies as st

from loadtests._histogram import Histogram

PERMILLES = (1, 500, 900, 990, 999, 1000)
latencies = st.one_of(st.integers(0, 300), st.integers(0, 10**6), st.integers(0, 10**12))


@given(st.lists(latencies, min_size=1, max_size=300))
def test_percentiles_are_those_of_the_sorted_values_rounded_up_by_at_most_a_bucket(values):
    histogram = Histogram()
    for value in values:
        histogram.record(value)

    for permille in PERMILLES:
        exact = sorted(values)[math.ceil(len(values) * permille / 1000) - 1]
        assert exact <= histogram.percentile_ns(permille) <= exact + exact // 128
    assert histogram.max_ns == max(values)
    assert histogram.count == len(values)


def test_small_values_are_exact():
    histogram = Histogram()
    for value in range(256):
        histogram.record(value)

    assert [histogram.percentile_ns(permille) for permille in (500, 1000)] == [127, 255]


def test_the_largest_value_of_all_has_a_bucket():
    histogram = Histogram()

    histogram.record(2**64 - 1)

    assert histogram.percentile_ns(999) == 2**64 - 1


def test_an_empty_histogram_says_zero():
    assert (Histogram().percentile_ns(500), Histogram().max_ns) == (0, 0)
