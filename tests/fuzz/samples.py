"""Every request has a valid sample, and from it everything that may be wrong with a request can be made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from switch.protocol.layout import Packed, layout_of
from switch.protocol.messages import (
    KEYED_TYPES,
    REQUESTS,
    AllowedList,
    BillLine,
    CardOperation,
    DayTotal,
    DebitRequest,
    KeyPurpose,
    MediumKind,
    MessageType,
    OrganisationNode,
    PinMode,
    RefundLine,
    RuleAction,
    RuleLayer,
    Tender,
    TenderKind,
    TypeState,
)
from switch.protocol.records import RecordKind

from .peer import Peer, new_trace
from .running import CARD, CARD_TYPE, OTHER_CARD, STORE

COLD_TYPES = (
    MessageType.SIGN_OFF,
    MessageType.ECHO,
    MessageType.PUT_TERMINAL,
    MessageType.PUT_MEDIUM,
    MessageType.PUT_KEY,
    MessageType.REWRAP_KEY,
    MessageType.CHANGE_KEY,
    MessageType.DAY_DIGESTS,
    MessageType.DAY_LIST,
    MessageType.FOLLOW,
    MessageType.STATISTICS,
    MessageType.READ_RECORDS,
    MessageType.SIGNED_ON,
)
"""Answered by the dispatcher."""
HOT_TYPES = tuple(sorted({*REQUESTS} - {*COLD_TYPES, MessageType.PUT_SWITCH}))
"""Answered inside the fast path."""
SENDABLE_TYPES = (*HOT_TYPES, *COLD_TYPES)
NEW_CARD, NEW_TERMINAL, NEW_STORE, NEW_CARD_TYPE = 7_100_000_000_000_001, 9_001, 9, 9
MADE_CARD = 7_100_000_000_000_002
DRAFT_RULES, EMPTY_RULES, EMPTY_RULES_BEGIN_IN_DAYS = 9, 8, 40
INTEGER_RANGES = {"B": (0, 2**8 - 1), "H": (0, 2**16 - 1), "I": (0, 2**32 - 1), "Q": (0, 2**64 - 1)} | {
    "i": (-(2**31), 2**31 - 1),
    "q": (-(2**63), 2**63 - 1),
}
BILL: dict[str, Any] = {
    "card_number": CARD,
    "amount_minor": 300,
    "lines": (BillLine(amount_minor=100), BillLine(amount_minor=200)),
    "tenders": (Tender(kind=TenderKind.CARD, amount_minor=300),),
}


def sample_fields(type_: MessageType, today: int) -> dict[str, Any]:
    """What a valid request of a type says beside its key. None of them disturbs another, however often it is sent.

    What needs an earlier answer (captures, releases, refunds) names one that is not there, and the cut-over names a
    date that cannot begin yet: beginning tomorrow would change the date for everybody.
    """
    fields: dict[MessageType, dict[str, Any]] = {
        MessageType.ECHO: {"stamp_ms": 1},
        MessageType.DEBIT: BILL,
        MessageType.QUOTE: BILL,
        MessageType.REVERSAL: {
            "card_number": CARD,
            "amount_minor": 300,
            "original_trace_number": 4_000_000_000,
            "original_business_date": today,
        },
        MessageType.BALANCE: {"card_number": CARD},
        MessageType.CARD_QUERY: {"card_number": CARD},
        MessageType.CREDIT: {"card_number": CARD, "amount_minor": 500, "channel": 1},
        MessageType.HOLD: {"card_number": CARD, "amount_minor": 1, "expires_in_s": 1},
        MessageType.CAPTURE: {"card_number": CARD, "amount_minor": 1, "hold_sequence": 1},
        MessageType.RELEASE: {"card_number": CARD, "hold_sequence": 1},
        MessageType.REFUND: {
            "card_number": CARD,
            "amount_minor": 3,
            "original_sequence": 1,
            "lines": (RefundLine(line=0, amount_minor=1), RefundLine(line=1, amount_minor=2)),
        },
        MessageType.TRANSFER: {"card_number": OTHER_CARD, "amount_minor": 1, "to_card_number": CARD},
        MessageType.REDEEM: {"card_number": CARD, "points_hundredths": 1},
        MessageType.CONVERT: {"card_number": CARD, "amount_minor": 1},
        MessageType.ADJUST_POINTS: {"card_number": CARD, "points_hundredths": 100, "operator_id": 1},
        MessageType.TRANSFER_POINTS: {"card_number": CARD, "points_hundredths": 1, "to_card_number": OTHER_CARD},
        MessageType.BACKFILL: {
            "card_number": CARD,
            "amount_minor": 100,
            "receipt": 5,
            "store_id": STORE,
            "sale_date": today,
            "lines": (BillLine(amount_minor=40), BillLine(amount_minor=60)),
        },
        MessageType.LOAD_VISITS: {"card_number": CARD, "service": 1, "count": 1},
        MessageType.DAY_TOTALS: {
            "closed_date": today,
            "totals": (DayTotal(type=MessageType.DEBIT, count=1, amount_minor=300),),
        },
        MessageType.DAY_DIGESTS: {"closed_date": today, "first_trace": 0, "last_trace": 9, "part_count": 2},
        MessageType.DAY_LIST: {"closed_date": today, "first_trace": 0, "last_trace": 9},
        MessageType.PUT_CARD_TYPE: {"code": NEW_CARD_TYPE},
        MessageType.SET_TYPE_STATE: {"code": NEW_CARD_TYPE, "state": TypeState.SUBMITTED, "operator_id": 1},
        MessageType.PUT_STORE: {"store_id": NEW_STORE},
        MessageType.PUT_TERMINAL: {
            "terminal_id": NEW_TERMINAL,
            "store_id": STORE,
            "rights": 1,
            "key": b"n" * 32 + bytes(8),
        },
        MessageType.PUT_ORGANISATION: {"organisation_id": 1, "node": OrganisationNode.HQ},
        MessageType.PUT_POINTS_CATEGORY: {"category": 5},
        MessageType.PUT_GIFT: {"gift_id": 5, "price_hundredths": 100},
        MessageType.PUT_RULE: {
            "ruleset": DRAFT_RULES,
            "rule": 1,
            "layer": RuleLayer.POINTS_ITEM,
            "action": RuleAction.MULTIPLY,
            "rate": 200,
        },
        MessageType.ACTIVATE_RULES: {
            "ruleset": EMPTY_RULES,
            "from_date": today + EMPTY_RULES_BEGIN_IN_DAYS,
            "rule_count": 0,
        },
        MessageType.PUT_PRICE: {"item": 5, "unit_price_minor": 100},
        MessageType.PUT_ALLOWED: {"code": CARD_TYPE, "list": AllowedList.OUTLETS, "number": STORE},
        MessageType.CUT_OVER: {"next_date": today + 2},
        MessageType.OPEN_CARD: {"card_number": NEW_CARD, "card_type": CARD_TYPE},
        MessageType.OPERATE_CARD: {
            "card_number": MADE_CARD,
            "operation": CardOperation.MAKE,
            "card_type": CARD_TYPE,
            "operator_id": 1,
        },
        MessageType.SET_PIN: {
            "card_number": OTHER_CARD,
            "mode": PinMode.RESET,
            "old_pin": bytes(16),
            "new_pin": b"4711".ljust(16, b"\0"),
        },
        MessageType.SET_CARD: {"card_number": CARD, "sets": 2, "level": 1},
        MessageType.CONFIRM_WRITE: {"card_number": CARD, "counter": 1},
        MessageType.PUT_MEDIUM: {"card_number": CARD, "medium": MediumKind.CHIP, "medium_id": 5},
        MessageType.PUT_MEDIUM_POLICY: {"code": NEW_CARD_TYPE, "operator_id": 1, "approver_id": 2},
        MessageType.PUT_KEY: {"purpose": KeyPurpose.TAG, "key_version": 9, "check_value": bytes(8)},
        MessageType.PUT_TRAVEL: {"store_id": STORE, "other_store_id": STORE, "minutes": 60},
        MessageType.HANDLE_ALARM: {"alarm": 1, "operator_id": 1},
        MessageType.REWRAP_KEY: {"kind": RecordKind.TERMINAL, "storage_version": 9, "key_a": NEW_TERMINAL},
        MessageType.CHANGE_KEY: {"confirm": 1, "key": bytes(40)},
        MessageType.PUT_SWITCH: {"partition": 0, "mode": 0, "timezone": b"UTC".ljust(32, b"\0")},
        MessageType.FOLLOW: {"partition": 0, "bytes_max": 1, "position": 0},
        MessageType.READ_RECORDS: {"kind": RecordKind.STORE, "count_max": 1},
    }
    return fields.get(type_, {})


def sample(peer: Peer, type_: MessageType) -> bytes:
    """Body of a valid request with a trace number of its own."""
    return peer.request(type_, **sample_fields(type_, peer.terms.business_date)).encode()


# Written out from docs/protocol.md and not taken from the product: which rows stand behind a fixed part of so many
# bytes, each with the offset of the byte that counts them.
ROWS: dict[MessageType, tuple[int, tuple[tuple[int, type[Packed]], ...]]] = {
    MessageType.DEBIT: (40, ((32, BillLine), (34, Tender))),
    MessageType.QUOTE: (40, ((32, BillLine), (34, Tender))),
    MessageType.REFUND: (48, ((40, RefundLine),)),
    MessageType.BACKFILL: (56, ((51, BillLine),)),
    MessageType.DAY_TOTALS: (24, ((20, DayTotal),)),
}
ROW_BYTES: dict[type[Packed], int] = {BillLine: 32, Tender: 16, RefundLine: 16, DayTotal: 16}
DEBIT_FLAGS_AT, PIN_FLAG, PIN_BYTES = 35, 4, 16
UNKNOWN_BITS_AT: dict[type[Packed], tuple[int, int]] = {BillLine: (26, 2)}
"""Flags of a row of which some bits are known: place and width."""


def rows_of(type_: MessageType, body: bytes) -> Iterator[tuple[type[Packed], int]]:
    """(form, offset) of each row that the counts in the fixed part announce."""
    at, kinds = ROWS.get(type_, (0, ()))
    for count_at, form in kinds:
        for _ in range(body[count_at]):
            yield form, at
            at += ROW_BYTES[form]


def length_wanted(type_: MessageType, body: bytes) -> int:
    """Length that a body should have: the fixed part's while it is shorter, else with the rows that it announces."""
    fixed_bytes = REQUESTS[type_].width_bytes()
    if len(body) < fixed_bytes or type_ not in ROWS:
        return fixed_bytes
    has_pin = REQUESTS[type_] is DebitRequest and body[DEBIT_FLAGS_AT] & PIN_FLAG
    return fixed_bytes + sum(ROW_BYTES[form] for form, _ in rows_of(type_, body)) + (PIN_BYTES if has_pin else 0)


