"""Sets of rules: what is wrong with one, which one is in force, and that many rules are found as few are."""

from __future__ import annotations

import random

import pytest

from switch._pricing_tool import price
from switch._rules import Rules
from switch._tables import Tables
from switch.protocol.limits import RULES_PER_SELECTOR_MAX
from switch.protocol.messages import BillLine, RuleAction, RuleLayer, RulesetState
from switch.protocol.records import (
    GONE,
    CardTypeRecord,
    PointsCategoryRecord,
    RuleRecord,
    RulesetRecord,
    StoreRecord,
)
from tests.support.plain_pricing import TODAY, Sale, naive
from tests.support.priced import account_of, circumstances, priced, rule, type_of

RULE_BYTES_MAX = 200
SET_BYTES_MAX = 8_192


def tables_with(*records: RuleRecord | RulesetRecord, rules_max: int = 10_000) -> Tables:
    tables = Tables(10, 10, 10, rules_max=rules_max)
    known = (
        CardTypeRecord(code=1, key=1 << 32),
        StoreRecord(store_id=5),
        PointsCategoryRecord(category=4, flags=0),
    )
    tables.load(record.encode() for record in (*known, *records))
    return tables


def active(ruleset: int, from_date: int = 0) -> RulesetRecord:
    return RulesetRecord(state=RulesetState.ACTIVE, ruleset=ruleset, from_date=from_date)


def compiled(tables: Tables) -> Rules:
    rules = Rules(tables)
    rules.compile_all()
    return rules


def points(tables: Tables, rules: Rules, line: BillLine, date: int = TODAY) -> int:
    sale = Sale(lines=(line,))
    _, _, _, _, earned, _ = price(
        tables, rules, type_of(sale), account_of(sale), line.amount_minor, line.encode(), date=date
    )
    return earned


# ------------------------------------------------------------------------ a set as a whole


@pytest.mark.parametrize(
    "fields",
    [
        {"layer": RuleLayer.POINTS_ITEM, "card_type": 2},
        {"layer": RuleLayer.FORBID, "store_id": 6},
        {"layer": RuleLayer.POINTS_RECHARGE, "points_category": 5},
        {"layer": RuleLayer.POINTS_BRAND, "action": RuleAction.REPLACE},
        {"layer": RuleLayer.POINTS_PERIOD, "action": RuleAction.REPLACE},
        {"layer": RuleLayer.POINTS_CAMPAIGN, "action": RuleAction.REPLACE},
        {"layer": RuleLayer.POINTS_RECHARGE, "action": RuleAction.REPLACE},
    ],
    ids=str,
)
def test_the_first_rule_at_fault_is_named(fields):
    bad = {"action": RuleAction.MULTIPLY, **fields}
    tables = tables_with(
        RuleRecord(ruleset=1, rule=9, **bad),
        RuleRecord(ruleset=1, rule=7, **bad),
        rule(3, RuleLayer.POINTS_ITEM, card_type=1, store_id=5, points_category=4),
        RuleRecord(ruleset=2, rule=2, **bad),
    )

    assert [Rules(tables).check(ruleset) for ruleset in (1, 2, 3)] == [7, 2, 0]


@pytest.mark.parametrize("layer", [RuleLayer.DISCOUNT, RuleLayer.POINTS_ITEM])
def test_discounts_and_item_rules_may_replace(layer):
    assert Rules(tables_with(rule(1, layer, RuleAction.REPLACE))).check(1) == 0


