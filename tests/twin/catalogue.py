"""Section 16, the rest: points categories, gifts, rules and their sets, prices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    ActivateRulesRequest,
    PutGiftRequest,
    PutPointsCategoryRequest,
    PutPriceRequest,
    PutRuleRequest,
    RuleAction,
    RuleLayer,
    RulesetState,
)
from switch.protocol.records import GONE, RECORDS, RecordKind

from .accounts import category_exists
from .state import Ask, Decision, Record, State

RATE_MAX = 10**6
SHARED_RULES_MAX = 64
"""Rules of one set that may be looked up in the same place."""
NO_PRICE = -1
"""Of an article whose only price is to come."""
LOOKED_UP = ("card_type", "level", "item", "category", "department", "brand")


def decide_put_category(state: State, ask: Ask, form: PutPointsCategoryRequest, decision: Decision) -> ResponseCode:
    """Create or change a points category."""
    invalid = decision.first_invalid(
        form,
        {
            "category": form.category <= 63,
            "flags": form.flags <= 1,
            "tender_cap_bp": form.tender_cap_bp <= 10_000,
            "tender_rate": form.tender_rate <= RATE_MAX,
            "convert_rate": form.convert_rate <= RATE_MAX,
            "convert_lot_minor": form.convert_lot_minor >= 1,
        },
    )
    if invalid is not None:
        return invalid
    tables, kind = state.tables, RecordKind.POINTS_CATEGORY
    record = tables.find(kind, form.category) or tables.make(kind, category=form.category)
    for name in ("flags", "tender_rate", "convert_rate", "tender_cap_bp", "convert_lot_minor", "name"):
        setattr(record, name, getattr(form, name))
    decision.touch(record)
    return ResponseCode.APPROVED


def decide_put_gift(state: State, ask: Ask, form: PutGiftRequest, decision: Decision) -> ResponseCode:
    """Create or change a gift."""
    tables, kind = state.tables, RecordKind.GIFT
    invalid = decision.first_invalid(form, {"gift_id": form.gift_id > 0, "flags": form.flags <= 1})
    if invalid is not None:
        return invalid
    if not category_exists(state, form.category):
        return ResponseCode.CATEGORY_UNKNOWN
    in_order = form.until_date == 0 or form.until_date >= form.from_date
    checks = {"price_hundredths": 0 <= form.price_hundredths <= 10**15, "until_date": in_order}
    invalid = decision.first_invalid(form, checks)
    if invalid is not None:
        return invalid
    record = tables.find(kind, form.gift_id)
    if record is None:
        if not tables.has_room(kind):
            return ResponseCode.TABLE_FULL
        record = tables.make(kind, gift_id=form.gift_id, price_hundredths=0)
    for name in RECORDS[kind].__struct_fields__:
        if hasattr(form, name) and not name.startswith("reserved"):
            setattr(record, name, getattr(form, name))
    decision.touch(record)
    return ResponseCode.APPROVED


# --------------------------------------------------------------------------- rules


def decide_put_rule(state: State, ask: Ask, form: PutRuleRequest, decision: Decision) -> ResponseCode:
    """Put a rule into a draft set, or take it out."""
    tables = state.tables
    if form.ruleset == 0:
        return decision.invalid(form, "ruleset")
    ruleset = tables.find(RecordKind.RULESET, form.ruleset)
    if ruleset is not None and ruleset.state != RulesetState.DRAFT:
        return ResponseCode.RULESET_STATE
    for name, holds in _rule_checks(form):
        if not holds:
            return decision.invalid(form, name)
    rule = tables.find(RecordKind.RULE, form.ruleset, form.rule)
    if form.remove:
        if rule is None or ruleset is None:
            return ResponseCode.ORIGINAL_UNKNOWN
        rule.state = GONE
        ruleset.rule_count -= 1
        decision.touch(rule, ruleset)
        return ResponseCode.APPROVED
    has_room = tables.has_room
    if (rule is None and not has_room(RecordKind.RULE)) or (ruleset is None and not has_room(RecordKind.RULESET)):
        return ResponseCode.TABLE_FULL
    if ruleset is None:
        ruleset = tables.make(RecordKind.RULESET, state=RulesetState.DRAFT, ruleset=form.ruleset)
    if rule is None:
        rule = tables.make(RecordKind.RULE, ruleset=form.ruleset, rule=form.rule, layer=form.layer, action=form.action)
        ruleset.rule_count += 1
    for name in RECORDS[RecordKind.RULE].__struct_fields__:
        if hasattr(form, name) and not name.startswith("reserved"):
            setattr(rule, name, getattr(form, name))
    decision.touch(rule, ruleset)
    return ResponseCode.APPROVED


def _rule_checks(form: PutRuleRequest) -> Iterator[tuple[str, bool]]:
    """(field, whether it holds), in the order of the checks."""
    yield "rule", 1 <= form.rule <= 65_535
    yield "layer", form.layer <= RuleLayer.POINTS_RECHARGE
    yield "action", form.action <= RuleAction.REPLACE
    yield "weekdays", form.weekdays <= 127
    yield "from_minute", form.from_minute < 1440
    yield "until_minute", form.until_minute == 0 or form.from_minute < form.until_minute <= 1440
    yield "settlements", form.settlements <= 127
    yield "booking_days", form.booking_days <= 31
    yield "bill_minor_min", form.bill_minor_min >= 0
    yield "unit_price_minor", form.unit_price_minor >= 0
    yield "rate", form.rate <= 10_000
    yield "priority", form.priority <= 65_535
    yield "points_category", form.points_category <= 63
    yield "remove", form.remove <= 1
    yield "action", form.layer != RuleLayer.FORBID or form.action == RuleAction.EXCLUDE
    yield "until_date", form.until_date == 0 or form.until_date >= form.from_date
    for name in ("item", "department", "category", "brand"):
        yield name, form.layer != RuleLayer.POINTS_RECHARGE or getattr(form, name) == 0
    yield "card_type", form.card_type <= 1023


def rules_of(state: State, ruleset: int) -> list[Record]:
    """Rules of a set in order of number."""
    return [rule for rule in state.tables.all(RecordKind.RULE) if rule.ruleset == ruleset]


def decide_activate_rules(state: State, ask: Ask, form: ActivateRulesRequest, decision: Decision) -> ResponseCode:
    """Check a draft set as a whole and put it in force from a date on."""
    tables = state.tables
    if form.ruleset == 0:
        return decision.invalid(form, "ruleset")
    ruleset = tables.find(RecordKind.RULESET, form.ruleset)
    if ruleset is not None and ruleset.state != RulesetState.DRAFT:
        return ResponseCode.RULESET_STATE
    rules = rules_of(state, form.ruleset)
    if form.rule_count != len(rules):
        return ResponseCode.RULES_INVALID
    active = [record for record in tables.all(RecordKind.RULESET) if record.state == RulesetState.ACTIVE]
    if active and form.from_date <= ask.today:
        return decision.invalid(form, "from_date")
    if any(record.from_date == form.from_date for record in active):
        return ResponseCode.RULESET_STATE
    fault = _first_fault(state, rules)
    if fault:
        decision.detail = fault
        return ResponseCode.RULES_INVALID
    if ruleset is None:
        if not tables.has_room(RecordKind.RULESET):
            return ResponseCode.TABLE_FULL
        ruleset = tables.make(RecordKind.RULESET, state=RulesetState.DRAFT, ruleset=form.ruleset)
    ruleset.state, ruleset.from_date, ruleset.author = RulesetState.ACTIVE, form.from_date, form.operator_id
    decision.touch(ruleset)
    return ResponseCode.APPROVED


def _first_fault(state: State, rules: list[Record]) -> int:
    """Number of the first rule that is not valid in its set; 0 when all are."""
    sharing: Counter[tuple[int, ...]] = Counter()
    for rule in rules:
        key = tuple(getattr(rule, name) for name in LOOKED_UP)
        sharing[key] += 1
        has_type = rule.card_type == 0 or state.tables.find(RecordKind.TYPE_STATE, rule.card_type) is not None
        has_store = rule.store_id == 0 or state.tables.find(RecordKind.STORE, rule.store_id) is not None
        may_replace = rule.layer in (RuleLayer.DISCOUNT, RuleLayer.POINTS_ITEM)
        is_valid = (
            has_type
            and has_store
            and category_exists(state, rule.points_category)
            and (rule.action != RuleAction.REPLACE or may_replace)
            and sharing[key] <= SHARED_RULES_MAX
        )
        if not is_valid:
            return int(rule.rule)
    return 0


# --------------------------------------------------------------------------- prices


def decide_put_price(state: State, ask: Ask, form: PutPriceRequest, decision: Decision) -> ResponseCode:
    """Set the price of an article now, or its next one."""
    tables, kind = state.tables, RecordKind.PRICE
    invalid = decision.first_invalid(
        form, {"item": form.item > 0, "unit_price_minor": 0 <= form.unit_price_minor < 2**32}
    )
    if invalid is not None:
        return invalid
    record = tables.find(kind, form.item, form.price_class)
    if record is None:
        if not tables.has_room(kind):
            return ResponseCode.TABLE_FULL
        record = tables.make(kind, item=form.item, price_class=form.price_class, unit_price_minor=NO_PRICE)
    if 0 < record.next_from_date <= ask.today:
        record.unit_price_minor = record.next_unit_price_minor
        record.next_from_date = record.next_unit_price_minor = 0
    if form.from_date <= ask.today:
        record.unit_price_minor = form.unit_price_minor
    else:
        record.next_from_date, record.next_unit_price_minor = form.from_date, form.unit_price_minor
    decision.touch(record)
    return ResponseCode.APPROVED
