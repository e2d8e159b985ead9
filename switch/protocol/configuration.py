"""Requests that configure the switch: card types, organisation, stores, terminals, the journal itself, cut-over."""

from __future__ import annotations

from typing import Annotated

from .card_terms import TypeState
from .layout import Packed, i64, octets, u8, u16, u32
from .terms import NO_COUNT_LIMIT, NO_LIMIT, TerminalStatus


class PutCardTypeRequest(Packed, kw_only=True):
    """Create a card type, or a version of it that holds from a business date on."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    code: Annotated[int, u16("operator", "code of the type, 1 to 1,023")]
    functions: Annotated[int, u16("operator", "Function bits")] = 7
    flags: Annotated[int, u32("operator", "CardTypeFlag bits")] = 0
    from_date: Annotated[int, u32("operator", "first business date of this version; 0: from the beginning")] = 0
    operator_id: Annotated[int, u32("operator", "who writes it")] = 0
    state: Annotated[int, u8("operator", "of a new type: 1 draft or 3 approved; else 0")] = TypeState.APPROVED
    medium: Annotated[int, u8("operator", "Medium")] = 0
    relation: Annotated[int, u8("operator", "Relation")] = 0
    level: Annotated[int, u8("operator", "level of its holders, higher is better")] = 0
    validity_days: Annotated[int, u16("operator", "dates of use after activation; 0: no end")] = 0
    discount_bp: Annotated[int, u16("operator", "discount, basis points, 0 to 10,000; read if DISCOUNT is on")] = 0
    organisation_id: Annotated[int, u32("operator", "owner of the type; 0: the group")] = 0
    stores_organisation_id: Annotated[int, u32("operator", "node under which stores accept it; 0: everywhere")] = 0
    daily_count_max: Annotated[
        int, u32("operator", "approved debits of the account per business date; 2^32-1: no limit")
    ] = NO_COUNT_LIMIT
    recharge_count_max: Annotated[
        int, u32("operator", "recharges of the account per business date, at most 65,535; 2^32-1: no limit")
    ] = NO_COUNT_LIMIT
    points_percent: Annotated[int, u32("operator", "points per main unit in percent: 100 is one point, 0 none")] = 0
    points_per_unit: Annotated[int, u32("operator", "multiplier of points_percent, 1 as a rule")] = 1
    single_minor_max: Annotated[int, i64("operator", "largest amount of one debit; 2^63-1: no limit")] = NO_LIMIT
    daily_minor_max: Annotated[
        int, i64("operator", "sum of the account's approved debits per business date; 2^63-1: no limit")
    ] = NO_LIMIT
    daily_points_max_hundredths: Annotated[
        int, i64("operator", "points that the account earns per business date, hundredths; 2^63-1: no limit")
    ] = NO_LIMIT
    recharge_day_minor_max: Annotated[
        int, i64("operator", "sum of the account's recharges per business date; 2^63-1: no limit")
    ] = NO_LIMIT
    ceiling_minor: Annotated[int, i64("operator", "highest balance a recharge may lead to; 2^63-1: no limit")] = (
        NO_LIMIT
    )
    face_minor_min: Annotated[int, i64("operator", "least value it is issued with")] = 0
    face_minor_max: Annotated[int, i64("operator", "largest value it is issued with")] = NO_LIMIT
    auto_below_minor: Annotated[int, i64("operator", "THRESHOLD: recharge below this")] = 0
    auto_add_minor: Annotated[int, i64("operator", "what an automatic recharge adds")] = 0
    auto_from_date: Annotated[int, u32("operator", "MONTHLY: not before this date")] = 0
    auto_until_date: Annotated[int, u32("operator", "MONTHLY: not after this date; 0: no end")] = 0
    auto_count_max: Annotated[int, u16("operator", "automatic recharges per business date (not MONTHLY)")] = 0
    auto_mode: Annotated[int, u8("operator", "AutoRecharge")] = 0
    pin_tries_max: Annotated[int, u8("operator", "wrong PINs in a row that lock it, 1 to 15")] = 3
    price_class: Annotated[int, u16("operator", "price class of its holders; 0: retail")] = 0
    number_digits: Annotated[int, u8("operator", "digits of its card numbers; 0: any")] = 0
    reserved: Annotated[int, u8("operator", "zero")] = 0
    number_prefix: Annotated[int, u32("operator", "leading digits of its card numbers; 0: any")] = 0
    hold_s_max: Annotated[int, u32("operator", "longest hold, seconds; 0: 7 days")] = 0
    card_cost_minor: Annotated[int, u32("operator", "what a card costs the group; recorded only")] = 0
    fees_minor: Annotated[bytes, octets(48, "operator", "twelve u32: amount of each FeeKind")] = bytes(48)
    fees_from_balance: Annotated[int, u16("operator", "bit n: fee n may be taken from the balance")] = 0
    fees_waivable: Annotated[int, u16("operator", "bit n: fee n may be waived")] = 0
    reserved_u32: Annotated[int, u32("operator", "zero")] = 0
    name: Annotated[bytes, octets(32, "operator", "name, UTF-8, zero-padded")] = bytes(32)


class SetTypeStateRequest(Packed, kw_only=True):
    """Move a card type on in its life."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    code: Annotated[int, u16("operator", "code of the type")]
    state: Annotated[int, u8("operator", "TypeState to go to")]
    reserved: Annotated[int, u8("operator", "zero")] = 0
    operator_id: Annotated[int, u32("operator", "who does it; approval takes somebody else than the author")] = 0


