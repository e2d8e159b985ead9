"""Rows that people paste: a card or a number, then values, as they come out of a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from admin.documents.kind import Planning
from admin.errors import RefusedError
from switch.protocol.card_terms import CardStatus
from switch.protocol.messages import CardFlag

ROWS_MAX = 10_000
"""Of one pasted list: what fits its field (`AREA_LENGTH_MAX`), and what a person can still check."""
HUNDREDTHS = 2
THOUSANDTHS = 3
_ = str
NOT_A_CARD = _("This is not a card number.")
NOT_AN_AMOUNT = _("The amount cannot be read.")
TWICE = _("This card stands in the list twice.")
NOT_ACTIVE = _("Its state does not allow this.")
LISTED = _("The card is blacklisted.")
NOT_SEEN = _("There is no such card in your part of the organisation.")


def rows_of(text: str) -> Iterator[tuple[str, list[str]]]:
    """(line, its parts) of every line that says something: parted by tabs, else by commas, else by blanks."""
    count = 0
    for line in text.splitlines():
        kept = line.strip()
        if not kept:
            continue
        count += 1
        if count > ROWS_MAX:
            raise RefusedError("A list has at most {count} lines. Make several documents.", count=ROWS_MAX)
        parts = kept.split("\t") if "\t" in kept else re.split(r"[,;，；]", kept)
        if len(parts) == 1:
            parts = kept.split()
        yield kept, [part.strip() for part in parts]


def scaled(text: str, digits: int = HUNDREDTHS) -> int | None:
    """`12.50` as 1250; None for what is no such number."""
    try:
        value = Decimal(text.replace(",", "").replace("，", "").lstrip("¥￥")).scaleb(digits)
    except ArithmeticError:
        return None
    return int(value) if value == value.to_integral_value() and abs(value) < 2**62 else None


def plain(hundredths: int) -> str:
    """1250 as `12.50`, for what is read beside a currency or a unit."""
    return f"{Decimal(hundredths).scaleb(-HUNDREDTHS):f}"


def whole(text: str) -> int | None:
    """A whole number of up to 19 digits; None for anything else."""
    return int(text) if re.fullmatch(r"\d{1,19}", text) and int(text) < 2**63 else None


def card_rows(planning: Planning, text: str) -> Iterator[tuple[Row[Any], list[str]]]:
    """Cards that may be used, with the values behind them; every other line is skipped, and it says why."""
    seen: set[int] = set()
    for line, parts in rows_of(text):
        number = planning.number(parts[0])
        if number is None:
            planning.skip(line, NOT_A_CARD)
            continue
        shown = planning.visitor.card_number(number)
        if number in seen:
            planning.skip(shown, TWICE)
            continue
        seen.add(number)
        card = planning.find_card(number)
        if card is None:
            planning.skip(shown, NOT_SEEN)
        elif is_usable(planning, card):
            yield card, parts[1:]


def is_usable(planning: Planning, card: Row[Any]) -> bool:
    """Whether a card may have something done with its value; skipped, and why, where not."""
    shown = planning.visitor.card_number(card.card_number)
    if CardStatus(card.status) is not CardStatus.ACTIVE:
        planning.skip(shown, NOT_ACTIVE)
    elif card.flags & CardFlag.BLACKLISTED:
        planning.skip(shown, LISTED)
    else:
        return True
    return False


def usable_card(planning: Planning, number: int, *, is_presented: bool = False) -> Row[Any]:
    """A card that may have something done with its value; `RefusedError` where not.

    With `is_presented` of any part of the organisation, as a till would take it.
    """
    card = planning.presented_card(number) if is_presented else planning.card(number)
    if CardStatus(card.status) is not CardStatus.ACTIVE:
        raise RefusedError("The card's state does not allow this.")
    if card.flags & CardFlag.BLACKLISTED:
        raise RefusedError("The card is blacklisted.")
    return card
