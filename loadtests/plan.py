"""What the load generator sends, and what it brings back.

A plan is one request written out once, with the places that change from
message to message.  All places come from the layouts of `switch.protocol`, so
the native loop knows no field by itself and cannot drift from the protocol.
"""

from __future__ import annotations

import msgspec

from switch.protocol.layout import Packed, layout_of
from switch.protocol.limits import REKEY_FRAMES
from switch.protocol.messages import (
    REPLY_BIT,
    BalanceRequest,
    BillLine,
    CardStatus,
    CreditRequest,
    DebitRequest,
    Header,
    LineResult,
    MessageType,
    OpenCardRequest,
    Reply,
)

ABSENT = -1
"""Offset of a field that the request does not have."""
LENGTH_BYTES = 2
TAG_BYTES = 16
LINE_COUNT_DEFAULT = 3
LINE_MINOR_MAX = 512
"""Each bill line costs 1 to this many minor units: small, so that no card runs dry in a run of minutes."""


class CardRange(msgspec.Struct, frozen=True):
    """Cards `first` to `first + count - 1`."""

    first: int
    count: int


class LinkState(msgspec.Struct, frozen=True, kw_only=True):
    """A connected, signed-on socket, handed to the generator (which does not close it)."""

    fd: int
    terminal_id: int = 0
    send_key: bytes = bytes(32)
    receive_key: bytes = bytes(32)
    send_counter: int = 0
    """Frames sent since sign-on: the next nonce."""
    receive_counter: int = 0
    rekey_frames: int = REKEY_FRAMES
    """A direction's key is changed before the frame whose number is a multiple of this."""
    next_trace_number: int = 1


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request; offsets are bytes from the start of the message (header included)."""

    message: bytes
    """Header and body, zero where the generator fills something in."""
    sequence_offset: int
    sealed: bool = True
    """AES-256-GCM both ways; without it the peer must send the same bytes back."""
    reply_type: int = 0
    cards: CardRange = CardRange(0, 1)
    random_cards: bool = False
    """Any card of the range with equal probability; without it, one after the other over all connections."""
    amount_minor: int = 0
    """Amount that an approval must carry, where the bill lines do not make it up."""
    card_offset: int = ABSENT
    trace_offset: int = ABSENT
    amount_offset: int = ABSENT
    line_count: int = 0
    line_amount_offset: int = ABSENT
    """Amount of the first bill line; the others follow at `line_bytes`."""
    line_bytes: int = 0

    @property
    def frame_bytes(self) -> int:
        """Bytes of one request on the wire."""
        return LENGTH_BYTES + len(self.message) + (TAG_BYTES if self.sealed else 0)


class ReplyOffsets(msgspec.Struct, frozen=True, kw_only=True):
    """Where the generator looks into a reply, bytes from the start of the message."""

    bytes: int
    line_result_bytes: int
    """Of each line result that may follow."""
    code: int
    trace_number: int
    amount_minor: int
    balance_minor: int
    points_hundredths: int
    points_balance_hundredths: int


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one run measured. Latencies are from send (or, with a fixed rate, from the intended send) to reply."""

    answered: int
    """Messages answered; every one that was sent, or the run would have failed."""
    unsent: int
    """Messages that a fixed rate called for and that had not left when the time to drain was over."""
    elapsed_s: float
    """From the first send to the last reply."""
    per_s: float
    cpu_s: float
    """CPU time of the generator's thread."""
    code_counts: dict[int, int]
    approved_minor_sum: int
    balance_minor_sum: int
    """Sum of the balances in the replies: what an audit needs from balance inquiries."""
    points_hundredths_sum: int
    points_balance_hundredths_sum: int
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float

    @property
    def approved(self) -> int:
        """Replies with code 0."""
        return self.code_counts.get(0, 0)


def offset_in_message(body: type[Packed], name: str) -> int:
    """Offset of a field of a body, counted from the start of the message."""
    return Header.width_bytes() + next(f.offset for f in layout_of(body).fields if f.name == name)


