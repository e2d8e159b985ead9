"""Dates as the protocol has them: days since 1970-01-01; months as year · 12 + month − 1."""

from __future__ import annotations

from datetime import date

_EPOCH = date(1970, 1, 1).toordinal()


def date_number(day: date) -> int:
    """Days from 1970-01-01 to a date."""
    return day.toordinal() - _EPOCH


def month_of(number: int) -> int:
    """Month of a date."""
    day = date.fromordinal(_EPOCH + number)
    return day.year * 12 + day.month - 1


def first_of_month(month: int) -> int:
    """First date of a month."""
    return date_number(date(month // 12, month % 12 + 1, 1))


def weekday_of(number: int) -> int:
    """ISO weekday of a date, 1 is Monday."""
    return date.fromordinal(_EPOCH + number).isoweekday()
