"""The auditor's view of transfers, points and visits."""

from __future__ import annotations

from switch.protocol.messages import CardTypeFlag, Function
from tests.properties.books import CATEGORIES, Ask, Books, need
from tests.properties.shop import CONVERT, GIFT, GIFT_MAX, GIFT_PRICE, TYPES


def transfer(books: Books, ask: Ask) -> None:
    """Value from one account to another."""
    amount = ask.form.amount_minor
    _, giver = books.usable(ask.form.card_number, Function.PAY)
    card, getter = books.usable(ask.form.to_card_number, Function.PAY)
    need(giver is not getter and not TYPES[card.type].flags & CardTypeFlag.ONE_TIME)
    need(giver.available_minor >= amount and getter.balance_minor + amount <= books.ceiling_of(card))
    giver.balance_minor -= amount
    getter.balance_minor += amount
    ask.told["amount_minor"] = amount


def transfer_points(books: Books, ask: Ask) -> None:
    """Points from one account to another."""
    points, category = ask.form.points_hundredths, ask.form.category
    _, giver = books.usable(ask.form.card_number, Function.POINTS)
    _, getter = books.usable(ask.form.to_card_number, Function.POINTS)
    need(giver is not getter and category in CATEGORIES and giver.points[category] >= points)
    books.post(giver, category, -points)
    books.post(getter, category, points)
    ask.told["points_hundredths"] = -points


def convert(books: Books, ask: Ask) -> None:
    """Points become value."""
    amount, category = ask.form.amount_minor, ask.form.category
    card, account = books.usable(ask.form.card_number, Function.POINTS)
    rate, lot = CONVERT.get(category, (0, 1))
    need(rate and not TYPES[card.type].flags & CardTypeFlag.ONE_TIME and amount % lot == 0)
    need(account.points[category] >= amount * rate and account.balance_minor + amount <= books.ceiling_of(card))
    books.post(account, category, -amount * rate)
    account.balance_minor += amount
    ask.told.update(amount_minor=amount, points_hundredths=-amount * rate)


def redeem(books: Books, ask: Ask) -> None:
    """Points for a gift, or for something else."""
    form = ask.form
    _, account = books.usable(form.card_number, Function.POINTS)
    price = form.points_hundredths
    if form.gift_id:
        price = GIFT_PRICE * form.pieces
        need(form.gift_id == GIFT and form.category == 0 and form.points_hundredths in (0, price))
        need(books.gifts_taken[account.number] + form.pieces <= GIFT_MAX and books.stock >= form.pieces)
    need(form.category in CATEGORIES and account.points[form.category] >= price)
    books.post(account, form.category, -price)
    if form.gift_id:
        books.gifts_taken[account.number] += form.pieces
        books.stock -= form.pieces
    assert ask.original is not None
    ask.original.points = price
    ask.told["points_hundredths"] = -price


def adjust(books: Books, ask: Ask) -> None:
    """Points by hand."""
    form = ask.form
    account = books.account_of(form.card_number)
    need(account and books.cards[form.card_number].status < 10 and form.category in CATEGORIES)
    reference = (255, form.reference)
    need(not form.reference.strip(b"\0") or reference not in books.references)
    assert account is not None
    points = -max(0, account.points[form.category]) if form.void_all else form.points_hundredths
    books.references.add(reference)
    books.post(account, form.category, points)
    ask.told["points_hundredths"] = points


def load_visits(books: Books, ask: Ask) -> None:
    """Visits bought."""
    form = ask.form
    _, account = books.usable(form.card_number, Function.VISITS)
    left = account.visits.get(form.service, [0, 0])[0]
    account.visits[form.service] = [left + form.count, form.expiry_date]