FIRST_ITEM = 4_006_381_333_931
"""Article of the first line of every bill."""
SEQUENCE_OFFSET = next(f.offset for f in layout_of(Header).fields if f.name == "sequence")
REPLY_OFFSETS = ReplyOffsets(
    bytes=Header.width_bytes() + Reply.width_bytes(),
    line_result_bytes=LineResult.width_bytes(),
    **{name: offset_in_message(Reply, name) for name in ReplyOffsets.__struct_fields__ if not name.endswith("bytes")},
)


def debit_plan(cards: CardRange, business_date: int, stamp_ms: int, line_count: int = LINE_COUNT_DEFAULT) -> Plan:
    """Debits of random cards with `line_count` lines of 1 to LINE_MINOR_MAX minor units each."""
    lines = tuple(
        BillLine(item=FIRST_ITEM + n, amount_minor=0, quantity_milli=1000, department=1 + n, category=10 + n)
        for n in range(line_count)
    )
    body = DebitRequest(
        trace_number=0,
        business_date=business_date,
        stamp_ms=stamp_ms,
        card_number=0,
        amount_minor=0,
        entry_mode=1,
        lines=lines,
    )
    return Plan(
        message=_message(MessageType.DEBIT, body),
        sequence_offset=SEQUENCE_OFFSET,
        reply_type=MessageType.DEBIT | REPLY_BIT,
        cards=cards,
        random_cards=True,
        card_offset=offset_in_message(DebitRequest, "card_number"),
        trace_offset=offset_in_message(DebitRequest, "trace_number"),
        amount_offset=offset_in_message(DebitRequest, "amount_minor"),
        line_count=line_count,
        line_amount_offset=Header.width_bytes()
        + DebitRequest.width_bytes()
        + next(f.offset for f in layout_of(BillLine).fields if f.name == "amount_minor"),
        line_bytes=BillLine.width_bytes(),
    )


def open_card_plan(cards: CardRange, business_date: int, stamp_ms: int, card_type: int) -> Plan:
    """Opens every card of the range once, each with an account of its own."""
    body = OpenCardRequest(
        trace_number=0,
        business_date=business_date,
        stamp_ms=stamp_ms,
        card_number=0,
        card_type=card_type,
        status=CardStatus.ACTIVE,
    )
    return _keyed_plan(MessageType.OPEN_CARD, body, cards, amount_minor=0)


def credit_plan(cards: CardRange, business_date: int, stamp_ms: int, amount_minor: int) -> Plan:
    """Credits every card of the range once."""
    body = CreditRequest(
        trace_number=0, business_date=business_date, stamp_ms=stamp_ms, card_number=0, amount_minor=amount_minor
    )
    return _keyed_plan(MessageType.CREDIT, body, cards, amount_minor=amount_minor)


def balance_plan(cards: CardRange, stamp_ms: int) -> Plan:
    """Asks for the balance of every card of the range once."""
    return Plan(
        message=_message(MessageType.BALANCE, BalanceRequest(stamp_ms=stamp_ms, card_number=0)),
        sequence_offset=SEQUENCE_OFFSET,
        reply_type=MessageType.BALANCE | REPLY_BIT,
        cards=cards,
        card_offset=offset_in_message(BalanceRequest, "card_number"),
    )


def raw_echo_plan(frame_bytes: int) -> Plan:
    """Frames of `frame_bytes` that a peer sends back as they are."""
    filler = bytes(n & 0xFF for n in range(frame_bytes - LENGTH_BYTES))
    return Plan(message=filler, sequence_offset=SEQUENCE_OFFSET, sealed=False)


def _keyed_plan(
    message_type: MessageType, body: OpenCardRequest | CreditRequest, cards: CardRange, amount_minor: int
) -> Plan:
    return Plan(
        message=_message(message_type, body),
        sequence_offset=SEQUENCE_OFFSET,
        reply_type=message_type | REPLY_BIT,
        cards=cards,
        amount_minor=amount_minor,
        card_offset=offset_in_message(type(body), "card_number"),
        trace_offset=offset_in_message(type(body), "trace_number"),
    )


def _message(message_type: MessageType, body: Packed) -> bytes:
    return Header(type=message_type, sequence=0).encode() + body.encode()
