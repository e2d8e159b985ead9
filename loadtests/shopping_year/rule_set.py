"""The rule file's rules about goods, households and times, as rules of the switch.

The switch knows departments, categories and brands by number, households by
segments, and looks rules up by what they name.  Names that no line has and
periods that never are become no rule.
"""

from __future__ import annotations

import datetime
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from switch.protocol.messages import PutRuleRequest, RuleAction, RuleLayer

from .rule_sections import RulesError
from .rules import Period, Rules
from .year import Year

RULES_PER_KEY_MAX = 64
"""Rules of one set that differ only in what the switch does not look rules up by."""
RULES_MAX = 65_535
SEGMENTS_MAX = 64
PERCENT_NEUTRAL = 100
EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()
NEUTRAL_MINUTES = (0, 1440)
_LAYERS_TO_SPREAD = (RuleLayer.POINTS_CAMPAIGN, RuleLayer.POINTS_PERIOD)
_WAYS: tuple[tuple[str, ...], ...] = (
    (),
    ("card_type",),
    ("brand",),
    ("card_type", "brand"),
    ("department",),
    ("card_type", "department"),
    ("brand", "department"),
    ("card_type", "brand", "department"),
)
"""Fields that the copies of a rule name, the fewest copies first."""


class Rule(NamedTuple):
    """One rule of the switch; a field that is 0 asks for nothing."""

    layer: RuleLayer
    action: RuleAction = RuleAction.MULTIPLY
    rate: int = 0
    card_type: int = 0
    department: int = 0
    category: int = 0
    brand: int = 0
    store_id: int = 0
    from_date: int = 0
    until_date: int = 0
    weekdays: int = 0
    from_minute: int = 0
    until_minute: int = 0
    segments: int = 0

    @property
    def key(self) -> tuple[int, int, int, int]:
        """What the switch looks it up by."""
        return self.card_type, self.department, self.category, self.brand

    def request(self, trace_number: int, business_date: int, stamp_ms: int, ruleset: int, rule: int) -> PutRuleRequest:
        """The message that puts it into a set."""
        return PutRuleRequest(
            trace_number=trace_number,
            business_date=business_date,
            stamp_ms=stamp_ms,
            ruleset=ruleset,
            rule=rule,
            **self._asdict(),
        )


class RuleSet(NamedTuple):
    """All rules, and the segments of the households that some of them ask for."""

    rules: list[Rule]
    segments: dict[int, int]
    """Bits by household; households without any are not in it."""


def rule_set(rules: Rules, year: Year, households: Iterable[int], store_ids: Iterable[int]) -> RuleSet:
    """Rules for a selection of households and stores; `RulesError` when the switch cannot hold them."""
    campaign_rules, segments = _campaign_rules(rules, year, frozenset(households))
    wanted = [
        *_card_type_rules(rules, year),
        *_item_rules(rules, year),
        *(
            Rule(RuleLayer.POINTS_BRAND, rate=percent, brand=year.brands[name])
            for name, percent in rules.points.brands.items()
            if name in year.brands
        ),
        *campaign_rules,
        *(rule for period in rules.points.periods for rule in _period_rules(period, year, frozenset(store_ids))),
    ]
    named: dict[str, Sequence[int]] = {
        "card_type": range(1, len(rules.card_types) + 1),
        "brand": tuple(year.brands.values()),
        "department": tuple(year.departments.values()),
    }
    return RuleSet(_spread(wanted, named), segments)


def _card_type_rules(rules: Rules, year: Year) -> Iterator[Rule]:
    """What cards of a type may not buy, and where they get no discount."""
    for code, card_type in enumerate(rules.card_types, 1):
        for number in _numbers(card_type.forbidden_departments, year.departments):
            yield Rule(RuleLayer.FORBID, RuleAction.EXCLUDE, card_type=code, department=number)
        for number in _numbers(card_type.forbidden_categories, year.categories):
            yield Rule(RuleLayer.FORBID, RuleAction.EXCLUDE, card_type=code, category=number)
        if card_type.discount_bp:
            for number in _numbers(card_type.discount_excluded, year.departments):
                yield Rule(RuleLayer.DISCOUNT, RuleAction.EXCLUDE, card_type=code, department=number)


