"""Finding cards by the beginning of their number, while it is typed, with nothing but the index on the number."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_

from switch.protocol.limits import CARD_NUMBER_MAX, CARD_NUMBER_MIN

from .access import SHOWN_AT_START
from .database import SIGN, to_signed

DIGITS_MIN, DIGITS_MAX = len(str(CARD_NUMBER_MIN)), len(str(CARD_NUMBER_MAX))
Span = tuple[int, int]


def digits_of(text: str) -> str:
    """The digits of what was typed or scanned; spaces and hyphens are left out, anything else gives nothing."""
    digits = text.replace(" ", "").replace("-", "")
    return digits if digits.isascii() and digits.isdecimal() else ""


def number_spans(prefix: str) -> list[Span]:
    """(first, last) numbers that begin with some digits, one span per length; none crosses 2^63.

    There the order turns, since SQL has no unsigned numbers.
    """
    spans: list[Span] = []
    if not prefix or prefix[0] == "0" or len(prefix) > DIGITS_MAX:
        return spans
    for digits in range(max(len(prefix), DIGITS_MIN), DIGITS_MAX + 1):
        width = 10 ** (digits - len(prefix))
        first, last = int(prefix) * width, int(prefix) * width + width - 1
        if first < SIGN <= last:
            spans += [(first, SIGN - 1), (SIGN, last)]
        else:
            spans.append((first, last))
    return spans


def between(column: Any, first: int, last: int) -> list[ColumnElement[bool]]:
    """Conditions for numbers from `first` to `last`; none when they are the other way round."""
    if first > last:
        return []
    spans = [(first, SIGN - 1), (SIGN, last)] if first < SIGN <= last else [(first, last)]
    return [and_(column >= low, column <= high) for low, high in spans]


def conditions(column: Any, text: str, *, sees_unmasked: bool) -> list[ColumnElement[bool]]:
    """Conditions for numbers that begin with what was typed, in the order of the column; none: nothing can be found.

    Ask them one after the other until there are enough rows: each is one walk along the index, while a database that
    gets them in one question joined by OR reads the whole table.

    Whoever sees masked numbers may search by what is shown of them, and by a whole number that is at hand; with digits
    between, one could find out the hidden ones by trying.
    """
    digits = digits_of(text)
    if not digits or len(digits) > DIGITS_MAX:
        return []
    if not sees_unmasked and len(digits) > SHOWN_AT_START:
        return [column == int(digits)] if len(digits) >= DIGITS_MIN else []
    spans = sorted(number_spans(digits), key=lambda span: to_signed(span[0]))
    return [and_(column >= first, column <= last) for first, last in spans]
