"""Units as people write them, and as the protocol has them.

Money and points are decimals with two places for people and whole numbers of
hundredths inside; dates are `2026-03-01` for people and days since 1970-01-01
inside. Nothing here is a float at any time.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from switch.protocol.limits import CARD_NUMBER_MAX, CARD_NUMBER_MIN
from switch.protocol.messages import NO_COUNT_LIMIT, NO_LIMIT

EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()
HUNDREDTHS = 100
UNLIMITED = "unlimited"
_DECIMAL = re.compile(r"([+-]?)(\d+)(?:\.(\d{1,2}))?", re.ASCII)


class Figure(str):
    """A figure as people read it; `plain` is the same for programs."""

    __slots__ = ()

    @property
    def plain(self) -> str:
        """`1,200.00` → `1200.00`."""
        return self.replace(",", "")


def parse_decimal(text: str) -> int:
    """`12.5` → 1250; `ValueError` for more than two places or anything else."""
    found = _DECIMAL.fullmatch(text.strip().replace("_", ""))
    if found is None:
        raise ValueError(f"expected a number with at most two places such as 12.50, got {text!r}")
    sign, whole, places = found.groups()
    value = int(whole) * HUNDREDTHS + int((places or "").ljust(2, "0"))
    return -value if sign == "-" else value


def format_decimal(value: int) -> Figure:
    """1250 → `12.50`."""
    whole, places = divmod(abs(value), HUNDREDTHS)
    return Figure(f"{'-' if value < 0 else ''}{whole:,}.{places:02}")


def plain_decimal(value: int) -> str:
    """1250 → `12.50`, without separators of thousands: for JSON and for files."""
    return format_decimal(value).plain


def format_limit(value: int) -> Figure:
    """A limit of money; `unlimited` for the value that limits nothing."""
    return Figure(UNLIMITED) if value == NO_LIMIT else format_decimal(value)


def format_count_limit(value: int) -> Figure:
    """A limit of a count; `unlimited` for the value that limits nothing."""
    return Figure(UNLIMITED if value == NO_COUNT_LIMIT else f"{value:,}")


def parse_limit(text: str) -> int:
    """A limit of money, or `unlimited`."""
    return NO_LIMIT if text == UNLIMITED else parse_decimal(text)


def parse_count_limit(text: str) -> int:
    """A limit of a count, or `unlimited`."""
    if text == UNLIMITED:
        return NO_COUNT_LIMIT
    if not text.isdecimal():
        raise ValueError(f"expected a whole number or {UNLIMITED}, got {text!r}")
    return int(text)


def parse_date(text: str) -> int:
    """`2026-03-01` → days since 1970-01-01."""
    try:
        return date_to_days(datetime.date.fromisoformat(text))
    except ValueError:
        raise ValueError(f"expected a date such as 2026-03-01, got {text!r}") from None


def date_to_days(date: datetime.date) -> int:
    """Days since 1970-01-01."""
    return date.toordinal() - EPOCH_ORDINAL


def format_date(days: int) -> str:
    """Days since 1970-01-01 → `2026-03-01`; nothing for 0."""
    return datetime.date.fromordinal(EPOCH_ORDINAL + days).isoformat() if days else ""


def format_moment(time_ms: int) -> str:
    """Milliseconds since 1970-01-01 UTC → `2026-03-01T17:30:00+00:00`."""
    return datetime.datetime.fromtimestamp(time_ms // 1000, datetime.UTC).isoformat()


def format_local(time_ms: int, zone: ZoneInfo) -> str:
    """Milliseconds since 1970-01-01 UTC → `2026-03-01T18:30:00+01:00`; nothing for 0."""
    return datetime.datetime.fromtimestamp(time_ms // 1000, zone).isoformat() if time_ms else ""


def parse_minute(text: str) -> int:
    """`09:30` → minutes since midnight; `24:00` is the end of the day."""
    found = re.fullmatch(r"(\d{1,2}):(\d{2})", text)
    minute = int(found[1]) * 60 + int(found[2]) if found else -1
    if found is None or int(found[2]) > 59 or minute > 1440:
        raise ValueError(f"expected a time of day such as 09:30, got {text!r}")
    return minute


def format_minute(minute: int) -> str:
    """Minutes since midnight → `09:30`."""
    return f"{minute // 60:02}:{minute % 60:02}"


def parse_card_number(text: str) -> int:
    """A card number: 8 to 19 digits; spaces between them do not count."""
    digits = text.replace(" ", "")
    if not (digits.isascii() and digits.isdigit()) or not CARD_NUMBER_MIN <= int(digits) <= CARD_NUMBER_MAX:
        raise ValueError(f"expected a card number of 8 to 19 digits, got {len(text)} characters that are none")
    return int(digits)


def _first(parse: Any) -> Any:
    """A converter for cyclopts out of a function of one text."""

    def convert(type_: Any, tokens: Sequence[Any]) -> Any:
        return parse(tokens[0].value)

    return convert


def _typed(parse: Any, metavar: str, show: Any) -> Parameter:
    """A parameter that people write in their own way: in help too, it is no whole number."""

    def show_default(value: int | None) -> str | None:
        return None if value is None else show(value)

    return Parameter(converter=_first(parse), n_tokens=1, metavar=metavar, show_default=show_default if show else False)


Money = Annotated[int, _typed(parse_decimal, "AMOUNT", format_decimal)]
"""An amount of money, decimal on the command line, minor units inside."""
Points = Annotated[int, _typed(parse_decimal, "POINTS", format_decimal)]
"""Points, decimal on the command line, hundredths inside."""
MoneyLimit = Annotated[int, _typed(parse_limit, "AMOUNT", format_limit)]
"""A limit of money, or `unlimited`."""
CountLimit = Annotated[int, _typed(parse_count_limit, "COUNT", format_count_limit)]
"""A limit of a count, or `unlimited`."""
Date = Annotated[int, _typed(parse_date, "DATE", None)]
"""A business date; 0, which is not shown, is none."""
Minute = Annotated[int, _typed(parse_minute, "TIME", format_minute)]
"""A local time of day."""
CardNumber = Annotated[int, _typed(parse_card_number, "CARD", None)]
"""A card number; 0, which is not shown, is none."""
