"""The worlds that traffic plays in: all that a seed settles before the first message."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from switch.protocol.messages import NO_COUNT_LIMIT, NO_LIMIT, CardTypeFlag, Function, Right
from switch.protocol.records import RecordKind, SwitchRecord

from .model import Twin

TERMINALS = range(1, 21)
CARD_TYPES = range(1, 17)
STORES = range(1, 6)
CATEGORIES = range(4)
SERVICES = range(1, 4)
GIFTS = range(1, 5)
ITEMS = range(1, 13)
OPERATORS = range(1, 5)
CARDS = 300
EVERY_RIGHT = int(Right.PAY | Right.CREDIT | Right.CONFIGURE | Right.FOLLOW | Right.CARDS | Right.SECURITY)

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

MAXIMA = {
    "accounts_max": RecordKind.ACCOUNT,
    "cards_max": RecordKind.CARD,
    "terminals_max": RecordKind.TERMINAL,
    "stores_max": RecordKind.STORE,
    "organisations_max": RecordKind.ORGANISATION,
    "purses_max": RecordKind.PURSE,
    "holds_max": RecordKind.HOLD,
    "pending_points_max": RecordKind.PENDING_POINTS,
    "marks_max": RecordKind.MARK,
    "card_limits_max": RecordKind.CARD_LIMIT,
    "rules_max": RecordKind.RULE,
    "prices_max": RecordKind.PRICE,
    "day_closes_max": RecordKind.DAY_CLOSE,
    "media_max": RecordKind.MEDIUM,
    "card_keys_max": RecordKind.CARD_KEY,
    "alarms_max": RecordKind.ALARM,
}
"""Settings that bound a kind of record."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Arguments of the twin and of the engine under test alike."""

    timezone: str
    replay: bool
    cut_over_minutes: int
    accounts_max: int
    cards_max: int
    terminals_max: int
    stores_max: int
    organisations_max: int
    purses_max: int
    holds_max: int
    pending_points_max: int
    marks_max: int
    card_limits_max: int
    rules_max: int
    prices_max: int
    day_closes_max: int
    media_max: int
    card_keys_max: int
    alarms_max: int
    answers_per_date_max: int

    def as_arguments(self) -> dict[str, object]:
        """Keyword arguments for the constructor."""
        return asdict(self)


def switch_record_of(settings: dict[str, Any]) -> bytes | None:
    """What `init` writes of a switch whose business dates begin later than midnight; None for another."""
    cut_over_minutes = int(settings.get("cut_over_minutes", 0))
    if not cut_over_minutes:
        return None
    name = str(settings["timezone"]).encode().ljust(32, b"\0")
    mode = int(bool(settings["replay"]))
    return SwitchRecord(mode=mode, cut_over_minutes=cut_over_minutes, partition=0, timezone=name).encode()


def twin_of(**settings: Any) -> Twin:
    """A twin without any record but its own, from the settings of a switch."""
    maxima = {MAXIMA[name]: settings.pop(name) for name in list(settings) if name in MAXIMA}
    settings["switch_record"] = switch_record_of(settings)
    return Twin(maxima=maxima, **settings)


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
        return twin_of(**self.settings.as_arguments())


