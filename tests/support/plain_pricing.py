"""The price of a bill and what it earns, in the plainest way: docs/decision.md, section 5, word by word."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from switch.protocol.messages import (
    NO_LIMIT,
    BillLine,
    CardTypeFlag,
    Function,
    LineFlag,
    LineResult,
    RuleAction,
    RuleLayer,
)
from switch.protocol.records import PointsCategoryRecord, PriceRecord, RuleRecord

APPROVED, AMOUNT, PRICE_UNKNOWN = 0, 13, 73
TODAY = 20_000  # 2024-10-04, a Friday
FRIDAY = 1 << 4
MILLION_MILLION = 10**12
BILL_POINTS_MAX = 10**15
NO_PRICE = -1
PURSE_MAX = 4 * 10**18
POINTS_LAYERS = (RuleLayer.POINTS_ITEM, RuleLayer.POINTS_BRAND, RuleLayer.POINTS_PERIOD, RuleLayer.POINTS_CAMPAIGN)


@dataclass(frozen=True)
class Sale:
    """A bill, whose it is, and what the tables hold."""

    lines: tuple[BillLine, ...] = ()
    amount_minor: int = 0
    functions: int = int(Function.PAY | Function.POINTS | Function.DISCOUNT)
    flags: int = 0
    discount_bp: int = 0
    points_percent: int = 100
    points_per_unit: int = 1
    daily_points_max_hundredths: int = NO_LIMIT
    price_class: int = 0
    type_code: int = 1
    level: int = 0
    segments: int = 0
    store_id: int = 5
    terminal_id: int = 9
    settlement: int = 0
    minute: int = 600
    date: int = TODAY
    is_priced: bool = False
    discounts: bool = True
    shared_minor: int = 0
    day_points: int = 0
    points_hundredths: int = 0
    rules: tuple[RuleRecord, ...] = ()
    categories: tuple[PointsCategoryRecord, ...] = ()
    prices: tuple[PriceRecord, ...] = ()
    purses: dict[int, int] = field(default_factory=dict)
    pending: dict[tuple[int, int], int] = field(default_factory=dict)


class Priced(NamedTuple):
    """What becomes of a bill."""

    code: int
    bill_minor: int = 0
    discount_minor: int = 0
    is_forbidden: bool = False
    points_hundredths: int = 0
    results: tuple[LineResult, ...] = ()


def as_dict(struct: Any) -> dict[str, Any]:
    """Fields of a packed struct by name."""
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


# ------------------------------------------------------------------------ the text, word by word


def half_up(value: Fraction) -> int:
    """The nearest whole number, halves upwards."""
    return floor(value + Fraction(1, 2))


def shares(exact: list[Fraction], total: int) -> list[int]:
    """Round down; one more in order of falling remainder, lower line first, until they sum to the total."""
    rounded = [floor(x) for x in exact]
    order = sorted(range(len(exact)), key=lambda i: (-(exact[i] - rounded[i]), i))
    for i in order[: total - sum(rounded)]:
        rounded[i] += 1
    return rounded


def matches(rule: RuleRecord, sale: Sale, line: BillLine, bill_minor: int) -> bool:
    """Whether every field that is not 0 fits."""
    asked = [
        (rule.card_type, rule.card_type == sale.type_code),
        (rule.level, rule.level == sale.level),
        (rule.item, rule.item == line.item),
        (rule.department, rule.department == line.department),
        (rule.category, rule.category == line.category),
        (rule.brand, rule.brand == line.brand),
        (rule.store_id, rule.store_id == sale.store_id),
        (rule.terminal_id, rule.terminal_id == sale.terminal_id),
        (rule.from_date, rule.from_date <= sale.date),
        (rule.until_date, sale.date <= rule.until_date),
        (rule.weekdays, rule.weekdays >> (sale.date + 3) % 7 & 1),
        (rule.from_minute, rule.from_minute <= sale.minute),
        (rule.until_minute, sale.minute < rule.until_minute),
        (rule.settlements, rule.settlements >> sale.settlement & 1),
        (rule.segments, rule.segments & sale.segments),
        (rule.bill_minor_min, rule.bill_minor_min <= bill_minor),
    ]
    return all(holds for is_asked, holds in asked if is_asked)


def goodness(rule: RuleRecord) -> tuple[Any, ...]:
    """Of two rules of a layer the greater one is better."""
    specificity = 0
    if rule.layer in (RuleLayer.POINTS_ITEM, RuleLayer.POINTS_RECHARGE):
        named = (rule.card_type, rule.level, rule.item, rule.category, rule.department, rule.brand)
        period = rule.from_date or rule.until_date or rule.weekdays or rule.from_minute or rule.until_minute
        specificity = sum(weight for weight, name in zip((64, 32, 16, 8, 4, 2), named, strict=True) if name)
        specificity += bool(period)
    return (rule.action == RuleAction.EXCLUDE, specificity, rule.priority, rule.rate, -rule.rule)


def best(rules: list[RuleRecord], layer: RuleLayer) -> RuleRecord | None:
    """The best rule of a layer."""
    return max((rule for rule in rules if rule.layer == layer), key=goodness, default=None)


def unit_price(record: PriceRecord | None, date: int) -> int:
    """Price of a record on a date."""
    if record is None:
        return NO_PRICE
    has_next = record.next_from_date and record.next_from_date <= date
    return record.next_unit_price_minor if has_next else record.unit_price_minor


def naive(sale: Sale) -> Priced:
    """Price a bill."""
    lines = list(sale.lines) or [BillLine(amount_minor=sale.amount_minor)]
    units = [0] * len(lines)
    if abs(sale.amount_minor) > MILLION_MILLION:
        return Priced(AMOUNT)
    bill = sale.amount_minor
    if sale.is_priced:
        if not sale.lines or any(line.amount_minor for line in lines):
            return Priced(AMOUNT)
        listed = {(record.item, record.price_class): record for record in sale.prices}
        for i, line in enumerate(lines):
            unit_prices = [unit_price(listed.get((line.item, of)), sale.date) for of in (sale.price_class, 0)]
            if unit_prices == [NO_PRICE, NO_PRICE]:
                return Priced(PRICE_UNKNOWN)
            units[i] = next(unit for unit in unit_prices if unit != NO_PRICE)
            amount = half_up(Fraction(units[i] * line.quantity_milli, 1000))
            lines[i] = BillLine(**{**as_dict(line), "amount_minor": amount})
        bill = sum(line.amount_minor for line in lines)
    if sum(abs(line.amount_minor) for line in lines) > MILLION_MILLION:
        return Priced(AMOUNT)

    matching = [[rule for rule in sale.rules if matches(rule, sale, line, bill)] for line in lines]
    is_forbidden = any(
        line.amount_minor > 0 and best(rules, RuleLayer.FORBID) for line, rules in zip(lines, matching, strict=True)
    )

    off = [Fraction(0)] * len(lines)
    if sale.discounts and sale.functions & Function.DISCOUNT:
        off = [naive_discount(sale, line, rules) for line, rules in zip(lines, matching, strict=True)]
    if sale.flags & CardTypeFlag.ROUND_DISCOUNT_LINES:
        discounts = [floor(x) for x in off]
    else:
        discounts = shares(off, floor(sum(off)))

    points = [0] * len(lines)
    item_rules = [best(rules, RuleLayer.POINTS_ITEM) for rules in matching]
    if sale.functions & Function.POINTS:
        points = naive_points(sale, lines, matching, discounts)
        points = naive_caps(sale, points, [rule.points_category if rule else 0 for rule in item_rules])

    results = []
    for i, item in enumerate(item_rules):
        of_points = (item.points_category, item.booking_days) if points[i] and item else (0, 0)
        results.append(
            LineResult(
                points_hundredths=points[i],
                discount_minor=discounts[i],
                unit_price_minor=units[i],
                points_category=of_points[0],
                booking_days=of_points[1],
            )
        )
    if not sale.lines or not (any(points) or any(discounts) or sale.is_priced):
        results = []
    return Priced(APPROVED, bill, sum(discounts), is_forbidden, sum(points), tuple(results))


def naive_discount(sale: Sale, line: BillLine, rules: list[RuleRecord]) -> Fraction:
    """What comes off a line, exactly."""
    if line.amount_minor <= 0 or line.flags & LineFlag.NO_DISCOUNT:
        return Fraction(0)
    rules = [rule for rule in rules if rule.layer == RuleLayer.DISCOUNT]
    if any(rule.action == RuleAction.EXCLUDE for rule in rules):
        return Fraction(0)
    offers = [Fraction(line.amount_minor * sale.discount_bp, 10_000)]
    for rule in rules:
        if rule.action == RuleAction.MULTIPLY:
            offers.append(Fraction(line.amount_minor * rule.rate, 10_000))
        elif line.quantity_milli > 0:
            fixed = half_up(Fraction(rule.unit_price_minor * line.quantity_milli, 1000))
            offers.append(Fraction(max(0, line.amount_minor - fixed)))
    return max(offers)


def naive_points(
    sale: Sale, lines: list[BillLine], matching: list[list[RuleRecord]], discounts: list[int]
) -> list[int]:
    """Points of each line in hundredths, before the caps."""
    weights = [max(0, line.amount_minor - off) for line, off in zip(lines, discounts, strict=True)]
    shared = [0] * len(lines)
    if sum(weights) and sale.shared_minor:
        shared = shares([Fraction(sale.shared_minor * w, sum(weights)) for w in weights], sale.shared_minor)
    enabled = {0: True, **{record.category: bool(record.flags & 1) for record in sale.categories}}
    exact = []
    for i, (line, rules) in enumerate(zip(lines, matching, strict=True)):
        base = line.amount_minor - shared[i]
        if sale.flags & CardTypeFlag.AFTER_DISCOUNT:
            base -= discounts[i]
        nets = sale.flags & CardTypeFlag.NET_LINES and not sale.flags & CardTypeFlag.ROUND_LINES
        base = base if nets else max(0, base)
        found = [best(rules, layer) for layer in POINTS_LAYERS]
        item = found[0]
        rates = [rule.rate if rule else 100 for rule in found]
        if (
            line.flags & LineFlag.NO_POINTS
            or any(rule and rule.action == RuleAction.EXCLUDE for rule in found)
            or not enabled.get(item.points_category if item else 0, False)
        ):
            factor = Fraction(0)
        elif item and item.action == RuleAction.REPLACE:
            factor = Fraction(item.rate, 100)
        elif sale.flags & CardTypeFlag.STACK_MAX:
            factor = Fraction(sale.points_percent, 100) * (Fraction(max(rates), 100) if all(rates) else 0)
        else:
            factor = Fraction(sale.points_percent, 100)
            for rate in rates:
                factor *= Fraction(rate, 100)
        points = Fraction(base, 100) * sale.points_per_unit * factor
        exact.append(max(Fraction(-(10**16)), min(Fraction(10**16), points)))

    size = 1 if sale.flags & CardTypeFlag.FINE_POINTS else 100
    grains = [x * 100 / size for x in exact]
    if sale.flags & CardTypeFlag.ROUND_LINES:
        return [floor(max(Fraction(0), x)) * size for x in grains]
    if sum(grains) < 0:
        return [0] * len(lines)
    return [x * size for x in shares(grains, floor(sum(grains)))]


def naive_caps(sale: Sale, points: list[int], categories: list[int]) -> list[int]:
    """What is left of them."""

    def take(excess: int, concerned: list[int]) -> None:
        for i in reversed(concerned):
            taken = max(0, min(excess, points[i]))
            points[i] -= taken
            excess -= taken

    points = list(points)
    cap = min(max(0, sale.daily_points_max_hundredths - sale.day_points), BILL_POINTS_MAX)
    if sale.daily_points_max_hundredths == NO_LIMIT:
        cap = BILL_POINTS_MAX
    take(max(0, sum(points) - cap), list(range(len(points))))
    for category in range(64):
        concerned = [i for i in range(len(points)) if categories[i] == category]
        there = sale.points_hundredths if category == 0 else sale.purses.get(category, 0)
        there += sum(amount for (of, _), amount in sale.pending.items() if of == category)
        take(max(0, there + sum(points[i] for i in concerned) - PURSE_MAX), concerned)
    return points if sum(points) >= 0 else [0] * len(points)
