"""The rule language of a replay, read strictly: what a key means here, or why it is refused.

A rule file says how a year of purchases is to be answered: overlay (reversals,
duplicates, blocked cards), what a bill comes to, how points are counted, card
types.  A key that is not in the language is refused by name, because a misspelt
rule that is quietly ignored gives wrong totals; so is a value that the switch
cannot hold.  What goods, campaigns and periods mean to the switch says
`rule_set`.
"""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from switch.protocol.limits import (
    BALANCE_MINOR_MAX,
    POINTS_PER_UNIT_MAX,
    POINTS_PERCENT_MAX,
)
from switch.protocol.messages import NO_COUNT_LIMIT, NO_LIMIT, AutoRecharge

from .rule_sections import Refused, RulesError, Section

CARD_TYPES_MAX = 99
"""The card number has two digits for the card type."""
TIMEZONE_BYTES_MAX = 32
"""What the journal's first entry holds."""
REVERSAL_DELAY_S_MAX = 2 * 86_400
"""A reversal must come on the purchase's business date or the next one; the plan checks each one to the day."""
POINTS_DAILY_CAP_MAX = NO_LIMIT // 100
HUNDREDTHS_PER_POINT = 100
RATE_PERCENT_MAX = 10_000
"""Largest multiplier of points in a rule of the switch."""
DISCOUNT_BP_MAX = 10_000
AUTO_COUNT_MAX = 2**16 - 1
"""Automatic recharges of one card on one date that the switch can count."""
MINUTES_PER_HOUR = 60
HOURS_PER_DAY = 24
WEEKDAYS = range(1, 8)


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is laid over the year, chosen by modulus; a modulus of 0 switches it off."""

    reversal_mod: int
    reversal_residue: int
    reversal_delay_s: int
    duplicate_mod: int
    duplicate_residue: int
    blocked_mod: int
    blocked_residue: int
    blocked_from: datetime.date

    def is_reversed(self, basket_id: int) -> bool:
        """Whether a purchase is reversed `reversal_delay_s` later."""
        return self.reversal_mod != 0 and basket_id % self.reversal_mod == self.reversal_residue

    def is_duplicated(self, basket_id: int) -> bool:
        """Whether a purchase is sent a second time, byte for byte."""
        return self.duplicate_mod != 0 and basket_id % self.duplicate_mod == self.duplicate_residue

    def is_blocked(self, household_id: int) -> bool:
        """Whether a household's card is blocked from `blocked_from` on."""
        return self.blocked_mod != 0 and household_id % self.blocked_mod == self.blocked_residue


@dataclass(frozen=True, slots=True)
class Period:
    """Points on certain dates, weekdays, hours, in certain stores and departments; `None` is for all."""

    from_date: datetime.date
    until_date: datetime.date
    weekdays: frozenset[int] | None
    """ISO weekdays, 1 is Monday."""
    minutes: tuple[int, int]
    """First local minute of the day, and first one after it."""
    stores: frozenset[int] | None
    departments: frozenset[str] | None
    percent: int

    @property
    def is_empty(self) -> bool:
        """Whether no moment, store or department fits."""
        nowhere = self.stores == frozenset() or self.departments == frozenset()
        never = self.from_date > self.until_date or self.minutes[0] >= self.minutes[1] or self.weekdays == frozenset()
        return nowhere or never


@dataclass(frozen=True, slots=True)
class PointRules:
    """Multipliers of points in percent, by name of what is bought and by who buys when."""

    departments: dict[str, int]
    categories: dict[str, int]
    """Win over departments."""
    brands: dict[str, int]
    campaigns: dict[str, int]
    """By type of campaign."""
    periods: tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class Recharge:
    """When a card is recharged by itself."""

    mode: AutoRecharge
    below_minor: int = 0
    add_minor: int = 0
    count_max: int = 0
    """Per date; not MONTHLY."""


@dataclass(frozen=True, slots=True)
class CardTypeRule:
    """One card type and the households that get it."""

    code: str
    ages: frozenset[str]
    incomes: frozenset[str]
    buckets: tuple[int, int] | None
    opening_balance_minor: int
    daily_limit_minor: int
    daily_count_max: int
    points_percent: int
    """Points per main unit in percent, as the switch gets it."""
    points_per_unit: int
    """Multiplier of `points_percent`, as the switch gets it."""
    discount_bp: int
    discount_excluded: frozenset[str]
    """Departments without discount."""
    forbidden_departments: frozenset[str]
    forbidden_categories: frozenset[str]
    recharge: Recharge


