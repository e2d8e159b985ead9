"""What reversals and refunds share: the original with its lines, and the way back of its points."""

from __future__ import annotations

from dataclasses import dataclass

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import BillLine, CardStatus, DebitFlag, DebitRequest, LineResult, TenderKind
from switch.protocol.records import MarkKind, RecordKind

from . import accounts
from .pricing import times_quantity
from .state import Answer, Ask, Decision, Record, State

WHOLE_BILL = 2**32 - 1
APPROVED_CODES = (ResponseCode.APPROVED, ResponseCode.PARTIAL)
CASH_MINOR_END = 2**32


@dataclass(frozen=True, slots=True)
class OriginalLine:
    """One line of an approved debit or capture."""

    net: int
    """What the card holder paid for it before tenders: amount less discount."""
    points: int
    category: int
    booking_date: int


@dataclass(frozen=True, slots=True)
class Original:
    """An approved debit or capture as the journal has it."""

    card_number: int
    sequence: int
    card_part: int
    decided_date: int
    refundable_lines: int
    """Lines that a refund may name: all of a debit with line results, else none."""
    lines: tuple[OriginalLine, ...]
    """One line of category 0 for an original without line results."""


def original_of(answer: Answer) -> Original:
    """The original behind an answer that approved it."""
    assert answer.asked is not None and answer.reply is not None
    form, reply = answer.asked.form, answer.reply
    results = reply.lines
    if isinstance(form, DebitRequest):
        results = results[: len(results) - sum(tender.kind == TenderKind.POINTS for tender in form.tenders)]
    if isinstance(form, DebitRequest) and results:
        is_priced = bool(form.flags & DebitFlag.PRICED)
        asked = form.lines or (BillLine(amount_minor=reply.due_minor),)
        lines = tuple(
            _line(
                times_quantity(result.unit_price_minor, line.quantity_milli) if is_priced else line.amount_minor,
                result,
                reply.business_date,
            )
            for line, result in zip(asked, results, strict=True)
        )
    elif results:
        lines = (_line(reply.amount_minor, results[0], reply.business_date),)
    else:
        lines = (OriginalLine(reply.amount_minor, reply.points_hundredths, 0, reply.business_date),)
    refundable_lines = len(form.lines) if isinstance(form, DebitRequest) and results else 0
    return Original(
        form.card_number, reply.journal_sequence, reply.amount_minor, reply.business_date, refundable_lines, lines
    )


def _line(amount: int, result: LineResult, decided_date: int) -> OriginalLine:
    booking_date = decided_date + result.booking_days
    return OriginalLine(amount - result.discount_minor, result.points_hundredths, result.points_category, booking_date)


def tendered_points(answer: Answer) -> list[tuple[int, int]]:
    """(category, points) that the tenders of an approved debit took."""
    assert answer.asked is not None and answer.reply is not None
    count = sum(tender.kind == TenderKind.POINTS for tender in answer.asked.form.tenders)
    results = answer.reply.lines[len(answer.reply.lines) - count :]
    return [(result.points_category, -result.points_hundredths) for result in results]


def take_points(
    state: State, ask: Ask, account: Record, line: OriginalLine, hundredths: int, decision: Decision
) -> None:
    """Points of a line go back to where they came from."""
    if hundredths:
        accounts.take_back(state, ask, account, line.category, line.booking_date, hundredths, decision)


def has_ended(card: Record) -> bool:
    """Whether what comes back is paid out in cash: the card is RETURNED or VOID."""
    return card.status in (CardStatus.RETURNED, CardStatus.VOID)


def refund_mark(state: State, sequence: int, line: int = WHOLE_BILL) -> Record | None:
    """What was refunded of an original, or of a line of it."""
    return state.tables.find(RecordKind.MARK, sequence, line, MarkKind.REFUND << 56)


def make_refund_mark(state: State, sequence: int, line: int, card_number: int) -> Record:
    """A mark of nothing yet."""
    key = {"key_a": sequence, "key_b": line, "key_c": MarkKind.REFUND << 56}
    return state.tables.make(RecordKind.MARK, **key, subject=card_number)
