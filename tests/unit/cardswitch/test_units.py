import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardswitch import units
from switch.protocol.messages import NO_COUNT_LIMIT, NO_LIMIT


@given(st.integers(-(10**15), 10**15))
def test_a_decimal_that_is_printed_reads_back(value):
    assert units.parse_decimal(units.plain_decimal(value)) == value


@pytest.mark.parametrize(
    ("text", "value"), [("12.5", 1250), ("12", 1200), ("-0.05", -5), ("0", 0), ("+3.00", 300), ("1_000.10", 100_010)]
)
def test_amounts_are_decimals(text, value):
    assert units.parse_decimal(text) == value


@pytest.mark.parametrize("text", ["", "12.345", "1,5", "1e3", "nan", ".5", "٣"])
def test_other_amounts_are_refused(text):
    with pytest.raises(ValueError, match=r"expected a number"):
        units.parse_decimal(text)


def test_limits_have_a_word_for_none():
    assert units.parse_limit("unlimited") == NO_LIMIT
    assert units.format_limit(NO_LIMIT) == "unlimited"
    assert units.parse_count_limit("unlimited") == NO_COUNT_LIMIT
    assert (units.format_limit(123_456_700), units.format_count_limit(5)) == ("1,234,567.00", "5")
    with pytest.raises(ValueError, match="whole number"):
        units.parse_count_limit("1.5")


def test_dates_and_times_read_back():
    assert units.format_date(units.parse_date("2026-03-01")) == "2026-03-01"
    assert units.format_date(0) == ""
    assert units.format_minute(units.parse_minute("9:05")) == "09:05"
    assert units.parse_minute("24:00") == 1440
    for text in ("24:01", "12:60", "noon"):
        with pytest.raises(ValueError, match="time of day"):
            units.parse_minute(text)
    with pytest.raises(ValueError, match="2026-03-01"):
        units.parse_date("1.3.2026")


def test_card_numbers_have_8_to_19_digits_and_a_wrong_one_is_not_repeated():
    assert units.parse_card_number("6200 0000 0000 0001") == 6200000000000001
    for text in ("1234567", "62000000x0000001", "9" * 20):
        with pytest.raises(ValueError, match="8 to 19 digits") as caught:
            units.parse_card_number(text)
        assert text not in str(caught.value)
