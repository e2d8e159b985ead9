"""Reversal: docs/decision.md, section 4."""

from __future__ import annotations

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import DebitRequest, ReversalRequest

from .state import Account, Answer, Answers, Decision, Tables


def decide_reversal(tables: Tables, answers: Answers, terminal_id: int, form: ReversalRequest, today: int) -> Decision:
    """Undo a debit, or remember that it must not happen; WINDOW_FULL means that nothing at all was done."""
    shown = tables.account_of(form.card_number)
    key = (terminal_id, form.business_date, form.trace_number)
    original_key = (terminal_id, form.original_business_date, form.original_trace_number)

    if form.original_business_date not in (today, today - 1):
        return Decision(ResponseCode.ORIGINAL_OUTSIDE_WINDOW, account=shown)
    if original_key == key:
        return Decision(ResponseCode.ORIGINAL_MISMATCH, account=shown)
    original = answers.find(original_key)
    if original is None:
        if not answers.has_room(form.business_date, form.original_business_date):
            return Decision(ResponseCode.WINDOW_FULL)
        answers.keep(original_key, Answer(is_note=True))
        return Decision(ResponseCode.APPROVED, account=shown)
    if original.is_note or original.is_reversed:
        return Decision(ResponseCode.APPROVED, account=shown)
    assert original.asked is not None and original.reply is not None
    debit = original.asked.form
    if not isinstance(debit, DebitRequest):
        return Decision(ResponseCode.ORIGINAL_NOT_REVERSIBLE, account=shown)
    if (debit.card_number, debit.amount_minor) != (form.card_number, form.amount_minor):
        return Decision(ResponseCode.ORIGINAL_MISMATCH, account=shown)
    original.is_reversed = True
    if original.reply.code != ResponseCode.APPROVED:
        return Decision(ResponseCode.APPROVED, account=shown)

    assert shown is not None
    earned = original.reply.points_hundredths
    _give_back(shown, debit.amount_minor, earned, decided_date=original.reply.business_date)
    return Decision(
        ResponseCode.APPROVED,
        amount_minor=debit.amount_minor,
        points_hundredths=-earned,
        account=shown,
        changed=(shown,),
    )


def _give_back(account: Account, amount_minor: int, earned: int, decided_date: int) -> None:
    """Undo an approval; the day counters only if they still are of the date on which it was decided."""
    account.balance_minor += amount_minor
    account.points_hundredths -= earned
    if account.counters_date == decided_date:
        account.day_debit_minor -= amount_minor
        account.day_debit_count -= 1
        account.day_points_hundredths -= earned
