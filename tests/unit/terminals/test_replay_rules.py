"""Rule files of the replay: what is understood, and that everything else is refused by its name."""

import datetime
import tomllib
from pathlib import Path

import pytest

import loadtests.shopping_year
from loadtests.shopping_year.rule_sections import RulesError
from loadtests.shopping_year.rules import Recharge, parse_rules, read_rules
from switch.protocol.messages import NO_LIMIT, AutoRecharge

RULES = Path(loadtests.shopping_year.__file__).parent / "rules"
FIRST = (RULES / "rules_first.toml").read_text()


def changed(old: str, new: str, count: int = -1) -> str:
    assert old in FIRST
    return FIRST.replace(old, new, count)


def parse(text: str):
    return parse_rules(tomllib.loads(text))


def test_the_first_rule_set_says_what_it_says():
    rules = read_rules(RULES / "rules_first.toml")

    gold, basic = rules.card_types
    assert (rules.name, rules.timezone.key) == ("first-1", "America/New_York")
    assert (rules.due_is_paid, rules.zero_is_approved) == (True, False)
    assert (rules.rounds_per_line, rules.nets_lines) == (False, False)
    assert rules.daily_points_max_hundredths == NO_LIMIT
    assert (gold.code, gold.opening_balance_minor, gold.daily_limit_minor, gold.daily_count_max) == (
        "GOLD",
        600000,
        30000,
        6,
    )
    assert (gold.points_percent, gold.points_per_unit, gold.buckets) == (150, 1, (80, 99))
    assert (basic.points_percent, basic.buckets, basic.incomes) == (100, None, frozenset())
    assert rules.overlay.blocked_from == datetime.date(2017, 7, 1)
    assert [basket for basket in range(300) if rules.overlay.is_reversed(basket)] == [11, 108, 205]
    assert [basket for basket in range(200) if rules.overlay.is_duplicated(basket)] == [5, 94, 183]
    assert [household for household in range(200) if rules.overlay.is_blocked(household)] == [7, 120]


def test_the_open_rule_set_switches_the_overlay_off():
    overlay = read_rules(RULES / "rules_open.toml").overlay

    assert not any(overlay.is_reversed(n) or overlay.is_duplicated(n) or overlay.is_blocked(n) for n in range(1_000))


def test_every_choice_of_the_language_is_understood():
    text = FIRST.replace('due = "paid"', 'due = "sales"').replace('zero = "decline"', 'zero = "approve"')
    text = text.replace('rounding = "basket"\nbase', 'rounding = "line"\nbase').replace('"product"', '"max"')
    rules = parse(text.replace("daily_cap = 0", "daily_cap = 500"))

    assert (rules.due_is_paid, rules.zero_is_approved, rules.rounds_per_line) == (False, True, True)
    assert (rules.daily_points_max_hundredths, rules.takes_highest) == (500_00, True)
    after = changed('base = "before_discount"', 'base = "after_discount"')
    rules = parse(after.replace('discount_rounding = "basket"', 'discount_rounding = "line"'))
    assert (rules.discounts_per_line, rules.counts_after_discount) == (True, True)
    assert parse(changed('negative_lines = "clamp"', 'negative_lines = "net"')).nets_lines


def test_the_public_rule_set_says_what_it_says():
    rules = read_rules(RULES / "rules_public.toml")

    youth, gold, _, basic = rules.card_types
    assert (youth.discount_bp, youth.discount_excluded) == (300, frozenset({"FUEL", "MISCELLANEOUS"}))
    assert youth.forbidden_departments == frozenset({"SPIRITS"})
    assert youth.forbidden_categories == frozenset({"CIGARETTES", "BEERS/ALES"})
    assert youth.recharge == Recharge(AutoRecharge.NONE)
    assert gold.recharge == Recharge(AutoRecharge.THRESHOLD, below_minor=15_000, add_minor=30_000, count_max=2)
    assert (basic.discount_bp, basic.recharge.count_max) == (0, 1)
    points = rules.points
    assert (points.departments["FUEL"], points.categories["BEERS/ALES"], points.brands) == (0, 50, {"Private": 150})
    assert points.campaigns == {"Type A": 120}
    week, tuesdays = points.periods
    assert (week.from_date, week.weekdays, week.minutes) == (datetime.date(2017, 5, 8), None, (0, 1440))
    assert (tuesdays.weekdays, tuesdays.minutes, tuesdays.stores, tuesdays.percent) == (
        frozenset({2}),
        (540, 720),
        None,
        300,
    )
    assert not any((rules.discounts_per_line, rules.counts_after_discount, rules.takes_highest))


