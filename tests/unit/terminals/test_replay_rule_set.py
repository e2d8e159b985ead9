"""Rules about goods, campaigns and periods, as rules of the switch."""

import datetime

import pytest

from loadtests.shopping_year.rule_sections import RulesError
from loadtests.shopping_year.rule_set import Rule, RuleSet, rule_set
from loadtests.shopping_year.year import Campaign, Year
from switch.protocol.messages import RuleAction, RuleLayer
from tests.unit.terminals.test_replay_year import rules

DEPARTMENTS = {"FUEL": 1, "PRODUCE": 2}
CATEGORIES = {"SOAP": 1, "": 2}
BRANDS = {"National": 1, "Private": 2, "": 3}
NEW_YEAR = (datetime.date(2017, 1, 1) - datetime.date(1970, 1, 1)).days


def campaign(kind: str, *households: int, month: int = 1) -> Campaign:
    return Campaign(kind, datetime.date(2017, month, 1), datetime.date(2017, month, 9), frozenset(households))


def made(text: str = "", of_type: str = "", *campaigns: Campaign, stores=(7, 8)) -> RuleSet:
    """Rules from what stands in [points] tables and in the first card type."""
    read = rules(("[[card_type]]", f"{text}\n[[card_type]]"), ('code = "GOLD"', f'code = "GOLD"\n{of_type}'))
    year = Year([], b"", {}, DEPARTMENTS, CATEGORIES, BRANDS, campaigns)
    return rule_set(read, year, (1, 2, 3), stores)


def period(*keys: str) -> list[Rule]:
    dates = ("from = 2017-01-01", "to = 2017-01-31", "pct = 200")
    return made("\n".join(("[[points.period]]", *dates, *keys))).rules


def test_plain_rules_need_no_rule():
    assert made() == RuleSet([], {})


def test_goods_are_named_by_number_and_unknown_ones_left_out():
    text = "[points.department]\nFUEL = 0\nNOTHING = 5\n[points.category]\nSOAP = 50\n'' = 70"
    text += "\n[points.brand]\nPrivate = 150"

    assert made(text).rules == [
        Rule(RuleLayer.POINTS_ITEM, RuleAction.MULTIPLY, 0, department=1),
        Rule(RuleLayer.POINTS_ITEM, RuleAction.MULTIPLY, 50, category=1),
        Rule(RuleLayer.POINTS_ITEM, RuleAction.MULTIPLY, 70, category=2),
        Rule(RuleLayer.POINTS_BRAND, RuleAction.MULTIPLY, 150, brand=2),
    ]


def test_what_a_type_forbids_and_excludes_is_its_own():
    names = "forbidden_departments = ['FUEL', 'NONE']\nforbidden_categories = ['SOAP']\ndiscount_excluded = ['PRODUCE']"

    assert made("", names + "\ndiscount_bp = 5").rules == [
        Rule(RuleLayer.FORBID, RuleAction.EXCLUDE, card_type=1, department=1),
        Rule(RuleLayer.FORBID, RuleAction.EXCLUDE, card_type=1, category=1),
        Rule(RuleLayer.DISCOUNT, RuleAction.EXCLUDE, card_type=1, department=2),
    ]
    assert len(made("", names).rules) == 2, "without a discount nothing is excluded from it"


def test_campaigns_of_the_same_dates_and_percent_share_a_segment():
    text = '[points.campaign]\n"Type A" = 120\n"Type B" = 120'

    result = made(text, "", campaign("Type A", 1, 2, 99), campaign("Type B", 2, 3), campaign("Type A", 3, month=2))

    assert [(rule.segments, rule.rate, rule.from_date - NEW_YEAR) for rule in result.rules] == [
        (1, 120, 0),
        (2, 120, 31),
    ]
    assert result.segments == {1: 1, 2: 1, 3: 3}


def test_a_campaign_that_is_not_named_lifts_above_a_lower_percent_only():
    campaigns = campaign("Type A", 1), campaign("Type C", 1)

    assert [rule.rate for rule in made('[points.campaign]\n"Type A" = 120', "", *campaigns).rules] == [120]
    assert [rule.rate for rule in made('[points.campaign]\n"Type A" = 80', "", *campaigns).rules] == [80, 100]
    assert made("", "", *campaigns) == RuleSet([], {})


def test_more_campaigns_than_segments_are_refused():
    days = [datetime.date(2017, 1, 1) + datetime.timedelta(n) for n in range(65)]
    campaigns = [Campaign("Type A", day, day, frozenset({1})) for day in days]

    with pytest.raises(RulesError, match="campaigns of at most 64 different dates and percents, got 65"):
        made('[points.campaign]\n"Type A" = 120', "", *campaigns)


def test_a_period_becomes_one_rule_per_store_and_department():
    found = period("weekdays = [2, 7]", "hours = [9, 12]", "stores = [7, 99]", "departments = ['FUEL', 'PRODUCE', 'X']")

    whole = {(rule.rate, rule.weekdays, rule.from_minute, rule.until_minute) for rule in found}
    assert whole == {(200, 0b1000010, 540, 720)}
    assert [(rule.store_id, rule.department) for rule in found] == [(7, 1), (7, 2)]
    assert {(rule.from_date, rule.until_date) for rule in found} == {(NEW_YEAR, NEW_YEAR + 30)}


def test_a_period_in_all_stores_names_none_and_all_day_no_minutes():
    (rule,) = period("stores = [7, 8, 9]", "hours = [0, 24]")

    assert (rule.store_id, rule.from_minute, rule.until_minute, rule.weekdays) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "key",
    ["hours = [22, 4]", "hours = [5, 5]", "weekdays = []", "weekdays = [0, 8]", "stores = []", "departments = []"],
)
def test_a_period_that_never_is_becomes_no_rule(key):
    assert period(key) == []


def test_hours_beyond_the_day_end_with_it():
    (rule,) = period("hours = [-3, 99]")

    assert (rule.from_minute, rule.until_minute) == (0, 0)


def test_more_rules_than_the_switch_looks_up_alike_are_repeated_by_type_and_brand():
    stores = tuple(range(1, 101))
    listed = f"stores = {list(stores)}"
    text = f"[[points.period]]\nfrom = 2017-01-01\nto = 2017-01-31\npct = 200\n{listed}"

    found = made(text, stores=(*stores, 101)).rules

    plain = [rule for rule in found if rule.key == (0, 0, 0, 0)]
    copies = [rule for rule in found if rule.card_type]
    assert [rule.store_id for rule in plain] == list(range(1, 65))
    assert sorted((rule.store_id, rule.card_type) for rule in copies) == [
        (store_id, code) for store_id in range(65, 101) for code in (1, 2)
    ]
    assert len(found) == 64 + 2 * 36


def test_far_too_many_rules_are_refused():
    stores = tuple(range(1, 2_000))
    text = f"[[points.period]]\nfrom = 2017-01-01\nto = 2017-01-31\npct = 200\nstores = {list(stores)}"

    with pytest.raises(RulesError, match="points: expected rules that the switch can hold"):
        made(text, stores=(*stores, 2_000))
