"""Card types, rules and bills out of files: read as they are meant, and refused with every field that is wrong."""

from typing import Any

import pytest

from cardswitch.bill_file import EXAMPLE, parse_quantity, read_bill
from cardswitch.output import CommandError
from cardswitch.rule_file import TEMPLATE as RULES_TEMPLATE
from cardswitch.rule_file import describe, describe_of_file, read_rules
from cardswitch.type_file import TEMPLATE as TYPE_TEMPLATE
from cardswitch.type_file import fees_of, read_card_type
from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    NO_LIMIT,
    BillLine,
    CardTypeFlag,
    DebitFlag,
    FeeKind,
    Function,
    LineFlag,
    PutCardTypeRequest,
    PutRuleRequest,
    RuleAction,
    RuleLayer,
    Tender,
    TypeState,
)
from switch.protocol.records import RuleRecord

KEY: dict[str, Any] = {"trace_number": 1, "business_date": 1, "stamp_ms": 0}


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="file.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def problems_of(read, path):
    with pytest.raises(CommandError) as caught:
        read(path)
    return {line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]}


# --------------------------------------------------------------------------- card types


def test_the_template_of_a_type_is_one(write):
    found = read_card_type(write(TYPE_TEMPLATE))

    request = PutCardTypeRequest(**KEY, code=found.code, **found.fields)
    assert PutCardTypeRequest.decode(request.encode()) == request
    assert (found.code, request.state, request.discount_bp) == (1, TypeState.DRAFT, 250)
    assert request.functions == Function.IDENTIFY | Function.PAY | Function.POINTS | Function.DISCOUNT
    assert request.flags == CardTypeFlag.ACTIVATION_REQUIRED
    assert (request.single_minor_max, request.daily_points_max_hundredths) == (50_000, NO_LIMIT)
    assert fees_of(request.fees_minor)[FeeKind.ISSUE] == 500
    assert (request.fees_from_balance, request.fees_waivable) == (1 << FeeKind.ISSUE, 0)
    assert found.remarks == []


def test_a_short_file_has_the_defaults_of_the_message(write):
    found = read_card_type(write('code = 3\nfunctions = ["pay"]\nstate = "approved"\n'))

    assert PutCardTypeRequest(**KEY, code=3, **found.fields) == PutCardTypeRequest(**KEY, code=3, functions=2)
    assert found.fields["recharge_count_max"] == NO_COUNT_LIMIT


def test_every_problem_of_a_type_is_named_at_once(write):
    path = write(
        """
code = 2000
functions = ["pay", "voucher", "fly"]
nane = "Gold"
discount_percent = 101
[limits]
single = 1.234
daily_count = -1
[value]
face_min = 10.00
face_max = 5.00
[number]
digits = 7
prefix = 62
[auto_recharge]
mode = "threshold"
[fees.issue]
amount = "free"
[fees.parking]
amount = 1.00
"""
    )

    assert problems_of(read_card_type, path) == {
        "code",
        "functions",
        "nane",
        "discount_percent",
        "limits.single",
        "limits.daily_count",
        "value.face_max",
        "number.digits",
        "number.prefix",
        "auto_recharge.add",
        "auto_recharge.count_per_day",
        "fees.issue.amount",
        "fees.parking",
    }


def test_what_is_not_read_is_remarked_and_not_refused(write):
    found = read_card_type(write('code = 1\nfunctions = ["pay"]\ndiscount_percent = 5\nlists = { outlets = [3] }\n'))

    assert [remark.split(" ")[0] for remark in found.remarks] == ["discount_percent", "lists.outlets"]


def test_a_voucher_stands_alone(write):
    assert problems_of(read_card_type, write('code = 1\nfunctions = ["voucher", "pay"]\n')) == {"functions"}


def test_a_file_that_is_no_toml_says_where(write):
    with pytest.raises(CommandError, match="line 2"):
        read_card_type(write("code = 1\nname = \n"))
    with pytest.raises(CommandError, match="No such file"):
        read_card_type(write("").with_name("none.toml"))


# --------------------------------------------------------------------------- rules


