"""Facts of the year that are easy to get wrong, and who sends what on which day."""

import datetime
import importlib.util
import json
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import loadtests.shopping_year
from loadtests.shopping_year.plan import Plan
from loadtests.shopping_year.rule_sections import RulesError
from loadtests.shopping_year.rules import parse_rules, read_rules
from loadtests.shopping_year.year import (
    LINE_BYTES,
    PACKAGE,
    Basket,
    Demographics,
    Year,
    card_number,
    card_type_index,
    data_folder,
    load_year,
)
from switch.protocol.messages import BillLine, DebitRequest, MessageType, ReversalRequest

RULES = Path(loadtests.shopping_year.__file__).parent / "rules"
EXPECTED = Path(__file__).parents[2] / "data" / "shopping_year"
FIRST = (RULES / "rules_first.toml").read_text()
needs_data = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None or importlib.util.find_spec("polars") is None,
    reason="the data package is not installed (pip group 'data')",
)


def rules(*changes: tuple[str, str]):
    text = FIRST
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return parse_rules(tomllib.loads(text))


@pytest.fixture(scope="module")
def whole_year():
    return load_year(data_folder())


def lines_of(year: Year, basket: Basket) -> list[BillLine]:
    records = year.lines_of(basket)
    return [BillLine.decode(records[at : at + LINE_BYTES]) for at in range(0, len(records), LINE_BYTES)]


@needs_data
def test_the_year_has_its_known_size(whole_year):
    baskets = whole_year.baskets

    assert len(baskets) == 155_848
    assert len({basket.household_id for basket in baskets}) == 2_469
    assert len({basket.store_id for basket in baskets}) == 457
    assert len({basket.terminal_id for basket in baskets}) == 1_191
    assert sum(basket.line_count for basket in baskets) == 1_469_307
    assert max(basket.line_count for basket in baskets) == 161
    assert len(whole_year.demographics) == 801


@needs_data
def test_cents_are_rounded_not_cut_off(whole_year):
    assert sum(basket.sales_minor for basket in whole_year.baskets) == 459_603_958
    assert sum(basket.paid_minor <= 0 for basket in whole_year.baskets) == 527
    assert sum(basket.paid_minor for basket in whole_year.baskets if basket.paid_minor > 0) == 456_970_626


@needs_data
@pytest.mark.parametrize("name", ["first", "open"])
def test_cards_and_bills_are_those_that_the_oracle_counts(whole_year, name):
    expected = json.loads((EXPECTED / name / "summary.json").read_text())
    plan = Plan(whole_year, read_rules(RULES / f"rules_{name}.toml"))

    codes = [plan.rules.card_types[card.type_index].code for card in plan.cards]
    dues = [plan.bill_minor(basket) for basket in whole_year.baskets]

    assert Counter(codes) == {code: totals["cards"] for code, totals in expected["by_type"].items()}
    assert sum(due <= 0 for due in dues) == expected["declined"]["13"]
    numbers = {card.household_id: str(card.number) for card in plan.cards}
    assert all(numbers[row[0]] == row[1] for row in expected["top5_cards"])
    if name == "open":  # everything above 0 is approved
        assert sum(due for due in dues if due > 0) == expected["approved_c"]


@needs_data
def test_a_basket_is_the_sum_of_its_lines_as_the_wire_carries_them(whole_year):
    for basket in whole_year.baskets[::997]:
        lines = lines_of(whole_year, basket)

        assert len(lines) == basket.line_count
        assert sum(line.amount_minor for line in lines) == basket.paid_minor
        assert sum(line.amount_minor + line.till_discount_minor for line in lines) == basket.sales_minor
        assert all(line.flags == 0 for line in lines)


@needs_data
def test_baskets_stand_in_the_order_of_their_stamps_then_numbers(whole_year):
    order = [(basket.stamp_ms, basket.basket_id) for basket in whole_year.baskets]

    assert order == sorted(order)


@needs_data
def test_goods_are_numbered_by_name_whatever_is_selected(whole_year):
    tenth = load_year(data_folder(), 10, 3)

    assert (len(whole_year.departments), len(whole_year.categories), whole_year.brands) == (
        33,
        304,
        {"National": 1, "Private": 2, "": 3},
    )
    assert whole_year.categories[""] == 304
    assert list(whole_year.departments.values()) == list(range(1, 34))
    assert tenth.departments == whole_year.departments
    assert tenth.categories == whole_year.categories
    same = next(basket for basket in whole_year.baskets if basket.basket_id == tenth.baskets[50].basket_id)
    assert lines_of(tenth, tenth.baskets[50]) == lines_of(whole_year, same)


