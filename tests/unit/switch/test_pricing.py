"""The price of a bill and what it earns, against the plainest way to compute it, and by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch._pricing_tool import price_recharge
from switch.protocol.messages import BillLine, CardTypeFlag, Function, LineFlag, RuleAction, RuleLayer
from switch.protocol.records import PointsCategoryRecord, PriceRecord
from tests.support.any_sale import any_sale
from tests.support.plain_pricing import (
    AMOUNT,
    APPROVED,
    FRIDAY,
    NO_PRICE,
    POINTS_LAYERS,
    PRICE_UNKNOWN,
    PURSE_MAX,
    TODAY,
    Priced,
    Sale,
    best,
    matches,
    naive,
    naive_caps,
)
from tests.support.priced import account_of, circumstances, line, priced, rule, type_of, world_of


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


@pytest.mark.parametrize(
    ("asked", "fits", "misses"),
    [
        ({"from_minute": 600, "until_minute": 602}, {"minute": [600, 601]}, {"minute": [599, 602]}),
        ({"until_minute": 1_440}, {"minute": [0, 1_439]}, {}),
        ({"from_date": TODAY, "until_date": TODAY + 1}, {"date": [TODAY, TODAY + 1]}, {"date": [TODAY - 1, TODAY + 2]}),
        ({"weekdays": FRIDAY}, {"date": [TODAY, TODAY + 7]}, {"date": [TODAY + day for day in range(1, 7)]}),
        ({"weekdays": 64}, {"date": [TODAY + 2]}, {"date": [TODAY]}),
        ({"settlements": 5}, {"settlement": [0, 2]}, {"settlement": [1, 6]}),
        ({"segments": 6}, {"segments": [2, 4, 15]}, {"segments": [0, 1, 8]}),
        ({"bill_minor_min": 100}, {"amount_minor": [100]}, {"amount_minor": [99]}),
        ({"store_id": 5}, {"store_id": [5]}, {"store_id": [0, 6]}),
        ({"terminal_id": 9}, {"terminal_id": [9]}, {"terminal_id": [0, 5]}),
        ({"level": 2}, {"level": [2]}, {"level": [0, 1, 3]}),
        ({"card_type": 3}, {"type_code": [3]}, {"type_code": [1, 2]}),
    ],
    ids=str,
)
def test_a_rule_holds_where_all_that_it_asks_for_does(asked, fits, misses):
    sale = Sale(lines=(line(100),), amount_minor=100, rules=(rule(1, CAMPAIGN, rate=200, **asked),))

    def earned(circumstances):
        return {
            priced(replace(sale, **{name: value})).points_hundredths
            for name, values in circumstances.items()
            for value in values
        }

    assert earned(fits) == {200}
    assert earned(misses) <= {100}


def test_rules_of_one_shape_may_be_of_different_layers():
    """A card that earns nothing has its discount all the same."""
    rules = (rule(1, ITEM, item=1, rate=200), rule(2, RuleLayer.DISCOUNT, item=2, rate=1_000))
    sale = Sale(lines=(line(100, item=2),), functions=int(Function.DISCOUNT), rules=rules)

    assert priced(sale).discount_minor == 10


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


def test_a_price_that_is_to_come_is_none_yet():
    to_come = {"unit_price_minor": NO_PRICE, "next_from_date": TODAY + 1, "next_unit_price_minor": 150}
    retail, own = (
        PriceRecord(item=1, price_class=0, unit_price_minor=199),
        PriceRecord(item=1, price_class=4, **to_come),
    )
    sale = Sale(lines=(line(item=1, quantity_milli=1_000),), prices=(own,), price_class=4, is_priced=True)

    assert priced(sale).code == PRICE_UNKNOWN
    assert priced(replace(sale, prices=(retail, own))).bill_minor == 199
    assert priced(replace(sale, prices=(retail, own), date=TODAY + 1)).bill_minor == 150


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


def test_a_bill_that_would_cost_points_after_the_caps_earns_none():
    """What was bought has no place in its purse; what came back would be left alone."""
    sale = Sale(
        lines=(line(1_000, item=1), line(-500)),
        flags=CardTypeFlag.NET_LINES,
        rules=(rule(1, ITEM, item=1, rate=100, points_category=4),),
        categories=(PointsCategoryRecord(category=4, flags=1),),
    )

    assert [r.points_hundredths for r in priced(sale).results] == [1_000, -500]
    assert priced(replace(sale, purses={4: PURSE_MAX})) == Priced(APPROVED, 0)
    assert priced(replace(sale, purses={4: PURSE_MAX - 500})).points_hundredths == 0


@pytest.mark.parametrize(("cap", "expected"), [(501, [300, 201]), (300, [300, 0]), (299, [299, 0]), (0, [])])
def test_caps_take_from_the_last_line_to_the_hundredth(cap, expected):
    sale = Sale(lines=(line(300), line(201)), flags=CardTypeFlag.FINE_POINTS, daily_points_max_hundredths=cap)

    assert [r.points_hundredths for r in priced(sale).results] == expected


def test_a_line_counts_no_more_than_ten_to_the_sixteenth_points():
    """Beyond that the points of a line would not fit the reply; both lines count as much, so only the third is left."""
    rules = tuple(rule(number, layer, rate=10_000) for number, layer in enumerate(POINTS_LAYERS, start=1))
    sale = Sale(
        lines=(line(5 * 10**11), line(-4 * 10**11), line(1)),
        points_percent=10_000,
        points_per_unit=100,
        flags=CardTypeFlag.NET_LINES,
        rules=rules,
    )

    found = priced(sale)

    assert [r.points_hundredths for r in found.results] == [10**18, -(10**18), 10**12]


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