def world_of(seed: int) -> World:
    """The world of a seed; eight seeds in a row visit every start, the next eight in the other mode."""
    rng = random.Random(f"world {seed}")
    timezone, start = STARTS[seed % len(STARTS)]
    tight = rng.random() < 0.5
    settings = Settings(
        timezone=timezone,
        replay=bool((seed ^ seed // len(STARTS)) & 1),
        cut_over_minutes=rng.choice([0, 0, 240]),
        accounts_max=rng.choice([180, 230, 1000]),
        cards_max=rng.choice([260, 290, 1000]),
        terminals_max=rng.choice([22, 25]),
        stores_max=rng.choice([6, 9]),
        organisations_max=65_536,
        purses_max=rng.choice([120, 200]) if tight else 2000,
        holds_max=rng.choice([20, 60]) if tight else 2000,
        pending_points_max=rng.choice([20, 60]) if tight else 2000,
        marks_max=rng.choice([300, 900]) if tight else 100_000,
        card_limits_max=rng.choice([20, 40]) if tight else 1000,
        rules_max=rng.choice([80, 120]) if tight else 1000,
        prices_max=rng.choice([14, 30]) if tight else 1000,
        day_closes_max=rng.choice([5, 10]) if tight else 1000,
        media_max=rng.choice([90, 150]) if tight else 1000,
        card_keys_max=rng.choice([4, 12]) if tight else 1000,
        alarms_max=rng.choice([6, 30]) if tight else 1000,
        answers_per_date_max=(900, 2000, 10**6)[seed % 3],
    )
    start_ms = int(datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(timezone)).timestamp()) * 1000
    return World(seed, settings, start_ms, _rights(), _card_numbers(rng))


def _rights() -> dict[int, int]:
    """Most terminals may pay, some more than that, some less; the last one is the operator."""
    pay, credit, configure, follow, cards = Right.PAY, Right.CREDIT, Right.CONFIGURE, Right.FOLLOW, Right.CARDS
    special = {13: int(Right.SECURITY | cards), 16: pay | credit, 17: credit, 18: follow, 19: 0, 20: EVERY_RIGHT}
    by_third = [pay, pay | credit | cards, pay | credit | configure | cards]
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


# --------------------------------------------------------------------------- what operators put


POINTS_FLAGS = (
    CardTypeFlag.ZERO_AMOUNT,
    CardTypeFlag.NET_LINES,
    CardTypeFlag.ROUND_LINES,
    CardTypeFlag.AFTER_DISCOUNT,
    CardTypeFlag.STACK_MAX,
    CardTypeFlag.ROUND_DISCOUNT_LINES,
    CardTypeFlag.FINE_POINTS,
)
RARE_FLAGS = (
    CardTypeFlag.ONE_TIME,
    CardTypeFlag.PIN_REQUIRED,
    CardTypeFlag.STORES_LISTED,
    CardTypeFlag.OUTLETS_LISTED,
    CardTypeFlag.OPERATORS_LISTED,
    CardTypeFlag.NAMED,
    CardTypeFlag.ACTIVATION_REQUIRED,
    CardTypeFlag.NO_RESTORE,
)


def card_type_fields(rng: random.Random, code: int) -> dict[str, Any]:
    """Functions, flags and limits of a card type; the first one knows no limit."""
    flags = sum(int(flag) for flag in POINTS_FLAGS if rng.random() < 0.4)
    flags += sum(int(flag) for flag in RARE_FLAGS if code > 6 and rng.random() < 0.2)
    if code in (8, 12):
        flags |= CardTypeFlag.NO_RESTORE
    if code in (2, 3, 9):
        flags |= CardTypeFlag.NAMED
    functions = Function.PAY | Function.POINTS | Function.DISCOUNT | Function.VISITS
    fields: dict[str, Any] = {
        "code": code,
        "functions": functions if code < 10 else rng.choice([functions, 7, Function.PAY, 5, 3, Function.POINTS]),
        "flags": flags,
        "level": rng.choice([0, 1, 2]),
        "discount_bp": rng.choice([0, 250, 300, 1250, 9_999]),
        "price_class": rng.choice([0, 0, 1]),
        "daily_count_max": rng.choice([*[NO_COUNT_LIMIT] * 5, 60, 40, 12, 3]),
        "recharge_count_max": rng.choice([*[NO_COUNT_LIMIT] * 5, 4, 1]),
        "single_minor_max": rng.choice([*[NO_LIMIT] * 5, 10**12, 200_000, 30_000, 30_000]),
        "daily_minor_max": rng.choice([*[NO_LIMIT] * 5, 2 * 10**12, 500_000, 60_000, 60_000]),
        "daily_points_max_hundredths": rng.choice([NO_LIMIT, NO_LIMIT, 1_000_000, 5_000, 0]),
        "recharge_day_minor_max": rng.choice([*[NO_LIMIT] * 5, 300_000]),
        "ceiling_minor": rng.choice([*[NO_LIMIT] * 5, 1_000_000]),
        "points_percent": rng.choice([0, 1, 33, 100, 100, 150, 9_999, 10_000]),
        "points_per_unit": rng.choice([1, 1, 1, 2, 7, 100]),
        "auto_mode": rng.choice([0, 0, 0, 1, 2, 3]),
        "auto_below_minor": rng.choice([5_000, 50_000]),
        "auto_add_minor": rng.choice([1_000, 10_000]),
        "auto_count_max": rng.choice([1, 3]),
        "auto_from_date": rng.choice([0, 1, 20_000, 20_500]),
        "hold_s_max": rng.choice([0, 3600]),
        "pin_tries_max": rng.choice([2, 3]),
        "validity_days": rng.choice([0, 0, 0, 3]),
        "fees_minor": b"".join(rng.choice([0, 0, 150]).to_bytes(4, "little") for _ in range(12)),
        "fees_from_balance": rng.choice([0, 4095]),
        "fees_waivable": rng.choice([0, 4095]),
        "number_digits": rng.choice([0, 0, 0, 16]),
    }
    if code > 12 and rng.random() < 0.5:
        fields["stores_organisation_id"] = rng.choice([1, 2, 3])
    if code == CARD_TYPES[0]:
        fields |= {"functions": functions, "flags": flags & 127, "daily_count_max": NO_COUNT_LIMIT}
        fields |= {
            "single_minor_max": NO_LIMIT,
            "daily_minor_max": NO_LIMIT,
            "ceiling_minor": NO_LIMIT,
            "validity_days": 0,
        }
        fields |= {"daily_points_max_hundredths": NO_LIMIT, "points_percent": 10_000, "points_per_unit": 100}
        fields |= {"recharge_count_max": NO_COUNT_LIMIT, "recharge_day_minor_max": NO_LIMIT, "auto_mode": 0}
    return fields


def rule_fields(rng: random.Random, today: int) -> dict[str, Any]:
    """One rule that asks for a few things."""
    layer = rng.choice([0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6])
    asks: dict[str, list[int]] = {
        "level": [1, 2],
        "weekdays": [31, 96, rng.randrange(1, 128)],
        "store_id": list(STORES),
        "terminal_id": [2, 5, 8],
        "from_date": [max(0, today - 1), today + 2],
        "until_date": [today + 2, today + 400],
        "from_minute": [480, 720],
        "until_minute": [900, 1440],
        "settlements": [rng.randrange(1, 128)],
        "segments": [1, 2, 6],
        "bill_minor_min": [1_000, 20_000],
        "card_type": list(CARD_TYPES),
    }
    if layer != 6:
        asks |= {
            "department": [1, 2, 3, 4],
            "category": [1, 2, 3, 4, 5],
            "brand": [1, 2, 3],
            "item": list(ITEMS[:4]),
        }
    wanted = rng.sample(sorted(asks), rng.choice([1, 1, 2, 2, 3]))
    fields: dict[str, Any] = {name: rng.choice(asks[name]) for name in wanted}
    if fields.get("until_date", 2**32) < fields.get("from_date", 0):
        del fields["from_date"]
    replaces = [2] if layer in (1, 2) else []
    fields |= {
        "layer": layer,
        "action": 0 if layer == 0 else rng.choice([0, 1, 1, 1, 1, *replaces]),
        "rate": rng.choice([0, 50, 120, 150, 200, 300, 1_000, 10_000]),
        "priority": rng.choice([0, 0, 1, 65_535]),
        "unit_price_minor": rng.choice([0, 99, 450]),
    }
    if layer == 0:
        fields |= {"item": 3, "rate": 0}
    if layer in (2, 6):
        fields["points_category"] = rng.choice([0, 0, 1, 2])
    if layer == 2:
        fields["booking_days"] = rng.choice([0, 0, 0, 1, 3])
    return fields
