"""The check digit of card numbers (ISO/IEC 7812-1, annex B)."""

from __future__ import annotations


def luhn_digit(digits: str) -> int:
    """Check digit to write behind these digits."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - place % 2)
        total += value - 9 * (value > 9)
    return -total % 10


def luhn_holds(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it; false for anything but two or more digits."""
    if len(digits) < 2 or not (digits.isascii() and digits.isdigit()):
        return False
    return int(digits[-1]) == luhn_digit(digits[:-1])
