"""Section 14: balance, card query, quote. They see the account as if it had been settled, and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    BalanceRequest,
    CardFacts,
    CardQueryRequest,
    CardStatus,
    DayReply,
    DebitRequest,
    Function,
    MessageType,
    PurseFact,
    Reply,
)
from switch.protocol.records import RecordKind

from . import accounts, sale
from .state import Ask, Decision, Record, State

WRONG = ResponseCode
PURSES_TOLD_MAX = 64


def _scratch(state: State) -> State:
    return State(state.tables.scratch(), state.answers, state.journal)


def _reply(ask: Ask, code: ResponseCode, decision: Decision) -> Reply:
    sequence = decision.shown.last_sequence if decision.shown is not None else 0
    return accounts.reply_of(ask, code, decision, trace_number=0, sequence=sequence)


def _settled(real: State, ask: Ask, card_number: int) -> tuple[State, Decision, ResponseCode]:
    """The state after settling, and what an inquiry says of the card."""
    state, decision = _scratch(real), Decision()
    if state.tables.card(card_number) is None:
        return state, decision, WRONG.CARD_UNKNOWN
    accounts.settle_card(state, ask, card_number, decision)
    decision.show(state.tables.account_of(card_number))
    return state, decision, WRONG.APPROVED


def answer_balance(state: State, ask: Ask, form: BalanceRequest) -> Reply:
    """Balance and points."""
    _, decision, code = _settled(state, ask, form.card_number)
    return _reply(ask, code, decision)


def answer_quote(real: State, ask: Ask, form: DebitRequest) -> Reply:
    """What a debit would be answered."""
    state, decision = _scratch(real), Decision()
    decision.show(state.tables.account_of(form.card_number))
    return _reply(ask, sale.quote(state, ask, form, decision), decision)


def answer_card_query(real: State, ask: Ask, form: CardQueryRequest) -> Reply:
    """All that a till shows of a card."""
    state, decision, code = _settled(real, ask, form.card_number)
    card = state.tables.card(form.card_number)
    if card is not None:
        account = state.tables.account_of(form.card_number)
        purses = _purses(state, account)
        decision.more = b"".join(row.encode() for row in (_facts(state, ask, card, account, len(purses)), *purses))
    return _reply(ask, code, decision)


def _purses(state: State, account: Record | None) -> list[PurseFact]:
    if account is None:
        return []
    first = PurseFact(purse=accounts.POINTS_PURSE, amount=account.points_hundredths)
    others = state.tables.of_account(RecordKind.PURSE, account.account_number)
    told = [PurseFact(purse=purse.purse, amount=purse.amount) for purse in others if purse.amount]
    return [first, *told][:PURSES_TOLD_MAX]


def _facts(state: State, ask: Ask, card: Record, account: Record | None, purse_count: int) -> CardFacts:
    card_type = state.tables.type_in_force(card.card_type, ask.today)
    is_past = card.status == CardStatus.ACTIVE and card.expiry_date and ask.today > card.expiry_date
    type_level, discount_bp, price_class = 0, 0, 0
    if card_type is not None:
        discount_bp = card_type.discount_bp if card_type.functions & Function.DISCOUNT else 0
        type_level, price_class = card_type.level, card_type.price_class
    pending = accounts.pending_of(state, account) if account is not None else []
    return CardFacts(
        card_type=card.card_type,
        status=CardStatus.EXPIRED if is_past else card.status,
        level=(account.level if account is not None else 0) or type_level,
        flags=card.flags,
        discount_bp=discount_bp,
        price_class=price_class,
        purse_count=purse_count,
        expiry_date=card.expiry_date,
        account_number=card.account_number,
        member=account.member if account is not None else 0,
        successor_number=card.successor_number,
        day_debit_minor=accounts.counted(account, "day_debit_minor", ask.today),
        day_debit_count=accounts.counted(account, "day_debit_count", ask.today),
        day_recharge_count=accounts.counted(account, "day_recharge_count", ask.today),
        day_recharge_minor=accounts.counted(account, "day_recharge_minor", ask.today),
        pending_hundredths=sum(record.amount_hundredths for record in pending),
    )


INQUIRIES: dict[MessageType, Callable[[State, Ask, Any], Reply | DayReply]] = {
    MessageType.BALANCE: answer_balance,
    MessageType.QUOTE: answer_quote,
    MessageType.CARD_QUERY: answer_card_query,
}
