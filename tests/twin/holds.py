"""Section 9: hold, capture, release."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    CaptureRequest,
    Function,
    HoldRequest,
    MessageType,
    ReleaseRequest,
)
from switch.protocol.records import RecordKind

from . import accounts, evidence, pricing, sale
from .state import Ask, Decision, Record, State

WRONG = ResponseCode
LONGEST_HOLD_S = 604_800
MS_PER_S = 1000


def decide_hold(state: State, ask: Ask, form: HoldRequest, decision: Decision) -> ResponseCode:
    """Reserve an amount: the checks of a debit without lines, tenders and discount."""
    amount = form.amount_minor
    if abs(amount) > AMOUNT_MINOR_MAX:
        return WRONG.AMOUNT
    nameless = evidence.refuse_nameless(state, ask, form, decision, is_quote=False)
    if nameless is not None:
        return nameless
    known = accounts.known_card(state, ask, form.card_number)
    if known is None:
        return WRONG.CARD_UNKNOWN
    card, card_type = known
    account = state.tables.account_of(form.card_number)
    if account is not None:
        accounts.settle(state, ask, card_type, account, decision)
    if amount < 1:
        return WRONG.AMOUNT
    refusal = accounts.refuse_use(ask, card, card_type, Function.PAY, decision) or accounts.refuse_store(
        state, ask, card_type
    )
    if refusal is not None:
        return refusal
    verdict = evidence.judge(state, ask, form, card, amount, decision)
    if isinstance(verdict, ResponseCode):
        return verdict
    refusal = verdict.refuse_pin(card, card_type, form.pin, decision)
    if refusal is not None:
        return refusal
    assert account is not None
    refusal = accounts.refuse_amount(state, ask, card, card_type, account, amount)
    if refusal is not None:
        return refusal
    longest_s = card_type.hold_s_max or LONGEST_HOLD_S
    if form.expires_in_s > longest_s:
        return decision.invalid(form, "expires_in_s")
    accounts.recharge_before(state, ask, card, card_type, account, amount, decision)
    if accounts.available(account) < amount:
        return WRONG.FUNDS
    slot = next((n for n in range(accounts.HOLDS_MAX) if not account.hold_slots >> n & 1), None)
    if slot is None:
        return WRONG.HOLDS_FULL
    if not state.tables.has_room(RecordKind.HOLD):
        return WRONG.TABLE_FULL

    hold = state.tables.make(
        RecordKind.HOLD,
        account_number=account.account_number,
        slot=slot,
        business_date=ask.today,
        hold_sequence=ask.sequence,
        card_number=form.card_number,
        amount_minor=amount,
        expires_ms=ask.now_ms + (form.expires_in_s or longest_s) * MS_PER_S,
        terminal_id=ask.terminal_id,
    )
    account.held_minor += amount
    account.hold_slots |= 1 << slot
    accounts.count_debit(state, ask, account, form.card_number, amount, decision)
    decision.touch(hold)
    decision.amount_minor = amount
    return WRONG.APPROVED


def _find(
    state: State, ask: Ask, form: CaptureRequest | ReleaseRequest, decision: Decision
) -> tuple[Record, Record] | ResponseCode:
    """(account, open hold) that a request names, or why not."""
    if accounts.known_card(state, ask, form.card_number) is None:
        return WRONG.CARD_UNKNOWN
    accounts.settle_card(state, ask, form.card_number, decision)
    account = state.tables.account_of(form.card_number)
    hold = accounts.open_hold(state, account, form.hold_sequence) if account is not None else None
    if account is None or hold is None:
        return WRONG.HOLD_UNKNOWN
    return (account, hold) if hold.card_number == form.card_number else WRONG.ORIGINAL_MISMATCH


def decide_capture(state: State, ask: Ask, form: CaptureRequest, decision: Decision) -> ResponseCode:
    """Take all or a part of what is held."""
    amount = form.amount_minor
    if not 1 <= amount <= AMOUNT_MINOR_MAX:
        return WRONG.AMOUNT
    if form.keep_rest > 1:
        return decision.invalid(form, "keep_rest")
    found = _find(state, ask, form, decision)
    if isinstance(found, ResponseCode):
        return found
    account, hold = found
    if amount > hold.amount_minor:
        return WRONG.AMOUNT
    card = state.tables.get(RecordKind.CARD, form.card_number)
    card_type = state.tables.type_in_force(card.card_type, ask.today)
    bill = None
    if card_type is not None:
        bill = _bill(ask, card_type, account, amount)
        pricing.price(state, bill)
        day_points = accounts.counted(account, "day_points_hundredths", ask.today)
        pricing.earn(state, bill, account, shared=0, day_points=day_points)
        pricing.book_at_once(state, account, ask.today, bill.lines)
        if not sale.has_room_for_points(state, ask, account, bill):
            return WRONG.TABLE_FULL

    account.balance_minor -= amount
    account.held_minor -= amount
    hold.amount_minor -= amount
    hold.captured_minor += amount
    decision.touch(account, hold)
    if not form.keep_rest or hold.amount_minor == 0:
        accounts.free_hold(state, account, hold, decision)
    if bill is not None and bill.points:
        accounts.count_today(account, ask.today)
        account.day_points_hundredths += bill.points
        sale.book(state, ask, account, bill, decision)
        decision.points_hundredths = bill.points
    if bill is not None:
        decision.more = bill.more
    decision.amount_minor = amount
    return WRONG.APPROVED


def _bill(ask: Ask, card_type: Record, account: Record, amount: int) -> pricing.Bill:
    return pricing.bill_of(
        card_type,
        account,
        store_id=ask.store_id,
        terminal_id=ask.terminal_id,
        settlement=0,
        date=ask.today,
        minute=ask.minute,
        amount=amount,
    )


def decide_release(state: State, ask: Ask, form: ReleaseRequest, decision: Decision) -> ResponseCode:
    """Give back what is held."""
    found = _find(state, ask, form, decision)
    if isinstance(found, ResponseCode):
        return found
    account, hold = found
    decision.amount_minor = hold.amount_minor
    accounts.free_hold(state, account, hold, decision)
    return WRONG.APPROVED


DECIDERS: dict[MessageType, Callable[[State, Ask, Any, Decision], ResponseCode]] = {
    MessageType.HOLD: decide_hold,
    MessageType.CAPTURE: decide_capture,
    MessageType.RELEASE: decide_release,
}