@pytest.mark.parametrize(("count", "fault"), [(RULES_PER_SELECTOR_MAX, 0), (RULES_PER_SELECTOR_MAX + 2, 2 * 65)])
def test_only_so_many_rules_share_a_selector(count, fault):
    """Whatever else they ask for, and whatever their layers are."""
    layers = [RuleLayer.POINTS_ITEM, RuleLayer.DISCOUNT]
    rules = [rule(2 * n, layers[n % 2], item=8, level=1, from_date=n) for n in range(1, count + 1)]
    others = [rule(2 * n + 1, RuleLayer.DISCOUNT, item=8, level=2) for n in range(count // 2)]

    assert Rules(tables_with(*rules, *others)).check(1) == fault


def test_rules_that_are_gone_are_not_looked_at():
    tables = tables_with(rule(3, RuleLayer.POINTS_ITEM, card_type=99), active(1))
    tables.load([RuleRecord(ruleset=1, rule=3, layer=2, action=1, card_type=99, state=GONE).encode()])

    assert Rules(tables).check(1) == 0
    assert points(tables, compiled(tables), BillLine(amount_minor=100)) == 100


# ------------------------------------------------------------------------ which set is in force


def test_the_latest_set_that_has_begun_is_in_force():
    tables = tables_with(
        active(7, 100), active(3, 300), active(5, 200), RulesetRecord(state=1, ruleset=9, from_date=150)
    )
    rules = compiled(tables)

    # Back and forth: the last answer is kept.
    dates = [0, 99, 100, 199, 200, 299, 300, 2**32 - 1, 250, 99, 150, 300, 100]
    expected = [None, None, 7, 7, 5, 5, 3, 3, 5, None, 7, 3, 7]
    assert [rules.number_on(date) for date in dates] == expected
    assert len(rules) == 3


def test_an_activated_set_is_in_force_from_its_date_on():
    tables = tables_with(
        active(1),
        rule(1, RuleLayer.POINTS_CAMPAIGN, rate=200),
        RuleRecord(ruleset=2, rule=1, layer=RuleLayer.POINTS_CAMPAIGN, action=1, rate=300),
    )
    rules = compiled(tables)
    line = BillLine(amount_minor=100)
    assert points(tables, rules, line) == 200

    rules.put_in_force(2, TODAY + 1)

    assert [points(tables, rules, line, date) for date in (TODAY, TODAY + 1, TODAY - 1)] == [200, 300, 200]
    tables.load([active(2, TODAY + 1).encode()])
    assert [points(tables, compiled(tables), line, date) for date in (TODAY, TODAY + 1)] == [200, 300]


def test_a_set_without_rules_ends_those_of_the_one_before():
    tables = tables_with(active(1), active(2, TODAY), rule(1, RuleLayer.POINTS_CAMPAIGN, rate=200))

    rules = compiled(tables)

    assert [points(tables, rules, BillLine(amount_minor=100), date) for date in (TODAY - 1, TODAY)] == [200, 100]


def test_a_draft_is_not_in_force():
    tables = tables_with(RulesetRecord(state=1, ruleset=1), rule(1, RuleLayer.POINTS_CAMPAIGN, rate=200))

    assert compiled(tables).number_on(TODAY) is None


# ------------------------------------------------------------------------ many rules


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_rules_are_found_as_few_are(seed):
    draw = random.Random(seed)
    names = {"card_type": 3, "level": 3, "item": 40, "category": 8, "department": 4, "brand": 12}
    rules = []
    for number in range(1, 1_501):
        chosen = draw.sample(sorted(names), draw.choice([0, 1, 1, 2, 2, 3, 6]))
        layer = draw.choice([*RuleLayer][1:6])
        actions = [RuleAction.MULTIPLY] * 40 + [RuleAction.EXCLUDE] * ("item" in chosen)
        rules.append(
            rule(
                number,
                layer,
                draw.choice(actions),
                rate=draw.randrange(90, 130),
                weekdays=draw.choice([0, 0, 16, 15]),
                segments=draw.choice([0, 2, 4]),
                store_id=draw.choice([0, 5, 6, 7]),
                **{name: draw.randrange(1, names[name] + 1) for name in chosen},
            )
        )
    lines = tuple(
        BillLine(
            amount_minor=draw.randrange(1, 9_999),
            **{name: draw.randrange(names[name] + 1) for name in ("item", "category", "department", "brand")},
        )
        for _ in range(60)
    )
    sale = Sale(lines=lines, amount_minor=1, level=2, type_code=2, segments=2, flags=64, rules=tuple(rules))

    found = priced(sale)

    assert found == naive(sale)
    assert found.discount_minor > 0 < found.points_hundredths


def test_each_of_ten_thousand_items_finds_its_rule():
    count = 10_000
    items = [6_900_000_000_000 + 97 * n for n in range(count)]
    tables = tables_with(
        active(1),
        *(rule(n + 1, RuleLayer.POINTS_ITEM, item=item, rate=n % 100 * 100) for n, item in enumerate(items)),
        rules_max=count,
    )
    rules = compiled(tables)
    sale = Sale()

    wrong = []
    for first in range(0, count, 250):
        lines = b"".join(BillLine(amount_minor=100, item=item).encode() for item in items[first : first + 250])
        *_, results = price(
            tables, rules, type_of(sale), account_of(sale), 1, lines + BillLine(amount_minor=1, item=5).encode(),
            **circumstances(sale),
        )  # fmt: skip
        earned = [int.from_bytes(results[at : at + 8], "little") for at in range(0, 250 * 24, 24)]
        wrong += [n for n, points in enumerate(earned, first) if points != n % 100 * 100]
    assert wrong == []


@pytest.mark.parametrize("count", [1, 31, 32, 33, 100, 1_025, 10_000])
def test_rules_take_bounded_memory(count):
    tables = tables_with(active(1), *(rule(n, RuleLayer.DISCOUNT, item=n) for n in range(1, count + 1)))

    assert compiled(tables).size_bytes <= RULE_BYTES_MAX * count + SET_BYTES_MAX
