"""What a custom rule is asked about: one approved sale, as the journal has it."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import msgspec

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import DebitRequest, LineResult, MessageType, Reply, TenderKind
from switch.protocol.records import AccountRecord, CardRecord, RecordKind, images_of

from .journal_feed import Entry

EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()
MS_PER_S = 1000
MILLI = 1000


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a bill, with what the switch made of it."""

    item: int
    amount_minor: int
    """What the line came to before the switch's discount; of a line that the switch priced: by its price list."""
    quantity_milli: int
    department: int
    category: int
    brand: int
    flags: int
    """`LineFlag` bits of the request."""
    till_discount_minor: int
    discount_minor: int
    """What the switch took off."""
    points_hundredths: int
    """What the switch's own rules gave."""
    points_category: int


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """An approved debit."""

    sequence: int
    """Journal sequence of the sale: its name."""
    terminal_id: int
    accepting_organisation_id: int
    """Organisation of the terminal's store; 0: none."""
    due_minor: int
    """What the bill came to after discount."""
    amount_minor: int
    """What the card paid of it."""
    discount_minor: int
    points_hundredths: int
    """What the switch's own rules gave, all categories."""
    settlement: int
    lines: tuple[Line, ...]
    """Empty when the till sent none."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The card that paid: the account as the sale left it, the card as it is when the rule is asked."""

    card_number: int
    card_type: int
    account_number: int
    member: int
    """Member who holds the account; 0: anonymous."""
    level: int
    """Level of the holder; 0: the card type's."""
    segments: int
    issued_date: int
    """Business date, days since 1970-01-01."""
    issuing_organisation_id: int
    balance_minor: int
    points_balance_hundredths: int
    """Points of category 0."""


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """When the sale was made; a rule asks no other clock, so that it says the same whenever it is asked."""

    business_date: int
    """Days since 1970-01-01."""
    time_ms: int
    """Milliseconds since 1970-01-01 UTC."""
    time_zone: str
    """IANA name of the switch's time zone."""

    @property
    def date(self) -> datetime.date:
        """The business date."""
        return datetime.date.fromordinal(EPOCH_ORDINAL + self.business_date)

    @property
    def local_time(self) -> datetime.datetime:
        """The moment in the switch's time zone."""
        return datetime.datetime.fromtimestamp(self.time_ms / MS_PER_S, ZoneInfo(self.time_zone))


class Sale(msgspec.Struct, frozen=True):
    """The three arguments of a custom rule."""

    bill: Bill
    card: Card
    clock: Clock


def is_sale(entry: Entry) -> bool:
    """Whether an entry is a debit that moved something: approved, wholly or in part."""
    if entry.header.request_type != MessageType.DEBIT:
        return False
    code = int.from_bytes(entry.reply[:2], "little")
    return code in (ResponseCode.APPROVED, ResponseCode.PARTIAL)


def card_number_of(entry: Entry) -> int:
    """Card of a debit's entry."""
    return DebitRequest.decode(entry.request).card_number


def sale_of(entry: Entry, card: CardRecord, time_zone: str) -> Sale:
    """The sale that an entry holds."""
    header = entry.header
    request, reply = DebitRequest.decode(entry.request), Reply.decode(entry.reply)
    account = next(
        (AccountRecord.decode(image) for image in images_of(entry.images) if image[0] == RecordKind.ACCOUNT), None
    )
    if account is None:
        raise ValueError(f"entry {header.sequence}: expected an approved debit with its account, got none")
    results = _line_results(request, reply)
    bill = Bill(
        sequence=header.sequence,
        terminal_id=header.terminal_id,
        accepting_organisation_id=header.accepting_organisation_id,
        due_minor=reply.due_minor,
        amount_minor=reply.amount_minor,
        discount_minor=reply.discount_minor,
        points_hundredths=reply.points_hundredths,
        settlement=request.settlement,
        lines=tuple(
            Line(
                item=line.item,
                amount_minor=line.amount_minor or _priced(result.unit_price_minor, line.quantity_milli),
                quantity_milli=line.quantity_milli,
                department=line.department,
                category=line.category,
                brand=line.brand,
                flags=line.flags,
                till_discount_minor=line.till_discount_minor,
                discount_minor=result.discount_minor,
                points_hundredths=result.points_hundredths,
                points_category=result.points_category,
            )
            for line, result in zip(request.lines, results, strict=True)
        ),
    )
    facts = Card(
        card_number=card.card_number,
        card_type=card.card_type,
        account_number=account.account_number,
        member=account.member,
        level=account.level,
        segments=account.segments,
        issued_date=card.issued_date,
        issuing_organisation_id=card.issuing_organisation_id,
        balance_minor=account.balance_minor,
        points_balance_hundredths=account.points_hundredths,
    )
    clock = Clock(business_date=header.business_date, time_ms=header.time_ms, time_zone=time_zone)
    return Sale(bill, facts, clock)


def _line_results(request: DebitRequest, reply: Reply) -> tuple[LineResult, ...]:
    """One result per line; those of the POINTS tenders, which stand behind them or alone, are left out."""
    tender_count = sum(tender.kind == TenderKind.POINTS for tender in request.tenders)
    results = reply.lines[: len(reply.lines) - tender_count]
    return results if results else (LineResult(),) * len(request.lines)


def _priced(unit_price_minor: int, quantity_milli: int) -> int:
    """Amount of a line by the price list: rounded half up, as the switch does."""
    return (2 * unit_price_minor * quantity_milli + MILLI) // (2 * MILLI)
