"""Sets of rules as the switch keeps them, and which rules of a set are for a line of a bill.

What a line earns the switch alone says; here is only the choosing of rules
(docs/decision.md, section 5, "Matching"), so that a page can name them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from admin.models.mirror import rules, rulesets
from switch.protocol.messages import BillLine, RuleAction, RuleLayer, RulesetState

MINUTES_PER_DAY = 1440
THURSDAY = 3
"""Day 0, 1970-01-01, was one; Monday is 0."""
WEEK = 7


@dataclass(frozen=True, slots=True)
class SetRow:
    """A set of rules for a list."""

    ruleset: int
    state: int
    from_date: int
    rule_count: int
    is_in_force: bool


@dataclass(frozen=True, slots=True)
class Bill:
    """What rules ask for besides the line."""

    card_type: int
    level: int
    segments: int
    store_id: int
    terminal_id: int
    settlement: int
    business_date: int
    minute: int
    bill_minor: int


def rules_of(session: Session, ruleset: int) -> Sequence[Row[Any]]:
    """Rules of a set, by number."""
    return session.execute(select(rules).where(rules.c.ruleset == ruleset).order_by(rules.c.rule)).all()


def set_in_force(session: Session, business_date: int) -> int:
    """Number of the set that holds on a date; 0 when none does."""
    query = (
        select(rulesets.c.ruleset)
        .where(rulesets.c.state == RulesetState.ACTIVE, rulesets.c.from_date <= business_date)
        .order_by(rulesets.c.from_date.desc())
        .limit(1)
    )
    return int(session.scalar(query) or 0)


def sets(session: Session, business_date: int) -> list[SetRow]:
    """All sets, the newest first."""
    counts: dict[int, int] = {
        row[0]: row[1] for row in session.execute(select(rules.c.ruleset, func.count()).group_by(rules.c.ruleset))
    }
    in_force = set_in_force(session, business_date)
    return [
        SetRow(row.ruleset, row.state, row.from_date, counts.get(row.ruleset, 0), row.ruleset == in_force)
        for row in session.execute(select(rulesets).order_by(rulesets.c.ruleset.desc()))
    ]


def next_set(session: Session) -> int:
    """A number that no set has."""
    return int(session.scalar(select(func.max(rulesets.c.ruleset))) or 0) + 1


def weekday_bit(business_date: int) -> int:
    """Bit n - 1 for ISO weekday n."""
    return 1 << ((business_date + THURSDAY) % WEEK)


def matches(rule: Row[Any], line: BillLine, bill: Bill) -> bool:
    """Whether every field of a rule that asks for something fits."""
    wanted = (
        (rule.card_type, bill.card_type),
        (rule.level, bill.level),
        (rule.item, line.item),
        (rule.department, line.department),
        (rule.category, line.category),
        (rule.brand, line.brand),
        (rule.store_id, bill.store_id),
        (rule.terminal_id, bill.terminal_id),
    )
    return (
        all(not asked or asked == there for asked, there in wanted)
        and (not rule.from_date or rule.from_date <= bill.business_date)
        and (not rule.until_date or bill.business_date <= rule.until_date)
        and (not rule.weekdays or bool(rule.weekdays & weekday_bit(bill.business_date)))
        and rule.from_minute <= bill.minute < (rule.until_minute or MINUTES_PER_DAY)
        and (not rule.settlements or bool(rule.settlements >> bill.settlement & 1))
        and (not rule.segments or bool(rule.segments & bill.segments))
        and rule.bill_minor_min <= bill.bill_minor
    )


def specificity(rule: Row[Any]) -> int:
    """How much a rule asks for: of several rules the more specific one counts first."""
    has_period = any((rule.from_date, rule.until_date, rule.weekdays, rule.from_minute, rule.until_minute))
    asked = (rule.card_type, rule.level, rule.item, rule.category, rule.department, rule.brand, has_period)
    return sum(bit for bit, there in zip((64, 32, 16, 8, 4, 2, 1), asked, strict=True) if there)


def best_first(found: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Rules of one layer in the order in which they count."""

    def order(rule: Row[Any]) -> tuple[int, ...]:
        is_by_item = rule.layer in (RuleLayer.POINTS_ITEM, RuleLayer.POINTS_RECHARGE)
        return (
            rule.action != RuleAction.EXCLUDE,
            -specificity(rule) if is_by_item else 0,
            -rule.priority if is_by_item else 0,
            -rule.rate,
            rule.rule,
        )

    return sorted(found, key=order)


def layers_of(all_rules: Sequence[Row[Any]], line: BillLine, bill: Bill) -> Iterator[tuple[RuleLayer, list[Row[Any]]]]:
    """Layers of which some rule is for a line, each with its rules, the one that counts first."""
    for layer in RuleLayer:
        if layer is RuleLayer.POINTS_RECHARGE:
            continue
        found = [rule for rule in all_rules if rule.layer == layer and matches(rule, line, bill)]
        if found:
            yield layer, best_first(found)
