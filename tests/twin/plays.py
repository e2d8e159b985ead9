"""What terminals do, honestly and otherwise: each play makes one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from switch.protocol.layout import layout_of
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    REQUESTS,
    BalanceRequest,
    BillLine,
    CardStatus,
    ChangeCardStatusRequest,
    CreditRequest,
    DebitRequest,
    MessageType,
    OpenCardRequest,
    PutCardTypeRequest,
    PutStoreRequest,
    PutTerminalRequest,
)

from .sender import I64_MAX, I64_MIN, Sender, Sent, name_of, to_i64
from .wire import DECIDED_TYPES, HEADER_BYTES, offset_of
from .world import CARD_TYPES, card_type_fields

UNKNOWN_CARDS = (0, 1, 10**7 - 1, 10**19, 2**64 - 1, 77_777_777)
HANDLED_BEFORE = {MessageType.SIGN_OFF, MessageType.ECHO, MessageType.FOLLOW, MessageType.STATISTICS}
"""Types that are answered before the decision; it never sees them."""
UNKNOWN_TYPES = [number for number in range(256) if number not in DECIDED_TYPES and number not in HANDLED_BEFORE]

# --------------------------------------------------------------------------- honest plays


def debit(till: Sender) -> Sent:
    """A customer pays."""
    card = till.card()
    amount = till.amount(card)
    count = till.rng.choice([0, 0, 0, 1, 1, 2, 3, 5, 8])
    return till.debit(till.terminal(), card, amount, till.lines(amount, count) if count else b"")


def credit(till: Sender) -> Sent:
    """A customer pays in."""
    terminal_id, amount = till.terminal(credit=True), till.rng.randrange(1, 200_000)
    return till.keyed(CreditRequest, terminal_id, card_number=till.card(), amount_minor=amount, reference=99)


def balance(till: Sender) -> Sent:
    """A customer asks."""
    number = till.rng.choice(UNKNOWN_CARDS) if till.rng.random() < 0.1 else till.card()
    body = BalanceRequest(stamp_ms=till.stamp(), card_number=number).encode()
    return Sent(till.terminal(), till.message(BalanceRequest, body))


def reverse_recent(till: Sender) -> Sent:
    """A till undoes one of its last debits."""
    return till.reversal(till.some_debit(recent=True), reason=till.rng.randrange(3))


def repeat_recent(till: Sender) -> Sent:
    """A till sends the same bytes again."""
    return till.rng.choice(list(till.sent)[-20:])


def open_card(till: Sender) -> Sent:
    """An operator opens the next card that is not known yet."""
    cards = till.twin.tables.cards
    number = next((number for number in till.world.card_numbers if number not in cards), till.card())
    return till.keyed(
        OpenCardRequest,
        till.terminal(configure=True),
        card_number=number,
        account_number=till.rng.choice([0, 0, number, till.card()]),
        card_type=till.rng.choice(CARD_TYPES),
        status=till.rng.choice([1, 1, 1, 2]),
    )


def change_status(till: Sender) -> Sent:
    """An operator blocks a card, or unblocks one when many are blocked (never the first: it is the busiest)."""
    blocked = [number for number, card in till.twin.tables.cards.items() if card.status == CardStatus.BLOCKED]
    card, status = till.rng.choice(till.world.card_numbers[1:]), CardStatus.BLOCKED
    if len(blocked) > 15:
        card, status = till.rng.choice(blocked), CardStatus.ACTIVE
    terminal_id = till.terminal(configure=True)
    return till.keyed(ChangeCardStatusRequest, terminal_id, card_number=card, status=status, reason=9)


# --------------------------------------------------------------------------- hostile plays


def edge_debit(till: Sender) -> Sent:
    """An amount at a limit."""
    card = till.card()
    return till.debit(till.terminal(), card, till.edge_amount(card))


def edge_lines(till: Sender) -> Sent:
    """Bill lines of any size and sign, up to 255 of them, and sums around the maximum."""
    card, rng = till.card(), till.rng
    count = rng.choice([1, 2, 3, 4, 16]) if rng.random() < 0.95 else rng.choice([254, 255])
    share = AMOUNT_MINOR_MAX // count
    huge = [AMOUNT_MINOR_MAX + 1, I64_MAX, I64_MIN, I64_MIN + 1, -AMOUNT_MINOR_MAX]
    choices = rng.choice([[share], [share, -share], [share + 1], [33, -33, 50, 0, 149, 9_999], huge])
    amounts = [rng.choice(choices) for _ in range(count)]
    return till.debit(till.terminal(), card, till.amount(card), b"".join(map(till.line, amounts)))


def whale_credit(till: Sender) -> Sent:
    """One card is filled to the brim of balances."""
    card, edge = till.world.card_numbers[0], AMOUNT_MINOR_MAX
    account = till.twin.tables.account_of(card)
    room = 10**15 - account.balance_minor if account else edge
    amount = min(room, edge) + till.rng.choice([0, 0, 0, 1, -1])
    return till.keyed(CreditRequest, till.terminal(credit=True), card_number=card, amount_minor=amount)


def whale_points(till: Sender) -> Sent:
    """The same card earns to the brim of points, by lines that have nothing to do with its amount."""
    return till.debit(till.terminal(), till.world.card_numbers[0], 1, till.line(AMOUNT_MINOR_MAX))


def edge_credit(till: Sender) -> Sent:
    """A credit that is nothing, negative or too much."""
    card = till.card()
    return till.keyed(CreditRequest, till.terminal(credit=True), card_number=card, amount_minor=till.edge_amount(card))


def unknown_card(till: Sender) -> Sent:
    """A card that nobody opened."""
    number, amount = till.rng.choice(UNKNOWN_CARDS), till.rng.choice([0, 1, 100, -1])
    if till.rng.random() < 0.5:
        return till.debit(till.terminal(), number, amount)
    return till.keyed(CreditRequest, till.terminal(credit=True), card_number=number, amount_minor=amount)


def wrong_date(till: Sender) -> Sent:
    """The day before is fine; the others are not."""
    card, today = till.card(), till.today()
    date = till.rng.choice([today - 1, today - 1, today - 1, today - 2, today + 1, 0, 2**32 - 1])
    return till.debit(till.terminal(), card, till.amount(card), business_date=date % 2**32)


def repeat_old(till: Sender) -> Sent:
    """The same bytes much later, on another day perhaps."""
    return till.rng.choice(till.sent)


def reuse_trace(till: Sender) -> Sent:
    """An old key with other content: another field or another type."""
    old = till.rng.choice(till.sent)
    if len(old.message) < HEADER_BYTES + 32 or till.rng.random() < 0.3:
        trace_number = till.rng.randrange(1, max(2, till.traces[old.terminal_id]))
        card = till.card()
        return till.debit(old.terminal_id, card, till.amount(card), trace_number=trace_number)
    altered = bytearray(old.message)
    altered[HEADER_BYTES + till.rng.randrange(16, 32)] ^= 1 << till.rng.randrange(8)
    return Sent(old.terminal_id, bytes(altered))


def odd_reversal(till: Sender) -> Sent:
    """A reversal with something wrong in it, or of something that is no debit."""
    other = till.rng.choice(till.sent)
    if till.rng.random() < 0.15 and len(other.message) >= HEADER_BYTES + 8:
        return till.reversal(name_of(other, till.card(), 1))
    rng, debit = till.rng, till.some_debit(recent=till.rng.random() < 0.5)
    changes: list[dict[str, Any]] = [
        {},
        {"amount_minor": to_i64(debit.amount_minor + rng.choice([-1, 1]))},
        {"card_number": till.card()},
        {"card_number": rng.choice(UNKNOWN_CARDS)},
        {"terminal_id": till.terminal()},
        {"original_trace_number": rng.randrange(1, max(2, till.traces[debit.terminal_id]))},
        {"original_trace_number": 2**32 - 1 - rng.randrange(100)},
        {"original_business_date": (debit.business_date - rng.choice([1, 2])) % 2**32},
        {"original_business_date": (debit.business_date + 1) % 2**32},
        {"business_date": max(0, till.today() - 1)},
        {"trace_number": debit.trace_number, "business_date": debit.business_date},
    ]
    return till.reversal(debit, **rng.choice(changes))


def reversal_first(till: Sender) -> Sent:
    """The reversal overtakes its debit; or the late debit arrives; or it arrives once more."""
    if till.held_back and till.rng.random() < 0.7:
        late = till.rng.choice(till.held_back)
        if till.rng.random() < 0.1:
            return Sent(late.terminal_id, late.message[:-1] + b"\1")
        return late
    return overtaking_reversal(till)


def overtaking_reversal(till: Sender) -> Sent:
    """The reversal of a message that is held back; sometimes a message that no reversal may name."""
    card, terminal_id = till.card(), till.terminal(configure=True)
    amount, date = till.amount(card), max(0, till.today() - till.rng.choice([0, 0, 1]))
    kind = till.rng.random()
    if kind < 0.7:
        late = till.debit(terminal_id, card, amount, business_date=date)
    elif kind < 0.8:
        late = till.keyed(CreditRequest, terminal_id, card_number=card, amount_minor=amount, business_date=date)
    elif kind < 0.9:
        late = till.keyed(ChangeCardStatusRequest, terminal_id, card_number=card, status=2, business_date=date)
    else:
        late = till.reversal(till.some_debit(recent=True), terminal_id=terminal_id, business_date=date)
    till.held_back.append(late)
    return till.reversal(name_of(late, card, amount))


def odd_operator(till: Sender) -> Sent:
    """An operator message with a value at or beyond what is allowed."""
    rng, terminal_id = till.rng, till.terminal(configure=True)
    play = rng.randrange(5)
    if play == 0:
        return till.keyed(PutCardTypeRequest, terminal_id, **_odd_card_type(till))
    if play == 1:
        store_id = rng.choice([0, *range(1, 13)])
        return till.keyed(PutStoreRequest, terminal_id, store_id=store_id, organisation_id=rng.getrandbits(32))
    if play == 2:
        return till.keyed(
            PutTerminalRequest,
            terminal_id,
            terminal_id=rng.choice([0, *range(1, 31), 2**32 - 1]),
            store_id=rng.choice([0, 0, 1, 2, 3, 11, 2**32 - 1]),
            rights=rng.choice([0, 1, 3, 15, 15, 16, 2**32 - 1]),
            status=rng.choice([0, 1, 1, 2, 3, 255]),
            key=rng.randbytes(40),
        )
    if play == 3:
        return till.keyed(
            OpenCardRequest,
            terminal_id,
            card_number=rng.choice([*UNKNOWN_CARDS[:-1], till.card(), rng.randrange(10**7, 10**8)]),
            account_number=rng.choice([0, till.card(), 5]),
            card_type=rng.choice([*CARD_TYPES, 0, 9, 1023, 1024, 65535]),
            status=rng.choice([1, 1, 2, 0, 3]),
        )
    number = rng.choice([till.card(), till.card(), *UNKNOWN_CARDS])
    status = rng.choice([0, 1, 1, 1, 3, 255])
    return till.keyed(ChangeCardStatusRequest, terminal_id, card_number=number, status=status)


def _odd_card_type(till: Sender) -> dict[str, Any]:
    rng = till.rng
    fields = card_type_fields(rng, rng.choice(CARD_TYPES))
    odd = {
        "code": [0, 1023, 1024, 65535],
        "flags": [8, 65535, rng.randrange(8)],
        "single_minor_max": [-1, I64_MIN, I64_MAX, 40_000],
        "daily_minor_max": [-1, I64_MIN, I64_MAX, 90_000],
        "daily_points_max_hundredths": [-1, I64_MIN, 700],
        "points_percent": [10_000, 10_001, 2**32 - 1],
        "points_per_unit": [0, 100, 101, 2**32 - 1],
    }
    for name in rng.sample(list(odd), rng.choice([0, 1, 1, 2])):
        fields[name] = rng.choice(odd[name])
    return fields


def mangled(till: Sender) -> Sent:
    """Bytes of a real message with something done to them."""
    rng, old = till.rng, till.rng.choice(till.sent)
    message = bytearray(old.message)
    play = rng.randrange(7)
    if play == 0:
        del message[rng.randrange(HEADER_BYTES, len(message) + 1) :]
    elif play == 1:
        message += rng.randbytes(rng.choice([1, 8, 32]))
    elif play == 2:
        message[:1] = rng.choice([b"\0", b"\2", b"\xff"])
    elif play == 3:
        message[2:4] = rng.choice([b"\1\0", b"\0\1", b"\xff\xff"])
    elif play == 4:
        message[1:2] = bytes([rng.choice(UNKNOWN_TYPES)])
    elif play == 5:
        _set_reserved(till, message)
    else:
        message[1:2] = bytes([rng.choice(sorted(DECIDED_TYPES))])
    return Sent(old.terminal_id, bytes(message))


def _set_reserved(till: Sender, message: bytearray) -> None:
    """A byte of a reserved field or of a line's flags is set, where the message has any."""
    if len(message) <= HEADER_BYTES or message[1] not in DECIDED_TYPES:
        return
    form = REQUESTS[MessageType(message[1])]
    places = [
        HEADER_BYTES + field.offset + at
        for field in layout_of(form).fields
        if field.name.startswith("reserved")
        for at in range(field.wire.width_bytes)
    ]
    if form is DebitRequest:
        first = HEADER_BYTES + DebitRequest.width_bytes() + offset_of(BillLine, "flags")
        places += [at + side for at in range(first, len(message), BillLine.width_bytes()) for side in (0, 1)]
    for place in till.rng.sample(places, min(len(places), till.rng.choice([1, 1, 2]))):
        if place < len(message):
            message[place] = till.rng.randrange(1, 256)


