"""Card numbers as people and logs may see them: the first six digits and the last four, never the middle."""

from __future__ import annotations

SHOWN_FIRST_COUNT = 6
SHOWN_LAST_COUNT = 4
MASKED_DIGITS_MIN = 3
"""With fewer hidden digits a number could be guessed from its check digit; such numbers are hidden whole."""


def mask(card_number: int | str) -> str:
    """`9999010000014533` → `999901******4533`.

    Whatever is too short, or not a number of digits, is hidden whole: a mask
    that shows what it does not understand is no mask.
    """
    text = str(card_number)
    hidden_count = len(text) - SHOWN_FIRST_COUNT - SHOWN_LAST_COUNT
    if hidden_count < MASKED_DIGITS_MIN or not (text.isascii() and text.isdigit()):
        return "*" * len(text)
    return text[:SHOWN_FIRST_COUNT] + "*" * hidden_count + text[-SHOWN_LAST_COUNT:]
