"""Requests that configure what a bill costs and earns: points categories, gifts, rules, prices."""

from __future__ import annotations

from typing import Annotated

from .layout import Packed, i64, octets, u8, u16, u32, u64
from .terms import NO_COUNT_LIMIT, PointsCategoryFlag


class PutPointsCategoryRequest(Packed, kw_only=True):
    """Create or change a points category; category 0 exists from the beginning."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    category: Annotated[int, u8("operator", "number of the category, 0 to 63")]
    flags: Annotated[int, u8("operator", "PointsCategoryFlag bits")] = PointsCategoryFlag.ENABLED
    tender_cap_bp: Annotated[int, u16("operator", "largest part of a bill that points may pay, basis points")] = 10_000
    tender_rate: Annotated[int, u32("operator", "hundredths of points that pay one minor unit; 0: cannot pay")] = 0
    convert_rate: Annotated[int, u32("operator", "hundredths of points that become one minor unit; 0: cannot")] = 0
    reserved: Annotated[int, u32("operator", "zero")] = 0
    convert_lot_minor: Annotated[int, i64("operator", "conversions give multiples of this, 1 or more")] = 1
    name: Annotated[bytes, octets(24, "operator", "name, UTF-8, zero-padded")] = bytes(24)


class PutGiftRequest(Packed, kw_only=True):
    """Create or change a gift."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    gift_id: Annotated[int, u32("operator", "number of the gift, above 0")]
    flags: Annotated[int, u8("operator", "1: deducts its price; 0: only requires the points")] = 1
    level_min: Annotated[int, u8("operator", "lowest level that may take it")] = 0
    category: Annotated[int, u8("operator", "points category of the price")] = 0
    reserved: Annotated[int, u8("operator", "zero")] = 0
    price_hundredths: Annotated[int, i64("operator", "points for one piece, 0 or more")]
    from_date: Annotated[int, u32("operator", "first business date; 0: from the beginning")] = 0
    until_date: Annotated[int, u32("operator", "last business date; 0: no end")] = 0
    account_max: Annotated[int, u32("operator", "pieces that one account may take; 2^32-1: no limit")] = NO_COUNT_LIMIT
    stock: Annotated[int, u32("operator", "pieces left; 2^32-1: not counted")] = NO_COUNT_LIMIT
    name: Annotated[bytes, octets(32, "operator", "name, UTF-8, zero-padded")] = bytes(32)


class PutRuleRequest(Packed, kw_only=True):
    """Put one rule into a draft set. A field that is 0 asks for nothing."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    ruleset: Annotated[int, u32("operator", "number of a set that is not active, above 0; made when new")]
    rule: Annotated[int, u32("operator", "number of the rule in its set, above 0; the same again replaces it")]
    layer: Annotated[int, u8("operator", "RuleLayer")]
    action: Annotated[int, u8("operator", "RuleAction")]
    level: Annotated[int, u8("operator", "level of the holder")] = 0
    weekdays: Annotated[int, u8("operator", "bit n - 1: ISO weekday n (1 is Monday); 0: all")] = 0
    card_type: Annotated[int, u16("operator", "card type")] = 0
    department: Annotated[int, u16("operator", "department of the line")] = 0
    category: Annotated[int, u16("operator", "class of the line")] = 0
    brand: Annotated[int, u16("operator", "brand of the line")] = 0
    reserved_u32: Annotated[int, u32("operator", "zero")] = 0
    item: Annotated[int, u64("operator", "article of the line")] = 0
    store_id: Annotated[int, u32("operator", "store of the sale")] = 0
    terminal_id: Annotated[int, u32("operator", "terminal of the sale")] = 0
    from_date: Annotated[int, u32("operator", "first business date")] = 0
    until_date: Annotated[int, u32("operator", "last business date")] = 0
    from_minute: Annotated[int, u16("operator", "first local minute of the day")] = 0
    until_minute: Annotated[int, u16("operator", "first local minute after it; 0: 1,440")] = 0
    settlements: Annotated[int, u16("operator", "bit n: settlement type n; 0: all")] = 0
    booking_days: Annotated[int, u16("operator", "POINTS_ITEM: dates until booking, 0 to 31; 0: at once")] = 0
    segments: Annotated[int, u64("operator", "any of these bits must be among the account's")] = 0
    bill_minor_min: Annotated[int, i64("operator", "the bill's amount before discount is at least this")] = 0
    unit_price_minor: Annotated[int, i64("operator", "DISCOUNT and REPLACE: what the unit costs")] = 0
    rate: Annotated[int, u32("operator", "points: percent, 0 to 10,000; discount: basis points, 0 to 10,000")] = 0
    priority: Annotated[int, u32("operator", "of equally specific rules the higher one counts, 0 to 65,535")] = 0
    points_category: Annotated[int, u8("operator", "POINTS_ITEM, POINTS_RECHARGE: category of the points")] = 0
    remove: Annotated[int, u8("operator", "1: the rule is taken out of the set")] = 0
    reserved: Annotated[bytes, octets(6, "operator", "zero")] = bytes(6)


class ActivateRulesRequest(Packed, kw_only=True):
    """Check a draft set as a whole and put it in force from a business date on."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    ruleset: Annotated[int, u32("operator", "number of the draft set; a new set without rules may be activated too")]
    from_date: Annotated[int, u32("operator", "first business date on which it is in force")]
    rule_count: Annotated[int, u32("operator", "rules that it should have: finds a lost one")]
    operator_id: Annotated[int, u32("operator", "who does it")] = 0


class PutPriceRequest(Packed, kw_only=True):
    """Set the unit price of an article in a price class, at once or from a business date on."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    item: Annotated[int, u64("operator", "article number, above 0")]
    unit_price_minor: Annotated[int, i64("operator", "price of one unit, 0 to 4,294,967,295")]
    price_class: Annotated[int, u16("operator", "price class; 0: retail")] = 0
    reserved: Annotated[int, u16("operator", "zero")] = 0
    from_date: Annotated[int, u32("operator", "first business date; 0 or today: at once")] = 0