@needs_data
def test_fuel_is_sold_by_the_thousandth_and_goods_by_the_piece(whole_year):
    fuel = whole_year.departments["FUEL"]
    lines = [line for basket in whole_year.baskets[:3_000] for line in lines_of(whole_year, basket)]
    gallons = [line.quantity_milli for line in lines if line.department == fuel]
    pieces = [line.quantity_milli for line in lines if line.department != fuel and line.quantity_milli % 1_000 == 0]

    assert gallons
    assert 2_000 < sum(gallons) / len(gallons) < 20_000
    assert 1_000 <= sum(pieces) / len(pieces) < 3_000


def test_card_numbers_carry_type_household_clone_and_a_luhn_digit():
    assert card_number(1453, 0) == 9999_0100_0001_4533
    assert card_number(2322, 1) == 9999_0200_0002_3228
    assert str(card_number(1453, 0, clone=12)).startswith("999901012001453")
    numbers = {
        card_number(household, kind, clone) for household in range(99) for kind in range(3) for clone in range(5)
    }
    assert len(numbers) == 99 * 3 * 5
    for number in numbers:
        digits = [int(digit) for digit in reversed(str(number))]
        assert sum(digits[::2]) % 10 == -sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2]) % 10


def small_year(*baskets: tuple[int, int, str, int]) -> Year:
    """A year of baskets (basket, household, local-looking UTC stamp, amount), one line each."""
    made, records = [], b""
    for index, (basket_id, household_id, stamp, amount_minor) in enumerate(baskets):
        stamp_ms = int(datetime.datetime.fromisoformat(stamp + "+00:00").timestamp()) * 1000
        made.append(Basket(basket_id, household_id, 367, stamp_ms, amount_minor, amount_minor, index, 1))
        records += BillLine(amount_minor=amount_minor).encode()
    return Year(sorted(made, key=lambda basket: (basket.stamp_ms, basket.basket_id)), records, {}, {}, {}, {})


def sent(plan: Plan) -> list[tuple[str, int, list[tuple[MessageType, int]]]]:
    """Date, cards blocked, and the steps of each chain as (type, basket number)."""
    return [
        (
            day.date.isoformat(),
            len(day.blocked),
            [
                (MessageType(step.type), plan.year.baskets[step.basket_index].basket_id)
                for chain in day.chains
                for step in chain.steps
            ],
        )
        for day in plan.days()
    ]


DEBIT, REVERSAL = MessageType.DEBIT, MessageType.REVERSAL


def test_days_are_local_and_a_reversal_is_sent_on_its_own_day():
    plan = Plan(
        small_year((11, 1, "2017-03-12T04:55:00", 500), (12, 1, "2017-03-12T05:01:00", 700)),
        rules(),
    )

    days = list(plan.days())

    assert [day.date.isoformat() for day in days] == ["2017-03-11", "2017-03-12"]
    assert [step.type for step in days[0].chains[0].steps] == [DEBIT]
    assert [step.type for step in days[1].chains[0].steps] == [DEBIT, REVERSAL]
    debit = DebitRequest.decode(days[0].chains[0].steps[0].body)
    reversal = ReversalRequest.decode(days[1].chains[0].steps[1].body)
    assert (debit.amount_minor, debit.business_date, debit.lines[0].amount_minor) == (500, 17_236, 500)
    assert (reversal.original_trace_number, reversal.original_business_date) == (debit.trace_number, 17_236)
    assert (reversal.business_date, reversal.amount_minor, reversal.card_number) == (17_237, 500, debit.card_number)
    assert reversal.stamp_ms == debit.stamp_ms + 600_000


def test_purchases_come_before_reversals_of_the_same_moment_and_by_basket_number():
    plan = Plan(
        small_year(
            (108, 1, "2017-05-01T15:00:00", 1), (13, 1, "2017-05-01T15:10:00", 1), (12, 1, "2017-05-01T15:10:00", 1)
        ),
        rules(),
    )

    assert sent(plan) == [("2017-05-01", 0, [(DEBIT, 108), (DEBIT, 12), (DEBIT, 13), (REVERSAL, 108)])]