@dataclass(frozen=True, slots=True)
class Rules:
    """A whole rule file."""

    name: str
    timezone: ZoneInfo
    overlay: Overlay
    due_is_paid: bool
    """Bills come to what was paid; otherwise to the sales value."""
    zero_is_approved: bool
    """A bill of nothing is approved, and one below zero counts as nothing."""
    discounts_per_line: bool
    """The switch's discount is rounded down once per line; otherwise once per basket."""
    rounds_per_line: bool
    """Points are rounded down once per line; otherwise once per basket."""
    nets_lines: bool
    counts_after_discount: bool
    """The base of points is what is left after the switch's discount."""
    takes_highest: bool
    """Of the multipliers the highest counts (0 if one is 0); otherwise they are multiplied."""
    daily_points_max_hundredths: int
    points: PointRules
    card_types: tuple[CardTypeRule, ...]


def read_rules(path: Path) -> Rules:
    """Rules from a TOML file; `RulesError` names what is wrong and where."""
    try:
        content = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise RulesError(f"{path}: expected a rule file, got {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise RulesError(f"{path}: expected UTF-8 text, got other bytes at offset {error.start}") from error
    try:
        tables = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{path}: expected TOML, got: {error}") from error
    return parse_rules(tables, str(path))


def parse_rules(tables: dict[str, Any], where: str = "rules") -> Rules:
    """Rules from parsed TOML; `where` begins every error."""
    refused = Refused()
    top = Section(where, "", tables, refused)
    meta, overlay_section = top.section("meta"), top.section("overlay")
    amount, points = top.section("amount"), top.section("points")
    card_type_sections = top.sections("card_type")
    top.finish()

    name = meta.text("name")
    timezone = _timezone(meta)
    meta.finish()

    overlay = _overlay(overlay_section)

    due = amount.choice("due", ("paid", "sales"))
    zero = amount.choice("zero", ("decline", "approve"))
    discount_rounding = amount.choice("discount_rounding", ("basket", "line"))
    amount.finish()

    per_unit = points.number("per_unit", 0, POINTS_PER_UNIT_MAX * POINTS_PERCENT_MAX)
    rounding = points.choice("rounding", ("basket", "line"))
    base = points.choice("base", ("before_discount", "after_discount"))
    negative_lines = points.choice("negative_lines", ("clamp", "net"))
    stacking = points.choice("stacking", ("product", "max"))
    daily_cap = points.number("daily_cap", 0, POINTS_DAILY_CAP_MAX, default=0)
    departments, categories, brands, campaigns = (
        points.numbers_by_text(key, 0, RATE_PERCENT_MAX) for key in ("department", "category", "brand", "campaign")
    )
    periods = tuple(_period(section) for section in points.sections("period", default=[]))
    points.finish()

    card_types = tuple(_card_type(section, per_unit) for section in card_type_sections)
    refused.raise_if_any(where)
    if base == "after_discount" and discount_rounding != "line":
        raise RulesError(
            f"{where}: points.base = after_discount needs amount.discount_rounding = line, got {discount_rounding!r}"
        )
    if negative_lines == "net" and rounding != "basket":
        raise RulesError(f"{where}: points.negative_lines = net needs points.rounding = basket, got {rounding!r}")
    if not 1 <= len(card_type_sections) <= CARD_TYPES_MAX:
        raise RulesError(
            f"{where}: card_type: expected 1 to {CARD_TYPES_MAX} [[card_type]] sections, got {len(card_type_sections)}"
        )
    return Rules(
        name=name,
        timezone=timezone,
        overlay=overlay,
        due_is_paid=due == "paid",
        zero_is_approved=zero == "approve",
        discounts_per_line=discount_rounding == "line",
        rounds_per_line=rounding == "line",
        nets_lines=negative_lines == "net",
        counts_after_discount=base == "after_discount",
        takes_highest=stacking == "max",
        daily_points_max_hundredths=daily_cap * HUNDREDTHS_PER_POINT if daily_cap else NO_LIMIT,
        points=PointRules(departments, categories, brands, campaigns, periods),
        card_types=card_types,
    )


def _timezone(meta: Section) -> ZoneInfo:
    name = meta.text("timezone")
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise meta.error("timezone", "an IANA time zone such as America/New_York", name) from error
    if len(name.encode()) > TIMEZONE_BYTES_MAX:
        raise meta.error("timezone", f"a name of at most {TIMEZONE_BYTES_MAX} bytes", name)
    return zone


def _overlay(section: Section) -> Overlay:
    def modulus(kind: str) -> tuple[int, int]:
        mod = section.number(f"{kind}_mod", 0, NO_LIMIT, default=0)
        return mod, section.number(f"{kind}_residue", 0, NO_LIMIT, default=None if mod else 0)

    reversal_mod, reversal_residue = modulus("reversal")
    delay_s = section.number("reversal_delay_s", 0, REVERSAL_DELAY_S_MAX, default=None if reversal_mod else 0)
    duplicate_mod, duplicate_residue = modulus("duplicate")
    blocked_mod, blocked_residue = modulus("blocked")
    blocked_from = section.date("blocked_from", default=None if blocked_mod else datetime.date.max)
    section.finish()
    return Overlay(
        reversal_mod,
        reversal_residue,
        delay_s,
        duplicate_mod,
        duplicate_residue,
        blocked_mod,
        blocked_residue,
        blocked_from,
    )


def _card_type(section: Section, per_unit: int) -> CardTypeRule:
    code = section.text("code")
    if any(c in code for c in ',"\r\n'):
        raise section.error("code", "text without commas, quotes and line ends (it becomes a CSV column)", code)
    ages, incomes = section.texts("ages"), section.texts("incomes")
    buckets = section.number_pair("buckets")
    opening_balance = section.number("opening_balance", 0, BALANCE_MINOR_MAX)
    daily_limit = section.number("daily_limit", 0, NO_LIMIT)
    daily_count = section.number("daily_count", 0, NO_COUNT_LIMIT)
    percent = section.number("points_pct", 0, POINTS_PER_UNIT_MAX * POINTS_PERCENT_MAX)
    rate = _points_rate(section, per_unit, percent)
    discount_bp = section.number("discount_bp", 0, DISCOUNT_BP_MAX, default=0)
    discount_excluded = section.texts("discount_excluded")
    forbidden = section.texts("forbidden_departments"), section.texts("forbidden_categories")
    recharge = _recharge(section)
    section.finish()
    return CardTypeRule(
        code,
        ages,
        incomes,
        buckets,
        opening_balance,
        daily_limit,
        daily_count,
        *rate,
        discount_bp,
        discount_excluded,
        *forbidden,
        recharge,
    )


def _period(section: Section) -> Period:
    from_date, until_date = section.date("from"), section.date("to")
    weekdays = section.numbers("weekdays").intersection(WEEKDAYS) if section.has("weekdays") else None
    from_hour, until_hour = section.number_pair("hours") or (0, HOURS_PER_DAY)
    from_minute = max(from_hour, 0) * MINUTES_PER_HOUR
    until_minute = min(until_hour, HOURS_PER_DAY) * MINUTES_PER_HOUR
    stores = section.numbers("stores") if section.has("stores") else None
    departments = section.texts("departments") if section.has("departments") else None
    percent = section.number("pct", 0, RATE_PERCENT_MAX)
    section.finish()
    return Period(from_date, until_date, weekdays, (from_minute, until_minute), stores, departments, percent)


def _points_rate(section: Section, per_unit: int, percent: int) -> tuple[int, int]:
    """The switch's points_percent and points_per_unit: only their product counts, and both have bounds of their own."""
    rate = per_unit * percent
    if per_unit == 0 or percent == 0:
        return 0, 1
    for unit in (per_unit, *range(1, POINTS_PER_UNIT_MAX + 1)):
        if unit <= POINTS_PER_UNIT_MAX and rate % unit == 0 and rate // unit <= POINTS_PERCENT_MAX:
            return rate // unit, unit
    expected = f"points.per_unit · points_pct that the switch can hold ({POINTS_PER_UNIT_MAX} · {POINTS_PERCENT_MAX})"
    raise section.error("points_pct", expected, f"{per_unit} · {percent}")


def _recharge(section: Section) -> Recharge:
    recharge = section.section("recharge")
    mode = AutoRecharge[recharge.choice("mode", ("none", "threshold", "shortfall", "monthly")).upper()]
    is_daily = mode in (AutoRecharge.THRESHOLD, AutoRecharge.SHORTFALL)
    # What a mode does not read may be there, and says nothing.
    below_minor = recharge.number("below", 0, NO_LIMIT, default=None if mode is AutoRecharge.THRESHOLD else 0)
    least_minor = 0 if mode is AutoRecharge.NONE else 1
    add_minor = recharge.number("add", least_minor, BALANCE_MINOR_MAX, default=None if least_minor else 0)
    # A threshold is looked at once per purchase, so no card comes near the most that the switch counts.
    count_max = recharge.number(
        "max_per_day",
        0,
        AUTO_COUNT_MAX if mode is AutoRecharge.SHORTFALL else NO_LIMIT,
        default=None if is_daily else 0,
    )
    recharge.finish()
    if mode is AutoRecharge.NONE:
        return Recharge(mode)
    if not is_daily:
        return Recharge(mode, add_minor=add_minor)
    return Recharge(mode, below_minor, add_minor, min(count_max, AUTO_COUNT_MAX))
