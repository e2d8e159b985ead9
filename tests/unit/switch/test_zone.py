"""The flat table of offsets says what the time zone database says, at every moment that a switch may meet."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch._fastpath import Engine
from switch._tables import Tables
from switch._zone import find_zone, zone_table
from switch.duplicates import AnswerWindow
from switch.group_commit import GroupCommit
from switch.journal import Journal

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END_MS = 4_102_444_800_000
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",  # offsets with half hours, changes at one minute past midnight
    "America/Sao_Paulo",  # midnight itself was skipped
    "Australia/Lord_Howe",  # moves by half an hour
    "Asia/Shanghai",
    "Asia/Kathmandu",
    "Africa/Casablanca",  # goes back for a month every year
    "Africa/Monrovia",  # 44 minutes and 30 seconds until 1972
    "Pacific/Apia",  # skipped a whole day
]
moments_ms = st.integers(0, END_MS - 1)


@cache
def table_of(zone: str) -> tuple[tuple[int, int], ...]:
    return zone_table(zone)


def local(moment_ms: int, zone: str) -> datetime:
    return (EPOCH + timedelta(milliseconds=moment_ms)).astimezone(ZoneInfo(zone))


def offset_s(moment_ms: int, zone: str) -> int:
    """What the table says."""
    table = table_of(zone)
    return table[bisect_right(table, (moment_ms, 1 << 40)) - 1][1]


@pytest.mark.parametrize("zone", ZONES)
@given(moment_ms=moments_ms)
def test_the_offset_of_any_moment_is_that_of_the_time_zone_database(zone, moment_ms):
    assert timedelta(seconds=offset_s(moment_ms, zone)) == local(moment_ms, zone).utcoffset()


@pytest.mark.parametrize("zone", ZONES)
def test_each_change_of_the_offset_is_placed_to_the_second(zone):
    table = table_of(zone)

    for (_, before_s), (at_ms, after_s) in pairwise(table):
        assert local(at_ms - 1, zone).utcoffset() == timedelta(seconds=before_s)
        assert local(at_ms, zone).utcoffset() == timedelta(seconds=after_s)


@pytest.mark.parametrize("zone", ["America/Recife", "America/Boa_Vista"])
def test_a_summer_time_of_one_week_is_not_missed(zone):
    """The north of Brazil tried it from 8 to 15 October 2000."""
    start_ms = int(datetime(2000, 10, 1, tzinfo=UTC).timestamp()) * 1000
    hours_ms = range(start_ms, start_ms + 30 * 86_400_000, 3_600_000)

    wrong = [ms for ms in hours_ms if timedelta(seconds=offset_s(ms, zone)) != local(ms, zone).utcoffset()]

    assert wrong == []


@pytest.mark.parametrize("zone", ZONES)
def test_the_table_begins_in_1970_and_ascends(zone):
    starts_ms = [at_ms for at_ms, _ in table_of(zone)]

    assert starts_ms[0] == 0
    assert starts_ms == sorted(set(starts_ms))


@pytest.mark.parametrize("zone", ZONES)
@given(moment_ms=moments_ms)
def test_the_business_date_is_the_local_calendar_date(zone, moment_ms):
    engine = Engine(Tables(16, 16, 16), AnswerWindow(16), GroupCommit(NoJournal()), table_of(zone), False)

    date = engine.date_of(moment_ms)

    assert date == max(0, (local(moment_ms, zone).date() - EPOCH.date()).days)


class NoJournal(Journal):
    """No engine here ever writes."""


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe/Berlin\0", "europe"])
def test_an_unknown_zone_is_refused_by_name(name):
    with pytest.raises(ValueError, match="time zone: expected an IANA name such as Europe/Berlin, got ") as refusal:
        find_zone(name)

    assert repr(name) in str(refusal.value)
