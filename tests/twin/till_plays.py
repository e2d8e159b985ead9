"""What honest tills and desks send about value and points: each play makes one message."""

from __future__ import annotations

from typing import Any

from switch.protocol.messages import (
    AdjustPointsRequest,
    BackfillRequest,
    BillLine,
    CaptureRequest,
    ConvertRequest,
    CreditRequest,
    DebitFlag,
    HoldRequest,
    LoadVisitsRequest,
    MessageType,
    RedeemRequest,
    RefundLine,
    RefundRequest,
    ReleaseRequest,
    Right,
    Tender,
    TenderKind,
    TransferPointsRequest,
    TransferRequest,
)
from switch.protocol.records import RecordKind

from .originals import original_of
from .sender import PINS, Sender, Sent
from .world import CATEGORIES, GIFTS, OPERATORS, SERVICES, STORES


def debit(till: Sender) -> Sent:
    """A customer pays."""
    card = till.card()
    amount = till.amount(card)
    return till.debit(till.terminal(), card, amount, **_bill(till, amount))


def _bill(till: Sender, amount: int) -> dict[str, Any]:
    """Lines, flags, PIN."""
    rng = till.rng
    count = rng.choice([0, 0, 0, 1, 1, 2, 3, 5, 8])
    flags = rng.choice([0, 0, 0, DebitFlag.PARTIAL]) | (DebitFlag.PIN if rng.random() < 0.2 else 0)
    return {
        "lines": till.lines(amount, count) if count else (),
        "flags": flags,
        "pin": rng.choice(PINS) if flags & DebitFlag.PIN else b"",
    }


def large_debit(till: Sender) -> Sent:
    """More than there is, perhaps in part."""
    card = till.card()
    account = till.account(card)
    amount = (account.balance_minor if account else 100) + till.rng.randrange(1, 20_000)
    amount = min(amount, 10**12)
    return till.debit(till.terminal(), card, amount, **(_bill(till, amount) | {"flags": 1, "pin": b""}))


def priced_debit(till: Sender) -> Sent:
    """A till that leaves prices to the switch."""
    count = till.rng.choice([1, 1, 2, 4])
    lines = tuple(till.line(till.rng.choice([0] * 30 + [5])) for _ in range(count))
    flags = DebitFlag.PRICED | till.rng.choice([0, DebitFlag.PARTIAL])
    amount = till.rng.choice([0, 0, 0, 100])
    return till.debit(
        till.terminal(), till.card(), amount, lines=lines if till.rng.random() < 0.98 else (), flags=flags
    )


