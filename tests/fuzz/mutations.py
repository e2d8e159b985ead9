"""A mutated message is still almost right: valid bodies from few values that collide, then bits, bytes and splices.

`choose` picks from a sequence: hypothesis, a seeded generator or a counter stands behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from switch.protocol.layout import Packed, PlacedField, layout_of
from switch.protocol.messages import (
    REQUESTS,
    WITH_EVIDENCE,
    BackfillRequest,
    BillLine,
    DayTotal,
    DayTotalsRequest,
    DebitRequest,
    Evidence,
    MessageType,
    RefundLine,
    RefundRequest,
    Tender,
)

from .inprocess import CARD, LIMITED_ID, NOW_MS, OTHER_CARD, TERMINAL_ID, UNKNOWN_CARD
from .samples import INTEGER_RANGES

Choose = Callable[[Sequence[Any]], Any]
PINS = (
    *(digits.ljust(16, b"\0") for digits in (b"", b"", b"1234", b"123456789012")),
    *(wrong.ljust(16, b"\0") for wrong in (b"123", b"1234567890123", b"12345x", b"1234\0001")),
)
"""Two of nothing, two of digits, and what no PIN may be."""
MEDIUM_ID = 77
AMOUNTS = (1, 99, 100, 5_000, 10_000, 10_001, 0, -1, 10**12, 10**12 + 1, 2**63 - 1, -(2**63))


def values(type_: MessageType, today: int) -> dict[str, Sequence[Any]]:
    """What each field may be; small sets, so that keys and cards meet."""
    named: dict[str, Sequence[Any]] = {
        "trace_number": (1, 2, 3, 4, 5, 0, 2**32 - 1),
        "business_date": (today, today, today, today - 1, today - 2, today + 1, 0, 2**32 - 1),
        "stamp_ms": (NOW_MS, 0, -1, 2**63 - 1),
        "card_number": (CARD, CARD, OTHER_CARD, UNKNOWN_CARD, 0, 10**19 - 1, 2**64 - 1),
        "amount_minor": AMOUNTS,
        "entry_mode": (0, 5, 255),
        "original_trace_number": (1, 2, 3, 4, 5, 6),
        "original_business_date": (today, today, today - 1, today - 2, today + 1),
        "reason": (0, 7, 12, 255),
        "channel": (0, 255),
        "reference": (0, 2**64 - 1),
        "code": (1, 2, 0, 1_023, 1_024, 2**16 - 1),
        "flags": (0, 1, 4, 7, 8, 2**16 - 1),
        "daily_count_max": (2**32 - 1, 3, 0),
        "single_minor_max": (2**63 - 1, 5_000, 0, -1),
        "daily_minor_max": (2**63 - 1, 9_000, 0, -1),
        "daily_points_max_hundredths": (2**63 - 1, 500, 0, -1),
        "points_percent": (100, 0, 10_000, 10_001),
        "points_per_unit": (1, 100, 0, 101),
        "store_id": (1, 2, 0, 2**32 - 1),
        "organisation_id": (0, 2**32 - 1),
        "terminal_id": (50, 51, 0, 2**32 - 1, TERMINAL_ID, LIMITED_ID),
        "rights": (63, 1, 0, 64, 2**32 - 1),
        "status": (1, 2, 0, 3, 255),
        "key": (b"k" * 32 + bytes(8), bytes(40), b"\xff" * 40, b"k" * 24, bytes(24)),
        "account_number": (0, CARD, UNKNOWN_CARD),
        "card_type": (1, 2, 0, 2**16 - 1),
        "functions": (7, 63, 2, 0, 64),
        "from_date": (0, today, today + 1, today + 2),
        "until_date": (0, today, today - 1),
        "operator_id": (0, 1, 2),
        "approver_id": (0, 1, 2),
        "state": (1, 2, 3, 4, 5, 0, 6),
        "level": (0, 1, 255),
        "discount_bp": (0, 500, 10_000, 10_001),
        "auto_mode": (0, 1, 2, 3, 4),
        "auto_below_minor": (0, 5_000),
        "auto_add_minor": (0, 1_000, -1),
        "auto_count_max": (0, 1, 3),
        "ceiling_minor": (2**63 - 1, 12_000, -1),
        "recharge_day_minor_max": (2**63 - 1, 1_000, -1),
        "recharge_count_max": (2**32 - 1, 1, 0),
        "pin_tries_max": (3, 1, 0, 16),
        "hold_s_max": (0, 60, 2_592_001),
        "expires_in_s": (0, 1, 60, 2**32 - 1),
        "hold_sequence": (10, 11, 12, 13, 14, 15, 16, 0),
        "original_sequence": (10, 11, 12, 13, 14, 15, 16, 0),
        "keep_rest": (0, 1, 2),
        "to_card_number": (CARD, OTHER_CARD, UNKNOWN_CARD),
        "related_number": (0, 0, CARD, UNKNOWN_CARD),
        "points_hundredths": (1, 100, -100, 0, 10**15 + 1),
        "category": (0, 0, 1, 63, 64),
        "void_all": (0, 0, 1, 2),
        "if_sequence": (0, 0, 12),
        "gift_id": (0, 1, 2),
        "pieces": (0, 1, 10_001),
        "receipt": (1, 2),
        "sale_date": (today, today - 1, today - 92, today - 93, today + 1),
        "sale_minute": (0, 1_439, 1_440),
        "settlement": (0, 1, 6, 7),
        "service": (1, 2, 0, 256),
        "count": (1, 1, 2, 3, 64, 65, 0),
        "expiry_date": (0, today, today - 1),
        "received_minor": (0, 1, -1),
        "closed_date": (today, today - 1, today - 2),
        "first_trace": (0, 1, 9),
        "last_trace": (9, 2**32 - 1, 0),
        "part_count": (1, 2, 256, 257, 0),
        "node": (1, 2, 0, 5),
        "parent_id": (0, 0, 1),
        "round_off_minor": (0, 10),
        "tender_cap_bp": (10_000, 5_000, 10_001),
        "tender_rate": (0, 1, 10),
        "convert_rate": (0, 1, 10),
        "convert_lot_minor": (1, 10, 0),
        "price_hundredths": (0, 100, -1),
        "level_min": (0, 1),
        "account_max": (2**32 - 1, 1),
        "stock": (2**32 - 1, 1, 0),
        "ruleset": (1, 2, 0),
        "rule": (1, 2, 0),
        "layer": (0, 1, 2, 3, 4, 5, 6, 7),
        "action": (0, 1, 2, 3),
        "rate": (200, 100, 0, 10_001),
        "item": (0, 1),
        "brand": (0, 1),
        "department": (0, 1),
        "weekdays": (0, 127, 128),
        "settlements": (0, 127, 128),
        "booking_days": (0, 1, 31, 32),
        "priority": (0, 1),
        "points_category": (0, 1, 64),
        "remove": (0, 0, 0, 1),
        "rule_count": (0, 1, 2),
        "unit_price_minor": (0, 100, 2**32),
        "price_class": (0, 1),
        "list": (1, 2, 3, 4),
        "allowed": (1, 1, 0, 2),
        "number": (1, 2, 0),
        "next_date": (today + 1, today + 2, today),
        "operation": (*range(1, 23), 3, 6, 6, 10, 11, 16, 0, 23),
        "fee_tender": (0, 1, 2, 3),
        "sets": (1, 2, 4, 8, 15, 0, 16),
        "member": (0, 5),
        "document": (0, 9),
        "old_pin": PINS,
        "new_pin": PINS,
        "pin": PINS,
        "kind": (1, 2, 5, 16, 28, 255),
        "partition": (0, 1),
        "mode": (0, 1, 255),
        "timezone": (b"UTC".ljust(32, b"\0"),),
        "bytes_max": (0, 1, 65_000, 2**32 - 1),
        "position": (0, 1, 100, 2**64 - 1),
        "counter": (0, 1, 5, 2**32 - 1),
        "medium_id": (CARD, MEDIUM_ID, MEDIUM_ID, 0, 2**56),
        "medium": (1, 2, 3, 4, 0, 5, 255),
        "key_version": (1, 1, 2, 0),
        "key_version_held": (1, 1, 2, 0),
        "storage_version": (1, 0, 2),
        "chain": (0, 7),
        "media": (31, 2, 0, 32),
        "travel_minutes": (0, 60),
        "number_minor_max": (2**32 - 1, 4_000),
        "number_pin_minor": (2**32 - 1, 98),
        "purpose": (1, 4, 4, 5, 0, 9),
        "check_value": (b"value\0\0\0", bytes(8)),
        "other_store_id": (1, 2, 0),
        "minutes": (0, 60, 2**16 - 1),
        "alarm": (10, 11, 12, 0),
        "key_a": (TERMINAL_ID, 1, 2, 0),
        "key_b": (MEDIUM_ID, 0),
        "key_c": (1, 0),
        "wrapped": (b"w" * 80, bytes(80)),
        "confirm": (0, 1, 2),
    }
    return named


def fitting(field: PlacedField, options: Sequence[Any]) -> Sequence[Any]:
    """Those of the options that the field can hold; 0 when there are none."""
    low, high = INTEGER_RANGES.get(field.wire.format, (None, None))
    if low is None or high is None:
        return [option for option in options if isinstance(option, bytes) and len(option) == field.wire.width_bytes]
    return [option for option in options if isinstance(option, int) and low <= option <= high] or [0]


def row_of(form: type[Packed], choose: Choose) -> Packed:
    """One row behind a fixed part."""
    if form is BillLine:
        return BillLine(amount_minor=choose(AMOUNTS), item=choose((0, 1)), flags=choose((0, 0, 1, 2)))
    if form is Tender:
        kind, purse = choose((1, 1, 2, 3, 4, 5, 6)), choose((0, 0, 1))
        return Tender(kind=kind, purse=purse, count=choose((0, 0, 1)), amount_minor=choose(AMOUNTS))
    if form is RefundLine:
        return RefundLine(line=choose((0, 1, 2)), amount_minor=choose(AMOUNTS))
    return DayTotal(type=choose((0x10, 0x13)), count=choose((0, 1)), amount_minor=choose(AMOUNTS))


ROWS_OF: dict[type[Packed], dict[str, type[Packed]]] = {
    DebitRequest: {"lines": BillLine, "tenders": Tender},
    RefundRequest: {"lines": RefundLine},
    BackfillRequest: {"lines": BillLine},
    DayTotalsRequest: {"totals": DayTotal},
}


def evidence_of(choose: Choose, examined: bool) -> Evidence:
    """What a medium may have shown, and what may have been found of it."""
    counter = choose((1, 2, 5, 70, 2_000, 0))
    shown = Evidence(
        medium=choose((1, 2, 3, 4, 0, 5, 255)),
        flags=choose((0, 0, 4, 8, 15, 16)),
        counter=counter,
        medium_id=choose((MEDIUM_ID, 0)),
        chain=choose((0, 7, 8)),
    )
    if not examined:
        return shown
    return msgspec.structs.replace(
        shown,
        found_counter=counter,
        found_medium_id=choose((MEDIUM_ID, MEDIUM_ID, CARD, 0)),
        found_key_version=choose((1, 1, 2, 0)),
        outcome=choose((1, 1, 1, 1, 0, 2, 3, 4, 5, 6, 7)),
        next=choose((0, 7, 2**32 - 1)),
    )


def body_of(type_: MessageType, today: int, choose: Choose, *, examined: bool = False) -> bytes:
    """A body of the right form, as it comes from a terminal, or as it is when its evidence was examined."""
    form, domain = REQUESTS[type_], values(type_, today)
    fields: dict[str, Any] = {}
    for field in layout_of(form).fields:
        if field.name in domain and (options := fitting(field, domain[field.name])):
            fields[field.name] = choose(options)
    if form is DebitRequest:
        fields["flags"] = choose((0, 0, 0, 1, 2, 4, 4, 7, 8))
        fields["pin"] = choose(PINS)
    for name, row in ROWS_OF.get(form, {}).items():
        fields[name] = tuple(row_of(row, choose) for _ in range(choose((0, 0, 1, 2, 5))))
    if type_ in WITH_EVIDENCE and choose((False, False, True)):
        fields["evidence"] = evidence_of(choose, examined)
    return form(**fields).encode()


def bodies(type_: MessageType, today: int, *, examined: bool = False) -> st.SearchStrategy[bytes]:
    """Bodies of one type, for hypothesis."""

    @st.composite
    def draw_body(draw: st.DrawFn) -> bytes:
        return body_of(type_, today, lambda options: draw(st.sampled_from(options)), examined=examined)

    return draw_body()


class Mutation(NamedTuple):
    """One change: how, where, with what."""

    how: int
    at: int
    value: int


def mutations() -> st.SearchStrategy[list[Mutation]]:
    """One to three changes, for hypothesis."""
    numbers = st.integers(0, 5_000)
    return st.lists(st.builds(Mutation, st.integers(0, 5), numbers, numbers), min_size=1, max_size=3)


def mutated(plaintext: bytes, changes: Sequence[Mutation]) -> bytes:
    """The message with the changes made one after the other; always one that a frame can hold."""
    for how, at, value in changes:
        place = at % (len(plaintext) + 1)
        if how == 0 and plaintext:
            place %= len(plaintext)
            plaintext = plaintext[:place] + bytes([plaintext[place] ^ 1 << value % 8]) + plaintext[place + 1 :]
        elif how == 1:
            plaintext = plaintext[:place]
        elif how == 2:
            plaintext = plaintext[:place] + bytes([value % 256]) * (value % 64) + plaintext[place:]
        elif how == 3 and plaintext:
            place %= len(plaintext)
            edge = bytes([(0, 1, 0x7F, 0x80, 0xFF)[value % 5]]) * (1, 2, 4, 8)[value // 5 % 4]
            plaintext = plaintext[:place] + edge + plaintext[place + len(edge) :]
        elif how == 4:
            plaintext = plaintext[:place] + plaintext[value % (len(plaintext) + 1) :]
        elif how == 5:
            plaintext += plaintext[place:]
    return plaintext[:8_496]