class Altered(NamedTuple):
    """A body with one field set."""

    field: str
    offset: int
    width: int
    value: int
    body: bytes


def reserved_set(type_: MessageType, body: bytes) -> Iterator[Altered]:
    """The body with each byte of each reserved field set in turn.

    Flags of debits and bill lines, and the end of a key, count as such.
    """
    places = reserved_places(REQUESTS[type_], 0)
    if REQUESTS[type_] is DebitRequest:
        places.append(("flags", DEBIT_FLAGS_AT, 1))
    for form, start in rows_of(type_, body):
        places += reserved_places(form, start)
        if form in UNKNOWN_BITS_AT:
            at, width = UNKNOWN_BITS_AT[form]
            places.append((f"flags at {start}", start + at, width))
    if type_ == MessageType.PUT_TERMINAL:
        places.append(("end of key", len(body) - 8, 8))
    for name, offset, width in places:
        for at in range(offset, offset + width):
            altered = body[:at] + b"\x80" + body[at + 1 :]
            got = int.from_bytes(altered[offset : offset + min(width, 4)], "little")
            yield Altered(name, offset, width, got, altered)


def reserved_places(form: type[Packed], start: int) -> list[tuple[str, int, int]]:
    """(name, offset, width) of the reserved fields of a struct that stands at `start`."""
    placed = [(f.name, start + f.offset, f.wire.width_bytes) for f in layout_of(form).fields]
    return [place for place in placed if place[0].startswith("reserved")]


def integers_at_extremes(type_: MessageType, body: bytes) -> Iterator[Altered]:
    """The body with each integer field at its extremes, at 0 and 1 and beside them, each under a new key."""
    for field in layout_of(REQUESTS[type_]).fields:
        if field.wire.format not in INTEGER_RANGES:
            continue
        low, high = INTEGER_RANGES[field.wire.format]
        width = field.wire.width_bytes
        for value in sorted({0, 1, high, high - 1, low, low + 1, max(low, -1)}):
            number = value.to_bytes(width, "little", signed=low < 0)
            altered = body[: field.offset] + number + body[field.offset + width :]
            if type_ in KEYED_TYPES and field.name != "trace_number":
                altered = new_trace().to_bytes(4, "little") + altered[4:]
            yield Altered(field.name, field.offset, width, value, altered)
