"""Fields of the operators' larger messages, as keywords of the calls in `operators`.

What each of them means, its unit and its bounds stand beside the message of the
same name in `switch/protocol/messages.py`; what is left out has the default of
the message.
"""

from __future__ import annotations

from typing import TypedDict


class CardTypeFields(TypedDict, total=False):
    """Of `PutCardTypeRequest`."""

    functions: int
    flags: int
    from_date: int
    operator_id: int
    state: int
    medium: int
    relation: int
    level: int
    validity_days: int
    discount_bp: int
    organisation_id: int
    stores_organisation_id: int
    daily_count_max: int
    recharge_count_max: int
    points_percent: int
    points_per_unit: int
    single_minor_max: int
    daily_minor_max: int
    daily_points_max_hundredths: int
    recharge_day_minor_max: int
    ceiling_minor: int
    face_minor_min: int
    face_minor_max: int
    auto_below_minor: int
    auto_add_minor: int
    auto_from_date: int
    auto_until_date: int
    auto_count_max: int
    auto_mode: int
    pin_tries_max: int
    price_class: int
    number_digits: int
    number_prefix: int
    hold_s_max: int
    card_cost_minor: int
    fees_minor: bytes
    fees_from_balance: int
    fees_waivable: int
    name: bytes


class RuleFields(TypedDict, total=False):
    """Of `PutRuleRequest`."""

    level: int
    weekdays: int
    card_type: int
    department: int
    category: int
    brand: int
    item: int
    store_id: int
    terminal_id: int
    from_date: int
    until_date: int
    from_minute: int
    until_minute: int
    settlements: int
    booking_days: int
    segments: int
    bill_minor_min: int
    unit_price_minor: int
    rate: int
    priority: int
    points_category: int


class CardOperationFields(TypedDict, total=False):
    """Of `OperateCardRequest`."""

    related_number: int
    amount_minor: int
    fee_tender: int
    flags: int
    reason: int
    card_type: int
    count: int
    operator_id: int
    approver_id: int
    store_id: int
    organisation_id: int
    member: int
    document: int


class CardFields(TypedDict, total=False):
    """Of `SetCardRequest`."""

    level: int
    member: int
    segments: int
    single_minor_max: int
    daily_minor_max: int
    recharge_day_minor_max: int
    ceiling_minor: int
    daily_count_max: int
    recharge_count_max: int


class GiftFields(TypedDict, total=False):
    """Of `PutGiftRequest`."""

    flags: int
    level_min: int
    category: int
    from_date: int
    until_date: int
    account_max: int
    stock: int
    name: bytes


class PointsCategoryFields(TypedDict, total=False):
    """Of `PutPointsCategoryRequest`."""

    flags: int
    tender_cap_bp: int
    tender_rate: int
    convert_rate: int
    convert_lot_minor: int
    name: bytes


class MediumFields(TypedDict, total=False):
    """Of `PutMediumRequest`."""

    state: int
    key_version: int
    key_version_held: int
    flags: int
    counter: int
    chain: int


class MediumPolicyFields(TypedDict, total=False):
    """Of `PutMediumPolicyRequest`."""

    flags: int
    media: int
    travel_minutes: int
    velocity_10_minutes_max: int
    velocity_60_minutes_max: int
    number_minor_max: int
    chip_minor_max: int
    contactless_minor_max: int
    code_minor_max: int
    stripe_minor_max: int
    tag_minor_max: int
    fallback_minor_max: int
    number_pin_minor: int
    chip_pin_minor: int
    contactless_pin_minor: int
    code_pin_minor: int
    stripe_pin_minor: int
    tag_pin_minor: int
