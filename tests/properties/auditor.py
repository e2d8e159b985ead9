"""The auditor: decides from the books whether money and points may move, and books what did.

`Auditor.take` is given a request and the switch's answer. It says first what it would have decided, and compares; then
it books. It predicts every amount; of a bill's points it checks bounds and takes the switch's word.
"""

from __future__ import annotations

from typing import Any

from switch.protocol.messages import MessageType
from tests.properties.books import APPROVED, PARTIAL, REVERSED_BEFORE, Account, Ask, Books, Original, RefusedError
from tests.properties.card_desk import CARD_DESK
from tests.properties.paying import capture, credit, debit, hold, release
from tests.properties.points import adjust, convert, load_visits, redeem, transfer, transfer_points
from tests.properties.shop import GIFT_STOCK
from tests.properties.undoing import refund, reversal


class Auditor(Books):
    """Books, and who decides about them."""

    def __init__(self) -> None:
        super().__init__()
        self.stock = GIFT_STOCK
        self.today = 0

    def take(self, ask: Ask) -> None:
        """Decide, compare with the switch, and book."""
        key = (ask.terminal_id, ask.form.business_date, ask.form.trace_number)
        if key in self.originals:
            assert self.originals[key] is None and ask.reply.code == REVERSED_BEFORE, (ask, "a reversal came first")
            return
        ask.original = Original(ask.type, ask.form, is_approved=False)
        account = self.account_of(ask.form.card_number)
        is_till_message = ask.type < MessageType.PUT_CARD_TYPE
        if account and is_till_message:
            ask.is_settled = self.settle(account, ask.now_ms, ask.today)
        try:
            DECIDERS[ask.type](self, ask)
            is_approved = True
        except RefusedError:
            is_approved = False
        assert is_approved == (ask.reply.code in (APPROVED, PARTIAL)), (
            f"the books say {'yes' if is_approved else 'no'}, the switch {ask.reply.code}: {ask}"
        )
        ask.original.is_approved = is_approved
        ask.original.sequence, ask.original.date = ask.reply.journal_sequence, ask.today
        ask.original.moved_minor = ask.reply.amount_minor
        self.originals[key] = self.by_sequence[ask.reply.journal_sequence] = ask.original
        self.compare_told(ask, self.account_of(ask.form.card_number) if is_till_message or is_approved else None)

    def quote(self, ask: Ask) -> None:
        """Compare a quote; nothing is booked."""
        ask.is_quote, ask.original = True, Original(ask.type, ask.form, is_approved=False)
        account = self.account_of(ask.form.card_number)
        if account:
            self.settle(account, ask.now_ms, ask.today)
        try:
            debit(self, ask)
            is_approved = True
        except RefusedError:
            is_approved = False
        assert is_approved == (ask.reply.code in (APPROVED, PARTIAL)), (ask, is_approved)
        self.compare_told(ask, account)

    def compare_told(self, ask: Ask, account: Account | None) -> None:
        """The reply says what the books say."""
        shown = dict.fromkeys(TOLD, 0) | ask.told
        shown["balance_minor"] = account.balance_minor if account else 0
        shown["available_minor"] = account.available_minor if account else 0
        shown["points_balance_hundredths"] = account.points[0] if account else 0
        said = {name: getattr(ask.reply, name) for name in shown}
        assert said == shown, (ask, {name: (said[name], shown[name]) for name in said if said[name] != shown[name]})


TOLD = (
    "amount_minor",
    "points_hundredths",
    "due_minor",
    "discount_minor",
    "recharged_minor",
    "round_off_minor",
    "change_minor",
)


DECIDERS: dict[MessageType, Any] = {
    MessageType.DEBIT: debit,
    MessageType.HOLD: hold,
    MessageType.CAPTURE: capture,
    MessageType.RELEASE: release,
    MessageType.CREDIT: credit,
    MessageType.REVERSAL: reversal,
    MessageType.REFUND: refund,
    MessageType.TRANSFER: transfer,
    MessageType.TRANSFER_POINTS: transfer_points,
    MessageType.CONVERT: convert,
    MessageType.REDEEM: redeem,
    MessageType.ADJUST_POINTS: adjust,
    MessageType.LOAD_VISITS: load_visits,
    **CARD_DESK,
}
