"""Section 7: reversal of debits, holds, credits, redemptions and visits."""

from __future__ import annotations

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    CreditRequest,
    DebitRequest,
    LoadVisitsRequest,
    MediumKind,
    MessageType,
    RechargeChannel,
    RedeemRequest,
    Reply,
    ReversalRequest,
    TenderKind,
)
from switch.protocol.records import GONE, MarkKind, RecordKind

from . import accounts, credit, originals
from .state import Answer, Ask, Decision, Key, Record, State

WRONG = ResponseCode
AMOUNT_PLACE = slice(24, 32)
"""Where every original has the amount that its reversal repeats."""


def _original_key(ask: Ask, form: ReversalRequest) -> Key:
    return ask.terminal_id, form.original_business_date, form.original_trace_number


def _is_outside(ask: Ask, form: ReversalRequest) -> bool:
    return form.original_business_date not in (ask.today, ask.today - 1)


def _names_itself(ask: Ask, form: ReversalRequest) -> bool:
    return _original_key(ask, form) == (ask.terminal_id, form.business_date, form.trace_number)


def has_room(state: State, ask: Ask, form: ReversalRequest) -> bool:
    """Whether the reversal, and the note that it may have to write, can be remembered."""
    if _is_outside(ask, form) or _names_itself(ask, form) or state.answers.find(_original_key(ask, form)):
        return True
    return state.answers.has_room(form.business_date, form.original_business_date)


def card_number_of(state: State, ask: Ask, form: ReversalRequest) -> int:
    """The card that a reversal is about: of 0, the one that the switch found behind the original's code or tag."""
    original = state.answers.find(_original_key(ask, form))
    if form.card_number or original is None or original.asked is None:
        return form.card_number
    if _is_outside(ask, form) or _names_itself(ask, form):
        return 0
    evidence = getattr(original.asked.form, "evidence", None)
    found_by_medium = evidence is not None and evidence.medium in (MediumKind.CODE, MediumKind.TAG)
    return int(original.asked.form.card_number) if found_by_medium else 0


def decide_reversal(state: State, ask: Ask, form: ReversalRequest, decision: Decision) -> ResponseCode:
    """Undo an original, or remember that it must not happen."""
    if _is_outside(ask, form):
        return WRONG.ORIGINAL_OUTSIDE_WINDOW
    if _names_itself(ask, form):
        return WRONG.ORIGINAL_MISMATCH
    original = state.answers.find(_original_key(ask, form))
    if original is None:
        state.answers.keep(_original_key(ask, form), Answer(is_note=True))
        return WRONG.APPROVED
    if original.is_note or original.is_reversed:
        return WRONG.APPROVED
    assert original.asked is not None and original.reply is not None
    undo = UNDO.get(original.asked.type)
    if undo is None:
        return WRONG.ORIGINAL_NOT_REVERSIBLE
    asked_amount = form.amount_minor.to_bytes(8, "little", signed=True)
    card_number = card_number_of(state, ask, form)
    if original.asked.form.card_number != card_number or original.asked.body[AMOUNT_PLACE] != asked_amount:
        return WRONG.ORIGINAL_MISMATCH
    code = WRONG.APPROVED
    if original.reply.code in originals.APPROVED_CODES:
        card = state.tables.card(card_number)
        account = state.tables.account_of(card_number)
        assert card is not None and account is not None
        code = undo(state, ask, original, card, account, decision)
        decision.undone = original if code == WRONG.APPROVED else None
    original.is_reversed = code == WRONG.APPROVED
    return code


# --------------------------------------------------------------------------- of each type


def _undo_debit(
    state: State, ask: Ask, original: Answer, card: Record, account: Record, decision: Decision
) -> ResponseCode:
    assert original.asked is not None and original.reply is not None
    form, reply = original.asked.form, original.reply
    assert isinstance(form, DebitRequest)
    mark = originals.refund_mark(state, reply.journal_sequence)
    if mark is not None and mark.count > 0:
        return WRONG.ORIGINAL_NOT_REVERSIBLE
    amount = reply.amount_minor
    pays_cash = originals.has_ended(card)
    if pays_cash and amount >= originals.CASH_MINOR_END:
        return WRONG.ORIGINAL_NOT_REVERSIBLE
    lines = originals.original_of(original).lines
    has_purses = pays_cash or accounts.has_purses(state, account, {line.category for line in lines if line.points})
    if not has_purses or (mark is None and not state.tables.has_room(RecordKind.MARK)):
        return WRONG.TABLE_FULL
    if mark is None:
        mark = originals.make_refund_mark(state, reply.journal_sequence, originals.WHOLE_BILL, form.card_number)
    mark.amount_minor, mark.points_hundredths, mark.subject = amount, reply.points_hundredths, form.card_number
    decision.touch(mark)
    if pays_cash:
        decision.change_minor = amount
        return WRONG.APPROVED

    account.balance_minor += amount
    decision.touch(account)
    if account.business_date == reply.business_date:
        account.day_points_hundredths -= reply.points_hundredths
    accounts.uncount_debit(
        state, account, form.card_number, reply.journal_sequence, reply.business_date, amount, 1, decision
    )
    for line in lines:
        originals.take_points(state, ask, account, line, line.points, decision)
    for category, points in originals.tendered_points(original):
        if points:
            accounts.add_points(state, account, category, points, decision)
    for tender in form.tenders:
        if tender.kind == TenderKind.VISITS:
            _give_visits(state, account, tender.purse, tender.count, decision)
    decision.amount_minor = amount
    decision.points_hundredths = -reply.points_hundredths
    return WRONG.APPROVED


