"""The clock on the wall of the stores: which day a message is on, and when a member may be reached."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from admin.errors import RefusedError
from admin.i18n import FIRST_DATE

MINUTES_PER_DAY = 1440
MINUTES_PER_HOUR = 60
TIME_FORMAT = "%Y-%m-%dT%H:%M"
"""As browsers send a day with its time (HTML, `datetime-local`)."""
AHEAD_DAYS_MAX = 366


def day_of(moment: datetime, zone: ZoneInfo) -> int:
    """Date at the stores, days since 1970-01-01."""
    return (moment.astimezone(zone).date() - FIRST_DATE).days


def shown(moment: datetime | None, zone: ZoneInfo) -> str:
    """A moment as the clock at the stores shows it."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M") if moment else ""


def read_local(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """A moment that was typed by the clock at the stores; `now` for nothing, or for what is past."""
    if not text.strip():
        return now
    try:
        typed = datetime.strptime(text.strip()[:16].replace(" ", "T"), TIME_FORMAT)
    except ValueError:
        raise RefusedError("A day and a time such as 2026-01-31 09:30 are expected.") from None
    moment = typed.replace(tzinfo=zone).astimezone(UTC)
    if moment > now + timedelta(days=AHEAD_DAYS_MAX):
        raise RefusedError("This is more than {days} days ahead.", days=AHEAD_DAYS_MAX)
    return max(moment, now)


def first_within(moment: datetime, from_minute: int, until_minute: int, zone: ZoneInfo) -> datetime:
    """The moment, or the first one after it at which the clock at the stores is within hours of a day."""
    if from_minute <= 0 and until_minute >= MINUTES_PER_DAY:
        return moment
    local = moment.astimezone(zone)
    minute = local.hour * MINUTES_PER_HOUR + local.minute
    if from_minute <= minute < until_minute:
        return moment
    day: date = local.date() if minute < from_minute else local.date() + timedelta(days=1)
    opening = time(from_minute // MINUTES_PER_HOUR, from_minute % MINUTES_PER_HOUR)
    return datetime.combine(day, opening, tzinfo=zone).astimezone(UTC)
