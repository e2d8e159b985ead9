"""The worlds that traffic plays in: all that a seed settles before the first message."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from switch.protocol.messages import NO_COUNT_LIMIT, NO_LIMIT, Right

from .model import Twin

TERMINALS = range(1, 21)
CARD_TYPES = range(1, 9)
CARDS = 300
EVERY_RIGHT = int(Right.PAY | Right.CREDIT | Right.CONFIGURE | Right.FOLLOW)

STARTS = (
    # Two or three days before the clocks change somewhere, a leap day, or a new year.
    ("America/New_York", "2026-03-06T17:30"),
    ("America/New_York", "2026-10-30T20:00"),
    ("Europe/Berlin", "2026-03-27T18:00"),
    ("Europe/Berlin", "2026-10-24T06:00"),
    ("Australia/Lord_Howe", "2026-04-03T09:00"),
    ("Asia/Kolkata", "2028-02-27T12:00"),
    ("America/Sao_Paulo", "2026-12-30T21:00"),
    ("UTC", "1970-01-01T00:00"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Arguments of the twin and of the engine under test alike."""

    timezone: str
    replay: bool
    accounts_max: int
    cards_max: int
    terminals_max: int
    stores_max: int
    answers_per_date_max: int

    def as_arguments(self) -> dict[str, object]:
        """Keyword arguments for the constructor."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class World:
    """Where and when a stream of messages happens; the same for the same seed."""

    seed: int
    settings: Settings
    start_ms: int
    rights: dict[int, int]
    """Rights of each terminal that sends."""
    card_numbers: list[int]

    def twin(self) -> Twin:
        """A twin without any record."""
        return Twin(**self.settings.as_arguments())  # type: ignore[arg-type]


def world_of(seed: int) -> World:
    """The world of a seed; eight seeds in a row visit every start, the next eight in the other mode."""
    rng = random.Random(f"world {seed}")
    timezone, start = STARTS[seed % len(STARTS)]
    settings = Settings(
        timezone=timezone,
        replay=bool((seed ^ seed // len(STARTS)) & 1),
        accounts_max=rng.choice([180, 230, 1000]),
        cards_max=rng.choice([260, 290, 1000]),
        terminals_max=rng.choice([22, 25]),
        stores_max=rng.choice([6, 9]),
        answers_per_date_max=(600, 1500, 10**6)[seed % 3],
    )
    start_ms = int(datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(timezone)).timestamp()) * 1000
    return World(seed, settings, start_ms, _rights(), _card_numbers(rng))


def _rights() -> dict[int, int]:
    """Most terminals may pay, some more than that, some less; the last one is the operator."""
    pay, credit, configure, follow = Right.PAY, Right.CREDIT, Right.CONFIGURE, Right.FOLLOW
    special = {16: pay | credit, 17: credit, 18: follow, 19: 0, 20: EVERY_RIGHT}
    by_third = [pay, pay | credit, pay | credit | configure]
    return {terminal_id: int(special.get(terminal_id, by_third[terminal_id % 3])) for terminal_id in TERMINALS}


def _card_numbers(rng: random.Random) -> list[int]:
    """Numbers of 8 to 19 digits, the smallest and the largest among them."""
    numbers = {10**7, 10**19 - 1, 2**63, 2**63 - 1}
    while len(numbers) < CARDS:
        digits = rng.choice([8, 13, 16, 16, 16, 19])
        numbers.add(rng.randrange(10 ** (digits - 1), 10**digits))
    shuffled = sorted(numbers)
    rng.shuffle(shuffled)
    return shuffled


def card_type_fields(rng: random.Random, code: int) -> dict[str, Any]:
    """Flags and limits of a card type; the eight codes begin with the eight combinations of flags."""
    fields = {
        "code": code,
        "flags": (code - 1) % 8,
        "daily_count_max": rng.choice([*[NO_COUNT_LIMIT] * 5, 60, 40, 12, 3, 0]),
        "single_minor_max": rng.choice([*[NO_LIMIT] * 5, 10**12, 200_000, 30_000, 30_000, 0]),
        "daily_minor_max": rng.choice([*[NO_LIMIT] * 5, 2 * 10**12, 500_000, 60_000, 60_000, 0]),
        "daily_points_max_hundredths": rng.choice([NO_LIMIT, NO_LIMIT, 1_000_000, 5_000, 0]),
        "points_percent": rng.choice([0, 1, 33, 100, 100, 150, 9_999, 10_000]),
        "points_per_unit": rng.choice([1, 1, 1, 2, 7, 100]),
    }
    if code == CARD_TYPES[0]:
        fields |= {"daily_count_max": NO_COUNT_LIMIT, "single_minor_max": NO_LIMIT, "daily_minor_max": NO_LIMIT}
        fields |= {"daily_points_max_hundredths": NO_LIMIT, "points_percent": 10_000, "points_per_unit": 100}
    return fields
