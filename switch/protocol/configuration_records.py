"""Records of configuration: card types, organisation, terminals, points categories, gifts, rules, prices."""

from __future__ import annotations

from typing import Annotated

from .layout import Packed, i64, octets, u8, u16, u32, u64
from .record_kinds import RecordKind
from .terms import NO_COUNT_LIMIT, NO_LIMIT


class CardTypeRecord(Packed, kw_only=True):
    """What the cards of one type may do, from one business date on."""

    kind: Annotated[int, u8("switch", "3")] = RecordKind.CARD_TYPE
    version: Annotated[int, u8("switch", "2")] = 2
    code: Annotated[int, u16("switch", "code of the type")]
    from_date: Annotated[int, u32("switch", "first business date of this version; 0: from the beginning")] = 0
    key: Annotated[int, u64("switch", "key: code << 32 | from_date")]
    flags: Annotated[int, u32("switch", "CardTypeFlag bits")] = 0
    medium: Annotated[int, u8("switch", "Medium")] = 0
    relation: Annotated[int, u8("switch", "Relation")] = 0
    level: Annotated[int, u8("switch", "level of its holders, 0 to 255, higher is better")] = 0
    auto_mode: Annotated[int, u8("switch", "AutoRecharge")] = 0
    functions: Annotated[int, u16("switch", "Function bits")] = 0
    validity_days: Annotated[int, u16("switch", "business dates of use from activation on; 0: no end")] = 0
    organisation_id: Annotated[int, u32("switch", "owner of the type")] = 0
    stores_organisation_id: Annotated[int, u32("switch", "node under which stores accept it; 0: everywhere")] = 0
    daily_count_max: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    recharge_count_max: Annotated[int, u32("switch", "as in the request")] = NO_COUNT_LIMIT
    discount_bp: Annotated[int, u16("switch", "as in the request")] = 0
    price_class: Annotated[int, u16("switch", "as in the request")] = 0
    points_percent: Annotated[int, u32("switch", "as in the request")] = 0
    points_per_unit: Annotated[int, u32("switch", "as in the request")] = 1
    single_minor_max: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    daily_minor_max: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    daily_points_max_hundredths: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    recharge_day_minor_max: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    ceiling_minor: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    face_minor_min: Annotated[int, i64("switch", "as in the request")] = 0
    face_minor_max: Annotated[int, i64("switch", "as in the request")] = NO_LIMIT
    auto_below_minor: Annotated[int, i64("switch", "as in the request")] = 0
    auto_add_minor: Annotated[int, i64("switch", "as in the request")] = 0
    auto_from_date: Annotated[int, u32("switch", "as in the request")] = 0
    auto_until_date: Annotated[int, u32("switch", "as in the request")] = 0
    auto_count_max: Annotated[int, u16("switch", "as in the request")] = 0
    pin_tries_max: Annotated[int, u8("switch", "as in the request")] = 3
    number_digits: Annotated[int, u8("switch", "as in the request")] = 0
    hold_s_max: Annotated[int, u32("switch", "as in the request")] = 0
    number_prefix: Annotated[int, u32("switch", "as in the request")] = 0
    card_cost_minor: Annotated[int, u32("switch", "as in the request")] = 0
    fees_minor: Annotated[bytes, octets(48, "switch", "twelve u32: amount of each FeeKind")] = bytes(48)
    fees_from_balance: Annotated[int, u16("switch", "bit n: fee n may be taken from the balance")] = 0
    fees_waivable: Annotated[int, u16("switch", "bit n: fee n may be waived")] = 0
    reserved: Annotated[bytes, octets(12, "switch", "zero")] = bytes(12)
    name: Annotated[bytes, octets(32, "switch", "name, UTF-8, zero-padded")] = bytes(32)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class TypeStateRecord(Packed, kw_only=True):
    """State of a card type, all its versions together."""

    kind: Annotated[int, u8("switch", "8")] = RecordKind.TYPE_STATE
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "TypeState")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    author: Annotated[int, u32("switch", "operator who wrote the type; somebody else approves it")] = 0
    code: Annotated[int, u64("switch", "key: code of the type")]
    reserved_more: Annotated[bytes, octets(40, "switch", "zero")] = bytes(40)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class StoreRecord(Packed, kw_only=True):
    """A store."""

    kind: Annotated[int, u8("switch", "4")] = RecordKind.STORE
    version: Annotated[int, u8("switch", "2")] = 2
    round_off_minor: Annotated[int, u16("switch", "unit that cash is rounded down to; 0: exact")] = 0
    organisation_id: Annotated[int, u32("switch", "node of the organisation")] = 0
    store_id: Annotated[int, u64("switch", "key: number of the store")]
    reserved_more: Annotated[bytes, octets(40, "switch", "zero")] = bytes(40)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class TerminalRecord(Packed, kw_only=True):
    """A terminal or an operator's workplace."""

    kind: Annotated[int, u8("switch", "5")] = RecordKind.TERMINAL
    version: Annotated[int, u8("switch", "2")] = 2
    status: Annotated[int, u8("switch", "TerminalStatus")]
    rights: Annotated[int, u8("switch", "Right bits")]
    store_id: Annotated[int, u32("switch", "the terminal's store; 0 for an operator")]
    terminal_id: Annotated[int, u64("switch", "key: number of the terminal")]
    wrapped_key: Annotated[bytes, octets(40, "switch", "RFC 3394 wrapping of the terminal's 32-byte key")]
    wrapped_next: Annotated[
        bytes, octets(40, "switch", "wrapping of the key it is going over to, accepted as well; zero: none")
    ] = bytes(40)
    storage_version: Annotated[int, u8("switch", "storage key that wraps both")] = 0
    flags: Annotated[int, u8("switch", "TerminalFlag bits")] = 0
    key_version: Annotated[int, u16("switch", "number of the terminal's key, from 1, raised by each change")] = 1
    fails: Annotated[int, u16("switch", "wrong proofs in the hour `fail_hour`")] = 0
    reserved_u16: Annotated[int, u16("switch", "zero")] = 0
    fail_hour: Annotated[int, u32("switch", "hour since 1970-01-01 that `fails` counts in")] = 0
    reserved_more: Annotated[bytes, octets(12, "switch", "zero")] = bytes(12)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class SwitchRecord(Packed, kw_only=True):
    """What holds for the whole journal."""

    kind: Annotated[int, u8("switch", "6")] = RecordKind.SWITCH
    version: Annotated[int, u8("switch", "2")] = 2
    mode: Annotated[int, u8("switch", "0 production, 1 replay")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    cut_over_minutes: Annotated[int, u16("switch", "minutes after local midnight at which a business date begins")] = 0
    reserved_u16: Annotated[int, u16("switch", "zero")] = 0
    partition: Annotated[int, u64("switch", "key: partition of cards")]
    timezone: Annotated[bytes, octets(32, "switch", "IANA name, zero-padded")]
    business_date: Annotated[int, u32("switch", "business date begun by the last cut-over entry")] = 0
    reserved_u32: Annotated[int, u32("switch", "zero")] = 0
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class OrganisationRecord(Packed, kw_only=True):
    """A node of the organisation: headquarters, region, store or dealer."""

    kind: Annotated[int, u8("switch", "7")] = RecordKind.ORGANISATION
    version: Annotated[int, u8("switch", "1")] = 1
    node: Annotated[int, u8("switch", "OrganisationNode")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    parent_id: Annotated[int, u32("switch", "node above; 0: none")] = 0
    organisation_id: Annotated[int, u64("switch", "key: number of the node, above 0")]
    name: Annotated[bytes, octets(40, "switch", "name, UTF-8, zero-padded")] = bytes(40)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class PointsCategoryRecord(Packed, kw_only=True):
    """A currency of points."""

    kind: Annotated[int, u8("switch", "9")] = RecordKind.POINTS_CATEGORY
    version: Annotated[int, u8("switch", "1")] = 1
    flags: Annotated[int, u8("switch", "PointsCategoryFlag bits")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    tender_rate: Annotated[int, u32("switch", "hundredths of points that pay one minor unit; 0: cannot pay")] = 0
    category: Annotated[int, u64("switch", "key: number of the category, 0 to 63")]
    convert_rate: Annotated[int, u32("switch", "hundredths of points that become one minor unit; 0: cannot")] = 0
    tender_cap_bp: Annotated[int, u16("switch", "largest part of a bill that points may pay, basis points")] = 10_000
    reserved_u16: Annotated[int, u16("switch", "zero")] = 0
    convert_lot_minor: Annotated[int, i64("switch", "conversions give multiples of this many minor units")] = 1
    name: Annotated[bytes, octets(24, "switch", "name, UTF-8, zero-padded")] = bytes(24)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class GiftRecord(Packed, kw_only=True):
    """What points may be redeemed for."""

    kind: Annotated[int, u8("switch", "10")] = RecordKind.GIFT
    version: Annotated[int, u8("switch", "1")] = 1
    flags: Annotated[int, u8("switch", "1: deducts its price; else it only requires the points")] = 1
    level_min: Annotated[int, u8("switch", "lowest level that may take it")] = 0
    category: Annotated[int, u32("switch", "points category of the price")] = 0
    gift_id: Annotated[int, u64("switch", "key: number of the gift, above 0")]
    price_hundredths: Annotated[int, i64("switch", "points for one piece")]
    from_date: Annotated[int, u32("switch", "first business date")] = 0
    until_date: Annotated[int, u32("switch", "last business date; 0: no end")] = 0
    account_max: Annotated[int, u32("switch", "pieces that one account may take; 2^32-1: no limit")] = NO_COUNT_LIMIT
    stock: Annotated[int, u32("switch", "pieces left; 2^32-1: not counted")] = NO_COUNT_LIMIT
    name: Annotated[bytes, octets(32, "switch", "name, UTF-8, zero-padded")] = bytes(32)
    reserved_more: Annotated[bytes, octets(48, "switch", "zero")] = bytes(48)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class RulesetRecord(Packed, kw_only=True):
    """A numbered set of rules; one is in force on each business date."""

    kind: Annotated[int, u8("switch", "11")] = RecordKind.RULESET
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "1 draft, 2 active")]
    reserved: Annotated[int, u8("switch", "zero")] = 0
    from_date: Annotated[int, u32("switch", "first business date on which it is in force")] = 0
    ruleset: Annotated[int, u64("switch", "key: number of the set, above 0")]
    rule_count: Annotated[int, u32("switch", "rules in it")] = 0
    author: Annotated[int, u32("switch", "operator who activated it")] = 0
    reserved_more: Annotated[bytes, octets(32, "switch", "zero")] = bytes(32)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class RuleRecord(Packed, kw_only=True):
    """One rule of a set: which lines it is for, and what it does to them."""

    kind: Annotated[int, u8("switch", "21")] = RecordKind.RULE
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "0, or 255 when gone")] = 0
    layer: Annotated[int, u8("switch", "RuleLayer")]
    rate: Annotated[int, u32("switch", "as in the request")] = 0
    ruleset: Annotated[int, u64("switch", "key: number of the set")]
    rule: Annotated[int, u64("switch", "key: number of the rule in its set")]
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    item: Annotated[int, u64("switch", "as in the request")] = 0
    card_type: Annotated[int, u16("switch", "as in the request")] = 0
    level: Annotated[int, u8("switch", "as in the request")] = 0
    weekdays: Annotated[int, u8("switch", "as in the request")] = 0
    department: Annotated[int, u16("switch", "as in the request")] = 0
    category: Annotated[int, u16("switch", "as in the request")] = 0
    brand: Annotated[int, u16("switch", "as in the request")] = 0
    settlements: Annotated[int, u16("switch", "as in the request")] = 0
    store_id: Annotated[int, u32("switch", "as in the request")] = 0
    terminal_id: Annotated[int, u32("switch", "as in the request")] = 0
    from_date: Annotated[int, u32("switch", "as in the request")] = 0
    until_date: Annotated[int, u32("switch", "as in the request")] = 0
    from_minute: Annotated[int, u16("switch", "as in the request")] = 0
    until_minute: Annotated[int, u16("switch", "as in the request")] = 0
    segments: Annotated[int, u64("switch", "as in the request")] = 0
    bill_minor_min: Annotated[int, i64("switch", "as in the request")] = 0
    unit_price_minor: Annotated[int, i64("switch", "as in the request")] = 0
    action: Annotated[int, u8("switch", "RuleAction")] = 0
    points_category: Annotated[int, u8("switch", "as in the request")] = 0
    booking_days: Annotated[int, u16("switch", "as in the request")] = 0
    priority: Annotated[int, u32("switch", "as in the request")] = 0
    reserved_more: Annotated[bytes, octets(16, "switch", "zero")] = bytes(16)
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0


class PriceRecord(Packed, kw_only=True):
    """Unit price of an article in one price class, now and from a date on."""

    kind: Annotated[int, u8("switch", "22")] = RecordKind.PRICE
    version: Annotated[int, u8("switch", "1")] = 1
    state: Annotated[int, u8("switch", "0, or 255 when gone")] = 0
    reserved: Annotated[int, u8("switch", "zero")] = 0
    next_from_date: Annotated[int, u32("switch", "business date from which the next price holds; 0: none")] = 0
    item: Annotated[int, u64("switch", "key: article number")]
    price_class: Annotated[int, u64("switch", "key: price class, 0 is retail")]
    key_c: Annotated[int, u64("switch", "key: 0")] = 0
    unit_price_minor: Annotated[int, i64("switch", "price of one unit (1,000 thousandths); -1: none yet")]
    next_unit_price_minor: Annotated[int, i64("switch", "price from next_from_date on")] = 0
    reserved_more: Annotated[int, u64("switch", "zero")] = 0
    last_sequence: Annotated[int, u64("switch", "journal sequence of the last entry that changed the record")] = 0