def test_what_a_recharge_does_not_read_says_nothing():
    def recharge(text):
        return parse(changed('{ mode = "none" }', text, 1)).card_types[0].recharge

    assert recharge('{ mode = "none", below = 1, add = 2, max_per_day = 3 }') == Recharge(AutoRecharge.NONE)
    assert recharge('{ mode = "monthly", add = 2, max_per_day = 3 }') == Recharge(AutoRecharge.MONTHLY, add_minor=2)
    shortfall = Recharge(AutoRecharge.SHORTFALL, add_minor=2, count_max=3)
    assert recharge('{ mode = "shortfall", add = 2, max_per_day = 3 }') == shortfall
    assert recharge('{ mode = "threshold", below = 1, add = 2, max_per_day = 100000 }').count_max == 65_535


def test_all_that_is_unknown_is_named_at_once():
    text = changed('code = "GOLD"', 'code = "GOLD"\ncolour = "red"', 1)

    with pytest.raises(RulesError) as caught:
        parse(text + "\n[speed]\nlimit = 1\n[[points.period]]\nfrom = 2017-01-01\nto = 2017-01-02\npct = 1\nday = 2")

    assert str(caught.value) == (
        "rules: unknown: speed, points.period[1].day, card_type[1].colour; correct the name or remove it"
    )


