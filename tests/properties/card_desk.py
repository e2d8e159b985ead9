"""The auditor's view of the card desk: who may be where in a card's life, and what goes along."""

from __future__ import annotations

from collections.abc import Callable

from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    NO_LIMIT,
    CardOperation,
    CardStatus,
    CardTypeFlag,
    FeeTender,
    MessageType,
    PinMode,
    Relation,
)
from tests.properties import books as kept
from tests.properties.books import Account, Ask, Books, Card, Limits, need
from tests.properties.shop import REPLACE_FEE, RETURN_FEE, SWAP_FEE, TYPES

ENDED_FROM = CardStatus.REPLACED


def operate(books: Books, ask: Ask) -> None:
    """One operation on one card."""
    OPERATIONS[ask.form.operation](books, ask)


def in_status(books: Books, ask: Ask, *statuses: CardStatus) -> Card:
    """The card, which must be in one of some statuses."""
    card = books.cards.get(ask.form.card_number)
    need(card and card.status in statuses)
    assert card is not None
    return card


def pay_fee(ask: Ask, card: Card, account: Account, fee_minor: int) -> None:
    """A fee of the plain type, which may be waived and taken from the value; other types have none."""
    if card.type != 1 or ask.form.fee_tender == FeeTender.WAIVED:
        return
    if ask.form.fee_tender == FeeTender.BALANCE:
        need(account.available_minor >= fee_minor)
        account.balance_minor -= fee_minor
    ask.told["change_minor"] = fee_minor


def make(books: Books, ask: Ask) -> None:
    """A blank card."""
    need(ask.form.card_number not in books.cards)
    books.cards[ask.form.card_number] = Card(ask.form.card_number, ask.form.card_type, CardStatus.MADE)


def make_and_issue(books: Books, ask: Ask) -> None:
    """A card with its value, or one that joins an account."""
    form = ask.form
    need(form.card_number not in books.cards)
    facts = TYPES[form.card_type]
    need(form.amount_minor > 0 or not facts.flags & CardTypeFlag.ONE_TIME or facts.face_minor_min == 0)
    account_number = form.card_number
    if form.related_number:
        related = books.account_of(form.related_number)
        need(related and form.amount_minor == 0)
        assert related is not None
        account_number = related.number
    else:
        need(facts.relation != Relation.SUPPLEMENTARY)
        books.accounts[account_number] = Account(account_number, form.amount_minor)
    books.cards[form.card_number] = Card(form.card_number, form.card_type, CardStatus.ACTIVE, account_number)
    books.cards[form.card_number].relation = facts.relation


def open_card(books: Books, ask: Ask) -> None:
    """A further card of an account."""
    form = ask.form
    need(form.card_number not in books.cards)
    number = form.account_number or form.card_number
    need(number == form.card_number or number in books.accounts)
    books.accounts.setdefault(number, Account(number))
    books.cards[form.card_number] = Card(form.card_number, form.card_type, CardStatus(form.status), number)
    books.cards[form.card_number].relation = TYPES[form.card_type].relation


def freeze(books: Books, ask: Ask) -> None:
    """Stop a card."""
    card = in_status(books, ask, CardStatus.ACTIVE)
    card.status, card.frozen_by = CardStatus.FROZEN, ask.form.operator_id


def unfreeze(books: Books, ask: Ask) -> None:
    """Let it go again; somebody else must."""
    card = in_status(books, ask, CardStatus.FROZEN)
    need(ask.form.operator_id != card.frozen_by)
    card.status, card.frozen_by = CardStatus.ACTIVE, 0


def report_loss(books: Books, ask: Ask) -> None:
    """A lost card."""
    card = in_status(books, ask, CardStatus.ACTIVE, CardStatus.FROZEN)
    card.kept, card.status = card.status, CardStatus.LOST


def restore(books: Books, ask: Ask) -> None:
    """A card that was found again is what it was."""
    card = in_status(books, ask, CardStatus.LOST)
    need(not TYPES[card.type].flags & CardTypeFlag.NO_RESTORE)
    assert card.kept is not None
    card.status, card.kept = card.kept, None


def mark_bad(books: Books, ask: Ask) -> None:
    """An unreadable card."""
    card = in_status(books, ask, CardStatus.ACTIVE, CardStatus.FROZEN)
    card.kept, card.status = card.status, CardStatus.BAD