def test_cards_are_blocked_on_their_day_even_when_nobody_shops():
    baskets = (1, 7, "2017-06-30T15:00:00", 1), (2, 7, "2017-07-05T15:00:00", 1), (3, 8, "2017-07-05T15:00:00", 1)
    plan = Plan(small_year(*baskets), rules())

    assert [(date, blocked) for date, blocked, _ in sent(plan)] == [
        ("2017-06-30", 0),
        ("2017-07-01", 1),
        ("2017-07-05", 0),
    ]


@pytest.mark.parametrize(("blocked_from", "expected"), [("2016-01-01", [1, 0, 0]), ("2018-05-05", [0, 0])])
def test_blocking_before_or_after_everything(blocked_from, expected):
    year = small_year((1, 7, "2017-06-30T15:00:00", 1), (2, 7, "2017-07-05T15:00:00", 1))

    plan = Plan(year, rules(("2017-07-01", blocked_from)))

    assert [blocked for _, blocked, _ in sent(plan)] == expected


def test_clones_have_cards_of_their_own_and_share_the_terminals_trace_numbers():
    plan = Plan(small_year((1, 1, "2017-05-01T15:00:00", 1), (2, 2, "2017-05-01T15:00:00", 1)), rules(), clones=3)

    (day,) = plan.days()
    bodies = [DebitRequest.decode(step.body) for chain in day.chains for step in chain.steps]

    assert len({body.card_number for body in bodies}) == 6
    keys = {
        (step.terminal_id, DebitRequest.decode(step.body).trace_number) for chain in day.chains for step in chain.steps
    }
    assert len(keys) == 6
    assert [chain.clone for chain in day.chains] == [0, 0, 1, 1, 2, 2]


def test_what_a_bill_comes_to_follows_the_rules():
    year = small_year((1, 1, "2017-05-01T15:00:00", -50))
    year.baskets[0] = year.baskets[0]._replace(sales_minor=20)

    def sent_minor(*changes):
        ((_, steps),) = [chain for day in Plan(year, rules(*changes)).days() for chain in day.chains]
        return DebitRequest.decode(steps[0].body).amount_minor

    assert sent_minor() == -50
    assert sent_minor(('due = "paid"', 'due = "sales"')) == 20
    assert sent_minor(('zero = "decline"', 'zero = "approve"')) == -50  # what becomes of it decides the switch


def test_a_reversal_that_comes_after_the_next_day_is_refused_by_name():
    year = small_year((11, 1, "2017-03-12T04:30:00", 500))  # 23:30 on the 11th; the 12th has 23 hours
    day_of_24_hours = ("reversal_delay_s = 600", "reversal_delay_s = 86400")

    with pytest.raises(RulesError, match=r"overlay.reversal_delay_s: expected .* 86400 s, .* basket 11 on 2017-03-13"):
        Plan(year, rules(day_of_24_hours))
    Plan(small_year((11, 1, "2017-05-12T04:30:00", 500)), rules(day_of_24_hours))


@needs_data
def test_campaigns_have_type_dates_and_households(whole_year):
    campaigns = whole_year.campaigns

    assert Counter(campaign.type for campaign in campaigns) == {"Type B": 17, "Type C": 6, "Type A": 4}
    assert sum(len(campaign.households) for campaign in campaigns) == 6_589
    assert (campaigns[0].from_date, campaigns[0].until_date) == (
        datetime.date(2017, 3, 3),
        datetime.date(2017, 4, 9),
    )


@pytest.mark.parametrize(
    ("stamp", "set_up_date"), [("2017-05-01T15:00:00", "2017-01-01"), ("2017-01-01T04:00:00", "2016-12-31")]
)
def test_cards_exist_from_new_year_on_and_are_read_back_at_its_end(stamp, set_up_date):
    plan = Plan(small_year((1, 1, stamp, 1)), rules())

    assert plan.first_date == (datetime.date.fromisoformat(set_up_date) - datetime.date(1970, 1, 1)).days
    assert plan.last_stamp_ms == plan.midnight_ms((datetime.date(2017, 12, 31) - datetime.date(1970, 1, 1)).days)


def test_households_get_the_first_type_that_matches_else_the_last():
    year = Year([], b"", {1: Demographics("25-34", "100-124K"), 2: Demographics(None, None)}, {}, {}, {})
    types = rules().card_types

    assert card_type_index(1, year, types) == 0
    assert card_type_index(2, year, types) == 1  # its bucket does not count, because it has demographics
    by_bucket = {card_type_index(household, year, types) for household in range(3, 100)}
    assert by_bucket == {0, 1}
