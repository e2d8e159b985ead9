"""Numbers that name people: how they are written, checked and masked."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

RESIDENT, PASSPORT, OTHER = 1, 2, 3
"""Kinds of papers (`members.id_kind`)."""
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"
"""GB 11643-1999, from ISO 7064 MOD 11-2: weights of 17 digits, and the check character of each remainder."""
_RESIDENT = re.compile(r"\d{17}[\dX]")
_PAPER = re.compile(r"[0-9A-Z]{4,20}")
_PHONE = re.compile(r"\+?\d{5,20}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]{2,}")
EMAIL_LENGTH_MAX = 120
LAST_DIGITS = 4
YEAR_MIN = 1900


def plain(text: str) -> str:
    """Full-width letters and digits as ordinary ones, without blanks around."""
    return unicodedata.normalize("NFKC", text).strip()


def read_phone(text: str) -> str | None:
    """Digits of a telephone number, without China's prefix; None when it is none."""
    digits = re.sub(r"[\s().\-]", "", plain(text))
    if _PHONE.fullmatch(digits) is None:
        return None
    for prefix in ("+86", "0086"):
        digits = digits.removeprefix(prefix)
    return digits if len(digits) >= 5 else None


def read_email(text: str) -> str | None:
    """An address in small letters; None when it is none."""
    address = plain(text).lower()
    return address if _EMAIL.fullmatch(address) and len(address) <= EMAIL_LENGTH_MAX else None


def read_id_number(kind: int, text: str) -> str | None:
    """A number as papers of a kind have it; None when its form, its date or its check character is wrong."""
    number = re.sub(r"[\s\-]", "", plain(text)).upper()
    if kind != RESIDENT:
        return number if _PAPER.fullmatch(number) else None
    if _RESIDENT.fullmatch(number) is None or number[17] != check_character(number[:17]):
        return None
    return number if birth_date_of(number) else None


def check_character(digits: str) -> str:
    """Last character of a resident identity number, from its 17 digits."""
    return _CHECK[sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True)) % 11]


def birth_date_of(number: str) -> int:
    """YYYYMMDD in a resident identity number; 0 when that is no date."""
    return read_day(number[6:14])


def sex_of(number: str) -> int:
    """1 male, 2 female, by the 17th digit of a resident identity number."""
    return 1 if int(number[16]) % 2 else 2


def read_day(text: str) -> int:
    """YYYYMMDD of a date written 1990-05-31, 1990/5/31, 1990.5.31, 1990年5月31日 or 19900531; 0 when it is none."""
    found = re.fullmatch(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", plain(text)) or re.fullmatch(
        r"(\d{4})(\d{2})(\d{2})", plain(text)
    )
    if found is None:
        return 0
    year, month, day = (int(part) for part in found.groups())
    try:
        date(year, month, day)
    except ValueError:
        return 0
    return year * 10_000 + month * 100 + day if year >= YEAR_MIN else 0


def show_day(value: int) -> str:
    """`1990-05-31` of 19900531; nothing for 0."""
    return f"{value // 10_000:04d}-{value // 100 % 100:02d}-{value % 100:02d}" if value else ""


def age_at(birth_date: int, today: date) -> int | None:
    """Full years; None when the date of birth is unknown."""
    if not birth_date:
        return None
    return today.year - birth_date // 10_000 - ((today.month * 100 + today.day) < birth_date % 10_000)


def mask_phone(phone: str) -> str:
    """`138****5678`; a short number shows its last two digits at most."""
    if len(phone) > 7:
        return phone[:3] + "*" * (len(phone) - 7) + phone[-4:]
    return "*" * max(0, len(phone) - 2) + phone[-2:]


def mask_id_number(number: str) -> str:
    """First and last characters of a number, three and four of a long one."""
    if len(number) > 9:
        return number[:3] + "*" * (len(number) - 7) + number[-4:]
    return number[:1] + "*" * max(0, len(number) - 2) + number[-1:]


def mask_email(address: str) -> str:
    """`z***@example.com`."""
    name, _, domain = address.partition("@")
    return f"{name[:1]}***@{domain}"
