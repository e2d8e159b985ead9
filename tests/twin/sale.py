"""Section 6: the debit; and the quote of section 14, which goes the same way and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import CardTypeFlag, DebitFlag, DebitRequest, Function, LineResult, MessageType
from switch.protocol.records import RecordKind

from . import accounts, evidence, pricing
from .pricing import Bill, Payment
from .state import Ask, Decision, Record, State

WRONG = ResponseCode


@dataclass(slots=True)
class Sale:
    """A debit that nothing speaks against."""

    card: Record
    account: Record
    bill: Bill
    payment: Payment
    code: ResponseCode = WRONG.APPROVED


def decide_debit(state: State, ask: Ask, form: DebitRequest, decision: Decision) -> ResponseCode:
    """Approve or decline a debit."""
    sale = weigh(state, ask, form, decision)
    if not isinstance(sale, Sale):
        return sale
    account, bill, payment = sale.account, sale.bill, sale.payment
    if not _has_room(state, ask, sale):
        return WRONG.TABLE_FULL
    accounts.count_debit(state, ask, account, sale.card.card_number, payment.card_part, decision)
    account.balance_minor -= payment.card_part
    account.day_points_hundredths += bill.points
    for category, amount in payment.points.items():
        if points := amount * tender_rate(state, category):
            accounts.add_points(state, account, category, -points, decision)
    for service, count in payment.visits.items():
        purse = accounts.visits_of(state, account, service)
        assert purse is not None
        purse.amount -= count
        decision.touch(purse)
    book(state, ask, account, bill, decision)
    _tell(state, sale, decision)
    return sale.code


def weigh(
    state: State, ask: Ask, form: DebitRequest, decision: Decision, *, is_quote: bool = False
) -> Sale | ResponseCode:
    """All checks in order, settling and automatic recharge among them; nothing else is changed."""
    if not pricing.are_bounded(form.amount_minor, form.lines):
        return WRONG.AMOUNT
    nameless = evidence.refuse_nameless(state, ask, form, decision, is_quote=is_quote)
    if nameless is not None:
        return nameless
    known = accounts.known_card(state, ask, form.card_number)
    if known is None:
        return WRONG.CARD_UNKNOWN
    card, card_type = known
    account = state.tables.account_of(form.card_number)
    if account is not None:
        accounts.settle(state, ask, card_type, account, decision)

    is_priced = bool(form.flags & DebitFlag.PRICED)
    bill = pricing.bill_of(
        card_type,
        account,
        store_id=ask.store_id,
        terminal_id=ask.terminal_id,
        settlement=form.settlement,
        date=ask.today,
        minute=ask.minute,
        amount=form.amount_minor,
        asked_lines=form.lines,
        is_priced=is_priced,
    )
    unpriced = pricing.price(state, bill)
    if unpriced is not None:
        return unpriced
    pricing.take_discount(bill)
    due = decision.due_minor = bill.due
    decision.discount_minor = bill.discount
    if due < 0 or (due == 0 and not card_type.flags & CardTypeFlag.ZERO_AMOUNT):
        return WRONG.AMOUNT
    if is_priced and form.amount_minor not in (0, due):
        return WRONG.PRICE_CHANGED

    refusal = accounts.refuse_use(ask, card, card_type, Function.PAY, decision) or accounts.refuse_store(
        state, ask, card_type
    )
    if refusal is not None:
        return refusal
    verdict = evidence.judge(state, ask, form, card, due, decision, is_quote=is_quote)
    if isinstance(verdict, ResponseCode):
        return verdict
    refusal = (None if is_quote else verdict.refuse_pin(card, card_type, form.pin, decision)) or pricing.refuse_goods(
        bill, decision
    )
    if refusal is not None:
        return refusal
    assert account is not None
    payment = pricing.pay(due, form.tenders, ask.round_off_minor)
    if payment is None:
        return WRONG.TENDER_MISMATCH
    refusal = accounts.refuse_amount(state, ask, card, card_type, account, payment.card_part) or _refuse_purses(
        state, ask, account, due, payment
    )
    if refusal is not None:
        return refusal

    day_points = accounts.counted(account, "day_points_hundredths", ask.today)
    shared = payment.round_off + sum(payment.points.values())
    accounts.recharge_before(state, ask, card, card_type, account, payment.card_part, decision)
    sale = Sale(card, account, bill, payment)
    there = accounts.available(account)
    is_partial = form.flags & DebitFlag.PARTIAL and payment.is_card_alone and 0 < there < payment.card_part
    if there < payment.card_part and not is_partial:
        return WRONG.FUNDS
    pricing.earn(state, bill, account, shared=shared, day_points=day_points)
    if is_partial:
        sale.code, payment.card_part = WRONG.PARTIAL, there
        pricing.scale_points(bill, there, due)
    pricing.book_at_once(state, account, ask.today, bill.lines)
    return sale


def tender_rate(state: State, category: int) -> int:
    """Hundredths of points that pay one minor unit; 0 when the category cannot pay."""
    record = state.tables.find(RecordKind.POINTS_CATEGORY, category)
    return int(record.tender_rate) if record is not None else 0


def _refuse_purses(state: State, ask: Ask, account: Record, due: int, payment: Payment) -> ResponseCode | None:
    """Rows 12 and 13."""
    for category, amount in payment.points.items():
        record = state.tables.find(RecordKind.POINTS_CATEGORY, category)
        can_pay = accounts.category_enabled(state, category) and tender_rate(state, category)
        if record is None or not can_pay or amount > due * record.tender_cap_bp // 10_000:
            return WRONG.POINTS_CAP
    for category, amount in payment.points.items():
        if accounts.points_in(state, account, category) < amount * tender_rate(state, category):
            return WRONG.POINTS_FUNDS
    for service, count in payment.visits.items():
        purse = accounts.visits_of(state, account, service)
        if purse is None or purse.amount < count or (purse.expiry_date and ask.today > purse.expiry_date):
            return WRONG.VISITS_FUNDS
    return None


def _has_room(state: State, ask: Ask, sale: Sale) -> bool:
    return has_room_for_points(state, ask, sale.account, sale.bill)


def has_room_for_points(state: State, ask: Ask, account: Record, bill: Bill) -> bool:
    """Whether purses and pending records for what a bill earns are there or can be made."""
    earning = [line for line in bill.lines if line.points]
    purses = {line.category for line in earning if not line.booking_days}
    pending = {(line.category, ask.today + line.booking_days) for line in earning if line.booking_days}
    return accounts.has_purses(state, account, purses) and accounts.has_pending(state, account, pending)


def book(state: State, ask: Ask, account: Record, bill: Bill, decision: Decision) -> None:
    """Points of all lines, at once or on their date."""
    for line in bill.lines:
        if line.points and line.booking_days:
            booking_date = ask.today + line.booking_days
            accounts.add_pending(state, account, line.category, booking_date, line.points, decision)
        elif line.points:
            accounts.add_points(state, account, line.category, line.points, decision)


def _tell(state: State, sale: Sale, decision: Decision) -> None:
    decision.amount_minor = sale.payment.card_part
    decision.points_hundredths = sale.bill.points
    decision.round_off_minor = sale.payment.round_off
    decision.change_minor = sale.payment.change
    taken = [
        LineResult(points_hundredths=-amount * tender_rate(state, category), points_category=category)
        for category, amount in sale.payment.points.items()
    ]
    decision.more = sale.bill.more + b"".join(result.encode() for result in taken)


def quote(state: State, ask: Ask, form: DebitRequest, decision: Decision) -> ResponseCode:
    """What a debit would be answered, without its effect; on a scratch state, which settling may change."""
    sale = weigh(state, ask, form, decision, is_quote=True)
    if not isinstance(sale, Sale):
        return sale
    _tell(state, sale, decision)
    return sale.code


DECIDERS = {MessageType.DEBIT: decide_debit}
