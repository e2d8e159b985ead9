"""Rules as sentences: "Double points · card type 3 VIP · class 12 · on Fri"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from admin.i18n import day, translate
from admin.models.mirror import card_types, points_categories
from admin.models.sales import goods_names
from admin.money.rows import plain
from admin.points.void_kinds import SETTLEMENTS
from switch.protocol.messages import RuleAction, RuleLayer

_ = str
LAYERS: dict[int | str, str] = {
    RuleLayer.FORBID: _("Forbidden goods"),
    RuleLayer.DISCOUNT: _("Discount"),
    RuleLayer.POINTS_ITEM: _("Points by goods"),
    RuleLayer.POINTS_BRAND: _("Points by brand"),
    RuleLayer.POINTS_PERIOD: _("Points by time"),
    RuleLayer.POINTS_CAMPAIGN: _("Points by campaign"),
    RuleLayer.POINTS_RECHARGE: _("Points for recharging"),
}
ACTIONS: dict[int | str, str] = {
    RuleAction.EXCLUDE: _("Nothing: no discount, no points, or forbidden"),
    RuleAction.MULTIPLY: _("A share: percent off, or percent of the points"),
    RuleAction.REPLACE: _("Instead: a fixed price, or these percent alone"),
}
WEEKDAYS: dict[int | str, str] = {
    1: _("Mon"),
    2: _("Tue"),
    4: _("Wed"),
    8: _("Thu"),
    16: _("Fri"),
    32: _("Sat"),
    64: _("Sun"),
}
DOUBLE, ORDINARY = 200, 100
SEGMENTS = 64


@dataclass(frozen=True, slots=True)
class Names:
    """What the numbers in rules are called."""

    types: Mapping[int, str]
    categories: Mapping[int, str]
    """Of points."""
    goods: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """Departments and categories of goods by kind and number."""


def names_of(session: Session) -> Names:
    """Names as of now."""
    types = session.execute(select(card_types.c.code, card_types.c.name).order_by(card_types.c.from_date))
    kinds = session.execute(select(points_categories.c.category, points_categories.c.name))
    goods = session.execute(select(goods_names.c.kind, goods_names.c.number, goods_names.c.name))
    return Names(
        {row.code: row.name for row in types},
        {row.category: row.name for row in kinds},
        {(kind, number): name for kind, number, name in goods},
    )


def rule_in_words(rule: Row[Any], names: Names) -> str:
    """What a rule does and for what, in the visitor's language."""
    return " · ".join((_effect(rule), *_conditions(rule, names)))


def segments_of(bits: int) -> str:
    """Numbers of segments, from 1, parted by commas."""
    return ", ".join(str(n + 1) for n in range(SEGMENTS) if bits >> n & 1)


def _effect(rule: Row[Any]) -> str:
    if rule.layer == RuleLayer.FORBID:
        return translate("Forbidden")
    if rule.layer == RuleLayer.DISCOUNT:
        if rule.action == RuleAction.EXCLUDE:
            return translate("No discount")
        if rule.action == RuleAction.REPLACE:
            return translate("Price {price} each").format(price=plain(rule.unit_price_minor))
        return translate("{percent}% off").format(percent=plain(rule.rate))
    if rule.action == RuleAction.EXCLUDE or rule.rate == 0:
        return translate("No points")
    if rule.action == RuleAction.MULTIPLY and rule.rate == DOUBLE:
        return translate("Double points")
    if rule.action == RuleAction.MULTIPLY and rule.rate == ORDINARY:
        return translate("Ordinary points")
    if rule.action == RuleAction.MULTIPLY:
        return translate("{percent}% of the points").format(percent=rule.rate)
    return translate("Points at {percent}%, whatever else says").format(percent=rule.rate)


def _conditions(rule: Row[Any], names: Names) -> Iterator[str]:
    for template, value in (
        (translate("card type {value}"), _named(rule.card_type, names.types)),
        (translate("level {value}"), rule.level),
        (translate("article {value}"), rule.item),
        (translate("class {value}"), _of_goods("category", rule.category, names)),
        (translate("department {value}"), _of_goods("department", rule.department, names)),
        (translate("brand {value}"), rule.brand),
        (translate("store {value}"), rule.store_id),
        (translate("terminal {value}"), rule.terminal_id),
        (translate("from {value}"), day(rule.from_date)),
        (translate("until {value}"), day(rule.until_date)),
        (translate("on {value}"), _chosen(rule.weekdays, WEEKDAYS)),
        (translate("segments {value}"), segments_of(rule.segments)),
        (translate("bills from {value}"), plain(rule.bill_minor_min) if rule.bill_minor_min else ""),
        (translate("points of category {value}"), _named(rule.points_category, names.categories)),
        (translate("booked after {value} days"), rule.booking_days),
    ):
        if value:
            yield template.format(value=value)
    if rule.from_minute or rule.until_minute:
        until = rule.until_minute or 1440
        yield f"{rule.from_minute // 60:02d}:{rule.from_minute % 60:02d}-{until // 60:02d}:{until % 60:02d}"
    if rule.settlements:
        bits = {1 << int(number): label for number, label in SETTLEMENTS.items()}
        yield translate("paid by {value}").format(value=_chosen(rule.settlements, bits))


def _of_goods(kind: str, number: int, names: Names) -> str:
    return f"{number} {names.goods.get((kind, number), '')}".strip() if number else ""


def _named(number: int, names: Mapping[int, str]) -> str:
    return f"{number} {names.get(number, '')}".strip() if number else ""


def _chosen(bits: int, labels: Mapping[Any, str]) -> str:
    return ", ".join(translate(label) for bit, label in labels.items() if bits & int(bit))
