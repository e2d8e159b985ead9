"""The auditor's view of what is given back: reversals and refunds."""

from __future__ import annotations

from typing import Any

from switch.protocol.messages import MessageType, TenderKind
from tests.properties.books import Account, Ask, Books, Card, Original, need
from tests.properties.shop import TENDER_RATES


def reversal(books: Books, ask: Ask) -> None:
    """Undo a request of the same terminal."""
    form = ask.form
    key = (ask.terminal_id, form.original_business_date, form.original_trace_number)
    need(form.original_business_date in (ask.today, ask.today - 1))
    need(key[1:] != (form.business_date, form.trace_number))
    original = books.originals.setdefault(key, None)
    if original is None or original.is_reversed:
        return
    need(original.type in UNDO)
    need(original.form.card_number == form.card_number and amount_at_24(original.form) == form.amount_minor)
    if original.is_approved:
        account = books.account_of(form.card_number)
        assert account is not None
        UNDO[original.type](books, ask, original, books.cards[form.card_number], account)
    original.is_reversed = True


def amount_at_24(form: Any) -> int:
    """What a reversal repeats of its original."""
    return int.from_bytes(form.encode()[24:32], "little", signed=True)


def undo_debit(books: Books, ask: Ask, original: Original, card: Card, account: Account) -> None:
    """Everything comes back."""
    need(original.refund_count == 0)
    amount = original.moved_minor
    if card.has_ended_without_account:
        ask.told["change_minor"] = amount
        return
    account.balance_minor += amount
    if account.used.date == original.date:
        account.used.points -= original.points
    for used in books.counters(account, card.number, original.sequence):
        if used.date == original.date:
            used.debit_minor -= amount
            used.debit_count -= 1
    for line in original.lines:
        books.take_back(account, line, line.points, ask.today)
    for tender in original.form.tenders:
        if tender.kind == TenderKind.POINTS:
            books.post(account, tender.purse, tender.amount_minor * TENDER_RATES[tender.purse])
        if tender.kind == TenderKind.VISITS:
            account.visits.setdefault(tender.purse, [0, 0])[0] += tender.count
    ask.told.update(amount_minor=amount, points_hundredths=-original.points)


def undo_hold(books: Books, ask: Ask, original: Original, card: Card, account: Account) -> None:
    """What is held is free again, unless something was captured."""
    found = account.holds.get(original.sequence)
    need(not found or not found.captured_minor)
    if found:
        ask.told["amount_minor"] = found.left_minor
        books.free(account, found)


def undo_credit(books: Books, ask: Ask, original: Original, card: Card, account: Account) -> None:
    """The value goes back where it came from, if it is still there."""
    amount = original.moved_minor
    need(account.available_minor >= amount)
    account.balance_minor -= amount
    if original.form.channel:
        for used in books.counters(account, card.number, original.sequence):
            if used.date == original.date:
                used.recharge_minor -= amount
                used.recharge_count -= 1
        if account.used.date == original.date:
            account.used.points -= original.points
    for line in original.lines:
        books.post(account, line.category, -line.points)
    books.references.discard((original.form.channel, original.form.reference))
    ask.told.update(amount_minor=-amount, points_hundredths=-original.points)


def undo_redemption(books: Books, ask: Ask, original: Original, card: Card, account: Account) -> None:
    """Points and pieces come back."""
    if card.has_ended_without_account:
        return
    books.post(account, original.form.category, original.points)
    if original.form.gift_id:
        books.stock += original.form.pieces
        books.gifts_taken[account.number] -= original.form.pieces
    ask.told["points_hundredths"] = original.points


def undo_visits(books: Books, ask: Ask, original: Original, card: Card, account: Account) -> None:
    """The visits go back, if they are still there."""
    visits = account.visits.get(original.form.service, [0, 0])
    need(visits[0] >= original.form.count)
    visits[0] -= original.form.count


UNDO: dict[MessageType, Any] = {
    MessageType.DEBIT: undo_debit,
    MessageType.HOLD: undo_hold,
    MessageType.CREDIT: undo_credit,
    MessageType.REDEEM: undo_redemption,
    MessageType.LOAD_VISITS: undo_visits,
}


def refund(books: Books, ask: Ask) -> None:
    """Give back a part of what was taken, never more."""
    form, today = ask.form, ask.today
    amounts = [line.amount_minor for line in form.lines]
    need(not amounts or sum(amounts) == form.amount_minor)
    need(form.card_number in books.cards)
    original = books.by_sequence.get(form.original_sequence)
    need(original and original.is_approved and original.type in (MessageType.DEBIT, MessageType.CAPTURE))
    assert original is not None
    need(books.leads_to(original.form.card_number, form.card_number) and not original.is_reversed)
    numbers = [line.line for line in form.lines]
    need(not numbers or (original.has_results and max(numbers) < len(original.lines)))
    need(len(set(numbers)) == len(numbers))
    need(not original.refund_count or original.is_by_lines == bool(numbers))
    after = original.refunded_minor + form.amount_minor
    need(after <= original.moved_minor)
    for number, amount in zip(numbers, amounts, strict=True):
        need(original.lines[number].refunded_minor + amount <= original.lines[number].net_minor)

    card, account = books.cards[form.card_number], books.account_of(form.card_number)
    in_cash, back = card.has_ended_without_account, 0
    assert account is not None
    for number, line in enumerate(original.lines):
        points = 0
        if number in numbers:
            line.refunded_minor += amounts[numbers.index(number)]
            points = line.points * line.refunded_minor // line.net_minor - line.points_back
        elif not numbers:
            before = line.points * original.refunded_minor // original.moved_minor
            points = line.points * after // original.moved_minor - before
        if not in_cash:
            line.points_back += points
            back += points
            books.take_back(account, line, points, today)
    original.refunded_minor, original.is_by_lines = after, bool(numbers)
    original.refund_count += 1
    if in_cash:
        ask.told["change_minor"] = form.amount_minor
        return
    account.balance_minor += form.amount_minor
    if original.type == MessageType.DEBIT and original.date == today:
        for used in books.counters(account, original.form.card_number, original.sequence):
            if used.date == today:
                used.debit_minor -= form.amount_minor
    ask.told.update(amount_minor=form.amount_minor, points_hundredths=-back)
