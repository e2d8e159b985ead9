"""Requests of the card desk: opening, the operations of a card's life, PINs, limits of one card."""

from __future__ import annotations

from typing import Annotated

from .card_terms import CardStatus
from .layout import Packed, i64, octets, u8, u16, u32, u64
from .terms import NO_COUNT_LIMIT, NO_LIMIT


class OpenCardRequest(Packed, kw_only=True):
    """Make, issue and activate a card at once, with an account of its own or on the account of another card."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "number of the new card, 8 to 19 digits")]
    account_number: Annotated[
        int, u64("operator", "0 or card_number: a new account, named by this card; else an account's number")
    ] = 0
    card_type: Annotated[int, u16("operator", "code of a card type that exists")]
    status: Annotated[int, u8("operator", "1 active, 2 frozen")] = CardStatus.ACTIVE
    reserved: Annotated[bytes, octets(5, "operator", "zero")] = bytes(5)


class OperateCardRequest(Packed, kw_only=True):
    """One operation of the life cycle on a card or a range of cards; each card has a result of its own."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "card, or first card of the range")]
    related_number: Annotated[
        int,
        u64(
            "operator", "REPLACE: card that goes on; CORRECT: right number; ISSUE: card whose account it joins; else 0"
        ),
    ] = 0
    amount_minor: Annotated[int, i64("operator", "ISSUE, MAKE_AND_ISSUE: value it is issued with; else 0")] = 0
    operation: Annotated[int, u8("operator", "CardOperation")]
    fee_tender: Annotated[int, u8("operator", "FeeTender")] = 0
    flags: Annotated[int, u8("operator", "OperationFlag bits")] = 0
    reason: Annotated[int, u8("operator", "CHARGE_FEE: FeeKind; else reason, numbered by the group, recorded only")] = 0
    card_type: Annotated[int, u16("operator", "RESERVE, MAKE, MAKE_AND_ISSUE: code of the type; else 0")] = 0
    count: Annotated[int, u16("operator", "cards of the range, 1 to 64")] = 1
    operator_id: Annotated[int, u32("operator", "who does it")] = 0
    approver_id: Annotated[int, u32("operator", "second person, where one is needed; else 0")] = 0
    store_id: Annotated[int, u32("operator", "DRAW: store that takes custody; else 0")] = 0
    organisation_id: Annotated[
        int, u32("operator", "ISSUE, MAKE_AND_ISSUE: issuing organisation; 0: that of the terminal's store")
    ] = 0
    member: Annotated[int, u64("operator", "ISSUE, MAKE_AND_ISSUE: member who gets it; 0: nobody is named")] = 0
    document: Annotated[int, u64("operator", "document that orders it; recorded")] = 0


class SetPinRequest(Packed, kw_only=True):
    """Change or reset a card's PIN; neither PIN ever stands in the journal."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "card number")]
    mode: Annotated[int, u8("operator", "PinMode")]
    reserved: Annotated[bytes, octets(3, "operator", "zero")] = bytes(3)
    operator_id: Annotated[int, u32("operator", "RESET: who does it")] = 0
    old_pin: Annotated[bytes, octets(16, "operator", "CHANGE: the PIN that holds; 4 to 12 ASCII digits, zero-padded")]
    new_pin: Annotated[bytes, octets(16, "operator", "the PIN to be; zero: none (see text)")]


class SetCardRequest(Packed, kw_only=True):
    """Set limits of one card, and the level, member and segments of its account."""

    trace_number: Annotated[int, u32("operator", "a new trace number")]
    business_date: Annotated[int, u32("operator", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("operator", "milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("operator", "card number")]
    sets: Annotated[int, u8("operator", "bits: 1 limits, 2 level, 4 member, 8 segments")]
    level: Annotated[int, u8("operator", "level of the holder; 0: the type's")] = 0
    reserved: Annotated[bytes, octets(6, "operator", "zero")] = bytes(6)
    member: Annotated[int, u64("operator", "member; 0: anonymous")] = 0
    segments: Annotated[int, u64("operator", "bits that rules may ask for")] = 0
    single_minor_max: Annotated[int, i64("operator", "largest amount of one debit; 2^63-1: the type's alone")] = (
        NO_LIMIT
    )
    daily_minor_max: Annotated[int, i64("operator", "sum of the card's debits per business date")] = NO_LIMIT
    recharge_day_minor_max: Annotated[int, i64("operator", "sum of the card's recharges per business date")] = NO_LIMIT
    ceiling_minor: Annotated[int, i64("operator", "highest balance that a recharge by this card may lead to")] = (
        NO_LIMIT
    )
    daily_count_max: Annotated[int, u32("operator", "debits of the card per business date")] = NO_COUNT_LIMIT
    recharge_count_max: Annotated[int, u32("operator", "recharges of the card per business date")] = NO_COUNT_LIMIT
