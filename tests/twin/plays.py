"""What terminals do, honestly and otherwise: each play makes one message, and has a weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from switch.protocol.layout import layout_of
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    REQUESTS,
    CreditRequest,
    MessageType,
    OperateCardRequest,
    Right,
)

from . import desk_plays as desk
from . import media_plays as media
from . import range_plays as ranges
from . import security_plays as security
from . import till_plays as tills
from .desk_plays import UNKNOWN_CARDS
from .sender import I64_MAX, I64_MIN, Sender, Sent, name_of, to_i64
from .wire import DECIDED_TYPES, HEADER_BYTES, KNOWN_FLAGS, ROWS

HANDLED_BEFORE = {
    MessageType.SIGN_OFF,
    MessageType.ECHO,
    MessageType.FOLLOW,
    MessageType.STATISTICS,
    MessageType.READ_RECORDS,
    MessageType.SIGNED_ON,
}
"""Types that are answered before the decision; it never sees them."""
UNKNOWN_TYPES = [number for number in range(256) if number not in DECIDED_TYPES and number not in HANDLED_BEFORE]
WITHOUT_KEY = bytes(
    [
        MessageType.BALANCE,
        MessageType.CARD_QUERY,
        MessageType.DAY_DIGESTS,
        MessageType.DAY_LIST,
    ]
)
"""Inquiries whose stamp stands first."""

# --------------------------------------------------------------------------- amounts at the edge


def edge_debit(till: Sender) -> Sent:
    """An amount at a limit."""
    card = till.card()
    return till.debit(till.terminal(), card, till.edge_amount(card))


def edge_lines(till: Sender) -> Sent:
    """Bill lines of any size and sign, up to 255 of them, and sums around the maximum."""
    card, rng = till.card(), till.rng
    count = rng.choice([1, 2, 3, 4, 16]) if rng.random() < 0.98 else rng.choice([254, 255])
    share = AMOUNT_MINOR_MAX // count
    huge = [AMOUNT_MINOR_MAX + 1, I64_MAX, I64_MIN, I64_MIN + 1, -AMOUNT_MINOR_MAX]
    choices = rng.choice([[share], [share, -share], [share + 1], [33, -33, 50, 0, 149, 9_999], huge])
    lines = tuple(till.line(rng.choice(choices)) for _ in range(count))
    return till.debit(till.terminal(), card, till.amount(card), lines=lines)


def whale_credit(till: Sender) -> Sent:
    """One card is filled to the brim of balances."""
    card, edge = till.world.card_numbers[0], AMOUNT_MINOR_MAX
    account = till.account(card)
    room = 10**15 - account.balance_minor if account else edge
    amount = min(room, edge) + till.rng.choice([0, 0, 0, 1, -1])
    terminal_id = till.terminal(Right.CREDIT)
    return till.keyed(CreditRequest, terminal_id, card_number=card, amount_minor=amount, channel=1)


def whale_points(till: Sender) -> Sent:
    """The same card earns to the brim of points, by lines that have nothing to do with its amount."""
    lines = (till.line(AMOUNT_MINOR_MAX),)
    return till.debit(till.terminal(), till.world.card_numbers[0], till.rng.choice([100, 5_000]), lines=lines)


def edge_credit(till: Sender) -> Sent:
    """A credit that is nothing, negative or too much."""
    card, terminal_id = till.card(), till.terminal(Right.CREDIT)
    channel = till.rng.choice([1, 1, 5, 10])
    amount = till.edge_amount(card)
    return till.keyed(CreditRequest, terminal_id, card_number=card, amount_minor=amount, channel=channel)


def unknown_card(till: Sender) -> Sent:
    """A card that nobody opened."""
    number, amount = till.rng.choice(UNKNOWN_CARDS), till.rng.choice([0, 1, 100, -1])
    play = till.rng.randrange(3)
    if play == 0:
        return till.debit(till.terminal(), number, amount)
    if play == 1:
        return till.asked(till.rng.choice([MessageType.BALANCE, MessageType.CARD_QUERY]), 1, card_number=number)
    terminal_id = till.terminal(Right.CREDIT)
    return till.keyed(CreditRequest, terminal_id, card_number=number, amount_minor=amount, channel=1)


def wrong_date(till: Sender) -> Sent:
    """The day before is fine; the others are not."""
    card, today = till.card(), till.today()
    date = till.rng.choice([today - 1, today - 1, today - 1, today - 2, today + 1, 0, 2**32 - 1])
    return till.debit(till.terminal(), card, till.amount(card), business_date=date % 2**32)


# --------------------------------------------------------------------------- keys


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
    """A reversal with something wrong in it, or of something that cannot be undone."""
    other = till.rng.choice(till.sent)
    if till.rng.random() < 0.15 and len(other.message) >= HEADER_BYTES + 8:
        return till.reversal(name_of(other))
    rng, original = till.rng, till.some_original(recent=till.rng.random() < 0.5)
    changes: list[dict[str, Any]] = [
        {},
        {"amount_minor": to_i64(original.amount_minor + rng.choice([-1, 1]))},
        {"card_number": till.card()},
        {"card_number": rng.choice(UNKNOWN_CARDS)},
        {"terminal_id": till.terminal()},
        {"original_trace_number": rng.randrange(1, max(2, till.traces[original.terminal_id]))},
        {"original_trace_number": 2**32 - 1 - rng.randrange(100)},
        {"original_business_date": (original.business_date - rng.choice([1, 2])) % 2**32},
        {"original_business_date": (original.business_date + 1) % 2**32},
        {"business_date": max(0, till.today() - 1)},
        {"trace_number": original.trace_number, "business_date": original.business_date},
    ]
    return till.reversal(original, **rng.choice(changes))


def reversal_first(till: Sender) -> Sent:
    """The reversal overtakes its original; or the late original arrives; or it arrives once more."""
    if till.held_back and till.rng.random() < 0.7:
        late = till.rng.choice(till.held_back)
        if till.rng.random() < 0.1:
            return Sent(late.terminal_id, late.message[:-1] + b"\1")
        return late
    return overtaking_reversal(till)


def overtaking_reversal(till: Sender) -> Sent:
    """The reversal of a message that is held back; sometimes a message that no reversal may name."""
    card, terminal_id = till.card(), till.terminal(Right.CONFIGURE)
    amount, date = till.amount(card), max(0, till.today() - till.rng.choice([0, 0, 1]))
    kind = till.rng.random()
    if kind < 0.7:
        late = till.debit(terminal_id, card, amount, business_date=date)
    elif kind < 0.8:
        fields = {"card_number": card, "amount_minor": amount, "channel": 1}
        late = till.keyed(CreditRequest, terminal_id, business_date=date, **fields)
    elif kind < 0.9:
        late = till.keyed(OperateCardRequest, terminal_id, card_number=card, operation=10, business_date=date)
    else:
        late = till.reversal(till.some_original(recent=True), terminal_id=terminal_id, business_date=date)
    till.held_back.append(late)
    return till.reversal(name_of(late))


# --------------------------------------------------------------------------- bytes


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
    """A byte of a reserved field, or of flags, is set, where the message has any."""
    if len(message) <= HEADER_BYTES or message[1] not in DECIDED_TYPES:
        return
    message_type = MessageType(message[1])
    places, start = [], HEADER_BYTES
    forms = [REQUESTS[message_type], *(row for _, row in ROWS.get(message_type, ()))]
    for form in forms:
        for field in layout_of(form).fields:
            if field.name.startswith("reserved") or (field.name == "flags" and form in KNOWN_FLAGS):
                places += [start + field.offset + at for at in range(field.wire.width_bytes)]
        start += layout_of(form).width_bytes
    for place in till.rng.sample(places, min(len(places), till.rng.choice([1, 1, 2]))):
        if place < len(message):
            message[place] = till.rng.randrange(1, 256)


def flipped_bit(till: Sender) -> Sent:
    """One bit of a real message is wrong (not of its stamp: in replay mode that would use up the calendar)."""
    old = till.rng.choice(till.sent)
    message = bytearray(old.message)
    stamp_at = HEADER_BYTES + (0 if message[1:2] in WITHOUT_KEY else 8)
    end = media.evidence_start(old.message) or len(message)  # what was found is the switch's own: nobody alters it
    places = [at for at in range(end) if not stamp_at <= at < stamp_at + 8 and at != 1]
    if places:
        message[till.rng.choice(places)] ^= 1 << till.rng.randrange(8)
    return Sent(old.terminal_id, bytes(message))


Play = Callable[[Sender], Sent]

HONEST: dict[Play, int] = {
    tills.debit: 50,
    tills.large_debit: 5,
    tills.priced_debit: 10,
    tills.tendered_debit: 12,
    tills.quote: 10,
    tills.credit: 14,
    tills.balance: 6,
    tills.card_query: 6,
    tills.hold: 8,
    tills.capture: 7,
    tills.small_hold: 12,
    tills.release: 3,
    tills.refund: 12,
    tills.transfer: 4,
    tills.convert: 4,
    tills.redeem: 10,
    tills.load_visits: 4,
    tills.adjust: 4,
    tills.transfer_points: 3,
    tills.backfill: 4,
    tills.reverse_recent: 14,
    tills.repeat_recent: 8,
    desk.open_card: 2,
    desk.operate_card: 10,
    desk.new_card: 10,
    ranges.operate_range: 4,
    ranges.checked_range: 2,
    ranges.one_step: 5,
    desk.set_pin: 2,
    desk.set_card: 4,
    desk.configure: 8,
    desk.day_totals: 2,
    desk.day_digests: 1,
    desk.day_list: 1,
    media.tap: 45,
    media.quote_with_evidence: 5,
    media.other_use: 10,
    media.spree: 3,
    media.confirm_write: 8,
    media.change_key: 2,
    security.put_medium: 5,
    security.put_policy: 1,
    security.step_key: 3,
    security.put_travel: 1,
    security.handle_alarm: 3,
    security.rewrap: 2,
    security.let_in: 6,
    security.unfreeze: 12,
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
    desk.odd_operator: 8,
    ranges.odd_operation: 8,
    mangled: 10,
    flipped_bit: 5,
    media.thief: 2,
    media.tap: 12,
    media.found_otherwise: 6,
    media.reversal_by_medium: 3,
}
"""The same for those who err, fail or cheat."""
