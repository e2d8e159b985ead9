"""Which kinds of documents there are: each area has a module with `KINDS`."""

from __future__ import annotations

from admin.money import kinds as money_kinds
from admin.money import mending_kinds, order_kinds
from admin.points import catalog_kinds, void_kinds
from admin.points import kinds as points_kinds
from admin.pricing import price_kinds, rule_kinds

from . import card_state_kinds
from .kind import kinds_by_name

KINDS = kinds_by_name(
    [
        card_state_kinds.KINDS,
        money_kinds.KINDS,
        mending_kinds.KINDS,
        order_kinds.KINDS,
        points_kinds.KINDS,
        void_kinds.KINDS,
        catalog_kinds.KINDS,
        rule_kinds.KINDS,
        price_kinds.KINDS,
    ]
)