def _item_rules(rules: Rules, year: Year) -> Iterator[Rule]:
    """Never EXCLUDE, not even for 0: it would win over a category's percent, which is more specific."""
    for name, percent in rules.points.departments.items():
        if name in year.departments:
            yield Rule(RuleLayer.POINTS_ITEM, rate=percent, department=year.departments[name])
    for name, percent in rules.points.categories.items():
        if name in year.categories:
            yield Rule(RuleLayer.POINTS_ITEM, rate=percent, category=year.categories[name])


def _campaign_rules(rules: Rules, year: Year, households: frozenset[int]) -> tuple[list[Rule], dict[int, int]]:
    """One segment for all campaigns with the same dates and percent.

    A campaign whose type is not named counts with 100 percent: it lifts a
    household above a lower one, and else says nothing.
    """
    percents = rules.points.campaigns
    tells_neutral = any(percent < PERCENT_NEUTRAL for percent in percents.values())
    groups: dict[tuple[int, int, int], set[int]] = defaultdict(set)
    for campaign in year.campaigns if percents else ():
        percent = percents.get(campaign.type, PERCENT_NEUTRAL)
        targets = campaign.households & households
        if targets and (percent != PERCENT_NEUTRAL or tells_neutral):
            groups[_date(campaign.from_date), _date(campaign.until_date), percent] |= targets
    if len(groups) > SEGMENTS_MAX:
        raise RulesError(
            f"points.campaign: expected campaigns of at most {SEGMENTS_MAX} different dates and percents,"
            f" got {len(groups)}"
        )
    segments: dict[int, int] = defaultdict(int)
    made = []
    for bit, ((from_date, until_date, percent), members) in enumerate(sorted(groups.items())):
        made.append(
            Rule(RuleLayer.POINTS_CAMPAIGN, rate=percent, from_date=from_date, until_date=until_date, segments=1 << bit)
        )
        for household_id in members:
            segments[household_id] |= 1 << bit
    return made, dict(segments)


def _period_rules(period: Period, year: Year, store_ids: frozenset[int]) -> Iterator[Rule]:
    """One rule per store and department that the period names; of several that match the switch takes the highest."""
    if period.is_empty or _date(period.until_date) <= 0:
        return
    from_minute, until_minute = period.minutes if period.minutes != NEUTRAL_MINUTES else (0, 0)
    is_everywhere = period.stores is None or period.stores >= store_ids
    stores = [0] if is_everywhere else sorted((period.stores or frozenset()) & store_ids)
    departments = [0] if period.departments is None else _numbers(period.departments, year.departments)
    for store_id, department in itertools.product(stores, departments):
        yield Rule(
            RuleLayer.POINTS_PERIOD,
            rate=period.percent,
            department=department,
            store_id=store_id,
            from_date=max(_date(period.from_date), 0),
            until_date=_date(period.until_date),
            weekdays=sum(1 << (weekday - 1) for weekday in period.weekdays or ()),
            from_minute=from_minute,
            until_minute=until_minute,
        )


def _spread(rules: Sequence[Rule], named: dict[str, Sequence[int]]) -> list[Rule]:
    """Rules as given, as far as their keys have room; then one copy for every card type, brand, or department.

    Each card has one type and each line one brand and one department, so the
    copies together say what the rule says: in the layers of periods and
    campaigns it does not count how specific a rule is.
    """
    used: Counter[tuple[int, int, int, int]] = Counter()
    made = []
    for rule in rules:
        ways = _WAYS if rule.layer in _LAYERS_TO_SPREAD else _WAYS[:1]
        for way in ways:
            if any(getattr(rule, field) for field in way):
                continue
            choices = itertools.product(*(named[field] for field in way))
            fields: list[dict[str, Any]] = [dict(zip(way, numbers, strict=True)) for numbers in choices]
            copies = [rule._replace(**named_fields) for named_fields in fields]
            if copies and all(used[copy.key] < RULES_PER_KEY_MAX for copy in copies):
                break
        else:
            raise RulesError(
                f"points: expected rules that the switch can hold ({RULES_PER_KEY_MAX} that it looks up alike), got"
                " more; name fewer stores in periods"
            )
        used.update(copy.key for copy in copies)
        made += copies
    if len(made) > RULES_MAX:
        raise RulesError(
            f"points: expected at most {RULES_MAX} rules of the switch, got {len(made)}; name fewer stores"
        )
    return made


def _numbers(names: Iterable[str], numbers: dict[str, int]) -> list[int]:
    """Numbers of those names that some line may have."""
    return sorted(numbers[name] for name in names if name in numbers)


def _date(date: datetime.date) -> int:
    return date.toordinal() - EPOCH_ORDINAL
