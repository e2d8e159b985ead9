"""Custom rules for tests: what a shop might write, and what it had better not."""

import os
import time
from collections.abc import Iterable

from terminals.bills import Bill, Card, Clock

SATURDAY = 6


def one_more(bill: Bill, card: Card, clock: Clock) -> Iterable[tuple[int, int]]:
    """One point for each line, in category 0."""
    yield 0, 100 * len(bill.lines)


def weekend_fruit(bill: Bill, card: Card, clock: Clock) -> Iterable[tuple[int, int]]:
    """On Saturdays, for members: category 3, a point for each main unit of department 7; and one for coming."""
    if clock.date.isoweekday() == SATURDAY and card.member:
        fruit_minor = sum(line.amount_minor - line.discount_minor for line in bill.lines if line.department == 7)
        return [(3, fruit_minor), (0, 50), (0, 50)]
    return []


def talkative(bill: Bill, card: Card, clock: Clock) -> Iterable[tuple[int, int]]:
    """Prints, which must not disturb anything."""
    print("a rule may talk", flush=True)
    return [(0, 100)]


def failing(bill: Bill, card: Card, clock: Clock) -> Iterable[tuple[int, int]]:
    """Fails for odd amounts, with a card number in its words."""
    if bill.amount_minor % 2:
        raise ValueError(f"card {card.card_number} paid an odd amount")
    return [(0, 100)]


def slow(bill: Bill, card: Card, clock: Clock) -> Iterable[tuple[int, int]]:
    """Never returns for odd amounts."""
    while bill.amount_minor % 2:
        time.sleep(1)
    return [(0, 100)]


def dying(bill: Bill, card: Card, clock: Clock) -> Iterable[tuple[int, int]]:
    """Ends its process for odd amounts."""
    if bill.amount_minor % 2:
        os._exit(3)
    return [(0, 100)]


def hungry(bill: Bill, card: Card, clock: Clock) -> Iterable[tuple[int, int]]:
    """Wants more memory than there is for it."""
    return [(0, len(bytearray(1 << 40)))]


def fractional(bill: Bill, card: Card, clock: Clock) -> Iterable[tuple[int, int]]:
    """Grants half a hundredth."""
    return [(0, 0.5)]  # type: ignore[list-item]


def category_64(bill: Bill, card: Card, clock: Clock) -> Iterable[tuple[int, int]]:
    """Names a category that cannot be."""
    return [(64, 100)]


def too_much(bill: Bill, card: Card, clock: Clock) -> Iterable[tuple[int, int]]:
    """Grants more than any bill can earn, in two halves."""
    return [(0, 6 * 10**14), (0, 6 * 10**14)]


def beyond_64_bits(bill: Bill, card: Card, clock: Clock) -> Iterable[tuple[int, int]]:
    """Grants a number that no message can carry."""
    return [(0, 1 << 70)]


NO_RULE = 42