def test_a_key_that_asks_for_nothing_is_accepted():
    neutral = "discount_bp = 0\ndiscount_excluded = []\nforbidden_departments = []\nforbidden_categories = []"

    assert parse(changed('code = "GOLD"', f'code = "GOLD"\n{neutral}', 1) + "\n") == parse(FIRST)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("[meta]", "[mate]", "meta: expected a table, got nothing; add it"),
        ('name = "first-1"', "name = 1", "meta.name: expected text that is not empty, got 1"),
        ("America/New_York", "America/Gotham", "meta.timezone: expected an IANA time zone"),
        ("America/New_York", "../secret", "meta.timezone: expected an IANA time zone"),
        (
            "reversal_mod = 97",
            "reversal_mod = -1",
            "overlay.reversal_mod: expected a whole number from 0 to 9223372036854775807, got -1",
        ),
        ("reversal_mod = 97", "reversal_mod = 9.7", "got 9.7"),
        ("reversal_mod = 97", "reversal_mod = true", "got True"),
        (
            "reversal_delay_s = 600\n",
            "",
            "overlay.reversal_delay_s: expected a whole number from 0 to 172800, got nothing",
        ),
        ("2017-07-01", "2017-07-01T00:00:00", "overlay.blocked_from: expected a date such as 2017-07-01"),
        ("2017-07-01", '"2017-07-01"', "overlay.blocked_from: expected a date such as 2017-07-01"),
        ('due = "paid"', 'due = "given"', "amount.due: expected one of paid, sales, got 'given'"),
        ('stacking = "product"\n', "", "points.stacking: expected one of product, max, got nothing"),
        ("daily_cap = 0", "daily_cap = -5", "points.daily_cap: expected a whole number from 0"),
        ("daily_limit = 30000", 'daily_limit = "30000"', "card_type[1].daily_limit: expected a whole number"),
        ("daily_count = 3", "daily_count = 4294967296", "card_type[2].daily_count"),
        ("points_pct = 150", "points_pct = -1", "card_type[1].points_pct"),
        ("per_unit = 1", "per_unit = 999983", "expected points.per_unit · points_pct that the switch can hold"),
        ("buckets = [80, 99]", "buckets = [80]", "card_type[1].buckets: expected two whole numbers, got [80]"),
        ('code = "GOLD"', 'code = "GO,LD"', "card_type[1].code: expected text without commas"),
        ('recharge = { mode = "none" }', 'recharge = "none"', "card_type[1].recharge: expected a table, got 'none'"),
        ('{ mode = "none" }', '{ mode = "sometimes" }', "card_type[1].recharge.mode: expected one of none, threshold"),
        (
            '{ mode = "none" }',
            '{ mode = "threshold", add = 1, max_per_day = 1 }',
            "card_type[1].recharge.below: expected",
        ),
        (
            '{ mode = "none" }',
            '{ mode = "monthly", add = 0 }',
            "card_type[1].recharge.add: expected a whole number from 1",
        ),
        ('{ mode = "none" }', '{ mode = "shortfall", add = 5, max_per_day = 65536 }', "recharge.max_per_day"),
        ('code = "GOLD"', 'code = "GOLD"\ndiscount_bp = 10001', "card_type[1].discount_bp: expected a whole number"),
        ('code = "GOLD"', 'code = "GOLD"\ndiscount_excluded = "FUEL"', "discount_excluded: expected a list of texts"),
        (
            "[[card_type]]",
            "[points.brand]\nPrivate = -1\n[[card_type]]",
            "points.brand.Private: expected a whole number",
        ),
        ("[[card_type]]", "[[points.period]]\npct = 200\n[[card_type]]", "points.period[1].from: expected a date"),
        ("opening_balance = 600000", "opening_balance = 1000000000000001", "card_type[1].opening_balance"),
        (
            'base = "before_discount"',
            'base = "after_discount"',
            "points.base = after_discount needs amount.discount_rou",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_section_and_key(old, new, complaint):
    with pytest.raises(RulesError) as caught:
        parse(changed(old, new, 1))

    assert complaint in str(caught.value)


def test_net_lines_need_rounding_per_basket():
    text = changed('negative_lines = "clamp"', 'negative_lines = "net"')

    with pytest.raises(RulesError, match=r"points.negative_lines = net needs points.rounding = basket, got 'line'"):
        parse(text.replace('rounding = "basket"\nbase', 'rounding = "line"\nbase'))


@pytest.mark.parametrize(
    ("per_unit", "percent", "expected"),
    [
        (1, 150, (150, 1)),
        (7, 133, (133, 7)),
        (250, 100, (6_250, 4)),
        (0, 100, (0, 1)),
        (3, 0, (0, 1)),
        (1, 20_000, (10_000, 2)),
    ],
)
def test_only_the_product_of_unit_and_percent_counts(per_unit, percent, expected):
    text = changed("per_unit = 1", f"per_unit = {per_unit}").replace("points_pct = 150", f"points_pct = {percent}")

    gold = parse(text).card_types[0]

    assert gold.points_percent * gold.points_per_unit == per_unit * percent
    assert gold.points_percent <= 10_000
    assert gold.points_per_unit <= 100
    assert (gold.points_percent, gold.points_per_unit) == expected


def test_a_file_that_is_no_rule_file_is_named(tmp_path):
    path = tmp_path / "rules.toml"
    with pytest.raises(RulesError, match=r"rules\.toml: expected a rule file, got No such file or directory"):
        read_rules(path)
    path.write_text("[meta\n")
    with pytest.raises(RulesError, match=r"rules\.toml: expected TOML, got: Expected"):
        read_rules(path)
    path.write_bytes(b"\xff")
    with pytest.raises(RulesError, match=r"rules\.toml: expected UTF-8 text"):
        read_rules(path)
