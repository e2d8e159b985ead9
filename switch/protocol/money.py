"""Requests about value that carry no bill: reversals, credits, holds, transfers, inquiries."""

from __future__ import annotations

from typing import Annotated

from .evidenced import EvidencedRequest
from .layout import Packed, i64, octets, u8, u32, u64
from .security import Evidence


class ReversalRequest(Packed, kw_only=True):
    """Undo a debit, hold, credit or redemption of the same terminal: its outcome is not known, or it is given up."""

    trace_number: Annotated[int, u32("terminal", "a new trace number, as for every keyed request")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "the original's")]
    amount_minor: Annotated[int, i64("terminal", "the original's")]
    original_trace_number: Annotated[int, u32("terminal", "trace number of the request to undo")]
    original_business_date: Annotated[int, u32("terminal", "business date that the request carried")]
    reason: Annotated[int, u8("terminal", "0 unknown outcome, 1 customer, 2 operator; recorded only")] = 0
    reserved: Annotated[bytes, octets(7, "terminal", "zero")] = bytes(7)


class CreditRequest(Packed, kw_only=True):
    """Put value on a card."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]
    amount_minor: Annotated[int, i64("terminal", "amount to put on, minor units")]
    channel: Annotated[int, u8("terminal", "RechargeChannel")] = 0
    reserved: Annotated[bytes, octets(3, "terminal", "zero")] = bytes(3)
    operator_id: Annotated[int, u32("terminal", "who recharges; 0: nobody is named")] = 0
    received_minor: Annotated[int, i64("terminal", "amount received; recorded only")] = 0
    reference: Annotated[
        bytes, octets(16, "terminal", "the channel's own reference, credited once; zero: none (see text)")
    ] = bytes(16)


class HoldRequest(EvidencedRequest, kw_only=True):
    """Reserve an amount; it counts in every limit until it is captured, released or expires."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]
    amount_minor: Annotated[int, i64("terminal", "amount to hold")]
    expires_in_s: Annotated[int, u32("terminal", "seconds until it expires; 0: the longest the type allows")] = 0
    entry_mode: Annotated[int, u8("terminal", "as in a debit; recorded only")] = 0
    reserved: Annotated[bytes, octets(3, "terminal", "zero")] = bytes(3)
    pin: Annotated[bytes, octets(16, "terminal", "PIN as ASCII digits, zero-padded; zero: none (see text)")] = bytes(16)
    evidence: Evidence | None = None


class CaptureRequest(Packed, kw_only=True):
    """Take all or a part of what is held."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "the hold's card")]
    amount_minor: Annotated[int, i64("terminal", "amount to take, at most what is held")]
    hold_sequence: Annotated[int, u64("terminal", "journal_sequence of the hold's reply")]
    keep_rest: Annotated[int, u8("terminal", "1: what is left stays held; 0: it is released")] = 0
    reserved: Annotated[bytes, octets(7, "terminal", "zero")] = bytes(7)


class ReleaseRequest(Packed, kw_only=True):
    """Give back what is held."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "the hold's card")]
    hold_sequence: Annotated[int, u64("terminal", "journal_sequence of the hold's reply")]


class TransferRequest(Packed, kw_only=True):
    """Move value from one card's account to another's."""

    trace_number: Annotated[int, u32("terminal", "a new trace number")]
    business_date: Annotated[int, u32("terminal", "business date as last told by the switch, days since 1970-01-01")]
    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card that gives")]
    amount_minor: Annotated[int, i64("terminal", "amount to move")]
    to_card_number: Annotated[int, u64("terminal", "card that gets")]


class BalanceRequest(Packed, kw_only=True):
    """Ask; changes nothing, has no key."""

    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]


class CardQueryRequest(Packed, kw_only=True):
    """Ask for all that a till shows of a card; changes nothing, has no key."""

    stamp_ms: Annotated[int, i64("terminal", "terminal's clock, milliseconds since 1970-01-01 UTC")]
    card_number: Annotated[int, u64("terminal", "card number")]
