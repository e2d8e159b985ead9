"""Section 8, the credit; and the transfer of value of section 11."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    AMOUNT_MINOR_MAX,
    AllowedList,
    CardTypeFlag,
    CreditRequest,
    Function,
    LineResult,
    MessageType,
    RechargeChannel,
    TransferRequest,
)
from switch.protocol.records import MarkKind, RecordKind

from . import accounts, pricing
from .state import Ask, Decision, Record, State

WRONG = ResponseCode
NO_REFERENCE = bytes(16)
RECHARGE_COUNT_MAX = 65_535
"""The counter is 16 bits wide."""


def reference_key(reference: bytes, channel: int) -> tuple[int, int, int]:
    """Key of the mark of an external reference."""
    halves = int.from_bytes(reference[:8], "little"), int.from_bytes(reference[8:], "little")
    return *halves, MarkKind.REFERENCE << 56 | channel


def decide_credit(state: State, ask: Ask, form: CreditRequest, decision: Decision) -> ResponseCode:
    """Put value on a card."""
    amount, is_opening = form.amount_minor, form.channel == RechargeChannel.OPENING
    if not 0 < amount <= AMOUNT_MINOR_MAX:
        return WRONG.AMOUNT
    if form.channel not in set(RechargeChannel):
        return decision.invalid(form, "channel")
    known = accounts.known_card(state, ask, form.card_number)
    if known is None:
        return WRONG.CARD_UNKNOWN
    card, card_type = known
    accounts.settle_card(state, ask, form.card_number, decision)
    refusal = accounts.refuse_use(ask, card, card_type, 0, decision, also_issued=is_opening)
    if refusal is not None:
        return refusal
    account = state.tables.get(RecordKind.ACCOUNT, card.account_number)
    has_reference = form.reference != NO_REFERENCE
    refusal = _refuse_source(state, ask, form, card_type) if not is_opening else None
    if refusal is not None:
        return refusal
    if has_reference and state.tables.find(RecordKind.MARK, *reference_key(form.reference, form.channel)):
        return WRONG.CREDITED_BEFORE
    refusal = _refuse_counters(state, ask, form, card_type, account) if not is_opening else None
    refusal = refusal or accounts.over_ceiling(state, card, card_type, account.balance_minor + amount)
    if refusal is not None:
        return refusal

    category, points = (0, 0) if is_opening else _earned(state, ask, form, card_type, account)
    has_room = not has_reference or state.tables.has_room(RecordKind.MARK)
    if not has_room or (points and not accounts.has_purses(state, account, {category})):
        return WRONG.TABLE_FULL
    account.balance_minor += amount
    decision.touch(account)
    if not is_opening:
        _count(state, ask, form, account, points, decision)
    if points:
        accounts.add_points(state, account, category, points, decision)
    if has_reference:
        halves = reference_key(form.reference, form.channel)
        keys = dict(zip(("key_a", "key_b", "key_c"), halves, strict=True))
        fields = {"amount_minor": amount, "points_hundredths": points, "subject": form.card_number, "count": 1}
        decision.touch(state.tables.make(RecordKind.MARK, **keys, **fields))
    decision.amount_minor, decision.points_hundredths = amount, points
    if points:
        decision.more = LineResult(points_hundredths=points, points_category=category).encode()
    return WRONG.APPROVED


def _refuse_source(state: State, ask: Ask, form: CreditRequest, card_type: Record) -> ResponseCode | None:
    """Rows 3 to 5."""
    code, flags = card_type.code, card_type.flags
    if flags & CardTypeFlag.ONE_TIME:
        return WRONG.NOT_RELOADABLE
    is_outlet = accounts.is_allowed(state, code, AllowedList.OUTLETS, ask.store_id)
    if flags & CardTypeFlag.OUTLETS_LISTED and not is_outlet:
        return WRONG.OUTLET_FORBIDDEN
    is_operator = accounts.is_allowed(state, code, AllowedList.OPERATORS, form.operator_id)
    return WRONG.OPERATOR_FORBIDDEN if flags & CardTypeFlag.OPERATORS_LISTED and not is_operator else None


def _refuse_counters(
    state: State, ask: Ask, form: CreditRequest, card_type: Record, account: Record
) -> ResponseCode | None:
    """Rows 7 and 8."""
    limits = accounts.limits_of(state, form.card_number)
    bounds = [(card_type, account)] + ([(limits, limits)] if limits is not None else [])
    counts = [(bound, accounts.counted(counter, "day_recharge_count", ask.today)) for bound, counter in bounds]
    if any(count + 1 > bound.recharge_count_max for bound, count in counts) or counts[0][1] >= RECHARGE_COUNT_MAX:
        return WRONG.RECHARGE_COUNT
    sums = [(bound, accounts.counted(counter, "day_recharge_minor", ask.today)) for bound, counter in bounds]
    if any(total + form.amount_minor > bound.recharge_day_minor_max for bound, total in sums):
        return WRONG.RECHARGE_AMOUNT
    return None


def _earned(state: State, ask: Ask, form: CreditRequest, card_type: Record, account: Record) -> tuple[int, int]:
    bill = pricing.bill_of(
        card_type,
        account,
        store_id=ask.store_id,
        terminal_id=ask.terminal_id,
        settlement=0,
        date=ask.today,
        minute=ask.minute,
        amount=form.amount_minor,
    )
    day_points = accounts.counted(account, "day_points_hundredths", ask.today)
    return pricing.earn_recharge(state, bill, account, day_points=day_points)


def _count(state: State, ask: Ask, form: CreditRequest, account: Record, points: int, decision: Decision) -> None:
    for record in (account, accounts.limits_of(state, form.card_number)):
        if record is not None:
            accounts.count_today(record, ask.today)
            record.day_recharge_minor += form.amount_minor
            record.day_recharge_count += 1
            decision.touch(record)
    account.day_points_hundredths += points


def decide_transfer(state: State, ask: Ask, form: TransferRequest, decision: Decision) -> ResponseCode:
    """Move value from one account to another."""
    amount = form.amount_minor
    if not 0 < amount <= AMOUNT_MINOR_MAX:
        return WRONG.AMOUNT
    giver = accounts.usable_card(state, ask, form.card_number, Function.PAY, decision)
    if isinstance(giver, ResponseCode):
        return giver
    getter = accounts.usable_card(state, ask, form.to_card_number, Function.PAY, decision, settles=False)
    if isinstance(getter, ResponseCode):
        return getter
    account, (to_card, to_type, to_account) = giver[2], getter
    if account is to_account:
        return WRONG.ORIGINAL_MISMATCH
    if to_type.flags & CardTypeFlag.ONE_TIME:
        return WRONG.NOT_RELOADABLE
    if accounts.available(account) < amount:
        return WRONG.FUNDS
    refusal = accounts.over_ceiling(state, to_card, to_type, to_account.balance_minor + amount)
    if refusal is not None:
        return refusal
    account.balance_minor -= amount
    to_account.balance_minor += amount
    decision.touch(account, to_account)
    decision.amount_minor = amount
    return WRONG.APPROVED


DECIDERS: dict[MessageType, Callable[[State, Ask, Any, Decision], ResponseCode]] = {
    MessageType.CREDIT: decide_credit,
    MessageType.TRANSFER: decide_transfer,
}
