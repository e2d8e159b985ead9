"""Two languages: English is what the code says, Chinese comes from the catalog; and numbers as each writes them."""

from __future__ import annotations

import gettext
import io
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import dates, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from .trade import words_now

LOCALES = {"zh": "中文", "en": "English"}
BABEL_LOCALES = {"zh": "zh_Hans_CN", "en": "en_GB"}
CATALOGS = Path(__file__).parent / "locale"
FIRST_DATE = date(1970, 1, 1)
LAST_DAY = (date.max - FIRST_DATE).days
DAY_MS = 86_400_000
MINOR_DIGITS = 2
HUNDREDTH_DIGITS = 2

locale_now: ContextVar[str] = ContextVar("locale_now", default="zh")
"""Language of the request at hand."""
UTC_ZONE = ZoneInfo("UTC")


def _utc() -> ZoneInfo:
    return UTC_ZONE


zone_now: ContextVar[Callable[[], ZoneInfo]] = ContextVar("zone_now", default=_utc)
"""Says the time zone of the stores; asked when a moment is written or read."""


@cache
def catalog(locale: str) -> gettext.NullTranslations:
    """Translations into a language, of all its catalogs; English has none, for it is what is translated."""
    found = gettext.NullTranslations()
    for path in catalog_files(locale):
        compiled = io.BytesIO()
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale))
        compiled.seek(0)
        translations = gettext.GNUTranslations(compiled)
        translations.add_fallback(found)
        found = translations
    return found


def catalog_files(locale: str) -> list[Path]:
    """Catalogs of a language: one per area of the service, so that each stays readable."""
    return sorted((CATALOGS / locale / "LC_MESSAGES").glob("*.po"))


def translate(message: str) -> str:
    """A text in the language of the request."""
    if not message:
        return ""
    locale = locale_now.get()
    return words_now.get().said(locale, catalog(locale).gettext(message))


def translate_many(singular: str, plural: str, count: int) -> str:
    """A text for a number of things."""
    locale = locale_now.get()
    return words_now.get().said(locale, catalog(locale).ngettext(singular, plural, count))


def choose(accepted: str, chosen: str, default: str) -> str:
    """Language of a visitor: what was chosen, else the first that the browser accepts and we have, else the default."""
    if chosen in LOCALES:
        return chosen
    for part in accepted.split(","):
        language = part.split(";")[0].strip().split("-")[0].lower()
        if language in LOCALES:
            return language
    return default


def money(value_minor: int | None, currency: str = "CNY") -> str:
    """An amount with its currency."""
    return "" if value_minor is None else _money(value_minor, currency, BABEL_LOCALES[locale_now.get()])


def points(value_hundredths: int | None) -> str:
    """Points with their decimals."""
    if value_hundredths is None:
        return ""
    return _decimal(value_hundredths, HUNDREDTH_DIGITS, BABEL_LOCALES[locale_now.get()])


def quantity(value_milli: int | None) -> str:
    """A quantity of goods, with as many decimals as it has."""
    if value_milli is None:
        return ""
    return numbers.format_decimal(Decimal(value_milli).scaleb(-3), locale=BABEL_LOCALES[locale_now.get()])


def unit(own: str) -> str:
    """Unit of a product: its own, else what this trade counts in."""
    return own or words_now.get().units[locale_now.get() == "zh"]


def number(value: int | None) -> str:
    """A count."""
    return "" if value is None else _decimal(value, 0, BABEL_LOCALES[locale_now.get()])


def day(business_date: int | None) -> str:
    """A business date (days since 1970-01-01); nothing for 0."""
    return _day(business_date, BABEL_LOCALES[locale_now.get()]) if business_date else ""


def moment(value: int | datetime | None) -> str:
    """A moment on the stores' clocks, given as such or as milliseconds."""
    return "" if not value else local(value).strftime("%Y-%m-%d %H:%M:%S")


def local(value: int | datetime) -> datetime:
    """A moment, given as such or as milliseconds, as the stores' clocks show it."""
    if isinstance(value, int):
        value = datetime.fromtimestamp(value / 1000, UTC)
    return value.astimezone(zone_now.get()())


def at_stores(value: datetime) -> datetime:
    """The moment at which the stores' clocks show a date and time; one that has a zone is kept."""
    return value if value.tzinfo else value.replace(tzinfo=zone_now.get()())


def midnight_ms(business_date: int) -> int:
    """Milliseconds since 1970-01-01 UTC at which a date begins at the stores."""
    if business_date >= LAST_DAY:
        return business_date * DAY_MS
    begins = datetime.combine(FIRST_DATE + timedelta(days=business_date), time(), zone_now.get()())
    return int(begins.timestamp()) * 1000


def zone_name() -> str:
    """What the stores' time zone is called."""
    return zone_now.get()().key


@lru_cache(maxsize=8192)  # a page of rows asks for the same amounts again and again
def _money(value_minor: int, currency: str, locale: str) -> str:
    return str(numbers.format_currency(Decimal(value_minor).scaleb(-MINOR_DIGITS), currency, locale=locale))


@lru_cache(maxsize=8192)
def _decimal(value: int, digits: int, locale: str) -> str:
    shown = "#,##0." + "0" * digits if digits else "#,##0"
    return str(numbers.format_decimal(Decimal(value).scaleb(-digits), shown, locale=locale))


@lru_cache(maxsize=4096)
def _day(business_date: int, locale: str) -> str:
    return str(dates.format_date(FIRST_DATE + timedelta(days=business_date), "medium", locale=locale))