class PutAllowedRequest(Packed, kw_only=True):
    """Put a store or an operator on a list of a card type, or take it off."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    code: Annotated[int, u16("operator", "code of the type")]
    list: Annotated[int, u8("operator", "AllowedList")]
    allowed: Annotated[int, u8("operator", "1: on the list, 0: off it")] = 1
    number: Annotated[int, u32("operator", "store or operator, above 0")]


class PutOrganisationRequest(Packed, kw_only=True):
    """Create or change a node of the organisation."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    organisation_id: Annotated[int, u32("operator", "number of the node, above 0")]
    parent_id: Annotated[int, u32("operator", "node above, which must exist; 0: none")] = 0
    node: Annotated[int, u8("operator", "OrganisationNode")]
    reserved: Annotated[bytes, octets(7, "operator", "zero")] = bytes(7)
    name: Annotated[bytes, octets(40, "operator", "name, UTF-8, zero-padded")] = bytes(40)


class PutStoreRequest(Packed, kw_only=True):
    """Create or change a store."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    store_id: Annotated[int, u32("operator", "number of the store, above 0")]
    organisation_id: Annotated[int, u32("operator", "node of the organisation that the store belongs to; 0: none")] = 0
    round_off_minor: Annotated[int, u16("operator", "unit that cash is rounded down to: 10, 100; 0: exact")] = 0
    reserved: Annotated[bytes, octets(6, "operator", "zero")] = bytes(6)


class PutTerminalRequest(Packed, kw_only=True):
    """Create or change a terminal; its key never stands in clear in the journal."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    terminal_id: Annotated[int, u32("operator", "number of the terminal, above 0")]
    store_id: Annotated[int, u32("operator", "the terminal's store, which must exist; 0 for an operator")]
    rights: Annotated[int, u32("operator", "Right bits")]
    status: Annotated[int, u8("operator", "TerminalStatus: 1 active, 2 blocked")] = TerminalStatus.ACTIVE
    storage_version: Annotated[int, u8("switch", "zero on the wire; storage key that wraps the key")] = 0
    flags: Annotated[int, u8("operator", "TerminalFlag bits")] = 0
    reserved: Annotated[int, u8("operator", "zero")] = 0
    key: Annotated[
        bytes,
        octets(
            40,
            "operator",
            "32 random bytes and 8 zero bytes, in the journal their RFC 3394 wrapping; all zero: the keys it has",
        ),
    ]


class PutSwitchRequest(Packed, kw_only=True):
    """First entry of every journal, written by `cardswitch init`; refused on the wire."""

    trace_number: Annotated[int, u32("init", "1")] = 1
    business_date: Annotated[int, u32("init", "days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("init", "milliseconds since 1970-01-01 UTC")]
    partition: Annotated[int, u32("init", "partition of cards that this journal holds")]
    mode: Annotated[int, u8("init", "0 production, 1 replay")]
    reserved: Annotated[int, u8("init", "zero")] = 0
    cut_over_minutes: Annotated[int, u16("init", "minutes after local midnight at which a business date begins")] = 0
    timezone: Annotated[bytes, octets(32, "init", "IANA name of the time zone of business dates, zero-padded")]


class CutOverRequest(Packed, kw_only=True):
    """Begin the next business date. The switch writes it itself when its clock passes the cut-over."""

    trace_number: Annotated[int, u32("operator", "a new trace number; the switch's own: the date it begins")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    next_date: Annotated[int, u32("operator", "business date to begin: the next one; the switch's own: any later one")]
    operator_id: Annotated[int, u32("operator", "who does it; 0: the switch")] = 0
