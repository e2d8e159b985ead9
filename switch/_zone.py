"""Offsets of a time zone as a flat table, for business dates without a calendar library on the hot path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

TABLE_START = datetime(1970, 1, 1, tzinfo=UTC)
TABLE_END = datetime(2100, 1, 1, tzinfo=UTC)
"""The last time of sale that a replay may name; today's rules of a zone are assumed until then."""
LOOK = timedelta(days=1)
"""No zone has changed its offset and back within a day since 1970; looking this often takes about 50 ms."""
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


def zone_table(name: str) -> list[tuple[int, int]]:
    """(moment in ms since 1970 UTC, offset from UTC in s from then on), ascending, from 1970 to 2100.

    Transitions are found by halving days in which the offset changes, so any zone data that Python reads will do.
    """
    zone = find_zone(name)

    def offset_s(at: datetime) -> int:
        delta = at.astimezone(zone).utcoffset()
        assert delta is not None
        return int(delta.total_seconds())

    table = [(0, offset_s(TABLE_START))]
    low, before = TABLE_START, table[0][1]
    while low < TABLE_END:
        high = low + LOOK
        if offset_s(high) != before:
            left, right = low, high
            while right - left > timedelta(seconds=1):
                middle = left + (right - left) // 2
                middle = middle.replace(microsecond=0) if middle.microsecond else middle
                if offset_s(middle) == before:
                    left = middle
                else:
                    right = middle
            table.append((int(right.timestamp()) * MS_PER_S, offset_s(right)))
            low, before = right, table[-1][1]
        else:
            low = high
    return table
