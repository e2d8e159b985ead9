"""Debit, credit and balance inquiry: docs/decision.md, sections 3, 5 and 6."""

from __future__ import annotations

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import AMOUNT_MINOR_MAX, CardStatus, CardTypeFlag, CreditRequest, DebitRequest

from .state import Account, CardType, Decision, Tables

BALANCE_MINOR_MAX = 10**15
"""A credit may not lift a balance above this."""
POINTS_BALANCE_MAX_HUNDREDTHS = 4 * 10**18
"""Points stop here, inside 63 bits: one debit may earn 10^16 hundredths, whatever its amount."""


def decide_debit(tables: Tables, form: DebitRequest, line_amounts: tuple[int, ...], today: int) -> Decision:
    """Approve or decline a debit; an approval changes the account at once."""
    account = tables.account_of(form.card_number)
    refusal = _debit_refusal(tables, form, line_amounts, today)
    if refusal is not None:
        return Decision(refusal, account=account)
    assert account is not None
    card_type = tables.card_types[tables.cards[form.card_number].card_type]
    day_minor, day_count, day_points = account.counters_of(today)
    earned = points_earned(card_type, form.amount_minor, line_amounts, day_points, account.points_hundredths)
    # From here on the approval is certain.
    account.balance_minor -= form.amount_minor
    account.points_hundredths += earned
    account.counters_date = today
    account.day_debit_minor = day_minor + form.amount_minor
    account.day_debit_count = day_count + 1
    account.day_points_hundredths = day_points + earned
    return Decision(
        ResponseCode.APPROVED,
        amount_minor=form.amount_minor,
        points_hundredths=earned,
        account=account,
        changed=(account,),
    )


def _debit_refusal(
    tables: Tables, form: DebitRequest, line_amounts: tuple[int, ...], today: int
) -> ResponseCode | None:
    """First check of section 3 that fails, in its order; None when all pass."""
    amount = form.amount_minor
    card = tables.cards.get(form.card_number)
    card_type = None if card is None else tables.card_types.get(card.card_type)
    if not 0 <= amount <= AMOUNT_MINOR_MAX or sum(abs(line) for line in line_amounts) > AMOUNT_MINOR_MAX:
        return ResponseCode.AMOUNT
    if amount == 0 and not (card_type is not None and card_type.flags & CardTypeFlag.ZERO_AMOUNT):
        return ResponseCode.AMOUNT
    if card is None or card_type is None:
        return ResponseCode.CARD_UNKNOWN
    if card.status != CardStatus.ACTIVE:
        return ResponseCode.CARD_BLOCKED
    account = tables.accounts[card.account_number]
    day_minor, day_count, _ = account.counters_of(today)
    if amount > card_type.single_minor_max:
        return ResponseCode.SINGLE_AMOUNT
    if day_count + 1 > card_type.daily_count_max:
        return ResponseCode.DAILY_COUNT
    if day_minor + amount > card_type.daily_minor_max:
        return ResponseCode.DAILY_AMOUNT
    if account.balance_minor < amount:
        return ResponseCode.FUNDS
    return None


def points_earned(
    card_type: CardType, amount: int, line_amounts: tuple[int, ...], day_points: int, points_balance: int
) -> int:
    """Points of one approved debit in hundredths: whole points, held down by the day's maximum and the balance's."""
    rate = card_type.points_per_unit * card_type.points_percent
    if not line_amounts:
        earned = amount * rate // 10000
    elif card_type.flags & CardTypeFlag.ROUND_LINES:
        earned = sum(max(0, line) * rate // 10000 for line in line_amounts)
    elif card_type.flags & CardTypeFlag.NET_LINES:
        earned = max(0, sum(line_amounts)) * rate // 10000
    else:
        earned = sum(max(0, line) for line in line_amounts) * rate // 10000
    room_today = card_type.daily_points_max_hundredths - day_points
    room_ever = POINTS_BALANCE_MAX_HUNDREDTHS - points_balance
    return max(0, min(earned * 100, room_today, room_ever))


def decide_credit(tables: Tables, form: CreditRequest) -> Decision:
    """Put value on a card, or say why not."""
    account = tables.account_of(form.card_number)
    if not 0 < form.amount_minor <= AMOUNT_MINOR_MAX:
        return Decision(ResponseCode.AMOUNT, account=account)
    if account is None:
        return Decision(ResponseCode.CARD_UNKNOWN)
    if tables.cards[form.card_number].status != CardStatus.ACTIVE:
        return Decision(ResponseCode.CARD_BLOCKED, account=account)
    if account.balance_minor + form.amount_minor > BALANCE_MINOR_MAX:
        return Decision(ResponseCode.AMOUNT, account=account)
    account.balance_minor += form.amount_minor
    return Decision(ResponseCode.APPROVED, amount_minor=form.amount_minor, account=account, changed=(account,))


def balance_of(tables: Tables, card_number: int) -> tuple[ResponseCode, Account | None]:
    """Answer to a balance inquiry; blocked cards may ask too."""
    account = tables.account_of(card_number)
    return (ResponseCode.CARD_UNKNOWN if account is None else ResponseCode.APPROVED), account
