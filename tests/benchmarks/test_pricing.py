"""What the price of one bill costs: three lines, with sets of rules of several sizes.

`pytest tests/benchmarks/test_pricing.py --benchmark-only` prints it, for `BILLS` bills a round. One line of the bill
is hit by one rule; a set has rules by item, department, category, brand, card type with item, and by day.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from switch._pricing_tool import price
from switch._rules import Rules
from switch._tables import Tables
from switch.protocol.messages import BillLine, Function, RuleAction, RuleLayer, RulesetState
from switch.protocol.records import AccountRecord, CardTypeRecord, RuleRecord, RulesetRecord

BILLS = 10_000
TODAY = 20_000
HIT_ITEM = 6_901_234_567_890
POINTS, FLAT = Function.PAY | Function.POINTS, Function.PAY
ACCOUNT = AccountRecord(account_number=77).encode()
SHAPES: list[tuple[str, ...]] = [("item",), ("department",), ("category",), ("brand",), ("card_type", "item")]
SHAPE_WEIGHTS = [40, 4, 10, 10, 20]
LAYERS = [RuleLayer.POINTS_ITEM, RuleLayer.POINTS_BRAND, RuleLayer.DISCOUNT, RuleLayer.POINTS_CAMPAIGN]


def rules_of(count: int) -> list[RuleRecord]:
    """Rules of a shop: nearly all are about other goods than those of the bill."""
    draw = random.Random(count)
    rules = [
        RuleRecord(ruleset=1, rule=1, layer=RuleLayer.POINTS_ITEM, action=RuleAction.MULTIPLY, rate=200, item=HIT_ITEM)
    ]
    rules.append(RuleRecord(ruleset=1, rule=2, layer=RuleLayer.POINTS_PERIOD, action=1, rate=300, weekdays=64))
    for number in range(3, count + 1):
        shape = draw.choices(SHAPES, SHAPE_WEIGHTS)[0]
        fields: dict[str, Any] = {name: draw.randrange(1_000, 60_000) for name in shape if name != "item"}
        if "item" in shape:
            fields["item"] = 6_900_000_000_000 + draw.randrange(10**9)
        if "card_type" in shape:
            fields["card_type"] = 1
        rules.append(
            RuleRecord(ruleset=1, rule=number, layer=draw.choice(LAYERS), action=1, rate=draw.randrange(500), **fields)
        )
    return rules[:count]


def lines_of(count: int) -> bytes:
    """Lines with everything that rules may ask for; the second one is hit."""
    return b"".join(
        BillLine(
            item=HIT_ITEM if n == 1 else 6_901_234_567_000 + n,
            amount_minor=199 + 37 * n,
            quantity_milli=1_000,
            department=3,
            category=20 + n,
            brand=700 + n,
        ).encode()
        for n in range(count)
    )


@pytest.mark.parametrize(
    ("name", "functions", "rule_count", "line_count"),
    [
        ("flat, no rules", FLAT, 0, 3),
        ("flat, 200 rules", FLAT, 200, 3),
        ("points, no rules", POINTS, 0, 3),
        ("points, 10 rules", POINTS, 10, 3),
        ("points, 200 rules", POINTS, 200, 3),
        ("points, 10,000 rules", POINTS, 10_000, 3),
        ("points, 10,000 rules, 255 lines", POINTS, 10_000, 255),
        ("discount and points, 200 rules", POINTS | Function.DISCOUNT, 200, 3),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest_benchmark.logger.PytestBenchmarkWarning")
def test_bills_are_priced(benchmark, name, functions, rule_count, line_count):
    tables = Tables(10, 10, 10, rules_max=20_000)
    tables.load(record.encode() for record in rules_of(rule_count))
    tables.load([RulesetRecord(state=RulesetState.ACTIVE, ruleset=1, rule_count=rule_count).encode()])
    rules = Rules(tables)
    rules.compile_all()
    card_type = CardTypeRecord(code=1, key=1 << 32, functions=functions, points_percent=100, discount_bp=300).encode()
    lines = lines_of(line_count)

    def price_bills():
        return price(tables, rules, card_type, ACCOUNT, 600, lines, date=TODAY, repeats=BILLS)

    benchmark.extra_info |= {"case": name, "bills_per_round": BILLS, "rules_bytes": rules.size_bytes}
    code, *_ = benchmark.pedantic(price_bills, rounds=20 if line_count < 100 else 3, warmup_rounds=2)

    assert code == 0
