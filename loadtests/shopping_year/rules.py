"""The rule language of a replay, read strictly: what a key means here, or why it is refused.

A rule file says how a year of purchases is to be answered: overlay (reversals,
duplicates, blocked cards), what a bill comes to, how points are counted, card
types.  Keys of the language that protocol 1 cannot carry out yet are refused by
name; so is every key that is not in the language, because a misspelt rule that
is quietly ignored gives wrong totals.  A key that cannot be carried out yet is
accepted when its value asks for nothing (`discount_bp = 0`).
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
from switch.protocol.messages import NO_COUNT_LIMIT, NO_LIMIT

from .rule_sections import Refused, RulesError, Section

CARD_TYPES_MAX = 99
"""The card number has two digits for the card type."""
TIMEZONE_BYTES_MAX = 32
"""What the journal's first entry holds."""
REVERSAL_DELAY_S_MAX = 2 * 86_400
"""A reversal must come on the purchase's business date or the next one; the plan checks each one to the day."""
POINTS_DAILY_CAP_MAX = NO_LIMIT // 100
HUNDREDTHS_PER_POINT = 100


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
    rounds_per_line: bool
    nets_lines: bool
    daily_points_max_hundredths: int
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
    points.choice("stacking", ("product", "max"))  # with one factor both say the same
    daily_cap = points.number("daily_cap", 0, POINTS_DAILY_CAP_MAX, default=0)
    for key in ("department", "category", "brand", "campaign", "period"):
        points.not_yet(key)
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
        rounds_per_line=rounding == "line",
        nets_lines=negative_lines == "net",
        daily_points_max_hundredths=daily_cap * HUNDREDTHS_PER_POINT if daily_cap else NO_LIMIT,
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
    buckets = section.bucket_range("buckets")
    opening_balance = section.number("opening_balance", 0, BALANCE_MINOR_MAX)
    daily_limit = section.number("daily_limit", 0, NO_LIMIT)
    daily_count = section.number("daily_count", 0, NO_COUNT_LIMIT)
    percent = section.number("points_pct", 0, POINTS_PER_UNIT_MAX * POINTS_PERCENT_MAX)
    rate = _points_rate(section, per_unit, percent)
    for key in ("discount_bp", "discount_excluded", "forbidden_departments", "forbidden_categories"):
        section.not_yet(key)
    _recharge(section)
    section.finish()
    return CardTypeRule(code, ages, incomes, buckets, opening_balance, daily_limit, daily_count, *rate)


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


def _recharge(section: Section) -> None:
    recharge = section.section("recharge")
    mode = recharge.choice("mode", ("none", "threshold", "shortfall", "monthly"))
    if mode != "none":
        recharge.unsupported(f'mode = "{mode}"')
    for key in ("below", "add", "max_per_day"):  # say nothing while there is no recharge
        recharge.number(key, 0, NO_LIMIT, default=0)
    recharge.finish()