def replace(books: Books, ask: Ask) -> None:
    """Another card goes on with everything."""
    card = in_status(books, ask, CardStatus.LOST, CardStatus.BAD, CardStatus.ACTIVE)
    need(card.status != CardStatus.LOST or not TYPES[card.type].flags & CardTypeFlag.NO_RESTORE)
    new = books.cards.get(ask.form.related_number)
    need(new and new.status == CardStatus.MADE)
    assert new is not None
    pay_fee(ask, card, books.accounts[card.account], SWAP_FEE if card.status == CardStatus.ACTIVE else REPLACE_FEE)
    new.status = CardStatus.FROZEN if CardStatus.FROZEN in (card.status, card.kept) else CardStatus.ACTIVE
    for name in ("account", "limits", "frozen_by", "is_blacklisted", "relation", "pin", "pin_tries", "is_locked"):
        setattr(new, name, getattr(card, name))
    card.status, card.successor, card.limits = CardStatus.REPLACED, new.number, None


def give_back(books: Books, ask: Ask) -> None:
    """The value is paid out; points and visits are gone. A supplementary card is only given back."""
    card = in_status(books, ask, CardStatus.ACTIVE)
    if card.relation != Relation.SUPPLEMENTARY:
        account = books.accounts[card.account]
        ask.is_settled = books.release_expired(account, ask.now_ms)
        need(not account.holds and not books.other_live_cards(card))
        fee = min(RETURN_FEE if card.type == 1 else 0, account.balance_minor)
        ask.told.update(amount_minor=account.balance_minor - fee, change_minor=fee)
        account.balance_minor = 0
        for category in list(account.points):
            books.post(account, category, -account.points[category])
        for (category, _), points in account.pending.items():
            books.points_posted[category] -= points
        account.pending.clear()
        account.visits.clear()
    card.status = CardStatus.RETURNED


def void(books: Books, ask: Ask) -> None:
    """A card without value."""
    card = in_status(books, ask, *(status for status in CardStatus if status < ENDED_FROM))
    account = books.accounts.get(card.account)
    if account and not books.other_live_cards(card):
        ask.is_settled = books.release_expired(account, ask.now_ms)
        need(not account.holds)
        need(account.balance_minor == 0 or (ask.form.flags & 8 and ask.form.document))
        account.balance_minor = 0
    card.status = CardStatus.VOID


def blacklist(books: Books, ask: Ask) -> None:
    """Put a card on the blacklist, whatever its status."""
    card = in_status(books, ask, *CardStatus)
    need(not card.is_blacklisted)
    card.is_blacklisted = True


def unblacklist(books: Books, ask: Ask) -> None:
    """Take it off; two persons must."""
    card = in_status(books, ask, *CardStatus)
    need(card.is_blacklisted and ask.form.approver_id not in (0, ask.form.operator_id))
    card.is_blacklisted = False


def set_card(books: Books, ask: Ask) -> None:
    """Limits of a card; what it has used stays."""
    form, card = ask.form, books.cards.get(ask.form.card_number)
    need(card and card.account and card.status < ENDED_FROM)
    assert card is not None
    card.limits = card.limits or Limits(since=ask.reply.journal_sequence)
    for name, value in (
        ("single_minor", form.single_minor_max),
        ("daily_minor", form.daily_minor_max),
        ("recharge_minor", form.recharge_day_minor_max),
        ("ceiling_minor", form.ceiling_minor),
        ("daily_count", form.daily_count_max),
        ("recharge_count", form.recharge_count_max),
    ):
        setattr(card.limits, name, kept.NO_LIMIT if value in (NO_LIMIT, NO_COUNT_LIMIT) else value)


def set_pin(books: Books, ask: Ask) -> None:
    """Reset a PIN."""
    assert ask.form.mode == PinMode.RESET
    card = books.cards.get(ask.form.card_number)
    need(card and card.account and card.status < ENDED_FROM)
    assert card is not None
    card.pin, card.pin_tries, card.is_locked = ask.form.new_pin.rstrip(b"\0"), 0, False


OPERATIONS: dict[CardOperation, Callable[[Books, Ask], None]] = {
    CardOperation.MAKE: make,
    CardOperation.MAKE_AND_ISSUE: make_and_issue,
    CardOperation.FREEZE: freeze,
    CardOperation.UNFREEZE: unfreeze,
    CardOperation.REPORT_LOSS: report_loss,
    CardOperation.RESTORE: restore,
    CardOperation.MARK_BAD: mark_bad,
    CardOperation.REPLACE: replace,
    CardOperation.RETURN: give_back,
    CardOperation.VOID: void,
    CardOperation.BLACKLIST: blacklist,
    CardOperation.UNBLACKLIST: unblacklist,
}
CARD_DESK: dict[MessageType, Callable[[Books, Ask], None]] = {
    MessageType.OPERATE_CARD: operate,
    MessageType.OPEN_CARD: open_card,
    MessageType.SET_CARD: set_card,
    MessageType.SET_PIN: set_pin,
}
