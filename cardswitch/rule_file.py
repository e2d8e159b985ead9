"""A set of rules as a TOML file with readable names, and a rule of the switch in the same words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from switch.protocol.limits import (
    BOOKING_DAYS_MAX,
    CARD_TYPE_CODE_MAX,
    POINTS_CATEGORY_MAX,
    RATE_MAX,
    RULE_NUMBER_MAX,
    RULES_PER_SELECTOR_MAX,
    UNIT_PRICE_MINOR_MAX,
)
from switch.protocol.messages import RuleAction, RuleLayer, Settlement
from switch.protocol.records import RuleRecord
from terminals.operator_fields import RuleFields

from .form import Form, Problems, bits_of_numbers, name_of, names_of, read_toml
from .units import format_date, format_minute, plain_decimal

U8_MAX, U16_MAX, U32_MAX, U64_MAX = 2**8 - 1, 2**16 - 1, 2**32 - 1, 2**64 - 1
I64_MAX = 2**63 - 1
DAY_MINUTES = 1_440
WEEKDAYS = {"mon": 1, "tue": 2, "wed": 4, "thu": 8, "fri": 16, "sat": 32, "sun": 64}
SETTLEMENTS = {name: 1 << value for name, value in names_of(Settlement).items()}
POINTS_LAYERS = (
    RuleLayer.POINTS_ITEM,
    RuleLayer.POINTS_BRAND,
    RuleLayer.POINTS_PERIOD,
    RuleLayer.POINTS_CAMPAIGN,
    RuleLayer.POINTS_RECHARGE,
)
SELECTOR = ("card_type", "level", "item", "category", "department", "brand")

TEMPLATE = """\
# A set of rules. A field that is left out asks for nothing. The whole set is checked before anything is sent.
#set = 2                        # number of the set; default: the next one that is free

[[rule]]
number = 10                     # its number in the set, 1 to 65535
layer = "points-item"           # forbid, discount, points-item, points-brand, points-period, points-campaign,
                                # points-recharge
action = "multiply"             # exclude: forbidden, nothing off, no points
                                # multiply: percent of points (multiplied with the other layers), percent_off
                                # replace: percent of points alone (points-item), unit_price (discount)
percent = 200                   # points layers: 100 is as it is, 200 twice, 0 nothing
department = 7                  # lines of this department; also item, category, brand
points_category = 0             # points-item, points-recharge: category of the points
booking_days = 0                # points-item: dates until they are booked; 0: at once

[[rule]]
number = 20
layer = "discount"
action = "multiply"
percent_off = 5.0               # taken off; two places
card_type = 1                   # cards of this type; also level
weekdays = ["sat", "sun"]
from_time = "09:00"             # local time, first minute
until_time = "12:00"            # first minute after it
from_date = 2026-03-01
until_date = 2026-03-31         # the last date
bill_min = 100.00               # the bill comes to at least this

[[rule]]
number = 30
layer = "discount"
action = "replace"
unit_price = 9.90               # what the unit costs
item = 6901028075022
store = 12                      # also terminal
settlements = ["card"]          # card, cash, bank, points, visits, other, mixed
segments = [3]                  # accounts in one of these segments, 0 to 63
priority = 5                    # of equally specific rules the higher one counts

