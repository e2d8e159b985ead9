"""A mutated message is still almost right: valid bodies from few values that collide, then bits, bytes and splices.

`choose` picks from a sequence: hypothesis, a seeded generator or a counter stands behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from switch.protocol.layout import layout_of
from switch.protocol.messages import REQUESTS, BillLine, DebitRequest, MessageType

from .inprocess import CARD, LIMITED_ID, NOW_MS, OTHER_CARD, TERMINAL_ID, UNKNOWN_CARD

Choose = Callable[[Sequence[Any]], Any]
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
        "reason": (0, 255),
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
        "rights": (15, 1, 0, 16, 2**32 - 1),
        "status": (1, 2, 0, 255),
        "key": (b"k" * 32 + bytes(8), bytes(40), b"\xff" * 40),
        "account_number": (0, CARD, UNKNOWN_CARD),
        "card_type": (1, 2, 0, 2**16 - 1),
        "partition": (0, 1),
        "mode": (0, 1, 255),
        "timezone": (b"UTC".ljust(32, b"\0"),),
        "bytes_max": (0, 1, 65_000, 2**32 - 1),
        "position": (0, 1, 100, 2**64 - 1),
    }
    return named


def body_of(type_: MessageType, today: int, choose: Choose) -> bytes:
    """A body of the right form."""
    form, domain = REQUESTS[type_], values(type_, today)
    names = [field.name for field in layout_of(form).fields]
    fields = {name: choose(domain[name]) for name in names if name in domain}
    if form is DebitRequest:
        amounts = [choose(AMOUNTS) for _ in range(choose((0, 1, 2, 5)))]
        fields["lines"] = tuple(BillLine(amount_minor=amount) for amount in amounts)
    return form(**fields).encode()


def bodies(type_: MessageType, today: int) -> st.SearchStrategy[bytes]:
    """Bodies of one type, for hypothesis."""

    @st.composite
    def draw_body(draw: st.DrawFn) -> bytes:
        return body_of(type_, today, lambda options: draw(st.sampled_from(options)))

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
    return plaintext[:8_432]