def flipped_bit(till: Sender) -> Sent:
    """One bit of a real message is wrong (not of its stamp: in replay mode that would use up the calendar)."""
    old = till.rng.choice(till.sent)
    message = bytearray(old.message)
    stamp_at = HEADER_BYTES + (0 if message[1:2] == bytes([MessageType.BALANCE]) else 8)
    places = [at for at in range(len(message)) if not stamp_at <= at < stamp_at + 8]
    if places:
        message[till.rng.choice(places)] ^= 1 << till.rng.randrange(8)
    return Sent(old.terminal_id, bytes(message))


Play = Callable[[Sender], Sent]

HONEST: dict[Play, int] = {
    debit: 50,
    credit: 12,
    balance: 12,
    reverse_recent: 8,
    repeat_recent: 8,
    open_card: 2,
    change_status: 3,
}
"""Plays and how often they come."""

HOSTILE: dict[Play, int] = {
    edge_debit: 16,
    edge_lines: 6,
    whale_credit: 25,
    whale_points: 12,
    edge_credit: 5,
    unknown_card: 4,
    wrong_date: 8,
    repeat_old: 10,
    reuse_trace: 5,
    odd_reversal: 16,
    reversal_first: 10,
    odd_operator: 8,
    mangled: 10,
    flipped_bit: 5,
}
