"""Which kinds of documents there are: each area has a module with `KINDS`."""

from __future__ import annotations

from admin.care import activity_kinds
from admin.cashier import kinds as cashier_kinds
from admin.money import kinds as money_kinds
from admin.money import mending_kinds, order_kinds
from admin.points import catalog_kinds, void_kinds
from admin.points import kinds as points_kinds
from admin.pricing import price_kinds, rule_kinds

from . import (
    alarm_kinds,
    annual_fee_kinds,
    card_end_kinds,
    card_setting_kinds,
    card_state_kinds,
    card_stock_kinds,
    card_type_kinds,
    ceremony_kinds,
    day_kinds,
    house_kinds,
    key_kinds,
    medium_kinds,
    member_kinds,
    organisation_kinds,
    terminal_kinds,
)
from .kind import kinds_by_name

KINDS = kinds_by_name(
    [
        card_stock_kinds.KINDS,
        card_state_kinds.KINDS,
        card_end_kinds.KINDS,
        card_setting_kinds.KINDS,
        annual_fee_kinds.KINDS,
        card_type_kinds.KINDS,
        member_kinds.KINDS,
        money_kinds.KINDS,
        cashier_kinds.KINDS,
        mending_kinds.KINDS,
        order_kinds.KINDS,
        points_kinds.KINDS,
        void_kinds.KINDS,
        activity_kinds.KINDS,
        catalog_kinds.KINDS,
        rule_kinds.KINDS,
        price_kinds.KINDS,
        organisation_kinds.KINDS,
        terminal_kinds.KINDS,
        day_kinds.KINDS,
        alarm_kinds.KINDS,
        medium_kinds.KINDS,
        key_kinds.KINDS,
        ceremony_kinds.KINDS,
        house_kinds.KINDS,
    ]
)
