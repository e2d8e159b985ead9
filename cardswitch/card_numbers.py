"""Which cards a command is about: numbers, a range, or a list; and how they are cut into messages."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Group, Parameter

from switch.protocol.limits import CARD_NUMBER_MAX, RANGE_CARDS_MAX
from terminals.luhn import luhn_digit

from .output import CommandError
from .units import CardNumber, parse_card_number

CARDS_MAX = 1_000_000
"""Most cards of one command: a range that is longer by a slip of the finger stops here."""

SELECTION = Group("Which cards", sort_key=10)


@Parameter(name="*")
@dataclass(frozen=True)
class Selection:
    """Options of a command that takes one card, a range of cards, or a list."""

    count: Annotated[int | None, Parameter(group=SELECTION)] = None
    """A range: so many cards, beginning with the number that is named."""
    to: Annotated[CardNumber | None, Parameter(group=SELECTION)] = None
    """A range: up to this number, beginning with the number that is named."""
    file: Annotated[Path | None, Parameter(group=SELECTION, allow_leading_hyphen=True)] = None
    """A list: a file with one card number a line (-: standard input); # begins a remark."""
    check_digit: Annotated[bool, Parameter(negative="", group=SELECTION)] = False
    """The last digit of the numbers of a range is their Luhn digit; the range counts without it."""


DEFAULT = Selection()


class Card(NamedTuple):
    """One card of a command, and the card that goes with it (replace, correct), or 0."""

    number: int
    related: int = 0


class Piece(NamedTuple):
    """Cards that fit one message: they follow each other."""

    first: int
    card_count: int
    related: int = 0


def successor(number: int, *, check_digit: bool) -> int:
    """Next number of a range, as the switch counts it."""
    if not check_digit:
        return number + 1
    stem = number // 10 + 1
    return stem * 10 + luhn_digit(str(stem))


def select(numbers: tuple[int, ...], selection: Selection, *, pairs: bool = False) -> list[Card]:
    """Cards of a command; `CommandError` when it names none, or names them in two ways at a time."""
    is_range = selection.count is not None or selection.to is not None
    if selection.count is not None and selection.to is not None:
        raise CommandError("range: expected --count or --to, got both; leave one out")
    if selection.file is not None:
        if numbers or is_range:
            raise CommandError("cards: expected numbers or --file, got both; leave one out")
        cards = list(_read(selection.file, pairs=pairs))
    elif is_range:
        if len(numbers) != 1 or pairs:
            raise CommandError(f"range: expected its first number, got {len(numbers)} numbers; name one")
        cards = [Card(number) for number in _range(numbers[0], selection)]
    elif pairs:
        if len(numbers) != 2:
            raise CommandError(f"cards: expected two numbers, old and new, got {len(numbers)}; or name a --file")
        cards = [Card(*numbers)]
    else:
        cards = [Card(number) for number in numbers]
    if not cards:
        raise CommandError("cards: expected a card number, a range (--count, --to) or --file, got none")
    if len({card.number for card in cards}) != len(cards):
        raise CommandError("cards: expected each number once, got some twice; remove them from the list")
    return cards


def _range(first: int, selection: Selection) -> list[int]:
    if selection.check_digit and first % 10 != luhn_digit(str(first // 10)):
        raise CommandError(
            f"--check-digit: expected a first number that ends in its Luhn digit {luhn_digit(str(first // 10))},"
            f" got {first % 10}; correct the number"
        )
    last = selection.to if selection.to is not None else CARD_NUMBER_MAX
    if last < first:
        raise CommandError("--to: expected a number at or above the first one, got one below; exchange them")
    wanted = CARDS_MAX + 1 if selection.count is None else selection.count
    if wanted < 1:
        raise CommandError(f"--count: expected 1 or more, got {wanted}")
    numbers: list[int] = []
    number = first
    while number <= last and len(numbers) < min(wanted, CARDS_MAX + 1):
        numbers.append(number)
        number = successor(number, check_digit=selection.check_digit)
    if len(numbers) > CARDS_MAX:
        raise CommandError(f"range: expected at most {CARDS_MAX:,} cards, got more; cut it into several commands")
    if selection.count is not None and len(numbers) < selection.count:
        raise CommandError("range: expected numbers of at most 19 digits, got more; begin lower")
    return numbers


def _read(path: Path, *, pairs: bool) -> Iterator[Card]:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: expected a readable text file, got {error}; check the path") from None
    problems = []
    for line_number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").replace(";", " ").split()
        if not words:
            continue
        try:
            if len(words) != (2 if pairs else 1):
                raise ValueError(f"expected {'two numbers, old and new' if pairs else 'one number'}, got {len(words)}")
            yield Card(*map(parse_card_number, words))
        except ValueError as error:
            problems.append(f"line {line_number}: {error}")
    if problems:
        raise CommandError(f"{path}: nothing was sent: " + "; ".join(problems))


def pieces(cards: Iterable[Card], *, check_digit: bool = False) -> Iterator[Piece]:
    """Cut cards into messages: those that follow each other share one, up to 64."""
    first, last, count = 0, 0, 0
    for card in cards:
        if card.related:
            if count:
                yield Piece(first, count)
            yield Piece(card.number, 1, card.related)
            count = 0
        elif count and card.number == successor(last, check_digit=check_digit) and count < RANGE_CARDS_MAX:
            count, last = count + 1, card.number
        else:
            if count:
                yield Piece(first, count)
            first = last = card.number
            count = 1
    if count:
        yield Piece(first, count)
