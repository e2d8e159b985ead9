"""Offsets of a time zone as a flat table, for business dates without a calendar library on the hot path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

TABLE_END_S = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
"""The last time of sale that a replay may name; today's rules of a zone are assumed until then."""
LOOK_S = 3 * 86_400
"""No zone has changed its offset and back within less than a week since 1970; looking this often takes about 8 ms."""
MS_PER_S = 1000


def find_zone(name: str) -> ZoneInfo:
    """Time zone by IANA name; ValueError says what is missing."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(
            f"time zone: expected an IANA name such as Europe/Berlin, got {name!r}; "
            "correct it, or install the tzdata package"
        ) from error


@cache
def zone_table(name: str) -> tuple[tuple[int, int], ...]:
    """(moment in ms since 1970 UTC, offset from UTC in s from then on), ascending, from 1970 to 2100.

    Transitions are found by halving spans in which the offset changes, so any zone data that Python reads will do.
    """
    zone, moment = find_zone(name), datetime.fromtimestamp
    before = moment(0, zone).utcoffset()
    table, low = [(0, before)], 0
    while low < TABLE_END_S:
        high = low + LOOK_S
        if moment(high, zone).utcoffset() == before:
            low = high
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if moment(middle, zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        low, before = high, moment(high, zone).utcoffset()
        table.append((low, before))
    return tuple((at_s * MS_PER_S, offset // timedelta(seconds=1)) for at_s, offset in table if offset is not None)