def test_the_template_of_rules_is_a_set(write):
    found = read_rules(write(RULES_TEMPLATE))

    assert [(rule.number, rule.layer, rule.action) for rule in found.rules] == [
        (10, RuleLayer.POINTS_ITEM, RuleAction.MULTIPLY),
        (20, RuleLayer.DISCOUNT, RuleAction.MULTIPLY),
        (30, RuleLayer.DISCOUNT, RuleAction.REPLACE),
        (40, RuleLayer.FORBID, RuleAction.EXCLUDE),
    ]
    second, third = found.rules[1].fields, found.rules[2].fields
    assert (second["rate"], second["weekdays"], second["from_minute"], second["until_minute"]) == (500, 96, 540, 720)
    assert (second["bill_minor_min"], third["unit_price_minor"]) == (10_000, 990)
    assert (third["settlements"], third["segments"], third["store_id"]) == (1, 8, 12)
    for rule in found.rules:
        PutRuleRequest(**KEY, ruleset=1, rule=rule.number, layer=rule.layer, action=rule.action, **rule.fields).encode()


def test_a_rule_of_the_switch_is_told_in_the_words_of_the_file(write):
    rule = read_rules(write(RULES_TEMPLATE)).rules[1]
    record = RuleRecord(ruleset=1, rule=20, key_c=0, layer=rule.layer, action=rule.action, **rule.fields)

    words = describe(record)

    assert words == describe_of_file(rule)
    assert words == {
        "number": 20,
        "layer": "discount",
        "action": "multiply",
        "percent_off": "5.00",
        "card_type": 1,
        "from_date": "2026-03-01",
        "until_date": "2026-03-31",
        "weekdays": ["sat", "sun"],
        "from_time": "09:00",
        "until_time": "12:00",
        "bill_min": "100.00",
    }


def test_every_problem_of_a_set_is_named_at_once(write):
    path = write(
        """
[[rule]]
number = 1
layer = "forbid"
action = "multiply"
[[rule]]
number = 1
layer = "points-brand"
action = "replace"
percent = 100
[[rule]]
layer = "points-recharge"
action = "multiply"
item = 7
[[rule]]
number = 4
layer = "discount"
action = "multiply"
percent = 5
percent_off = 5
weekdays = ["sunday"]
from_date = 2026-03-02
until_date = 2026-03-01
from_time = "22:00"
until_time = "06:00"
"""
    )

    assert problems_of(read_rules, path) == {
        "rule 1",
        "rule[1].action",
        "rule[2].action",
        "rule[3].number",
        "rule[3].percent",
        "rule[3].item",
        "rule[4].percent",
        "rule[4].weekdays",
        "rule[4].until_date",
        "rule[4].until_time",
    }


def test_too_many_rules_for_the_same_lines_are_found_before_they_are_sent(write):
    rule = '[[rule]]\nnumber = {}\nlayer = "points-period"\naction = "multiply"\npercent = 200\nbrand = 5\n'

    assert len(read_rules(write("".join(rule.format(n) for n in range(1, 65)))).rules) == 64
    assert problems_of(read_rules, write("".join(rule.format(n) for n in range(1, 66)))) == {"rule"}


# --------------------------------------------------------------------------- bills


def test_the_example_of_a_bill_is_one(write):
    bill = read_bill(write(EXAMPLE, "bill.json"))

    assert bill.amount_minor == 1850
    assert bill.lines == (
        BillLine(item=6901028075022, amount_minor=1250, quantity_milli=2000, department=7, category=71),
        BillLine(item=6901028075039, amount_minor=600, quantity_milli=1000, flags=LineFlag.NO_POINTS),
    )


def test_a_bill_without_amount_is_the_sum_of_its_lines_and_a_priced_one_needs_none(write):
    assert read_bill(write('{"lines": [{"amount": 1.10}, {"amount": "2"}]}')).amount_minor == 310
    priced = read_bill(write('{"priced": true, "lines": [{"item": 5, "quantity": "0.350"}]}'))
    assert (priced.amount_minor, priced.flags, priced.lines[0].quantity_milli) == (0, DebitFlag.PRICED, 350)


def test_tenders_of_a_bill(write):
    bill = read_bill(write('{"amount": 5, "tenders": [{"kind": "points", "purse": 1, "amount": "5.00"}]}'))

    assert bill.tenders == (Tender(kind=2, purse=1, amount_minor=500),)


def test_every_problem_of_a_bill_is_named_at_once(write):
    path = write('{"lines": [{"amount": 1.234, "quantity": "1.2345"}, {"amout": 1}], "tenders": [{"kind": "gold"}]}')

    assert problems_of(read_bill, path) == {
        "lines[1].amount",
        "lines[1].quantity",
        "lines[2].amount",
        "lines[2].amout",
        "tenders[1].kind",
    }
    assert parse_quantity("-0.5") == -500
