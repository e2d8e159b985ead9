"""The price of a bill and what it earns, against the text of docs/decision.md section 5 done in the plainest way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch._pricing_tool import price, price_recharge
from switch._rules import Rules
from switch._tables import Tables
from switch.protocol.messages import (
    NO_LIMIT,
    BillLine,
    CardTypeFlag,
    Function,
    LineFlag,
    LineResult,
    RuleAction,
    RuleLayer,
    RulesetState,
)
from switch.protocol.records import (
    AccountRecord,
    CardTypeRecord,
    PendingPointsRecord,
    PointsCategoryRecord,
    PriceRecord,
    PurseRecord,
    RuleRecord,
    RulesetRecord,
)

APPROVED, AMOUNT, PRICE_UNKNOWN = 0, 13, 73
TODAY = 20_000  # 2024-10-04, a Friday
FRIDAY = 1 << 4
MILLION_MILLION = 10**12
BILL_POINTS_MAX = 10**15
PURSE_MAX = 4 * 10**18
POINTS_LAYERS = (RuleLayer.POINTS_ITEM, RuleLayer.POINTS_BRAND, RuleLayer.POINTS_PERIOD, RuleLayer.POINTS_CAMPAIGN)
ACCOUNT = 77


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


# ------------------------------------------------------------------------ the text, word by word


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def shares(exact: list[Fraction], total: int) -> list[int]:
    """Round down; one more in order of falling remainder, lower line first, until they sum to the total."""
    rounded = [floor(x) for x in exact]
    order = sorted(range(len(exact)), key=lambda i: (-(exact[i] - rounded[i]), i))
    for i in order[: total - sum(rounded)]:
        rounded[i] += 1
    return rounded


def matches(rule: RuleRecord, sale: Sale, line: BillLine, bill_minor: int) -> bool:
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
    specificity = 0
    if rule.layer in (RuleLayer.POINTS_ITEM, RuleLayer.POINTS_RECHARGE):
        named = (rule.card_type, rule.level, rule.item, rule.category, rule.department, rule.brand)
        period = rule.from_date or rule.until_date or rule.weekdays or rule.from_minute or rule.until_minute
        specificity = sum(weight for weight, name in zip((64, 32, 16, 8, 4, 2), named, strict=True) if name)
        specificity += bool(period)
    return (rule.action == RuleAction.EXCLUDE, specificity, rule.priority, rule.rate, -rule.rule)


def best(rules: list[RuleRecord], layer: RuleLayer) -> RuleRecord | None:
    return max((rule for rule in rules if rule.layer == layer), key=goodness, default=None)


def naive(sale: Sale) -> Priced:
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
            record = listed.get((line.item, sale.price_class)) or listed.get((line.item, 0))
            if record is None:
                return Priced(PRICE_UNKNOWN)
            is_next = record.next_from_date and record.next_from_date <= sale.date
            units[i] = record.next_unit_price_minor if is_next else record.unit_price_minor
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

    results = tuple(
        LineResult(
            points_hundredths=points[i],
            discount_minor=discounts[i],
            unit_price_minor=units[i],
            points_category=item_rules[i].points_category if points[i] and item_rules[i] else 0,
            booking_days=item_rules[i].booking_days if points[i] and item_rules[i] else 0,
        )
        for i in range(len(lines))
    )
    if not sale.lines or not (any(points) or any(discounts) or sale.is_priced):
        results = ()
    return Priced(APPROVED, bill, sum(discounts), is_forbidden, sum(points), results)


def naive_discount(sale: Sale, line: BillLine, rules: list[RuleRecord]) -> Fraction:
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


# ------------------------------------------------------------------------ the real one


def as_dict(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def rule(number: int, layer: RuleLayer, action: RuleAction = RuleAction.MULTIPLY, **fields: int) -> RuleRecord:
    return RuleRecord(ruleset=1, rule=number, layer=layer, action=action, **fields)


def line(amount_minor: int = 0, **fields: int) -> BillLine:
    return BillLine(amount_minor=amount_minor, **fields)


def type_of(sale: Sale) -> bytes:
    names = ("functions", "flags", "discount_bp", "points_percent", "points_per_unit", "daily_points_max_hundredths")
    chosen = {name: getattr(sale, name) for name in (*names, "price_class")}
    return CardTypeRecord(code=sale.type_code, key=sale.type_code << 32, **chosen).encode()


def account_of(sale: Sale) -> bytes:
    categories = {category for category, _ in sale.pending}
    return AccountRecord(
        account_number=ACCOUNT,
        points_hundredths=sale.points_hundredths,
        pending_categories=sum(1 << category for category in categories),
        pending_from_date=min((date for _, date in sale.pending), default=0),
    ).encode()


def world_of(sale: Sale) -> tuple[Tables, Rules]:
    tables = Tables(10, 10, 10, hash_key=bytes(16))
    active = RulesetRecord(state=RulesetState.ACTIVE, ruleset=1, rule_count=len(sale.rules))
    tables.load(record.encode() for record in (active, *sale.rules, *sale.categories, *sale.prices))
    tables.load(
        PurseRecord(account_number=ACCOUNT, purse=1 << 32 | category, amount=amount).encode()
        for category, amount in sale.purses.items()
    )
    tables.load(
        PendingPointsRecord(
            account_number=ACCOUNT, category=category, booking_date=date, amount_hundredths=amount
        ).encode()
        for (category, date), amount in sale.pending.items()
    )
    rules = Rules(tables)
    rules.compile_all()
    return tables, rules


def circumstances(sale: Sale) -> dict[str, int]:
    names = ("date", "minute", "level", "segments", "store_id", "terminal_id", "settlement")
    return {name: getattr(sale, name) for name in names}


def priced(sale: Sale) -> Priced:
    tables, rules = world_of(sale)
    code, bill, discount, is_forbidden, points, results = price(
        tables,
        rules,
        type_of(sale),
        account_of(sale),
        sale.amount_minor,
        b"".join(line.encode() for line in sale.lines),
        discounts=sale.discounts,
        shared_minor=sale.shared_minor,
        day_points=sale.day_points,
        is_priced=sale.is_priced,
        **circumstances(sale),
    )
    width = LineResult.width_bytes()
    decoded = tuple(LineResult.decode(results[at : at + width]) for at in range(0, len(results), width))
    return Priced(code, bill, discount, is_forbidden, points, decoded)


# ------------------------------------------------------------------------ property: both agree

numbers = st.sampled_from([0, 0, 1, 2])
layers = st.sampled_from([*RuleLayer])
rates = st.one_of(st.sampled_from([0, 1, 50, 100, 150, 200, 333]), st.integers(0, 10_000))
amounts = st.one_of(
    st.integers(-2_000, 5_000),
    st.sampled_from([0, 1, -1, 99, 100, 10**12, -(10**12), 10**11]),
    st.integers(-(10**9), 10**9),
)


@st.composite
def any_rule(draw: st.DrawFn, number: int) -> RuleRecord:
    layer = draw(layers)
    actions = [RuleAction.EXCLUDE, RuleAction.MULTIPLY, RuleAction.MULTIPLY, RuleAction.MULTIPLY]
    if layer == RuleLayer.FORBID:
        actions = [RuleAction.EXCLUDE]
    if layer in (RuleLayer.DISCOUNT, RuleLayer.POINTS_ITEM):
        actions.append(RuleAction.REPLACE)
    fields: dict[str, int] = {}
    for name in draw(st.sets(st.sampled_from(sorted(ASKED)), max_size=3)):
        fields |= draw(ASKED[name])
    if layer != RuleLayer.POINTS_RECHARGE:
        goods = ("item", "category", "department", "brand")
        fields |= {name: draw(numbers) for name in goods}
    return rule(
        number,
        layer,
        draw(st.sampled_from(actions)),
        card_type=draw(st.sampled_from([0, 0, 1, 2])),
        level=draw(st.sampled_from([0, 0, 3])),
        rate=draw(rates),
        unit_price_minor=draw(st.one_of(st.integers(0, 2_000), st.sampled_from([2**62, 10**11]))),
        priority=draw(st.sampled_from([0, 0, 1, 65_535])),
        points_category=draw(st.sampled_from([0, 0, 0, 1, 63, 7])),
        booking_days=draw(st.sampled_from([0, 0, 5, 31])),
        **fields,
    )


ASKED = {
    "store": st.fixed_dictionaries({"store_id": st.sampled_from([5, 6])}),
    "terminal": st.fixed_dictionaries({"terminal_id": st.sampled_from([9, 8])}),
    "from": st.fixed_dictionaries({"from_date": st.sampled_from([TODAY - 1, TODAY, TODAY + 1])}),
    "until": st.fixed_dictionaries({"until_date": st.sampled_from([TODAY - 1, TODAY, TODAY + 1])}),
    "weekdays": st.fixed_dictionaries({"weekdays": st.sampled_from([FRIDAY, 127 - FRIDAY, 127])}),
    "minutes": st.sampled_from(
        [{"from_minute": 600}, {"from_minute": 601}, {"until_minute": 600}, {"from_minute": 599, "until_minute": 601}]
    ),
    "settlement": st.fixed_dictionaries({"settlements": st.sampled_from([1, 2, 64])}),
    "segments": st.fixed_dictionaries({"segments": st.sampled_from([1, 6, 2**63])}),
    "bill": st.fixed_dictionaries({"bill_minor_min": st.sampled_from([1, 1_000, 10**9])}),
}


@st.composite
def any_line(draw: st.DrawFn, is_priced: bool) -> BillLine:
    return line(
        0 if is_priced and draw(st.integers(0, 30)) else draw(amounts),
        item=draw(numbers),
        category=draw(numbers),
        department=draw(numbers),
        brand=draw(numbers),
        quantity_milli=draw(st.sampled_from([0, 1, 500, 1_000, 1_500, 3_333, -1_000, -500, 2**31 - 1])),
        flags=draw(st.sampled_from([0, 0, 0, 1, 2, 3])),
    )


@st.composite
def any_sale(draw: st.DrawFn) -> Sale:
    is_priced = draw(st.sampled_from([False, False, False, True]))
    lines = tuple(draw(st.lists(any_line(is_priced), max_size=6)))
    total = sum(line.amount_minor for line in lines)
    unit_prices = st.sampled_from([0, 1, 99, 1_234, 2**32 - 1])
    return Sale(
        lines=lines,
        amount_minor=draw(st.one_of(st.just(max(-(10**12), min(10**12, total))), amounts)),
        functions=draw(st.sampled_from([14, 14, 14, 14, 2, 6, 10])),
        flags=draw(st.integers(0, 127)),
        discount_bp=draw(st.sampled_from([0, 0, 1, 333, 500, 10_000])),
        points_percent=draw(st.sampled_from([100, 100, 0, 33, 10_000])),
        points_per_unit=draw(st.sampled_from([1, 1, 3, 100])),
        daily_points_max_hundredths=draw(st.sampled_from([NO_LIMIT, NO_LIMIT, 0, 1_050, 10**16])),
        price_class=draw(st.sampled_from([0, 4])),
        level=draw(st.sampled_from([0, 3])),
        segments=draw(st.sampled_from([0, 2, 2**63])),
        settlement=draw(st.sampled_from([0, 1, 6])),
        minute=draw(st.sampled_from([600, 0, 1_439])),
        is_priced=is_priced,
        discounts=draw(st.booleans()),
        shared_minor=draw(st.sampled_from([0, 0, 1, 7, 1_000, 10**12])),
        day_points=draw(st.sampled_from([0, 0, 500, 10**15, -200])),
        points_hundredths=draw(st.sampled_from([0, 0, -500, PURSE_MAX - 300, PURSE_MAX])),
        rules=tuple(draw(any_rule(number)) for number in range(1, draw(st.integers(0, 12)) + 1)),
        categories=tuple(
            PointsCategoryRecord(category=category, flags=draw(st.sampled_from([0, 1, 1, 1])))
            for category in draw(st.sets(st.sampled_from([0, 1, 63])))
        ),
        prices=tuple(
            PriceRecord(
                item=item,
                price_class=price_class,
                unit_price_minor=draw(unit_prices),
                next_from_date=draw(st.sampled_from([0, TODAY, TODAY + 1])),
                next_unit_price_minor=draw(unit_prices),
            )
            for item, price_class in draw(st.sets(st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from([0, 4]))))
        ),
        purses={1: draw(st.sampled_from([0, PURSE_MAX - 100]))} if draw(st.booleans()) else {},
        pending=draw(
            st.sampled_from(
                [{}, {(0, TODAY + 1): PURSE_MAX - 50}, {(1, TODAY + 2): 60, (1, TODAY + 31): 100, (63, TODAY + 3): 1}]
            )
        ),
    )


@given(any_sale())
def test_bills_are_priced_as_the_text_says(sale):
    assert priced(sale) == naive(sale)


@given(st.integers(1, 2**32), st.integers(200, 255), any_sale(), st.randoms(use_true_random=False))
def test_long_bills_are_shared_out_as_the_text_says(most, count, sale, random):
    lines = tuple(line(random.randint(-most // 50, most), item=random.randint(0, 2)) for _ in range(count))
    sale = replace(sale, lines=lines, is_priced=False, shared_minor=random.choice([0, most * count // 3]))

    assert priced(sale) == naive(sale)


@given(any_sale(), st.integers(1, 10**12))
def test_recharges_earn_as_the_text_says(sale, amount_minor):
    tables, rules = world_of(sale)
    bill = replace(sale, amount_minor=amount_minor, lines=())
    found = [r for r in sale.rules if r.layer == RuleLayer.POINTS_RECHARGE]
    the_best = best(
        [r for r in found if matches(r, bill, BillLine(amount_minor=0), amount_minor)], RuleLayer.POINTS_RECHARGE
    )
    expected = (0, 0)
    enabled = {0: True, **{record.category: bool(record.flags & 1) for record in sale.categories}}
    if (
        sale.functions & Function.POINTS
        and the_best
        and the_best.action != RuleAction.EXCLUDE
        and enabled.get(the_best.points_category, False)
    ):
        size = 1 if sale.flags & CardTypeFlag.FINE_POINTS else 100
        points = Fraction(amount_minor * the_best.rate * sale.points_per_unit, 100 * 100)
        grained = floor(points * 100 / size) * size
        expected = naive_caps(sale, [grained], [the_best.points_category])[0], the_best.points_category

    earned = price_recharge(
        tables, rules, type_of(sale), account_of(sale), amount_minor, day_points=sale.day_points, **circumstances(sale)
    )

    assert earned == expected


# ------------------------------------------------------------------------ by hand

ITEM, BRAND, PERIOD, CAMPAIGN = POINTS_LAYERS
EXCLUDE, MULTIPLY, REPLACE = RuleAction
NET, PER_LINE, AFTER, MAX = (
    CardTypeFlag.NET_LINES,
    CardTypeFlag.ROUND_LINES,
    CardTypeFlag.AFTER_DISCOUNT,
    CardTypeFlag.STACK_MAX,
)
STACK = (
    rule(1, ITEM, department=1, rate=200),
    rule(2, BRAND, brand=1, rate=150),
    rule(3, PERIOD, weekdays=FRIDAY, rate=300),
    rule(4, CAMPAIGN, segments=1, rate=50),
)
IN_ALL = {"department": 1, "brand": 1}


@pytest.mark.parametrize(
    ("case", "sale", "discount_minor", "points_hundredths"),
    [
        ("one point per main unit, rounded once", Sale(lines=(line(199), line(199))), 0, [200, 100]),
        ("rounded per line", Sale(lines=(line(199), line(199)), flags=PER_LINE), 0, [100, 100]),
        ("a line below zero counts as zero", Sale(lines=(line(500), line(-250))), 0, [500, 0]),
        # 5.00 - 2.50 = 2.50: 2 points. 5 and floor(-2.5) = -3 sum to 2.
        ("or takes off", Sale(lines=(line(500), line(-250)), flags=NET), 0, [500, -300]),
        ("in fine points", Sale(lines=(line(150), line(-25)), flags=NET | CardTypeFlag.FINE_POINTS), 0, [150, -25]),
        ("not per line", Sale(lines=(line(500), line(-250)), flags=NET | PER_LINE), 0, [500, 0]),
        ("below zero in all", Sale(lines=(line(100), line(-250)), flags=NET), 0, [0, 0]),
        # 10.00 x 2 x 1.5 x 3 x 0.5 = 45
        ("product", Sale(lines=(line(1_000, **IN_ALL),), rules=STACK, segments=1), 0, [4_500]),
        ("highest", Sale(lines=(line(1_000, **IN_ALL),), rules=STACK, segments=1, flags=MAX), 0, [3_000]),
        ("what does not match counts once", Sale(lines=(line(1_000),), rules=STACK, segments=2), 0, [3_000]),
        (
            "highest, but nothing if one is nothing",
            Sale(lines=(line(1_000, brand=1),), rules=(*STACK[2:], rule(2, BRAND, brand=1, rate=0)), flags=MAX),
            0,
            [0],
        ),
        # 10% of 19.99 + 0.05 = 2.004, so 2.00: 1.99 and 0.01 (the larger remainder is the first line's 0.9 -> 2.00 + 0)
        ("discount of the bill", Sale(lines=(line(1_999), line(5)), discount_bp=1_000), 200, [2_000, 0]),
        (
            "discount per line",
            Sale(lines=(line(1_999), line(5)), discount_bp=1_000, flags=CardTypeFlag.ROUND_DISCOUNT_LINES),
            199,
            [2_000, 0],
        ),
        ("points before discount", Sale(lines=(line(1_000),), discount_bp=1_000), 100, [1_000]),
        ("points after discount", Sale(lines=(line(1_000),), discount_bp=1_000, flags=AFTER), 100, [900]),
        (
            "no discount on lines below zero or excluded ones",
            Sale(
                lines=(line(1_000), line(-500), line(700, department=3), line(100, flags=LineFlag.NO_DISCOUNT)),
                discount_bp=500,
                rules=(rule(1, RuleLayer.DISCOUNT, EXCLUDE, department=3),),
            ),
            50,
            [1_000, 0, 700, 100],
        ),
        # 2 pieces at 3.00 instead of 4.00: 2.00 off, more than 20 percent.
        (
            "a fixed price where it takes off more",
            Sale(
                lines=(line(800, item=1, quantity_milli=2_000), line(310, item=1, quantity_milli=1_000)),
                discount_bp=2_000,
                rules=(rule(1, RuleLayer.DISCOUNT, REPLACE, item=1, unit_price_minor=300),),
            ),
            262,
            [800, 300],
        ),
        (
            "daily cap, from the last line",
            Sale(lines=(line(500), line(300)), daily_points_max_hundredths=600),
            0,
            [500, 100],
        ),
        ("what is left of it", Sale(lines=(line(500),), daily_points_max_hundredths=600, day_points=550), 0, [50]),
        # 10.00, of which 0.03 are rounded off, 0.02 and 0.01: 5.98 and 3.99 are 9 points.
        ("what is rounded off earns nothing", Sale(lines=(line(600), line(400)), shared_minor=3), 0, [500, 400]),
        (
            "type and item before type and class before type and period before type before level",
            Sale(
                lines=tuple(line(100, item=item, category=2) for item in (1, 2)),
                level=3,
                rules=(
                    rule(1, ITEM, card_type=1, rate=200),
                    rule(2, ITEM, card_type=1, item=1, rate=300),
                    rule(3, ITEM, card_type=1, category=2, rate=400),
                    rule(4, ITEM, card_type=1, weekdays=FRIDAY, rate=500, priority=9),
                    rule(5, ITEM, level=3, item=1, rate=600, priority=9),
                ),
            ),
            0,
            [300, 400],
        ),
        (
            "by campaign the best for the customer, unless the other one is preferred",
            Sale(lines=(line(100),), rules=(rule(1, CAMPAIGN, rate=300), rule(2, CAMPAIGN, card_type=1, rate=200))),
            0,
            [300],
        ),
        (
            "a rate that replaces all others",
            Sale(
                lines=(line(100, item=1),),
                points_percent=500,
                points_per_unit=2,
                rules=(rule(1, ITEM, REPLACE, item=1, rate=150), rule(2, CAMPAIGN, rate=900)),
                flags=CardTypeFlag.FINE_POINTS,
            ),
            0,
            [300],
        ),
        (
            "but not an exclusion",
            Sale(
                lines=(line(100, item=1),),
                rules=(rule(1, ITEM, REPLACE, item=1, rate=150), rule(2, CAMPAIGN, EXCLUDE)),
            ),
            0,
            [0],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_prices_by_hand(case, sale, discount_minor, points_hundredths):
    sale = replace(sale, amount_minor=sum(line.amount_minor for line in sale.lines))

    found = priced(sale)

    earned = [result.points_hundredths for result in found.results] or [0] * len(sale.lines)
    assert (found.code, found.discount_minor, earned) == (APPROVED, discount_minor, points_hundredths)
    assert found.points_hundredths == sum(points_hundredths)
    assert naive(sale) == found


def test_item_rules_name_category_and_booking():
    category = PointsCategoryRecord(category=4, flags=1)
    sale = Sale(
        lines=(line(300, item=1), line(300, item=2), line(300, item=1, flags=LineFlag.NO_POINTS)),
        rules=(rule(1, ITEM, item=1, rate=100, points_category=4, booking_days=7),),
        categories=(category,),
    )

    results = priced(sale).results

    assert [(r.points_hundredths, r.points_category, r.booking_days) for r in results] == [
        (300, 4, 7),
        (300, 0, 0),
        (0, 0, 0),
    ]


@pytest.mark.parametrize("categories", [(), (PointsCategoryRecord(category=4, flags=0),)])
def test_a_category_that_is_not_there_or_off_earns_nothing(categories):
    sale = Sale(
        lines=(line(150, item=1), line(150)),
        rules=(rule(1, ITEM, item=1, rate=100, points_category=4),),
        categories=categories,
    )

    assert [r.points_hundredths for r in priced(sale).results] == [0, 100]


def test_forbidden_goods_are_forbidden_unless_they_are_given_back():
    rules = (rule(1, RuleLayer.FORBID, EXCLUDE, department=8, card_type=1),)

    assert priced(Sale(lines=(line(1, department=8),), rules=rules)).is_forbidden
    assert not priced(Sale(lines=(line(-1, department=8), line(5)), rules=rules)).is_forbidden
    assert not priced(Sale(lines=(line(1, department=8),), rules=rules, type_code=2)).is_forbidden


def test_prices_come_from_the_list():
    prices = (
        PriceRecord(item=1, price_class=0, unit_price_minor=199, next_from_date=TODAY, next_unit_price_minor=209),
        PriceRecord(item=1, price_class=4, unit_price_minor=180),
        PriceRecord(item=2, price_class=0, unit_price_minor=333),
    )
    lines = (line(item=1, quantity_milli=1_000), line(item=2, quantity_milli=1_500), line(item=2, quantity_milli=-500))
    sale = Sale(lines=lines, prices=prices, is_priced=True)

    # 3.33 x 1.5 = 4.995, 3.33 x -0.5 = -1.665: halves go upwards
    assert priced(sale).bill_minor == 209 + 500 - 166
    assert priced(replace(sale, price_class=4)).bill_minor == 180 + 500 - 166
    assert [r.unit_price_minor for r in priced(replace(sale, price_class=4)).results] == [180, 333, 333]
    assert priced(replace(sale, lines=(*lines, line(item=3)))).code == PRICE_UNKNOWN
    assert priced(replace(sale, lines=(*lines, line(1, item=3)))).code == AMOUNT
    assert priced(replace(sale, lines=())).code == AMOUNT


@pytest.mark.parametrize(
    ("lines", "amount_minor", "code"),
    [
        ((), 10**12, APPROVED),
        ((), 10**12 + 1, AMOUNT),
        ((), -(2**63), AMOUNT),
        ((line(10**12),), 0, APPROVED),
        ((line(10**12), line(-1)), 0, AMOUNT),
        ((line(2**63 - 1), line(2**63 - 1), line(3)), 0, AMOUNT),
        ((line(-(2**63)),), 0, AMOUNT),
    ],
)
def test_amounts_are_bounded(lines, amount_minor, code):
    assert priced(Sale(lines=lines, amount_minor=amount_minor)).code == code


def test_a_bill_without_lines_is_one_line_and_has_no_results():
    found = priced(Sale(amount_minor=1_000, discount_bp=500, rules=(rule(1, CAMPAIGN, rate=200),)))

    assert found == Priced(APPROVED, 1_000, 50, False, 2_000, ())


@pytest.mark.parametrize(
    ("fields", "there"),
    [({"points_hundredths": PURSE_MAX - 120}, 120), ({"pending": {(0, TODAY + 9): PURSE_MAX - 70}}, 70)],
)
def test_a_purse_that_is_full_takes_no_more(fields, there):
    sale = Sale(lines=(line(100), line(100)), **fields)

    assert sum(r.points_hundredths for r in priced(sale).results) == there


def test_absurd_rates_are_exact():
    """64 bits are not enough for any of these steps: 10^10 main units, six times a hundredfold and more."""
    rules = tuple(rule(number, layer, rate=9_999) for number, layer in enumerate(POINTS_LAYERS, start=1))
    sale = Sale(
        lines=(line(1), line(7), line(-3)),
        points_percent=9_999,
        points_per_unit=99,
        flags=NET | CardTypeFlag.FINE_POINTS,
        rules=rules,
    )

    found = priced(sale)

    assert found.points_hundredths == 5 * 99 * 9_999**5 // 10**10
    assert found == naive(sale)
