"""Section 10: refund, by lines and of the bill as a whole."""

from __future__ import annotations

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import AMOUNT_MINOR_MAX, MessageType, RefundRequest
from switch.protocol.records import RecordKind

from . import accounts, originals
from .originals import WHOLE_BILL, Original
from .state import Answer, Ask, Decision, Record, State

WRONG = ResponseCode
SUCCESSOR_STEPS_MAX = 16
BY_LINES = 1


def decide_refund(state: State, ask: Ask, form: RefundRequest, decision: Decision) -> ResponseCode:
    """Give back all or a part of an approved debit or capture."""
    amounts = [form.amount_minor, *(line.amount_minor for line in form.lines)]
    if not all(1 <= amount <= AMOUNT_MINOR_MAX for amount in amounts):
        return WRONG.AMOUNT
    if form.lines and sum(amounts[1:]) != form.amount_minor:
        return WRONG.AMOUNT
    card = state.tables.card(form.card_number)
    if card is None:
        return WRONG.CARD_UNKNOWN
    answer = state.journal.get(form.original_sequence)
    if answer is None or not _is_refundable(answer):
        return WRONG.ORIGINAL_UNKNOWN
    original = originals.original_of(answer)
    if not _leads_to(state, original.card_number, form.card_number):
        return WRONG.ORIGINAL_MISMATCH
    if answer.is_reversed and any(known is answer for known in state.answers.by_key.values()):
        return WRONG.ORIGINAL_NOT_REVERSIBLE
    whole = originals.refund_mark(state, form.original_sequence)
    if not _lines_fit(form, original, whole):
        return WRONG.ORIGINAL_MISMATCH
    if _exceeds(state, form, original, whole):
        return WRONG.REFUND_EXCEEDS
    places = [*(line.line for line in form.lines), WHOLE_BILL]
    new = [place for place in places if originals.refund_mark(state, form.original_sequence, place) is None]
    if not state.tables.has_room(RecordKind.MARK, len(new)):
        return WRONG.TABLE_FULL
    pays_cash = originals.has_ended(card)
    if pays_cash and form.amount_minor >= originals.CASH_MINOR_END:
        return WRONG.ORIGINAL_NOT_REVERSIBLE

    parts = _points_back(state, form, original, whole, takes_points=not pays_cash)
    _mark(state, form, parts, decision)
    if pays_cash:
        decision.change_minor = form.amount_minor
        return WRONG.APPROVED
    account = state.tables.get(RecordKind.ACCOUNT, card.account_number)
    account.balance_minor += form.amount_minor
    decision.touch(account)
    if answer.asked is not None and answer.asked.type == MessageType.DEBIT:
        _uncount(state, ask, account, original, form.amount_minor, decision)
    for line_number, points in parts:
        originals.take_points(state, ask, account, original.lines[line_number], points, decision)
    decision.amount_minor = form.amount_minor
    decision.points_hundredths = -sum(points for _, points in parts)
    return WRONG.APPROVED


def _is_refundable(answer: Answer) -> bool:
    assert answer.asked is not None and answer.reply is not None
    is_payment = answer.asked.type in (MessageType.DEBIT, MessageType.CAPTURE)
    return is_payment and answer.reply.code in originals.APPROVED_CODES


def _leads_to(state: State, from_number: int, to_number: int) -> bool:
    """Whether a card, or one that goes on for it, is the other."""
    for _ in range(SUCCESSOR_STEPS_MAX + 1):
        if from_number == to_number:
            return True
        card = state.tables.card(from_number)
        from_number = card.successor_number if card is not None else 0
    return False


def _lines_fit(form: RefundRequest, original: Original, whole: Record | None) -> bool:
    """Row 6."""
    numbers = [line.line for line in form.lines]
    if numbers and max(numbers) >= original.refundable_lines:
        return False
    if len(set(numbers)) < len(numbers):
        return False
    return whole is None or whole.count == 0 or bool(whole.flags & BY_LINES) == bool(numbers)


def _exceeds(state: State, form: RefundRequest, original: Original, whole: Record | None) -> bool:
    """Row 7."""
    before = whole.amount_minor if whole is not None else 0
    if before + form.amount_minor > original.card_part:
        return True
    for line in form.lines:
        mark = originals.refund_mark(state, form.original_sequence, line.line)
        refunded = mark.amount_minor if mark is not None else 0
        if refunded + line.amount_minor > original.lines[line.line].net:
            return True
    return False


def _points_back(
    state: State, form: RefundRequest, original: Original, whole: Record | None, *, takes_points: bool
) -> list[tuple[int, int]]:
    """(line, points to take back)."""
    if not takes_points:
        return [(line.line, 0) for line in form.lines] or [(0, 0)]
    parts = []
    for part in form.lines:
        mark = originals.refund_mark(state, form.original_sequence, part.line)
        refunded, taken = (mark.amount_minor, mark.points_hundredths) if mark is not None else (0, 0)
        line = original.lines[part.line]
        parts.append((part.line, line.points * (refunded + part.amount_minor) // line.net - taken))
    if form.lines:
        return parts
    before = whole.amount_minor if whole is not None else 0
    after, of_all = before + form.amount_minor, original.card_part
    return [
        (number, line.points * after // of_all - line.points * before // of_all)
        for number, line in enumerate(original.lines)
    ]


def _mark(state: State, form: RefundRequest, parts: list[tuple[int, int]], decision: Decision) -> None:
    """Remember what is refunded: of each line, and of the bill."""
    rows = [(line.line, line.amount_minor, points) for line, (_, points) in zip(form.lines, parts, strict=False)]
    rows.append((WHOLE_BILL, form.amount_minor, sum(points for _, points in parts)))
    for place, amount, points in rows:
        mark = originals.refund_mark(state, form.original_sequence, place)
        if mark is None:
            mark = originals.make_refund_mark(state, form.original_sequence, place, form.card_number)
        mark.amount_minor += amount
        mark.points_hundredths += points
        mark.count += 1
        mark.flags = BY_LINES if form.lines else 0
        mark.subject = form.card_number
        decision.touch(mark)


def _uncount(state: State, ask: Ask, account: Record, original: Original, amount: int, decision: Decision) -> None:
    """The limits of today get back what was taken today; the number of debits stays."""
    if original.decided_date != ask.today:
        return
    for record in (account, accounts.limits_going_on(state, original.card_number, original.sequence)):
        if record is not None and record.business_date == ask.today:
            record.day_debit_minor -= amount
            decision.touch(record)


DECIDERS = {MessageType.REFUND: decide_refund}
