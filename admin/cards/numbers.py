"""Ranges of card numbers: how a batch counts, and how many numbers are cut into messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from switch.protocol.limits import RANGE_CARDS_MAX


@dataclass(frozen=True, slots=True)
class Run:
    """Numbers that one message of the switch can name."""

    first: int
    count: int
    with_check_digit: bool
    """Whether they count without their last digit, which is the check digit of the rest."""

    def numbers(self) -> Iterator[int]:
        """Each of them."""
        return following(self.first, self.count, with_check_digit=self.with_check_digit)

    @property
    def last(self) -> int:
        """The last of them."""
        if self.with_check_digit:
            return with_digit(self.first // 10 + self.count - 1)
        return self.first + self.count - 1


def luhn_digit(payload: int) -> int:
    """Check digit to write behind a number (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(str(payload))):
        value = int(digit) * (2 - place % 2)
        total += value - 9 * (value > 9)
    return -total % 10


def with_digit(payload: int) -> int:
    """A number with its check digit."""
    return payload * 10 + luhn_digit(payload)


def following(first: int, count: int, *, with_check_digit: bool) -> Iterator[int]:
    """`count` numbers from `first` on."""
    if with_check_digit:
        return (with_digit(first // 10 + n) for n in range(count))
    return iter(range(first, first + count))


def runs(numbers: Iterable[int], length_max: int = RANGE_CARDS_MAX) -> Iterator[Run]:
    """Numbers in their order, cut into runs: those that follow each other share one, of either way of counting."""
    first, count, step = 0, 0, None
    last = 0
    for number in numbers:
        fits = False
        if count and count < length_max:
            ways = _ways(last, number)
            fits = bool(ways) if step is None else step in ways
            if fits and step is None:
                step = ways[0]
        if fits:
            count += 1
        else:
            if count:
                yield Run(first, count, bool(step))
            first, count, step = number, 1, None
        last = number
    if count:
        yield Run(first, count, bool(step))


def _ways(before: int, number: int) -> tuple[bool, ...]:
    """Ways of counting by which `number` comes right after `before`: without, with check digit."""
    if number == before + 1:
        return (False,)
    payload = before // 10
    if number // 10 == payload + 1 and with_digit(payload) == before and with_digit(payload + 1) == number:
        return (True,)
    return ()