def _give_visits(state: State, account: Record, service: int, count: int, decision: Decision) -> None:
    purse = accounts.visits_of(state, account, service)
    if purse is None:
        key = {"account_number": account.account_number, "purse": accounts.VISITS_PURSE | service}
        purse = state.tables.make(RecordKind.PURSE, **key)
    purse.amount += count
    decision.touch(purse)


def _undo_hold(
    state: State, ask: Ask, original: Answer, card: Record, account: Record, decision: Decision
) -> ResponseCode:
    assert original.reply is not None
    sequence = original.reply.journal_sequence
    hold = accounts.open_hold(state, account, sequence)
    if hold is not None and hold.captured_minor:
        return WRONG.ORIGINAL_NOT_REVERSIBLE
    if hold is not None:
        decision.amount_minor = hold.amount_minor
        accounts.free_hold(state, account, hold, decision)
    return WRONG.APPROVED


def _undo_credit(
    state: State, ask: Ask, original: Answer, card: Record, account: Record, decision: Decision
) -> ResponseCode:
    assert original.asked is not None and original.reply is not None
    form, reply = original.asked.form, original.reply
    assert isinstance(form, CreditRequest)
    amount, points = reply.amount_minor, reply.points_hundredths
    if accounts.available(account) < amount:
        return WRONG.FUNDS
    account.balance_minor -= amount
    decision.touch(account)
    if form.channel != RechargeChannel.OPENING:
        _uncount_recharge(state, account, form.card_number, reply, decision)
    for result in reply.lines:
        accounts.add_points(state, account, result.points_category, -result.points_hundredths, decision)
    key = credit.reference_key(form.reference, form.channel)
    mark = state.tables.find(RecordKind.MARK, *key) if form.reference != credit.NO_REFERENCE else None
    if mark is not None:
        mark.state = GONE
        decision.touch(mark)
    decision.amount_minor, decision.points_hundredths = -amount, -points
    return WRONG.APPROVED


def _uncount_recharge(state: State, account: Record, card_number: int, reply: Reply, decision: Decision) -> None:
    for record in (account, accounts.limits_going_on(state, card_number, reply.journal_sequence)):
        if record is not None and record.business_date == reply.business_date:
            record.day_recharge_minor -= reply.amount_minor
            record.day_recharge_count -= 1
            decision.touch(record)
    if account.business_date == reply.business_date:
        account.day_points_hundredths -= reply.points_hundredths


def _undo_redemption(
    state: State, ask: Ask, original: Answer, card: Record, account: Record, decision: Decision
) -> ResponseCode:
    assert original.asked is not None and original.reply is not None
    form, points = original.asked.form, -original.reply.points_hundredths
    assert isinstance(form, RedeemRequest)
    if originals.has_ended(card):
        return WRONG.APPROVED
    if points:
        accounts.add_points(state, account, form.category, points, decision)
        decision.points_hundredths = points
    gift = state.tables.find(RecordKind.GIFT, form.gift_id) if form.gift_id else None
    if gift is not None:
        mark = state.tables.find(RecordKind.MARK, account.account_number, form.gift_id, MarkKind.GIFT << 56)
        if mark is not None and mark.count >= form.pieces:
            mark.count -= form.pieces
            decision.touch(mark)
        if gift.stock != NO_COUNT_LIMIT:
            gift.stock += form.pieces
            decision.touch(gift)
    return WRONG.APPROVED


def _undo_visits(
    state: State, ask: Ask, original: Answer, card: Record, account: Record, decision: Decision
) -> ResponseCode:
    assert original.asked is not None
    form = original.asked.form
    assert isinstance(form, LoadVisitsRequest)
    purse = accounts.visits_of(state, account, form.service)
    if purse is None or purse.amount < form.count:
        return WRONG.VISITS_FUNDS
    purse.amount -= form.count
    decision.touch(purse)
    return WRONG.APPROVED


UNDO = {
    MessageType.DEBIT: _undo_debit,
    MessageType.HOLD: _undo_hold,
    MessageType.CREDIT: _undo_credit,
    MessageType.REDEEM: _undo_redemption,
    MessageType.LOAD_VISITS: _undo_visits,
}

DECIDERS = {MessageType.REVERSAL: decide_reversal}
