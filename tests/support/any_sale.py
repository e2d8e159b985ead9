"""Bills, rules and all that a price depends on, drawn at random."""

from __future__ import annotations

from hypothesis import strategies as st

from switch.protocol.messages import NO_LIMIT, BillLine, RuleAction, RuleLayer
from switch.protocol.records import PointsCategoryRecord, PriceRecord, RuleRecord

from .plain_pricing import FRIDAY, NO_PRICE, PURSE_MAX, TODAY, Sale
from .priced import line, rule

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
    """A rule that often matches, of any layer."""
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
    """A line of goods that rules ask for, or of others."""
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
    """A bill with everything that its price depends on."""
    is_priced = draw(st.sampled_from([False, False, False, True]))
    lines = tuple(draw(st.lists(any_line(is_priced), max_size=6)))
    total = sum(line.amount_minor for line in lines)
    unit_prices = st.sampled_from([0, 1, 99, 1_234, 2**32 - 1])
    first_prices = st.sampled_from([NO_PRICE, 0, 99, 2**32 - 1])
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
                unit_price_minor=draw(first_prices),
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
