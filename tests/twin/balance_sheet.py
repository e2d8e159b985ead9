"""What the replies alone say was moved, kept beside the balances: money and points come from somewhere."""

from __future__ import annotations

from switch.protocol.messages import (
    CardOperation,
    FeeTender,
    MessageType,
    OperateCardRequest,
    Reply,
)
from switch.protocol.records import RecordKind

from .originals import APPROVED_CODES, tendered_points
from .state import Answer, State
from .wire import Asked

GIVES, TAKES = 1, -1
MONEY_SIGNS = {
    MessageType.DEBIT: TAKES,
    MessageType.CAPTURE: TAKES,
    MessageType.CREDIT: GIVES,
    MessageType.REFUND: GIVES,
    MessageType.CONVERT: GIVES,
}
"""Sign of a reply's `amount_minor` in the sum of all balances; of other types nothing is moved, or it is told apart."""
MOVES_POINTS_INSIDE = frozenset({MessageType.TRANSFER_POINTS})
"""Points go from one account to another: the sum stays."""
UNTOLD = frozenset({CardOperation.RETURN, CardOperation.VOID})
"""Operations that drop points, or write value off, without telling how much."""


class BalanceSheet:
    """Sums over all entries, from requests and replies."""

    def __init__(self) -> None:
        self.money_minor = 0
        self.points_hundredths = 0

    def count(self, state: State, asked: Asked, reply: Reply, original: Answer | None) -> None:
        """One entry. `original`: what a reversal that had an effect has undone."""
        self.money_minor += reply.recharged_minor
        if asked.type == MessageType.OPERATE_CARD:
            self._operation(state, asked.form, reply)
            return
        if asked.type not in MOVES_POINTS_INSIDE:
            self.points_hundredths += reply.points_hundredths
        if asked.type == MessageType.REVERSAL:
            self._reversal(reply, original)
            return
        self.money_minor += MONEY_SIGNS.get(asked.type, 0) * reply.amount_minor
        if asked.type == MessageType.DEBIT and reply.code in APPROVED_CODES:
            self.points_hundredths -= _points_tendered(Answer(asked, reply))

    def _reversal(self, reply: Reply, original: Answer | None) -> None:
        if original is None or original.asked is None:
            return
        if original.asked.type in (MessageType.DEBIT, MessageType.CREDIT):
            self.money_minor += reply.amount_minor
        was_given_back = original.asked.type == MessageType.DEBIT and reply.change_minor == 0
        if was_given_back and original.reply is not None and original.reply.code in APPROVED_CODES:
            self.points_hundredths += _points_tendered(original)

    def _operation(self, state: State, form: OperateCardRequest, reply: Reply) -> None:
        if form.operation in UNTOLD:
            self.money_minor, self.points_hundredths = money_in(state), points_in(state)
            return
        if form.operation in (CardOperation.ISSUE, CardOperation.MAKE_AND_ISSUE):
            self.money_minor += form.amount_minor * sum(result.code == 0 for result in reply.results)
        if form.fee_tender == FeeTender.BALANCE:
            self.money_minor -= reply.change_minor

    def check(self, state: State, today: int) -> None:
        """Assert that nothing was made or lost, and that nothing is below zero that may not be."""
        assert money_in(state) == self.money_minor, (money_in(state), self.money_minor)
        assert points_in(state) == self.points_hundredths, (points_in(state), self.points_hundredths)
        tables = state.tables
        for account in tables.all(RecordKind.ACCOUNT):
            holds = tables.of_account(RecordKind.HOLD, account.account_number)
            pending = tables.of_account(RecordKind.PENDING_POINTS, account.account_number)
            assert account.held_minor == sum(hold.amount_minor for hold in holds), account
            assert account.hold_slots == sum(1 << hold.slot for hold in holds), account
            assert all(hold.amount_minor > 0 for hold in holds), holds
            assert account.pending_count == len(pending) <= 64, account
            assert account.pending_from_date == min((p.booking_date for p in pending), default=0), account
            assert account.pending_categories == sum(1 << c for c in {p.category for p in pending}), account
            assert account.balance_minor >= account.held_minor >= 0, account
            assert min(account.day_debit_count, account.day_recharge_count, account.day_auto_count) >= 0, account
            assert account.day_recharge_minor >= 0, account
            assert account.business_date <= today, account
        for purse in tables.all(RecordKind.PURSE):
            assert purse.amount >= 0 or purse.purse >> 32 == 1, purse
        for mark in tables.all(RecordKind.MARK):
            assert min(mark.amount_minor, mark.count) >= 0, mark


def money_in(state: State) -> int:
    """Sum of all balances."""
    return sum(account.balance_minor for account in state.tables.all(RecordKind.ACCOUNT))


def points_in(state: State) -> int:
    """Sum of all points: of accounts, purses, and those that wait."""
    tables = state.tables
    return int(
        sum(account.points_hundredths for account in tables.all(RecordKind.ACCOUNT))
        + sum(purse.amount for purse in tables.all(RecordKind.PURSE) if purse.purse >> 32 == 1)
        + sum(record.amount_hundredths for record in tables.all(RecordKind.PENDING_POINTS))
    )


def _points_tendered(answer: Answer) -> int:
    return sum(points for _, points in tendered_points(answer))