def tendered_debit(till: Sender) -> Sent:
    """A bill that several means pay: most of it as a quote says, some of it not quite."""
    rng, card = till.rng, till.card()
    amount = till.amount(card)
    card_type = till.twin.tables.card(card)
    version = till.twin.tables.type_in_force(card_type.card_type, till.today()) if card_type else None
    has_discount = version is not None and version.functions & 8
    due = amount - (amount * version.discount_bp // 10_000 if version is not None and has_discount else 0)
    left, tenders = due, []
    if rng.random() < 0.5:
        part = rng.randrange(0, max(1, left // 10) + 1)
        tenders.append(Tender(kind=TenderKind.POINTS, purse=rng.choice(CATEGORIES), amount_minor=part))
        left -= part
    if rng.random() < 0.3:
        part = left // 4
        count = rng.choice([1, 1, 2])
        tenders.append(Tender(kind=TenderKind.VISITS, purse=rng.choice(SERVICES), count=count, amount_minor=part))
        left -= part
    if rng.random() < 0.3:
        tenders.append(Tender(kind=TenderKind.OTHER, amount_minor=left // 3))
        left -= left // 3
    if rng.random() < 0.5:
        tenders.append(Tender(kind=TenderKind.CARD, amount_minor=left // 2))
        handed = left - left // 2 + rng.choice([0, 0, 50, 5_000, -1])
        tenders.append(Tender(kind=TenderKind.CASH, amount_minor=max(0, handed)))
    else:
        tenders.append(Tender(kind=TenderKind.CARD, amount_minor=max(0, left + rng.choice([0] * 9 + [1]))))
    lines = (BillLine(amount_minor=amount, flags=rng.choice([0, 0, 2])),) if rng.random() < 0.7 else ()
    return till.debit(till.terminal(), card, amount, lines=lines, tenders=tuple(tenders), flags=rng.choice([0, 0, 1]))


def quote(till: Sender) -> Sent:
    """What a till asks before it asks for money."""
    make = till.rng.choice([debit, debit, priced_debit, tendered_debit, large_debit])
    sent = make(till)
    if till.sent_originals:
        till.sent_originals.pop()
    header = sent.message[:1] + bytes([MessageType.QUOTE]) + sent.message[2:]
    return Sent(sent.terminal_id, header)


def credit(till: Sender) -> Sent:
    """A customer pays in."""
    rng = till.rng
    channel = rng.choice([1, 1, 2, 3, 6, 7, 9, 0])
    right = Right.CONFIGURE if channel == 0 else Right.CREDIT
    return till.keyed(
        CreditRequest,
        till.terminal(right),
        card_number=till.card(),
        amount_minor=rng.randrange(1, 200_000),
        channel=channel,
        operator_id=rng.choice([0, *OPERATORS]),
        reference=rng.choice([bytes(16), rng.randbytes(16), bytes([rng.randrange(1, 60)]) * 16]),
    )


def balance(till: Sender) -> Sent:
    """A customer asks."""
    return till.asked(MessageType.BALANCE, till.terminal(), card_number=till.card())


def card_query(till: Sender) -> Sent:
    """A till asks for all there is."""
    return till.asked(MessageType.CARD_QUERY, till.terminal(), card_number=till.card())


def hold(till: Sender) -> Sent:
    """A deposit."""
    card = till.card()
    return till.keyed(
        HoldRequest,
        till.terminal(),
        card_number=card,
        amount_minor=till.amount(card),
        expires_in_s=till.rng.choice([0, 0, 0, 0, 60, 3600, 604_800, 604_801]),
        pin=till.rng.choice([bytes(16), bytes(16), *PINS]),
    )


def small_hold(till: Sender) -> Sent:
    """One account with as many holds as it may have."""
    card = till.world.card_numbers[0]
    return till.keyed(HoldRequest, till.terminal(), card_number=card, amount_minor=1)


def _some_hold(till: Sender) -> tuple[int, int, int]:
    """(card, hold sequence, what it holds): open as a rule, sometimes only approved once."""
    holds = till.twin.tables.all(RecordKind.HOLD)
    if holds and till.rng.random() < 0.8:
        found = till.rng.choice(holds)
        return found.card_number, found.hold_sequence, found.amount_minor
    row = till.approved(MessageType.HOLD)
    if row is not None and row[1].asked is not None:
        return row[1].asked.form.card_number, row[0], row[1].asked.form.amount_minor
    return till.card(), 1, 1


def capture(till: Sender) -> Sent:
    """The deposit is taken, or a part of it."""
    rng = till.rng
    card, sequence, amount = _some_hold(till)
    return till.keyed(
        CaptureRequest,
        till.terminal(),
        card_number=card if rng.random() < 0.95 else till.card(),
        amount_minor=rng.choice([amount, amount, max(1, amount // 3), amount + 1, 0]),
        hold_sequence=sequence,
        keep_rest=rng.choice([0, 0, 1, 1, 1, 2]) if rng.random() < 0.9 else 0,
    )


def release(till: Sender) -> Sent:
    """The deposit is given back."""
    card, sequence, _ = _some_hold(till)
    card = card if till.rng.random() < 0.95 else till.card()
    return till.keyed(ReleaseRequest, till.terminal(), card_number=card, hold_sequence=sequence)


def refund(till: Sender) -> Sent:
    """Something comes back: by lines or of the whole, sometimes too much."""
    rng, row = till.rng, till.approved(MessageType.DEBIT, MessageType.CAPTURE)
    if row is None:
        row_any = till.approved(MessageType.CREDIT)
        sequence = row_any[0] if row_any else 1
        return till.keyed(
            RefundRequest, till.terminal(), card_number=till.card(), amount_minor=1, original_sequence=sequence
        )
    sequence, answer = row
    original = original_of(answer)
    lines: tuple[RefundLine, ...] = ()
    amount = rng.choice([original.card_part, max(1, original.card_part // 3), original.card_part + 1, 1])
    nets = [(number, line.net) for number, line in enumerate(original.lines) if line.net > 0]
    if answer.reply is not None and answer.reply.lines and nets and rng.random() < 0.7:
        chosen = rng.sample(nets, rng.randrange(1, min(3, len(nets)) + 1))
        lines = tuple(
            RefundLine(line=number, amount_minor=rng.choice([net, net, max(1, net // 3), net + 1]))
            for number, net in chosen
        )
        if rng.random() < 0.03:
            lines += (RefundLine(line=rng.choice([lines[0].line, 254]), amount_minor=1),)
        amount = sum(line.amount_minor for line in lines) + (1 if rng.random() < 0.02 else 0)
    card = original.card_number if rng.random() < 0.95 else till.card()
    found = till.twin.tables.card(card)
    if found is not None and found.successor_number and rng.random() < 0.5:
        card = found.successor_number
    return till.keyed(
        RefundRequest,
        till.terminal(),
        card_number=card,
        amount_minor=amount,
        original_sequence=sequence,
        line_count=len(lines),
        lines=lines,
    )


def transfer(till: Sender) -> Sent:
    """Value goes from one card to another."""
    giver = till.card()
    to_card = till.card()
    terminal_id = till.terminal(Right.CREDIT)
    amount = till.amount(giver)
    return till.keyed(TransferRequest, terminal_id, card_number=giver, amount_minor=amount, to_card_number=to_card)


def convert(till: Sender) -> Sent:
    """Points become value."""
    amount = till.rng.choice([5, 10, 50, 100, 7])
    category = till.rng.choice(CATEGORIES)
    return till.keyed(ConvertRequest, till.terminal(), card_number=till.card(), amount_minor=amount, category=category)


def redeem(till: Sender) -> Sent:
    """Points become a gift, or something else."""
    rng = till.rng
    gift_id = rng.choice([0, *GIFTS])
    gift = till.twin.tables.find(RecordKind.GIFT, gift_id) if gift_id else None
    return till.keyed(
        RedeemRequest,
        till.terminal(),
        card_number=till.card(),
        points_hundredths=0 if gift_id else rng.choice([100, 2_500, 0]),
        gift_id=gift_id,
        pieces=rng.choice([1, 1, 1, 2, 0]) if gift_id else 0,
        category=gift.category if gift is not None else rng.choice(CATEGORIES),
    )


def load_visits(till: Sender) -> Sent:
    """Ten visits for the price of nine."""
    return till.keyed(
        LoadVisitsRequest,
        till.terminal(Right.CREDIT),
        card_number=till.card(),
        received_minor=900,
        service=till.rng.choice(SERVICES),
        count=till.rng.choice([1, 10, 10, 0]),
        expiry_date=till.rng.choice([0, till.today(), till.today() + 3]),
    )


def adjust(till: Sender) -> Sent:
    """Points by hand."""
    rng = till.rng
    card = till.card()
    account = till.account(card)
    void_all = rng.choice([0, 0, 0, 1])
    return till.keyed(
        AdjustPointsRequest,
        till.terminal(Right.CARDS),
        card_number=card,
        points_hundredths=0 if void_all else rng.choice([500, 10_000, -300, 1]),
        category=rng.choice(CATEGORIES),
        void_all=void_all,
        operator_id=1,
        if_sequence=rng.choice([0, 0, 0, account.last_sequence if account else 0, 1]),
        reference=rng.choice([bytes(16), bytes(16), rng.randbytes(16), b"\7" * 16]),
    )


def transfer_points(till: Sender) -> Sent:
    """Points go from one card to another."""
    return till.keyed(
        TransferPointsRequest,
        till.terminal(Right.CARDS),
        card_number=till.card(),
        points_hundredths=till.rng.choice([100, 100, 1_000, 0]),
        to_card_number=till.card(),
        category=till.rng.choice(CATEGORIES),
    )


def backfill(till: Sender) -> Sent:
    """A receipt without its card."""
    rng = till.rng
    amount = rng.randrange(1, 20_000)
    count = rng.choice([0, 1, 2])
    return till.keyed(
        BackfillRequest,
        till.terminal(Right.CARDS),
        card_number=till.card(),
        amount_minor=amount,
        receipt=rng.randrange(1, 6),
        store_id=rng.choice([1, 1, 1, *STORES, 99]),
        sale_date=max(0, till.today() - rng.choice([0, 0, 0, 1, 30, 92, 93])),
        sale_minute=rng.choice([600, 600, 1200, 1439, 1440]),
        settlement=rng.choice([0, 1, 6]),
        lines=till.lines(amount, count) if count else (),
    )


def reverse_recent(till: Sender) -> Sent:
    """A till undoes one of its last messages."""
    return till.reversal(till.some_original(recent=True), reason=till.rng.randrange(3))


def repeat_recent(till: Sender) -> Sent:
    """A till sends the same bytes again."""
    return till.rng.choice(list(till.sent)[-20:])
