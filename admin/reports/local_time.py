"""Hours on the wall clock of the stores, in SQL that neither database needs time zones for.

The zone's changes of the clock are looked up here and become one CASE: a year has two.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ColumnElement, case, literal, select

from admin.models.mirror import switches

from .report import Scope

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
HOURS_PER_DAY = 24
DAYS_MAX = 3_660
"""Ten years back from the last date; before that the earliest offset holds."""
OFFSETS_KEPT_MAX = 64
"""Spans of dates whose changes are kept: to find those of ten years takes some milliseconds."""


def local_hour(scope: Scope, first_date: int, column: Any) -> ColumnElement[int]:
    """Hour of the day, 0 to 23, of a column of milliseconds since 1970-01-01 UTC."""
    hour: ColumnElement[int] = _local_ms(scope, first_date, column) // HOUR_MS % HOURS_PER_DAY
    return hour


def local_day(scope: Scope, first_date: int, column: Any) -> ColumnElement[int]:
    """Date (days since 1970-01-01) of a column of milliseconds since 1970-01-01 UTC."""
    day: ColumnElement[int] = _local_ms(scope, first_date, column) // DAY_MS
    return day


def _local_ms(scope: Scope, first_date: int, column: Any) -> ColumnElement[int]:
    first = max(first_date, scope.last_date - DAYS_MAX)
    changes = offsets(_zone(scope), first - 1, scope.last_date + 2)
    later = [(column >= start_ms, offset) for start_ms, offset in reversed(changes[1:])]
    offset_ms = case(*later, else_=changes[0][1]) if later else literal(changes[0][1])
    shown: ColumnElement[int] = column + offset_ms
    return shown


@lru_cache(maxsize=OFFSETS_KEPT_MAX)
def offsets(zone: ZoneInfo, first_date: int, last_date: int) -> tuple[tuple[int, int], ...]:
    """(from this moment on, offset to UTC), both in milliseconds, oldest first; exact to the hour."""
    found = [(first_date * DAY_MS, _offset_ms(zone, first_date * DAY_MS))]
    for start, end in pairwise(date * DAY_MS for date in range(first_date, last_date + 1)):
        if _offset_ms(zone, end) == found[-1][1]:
            continue
        moment = next(ms for ms in range(start, end + 1, HOUR_MS) if _offset_ms(zone, ms) != found[-1][1])
        found.append((moment, _offset_ms(zone, moment)))
    return tuple(found)


def _offset_ms(zone: ZoneInfo, moment_ms: int) -> int:
    offset = datetime.fromtimestamp(moment_ms / 1000, zone).utcoffset()
    return int(offset.total_seconds() * 1000) if offset else 0


def _zone(scope: Scope) -> ZoneInfo:
    name = scope.session.scalar(select(switches.c.timezone).limit(1)) or "UTC"
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