[[rule]]
number = 40
layer = "forbid"
action = "exclude"
category = 71
"""


class Rule(NamedTuple):
    """One rule of a file."""

    number: int
    layer: int
    action: int
    fields: RuleFields


class RuleFile(NamedTuple):
    """A set of rules of a file."""

    ruleset: int
    """0: the file names none."""
    rules: list[Rule]


def read_rules(path: Path) -> RuleFile:
    """The rules of a file; `CommandError` with every field that is wrong."""
    top, problems = read_toml(path)
    found = parse_rules(top, problems)
    problems.raise_if_any()
    return found


def parse_rules(top: Form, problems: Problems) -> RuleFile:
    """The rules of a table; what is wrong is noted."""
    ruleset = top.number("set", 1, U32_MAX, 0)
    rules = [_rule(form) for form in top.forms("rule")]
    top.finish("set, rule")
    for number, count in Counter(rule.number for rule in rules).items():
        if count > 1 and number:
            problems.add(f"rule {number}", f"expected each number once, got it {count} times")
    shared = Counter(tuple(rule.fields.get(name, 0) for name in SELECTOR) for rule in rules)
    for selector, count in shared.items():
        if count > RULES_PER_SELECTOR_MAX:
            named = ", ".join(f"{name} {value}" for name, value in zip(SELECTOR, selector, strict=True) if value)
            problems.add(
                "rule",
                f"expected at most {RULES_PER_SELECTOR_MAX} rules for the same {named or 'anything'}, got {count};"
                " merge some, or name items or categories",
            )
    return RuleFile(ruleset, rules)


def _rule(form: Form) -> Rule:
    number = form.number("number", 1, RULE_NUMBER_MAX)
    layer = form.choice("layer", names_of(RuleLayer))
    action = form.choice("action", names_of(RuleAction))
    fields = RuleFields(
        card_type=form.number("card_type", 1, CARD_TYPE_CODE_MAX, 0),
        level=form.number("level", 1, U8_MAX, 0),
        item=form.number("item", 1, U64_MAX, 0),
        department=form.number("department", 1, U16_MAX, 0),
        category=form.number("category", 1, U16_MAX, 0),
        brand=form.number("brand", 1, U16_MAX, 0),
        store_id=form.number("store", 1, U32_MAX, 0),
        terminal_id=form.number("terminal", 1, U32_MAX, 0),
        from_date=form.date("from_date", 0),
        until_date=form.date("until_date", 0),
        weekdays=form.choices("weekdays", WEEKDAYS, 0),
        from_minute=form.minute("from_time", 0),
        until_minute=form.minute("until_time", 0),
        settlements=form.choices("settlements", SETTLEMENTS, 0),
        segments=sum(1 << bit for bit in {*(form.numbers("segments", 0, 63) or [])}),
        bill_minor_min=form.decimal("bill_min", 0, I64_MAX, 0),
        priority=form.number("priority", 0, U16_MAX, 0),
    )
    _bounds(form, fields)
    if layer is not None and action is not None:
        _effect(form, RuleLayer(layer), RuleAction(action), fields)
    form.finish("see `cardswitch rules template`")
    return Rule(number or 0, layer or 0, action or 0, fields)


def _bounds(form: Form, fields: RuleFields) -> None:
    if fields["until_date"] and fields["until_date"] < fields["from_date"]:
        form.problem("until_date", "expected from_date or later, got an earlier date")
    if fields["from_minute"] >= DAY_MINUTES:
        form.problem("from_time", "expected a time before 24:00")
    if fields["until_minute"] and fields["until_minute"] <= fields["from_minute"]:
        form.problem("until_time", "expected a time after from_time; write two rules for a night")


def _effect(form: Form, layer: RuleLayer, action: RuleAction, fields: RuleFields) -> None:
    """What the rule does: each layer and action has its own figure, and no other."""
    if layer is RuleLayer.FORBID and action is not RuleAction.EXCLUDE:
        form.problem("action", f"expected exclude in the layer forbid, got {name_of(RuleAction, action)}")
    if action is RuleAction.REPLACE and layer not in (RuleLayer.DISCOUNT, RuleLayer.POINTS_ITEM):
        form.problem("action", f"expected multiply or exclude in the layer {name_of(RuleLayer, layer)}, got replace")
    if action is not RuleAction.EXCLUDE:
        if layer in POINTS_LAYERS:
            fields["rate"] = form.number("percent", 0, RATE_MAX) or 0
        elif layer is RuleLayer.DISCOUNT and action is RuleAction.MULTIPLY:
            fields["rate"] = form.decimal("percent_off", 0, RATE_MAX) or 0
        elif layer is RuleLayer.DISCOUNT:
            fields["unit_price_minor"] = form.decimal("unit_price", 0, UNIT_PRICE_MINOR_MAX) or 0
    if layer in (RuleLayer.POINTS_ITEM, RuleLayer.POINTS_RECHARGE):
        fields["points_category"] = form.number("points_category", 0, POINTS_CATEGORY_MAX, 0)
    if layer is RuleLayer.POINTS_ITEM:
        fields["booking_days"] = form.number("booking_days", 0, BOOKING_DAYS_MAX, 0)
    if layer is RuleLayer.POINTS_RECHARGE:
        for name in ("item", "department", "category", "brand"):
            if fields.get(name):
                form.problem(name, "expected nothing in the layer points-recharge: a recharge has no lines")


def describe(rule: RuleRecord) -> dict[str, Any]:
    """A rule of the switch in the words of a file; what asks for nothing is left out."""
    layer, action = RuleLayer(rule.layer), RuleAction(rule.action)
    words: dict[str, Any] = {
        "number": rule.rule,
        "layer": name_of(RuleLayer, layer),
        "action": name_of(RuleAction, action),
    }
    if action is not RuleAction.EXCLUDE:
        if layer in POINTS_LAYERS:
            words["percent"] = rule.rate
        elif action is RuleAction.MULTIPLY:
            words["percent_off"] = plain_decimal(rule.rate)
        else:
            words["unit_price"] = plain_decimal(rule.unit_price_minor)
    optional = {
        "card_type": rule.card_type,
        "level": rule.level,
        "item": rule.item,
        "department": rule.department,
        "category": rule.category,
        "brand": rule.brand,
        "store": rule.store_id,
        "terminal": rule.terminal_id,
        "from_date": format_date(rule.from_date),
        "until_date": format_date(rule.until_date),
        "weekdays": [name for name, bit in WEEKDAYS.items() if rule.weekdays & bit],
        "from_time": format_minute(rule.from_minute) if rule.from_minute else "",
        "until_time": format_minute(rule.until_minute) if rule.until_minute else "",
        "settlements": [name for name, bit in SETTLEMENTS.items() if rule.settlements & bit],
        "segments": bits_of_numbers(rule.segments),
        "bill_min": plain_decimal(rule.bill_minor_min) if rule.bill_minor_min else "",
        "priority": rule.priority,
        "points_category": rule.points_category,
        "booking_days": rule.booking_days,
    }
    return words | {name: value for name, value in optional.items() if value}


def describe_of_file(rule: Rule) -> dict[str, Any]:
    """A rule of a file in the same words as one of the switch, for comparing them."""
    return describe(
        RuleRecord(ruleset=0, rule=rule.number, key_c=0, layer=rule.layer, action=rule.action, **rule.fields)
    )


def in_words(words: dict[str, Any]) -> str:
    """What a rule asks for and does, in one line."""
    parts = []
    for name, value in words.items():
        if name not in ("number", "layer", "action"):
            shown = " ".join(map(str, value)) if isinstance(value, list) else value
            parts.append(f"{name.replace('_', ' ')} {shown}")
    return ", ".join(parts)
