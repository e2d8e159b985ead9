"""The auditor's view of value at the till: debits, holds, captures, recharges."""

from __future__ import annotations

from typing import Any

from switch.protocol.messages import CardTypeFlag, Function, LineFlag, TenderKind
from tests.properties.books import APPROVED, PARTIAL, Account, Ask, Books, Card, Hold, Line, RefusedError, need
from tests.properties.shop import (
    EXCLUDED_ITEM,
    LATE_CATEGORY,
    LATE_DAYS,
    LATE_ITEM,
    LATE_PERCENT,
    RECHARGE_CATEGORY,
    RECHARGE_MINOR_MIN,
    RECHARGE_PERCENT,
    ROUND_OFF_MINOR,
    STORES,
    TENDER_CAP_BP,
    TENDER_RATES,
    TYPES,
)


def check_limits(books: Books, card: Card, account: Account, amount_minor: int, today: int) -> None:
    """A debit or hold within the limits of the type (per account) and of the card."""
    facts, used = TYPES[card.type], account.used.on(today)
    need(amount_minor <= facts.single_minor_max)
    need(used.debit_count + 1 <= facts.daily_count_max)
    need(used.debit_minor + amount_minor <= facts.daily_minor_max)
    if card.limits:
        own = card.limits.used.on(today)
        need(amount_minor <= card.limits.single_minor)
        need(own.debit_count + 1 <= card.limits.daily_count)
        need(own.debit_minor + amount_minor <= card.limits.daily_minor)


def check_pin(card: Card, pin: bytes) -> None:
    """A PIN where the type asks for one; a wrong one is counted."""
    facts, pin = TYPES[card.type], pin.rstrip(b"\0")
    if not facts.flags & CardTypeFlag.PIN_REQUIRED and not (pin and card.pin):
        return
    need(not card.is_locked and pin and card.pin)
    if pin != card.pin:
        card.pin_tries += 1
        card.is_locked = card.pin_tries >= facts.pin_tries_max
        raise RefusedError
    card.pin_tries = 0


def recharge_before(books: Books, ask: Ask, card: Card, account: Account, amount_minor: int) -> None:
    """Automatic recharge: once below a threshold, or as often as allowed while there is too little."""
    facts = TYPES[card.type]
    used, added = account.used.on(ask.today).auto_count, 0
    while used < facts.auto_count_max and account.balance_minor + facts.auto_add_minor <= books.ceiling_of(card):
        there = account.available_minor
        if not (
            (facts.auto_mode == 1 and not added and there < facts.auto_below_minor)
            or (facts.auto_mode == 2 and there < amount_minor)
        ):
            break
        account.balance_minor += facts.auto_add_minor
        added += facts.auto_add_minor
        used += 1
        account.used.move(ask.today).auto_count = used
    if added:
        ask.told["recharged_minor"] = added


def count(books: Books, account: Account, card: Card, amount_minor: int, today: int) -> None:
    """Count a debit or hold."""
    for used in books.counters(account, card.number):
        used.move(today)
        used.debit_minor += amount_minor
        used.debit_count += 1


def debit(books: Books, ask: Ask) -> None:
    """Pay a bill."""
    form, today = ask.form, ask.today
    need(form.card_number in books.cards)
    known = books.cards[form.card_number]
    facts = TYPES[known.type]
    amounts = [line.amount_minor for line in form.lines] or [form.amount_minor]
    reduced = [
        max(0, amount) if not (form.lines and form.lines[n].flags & LineFlag.NO_DISCOUNT) else 0
        for n, amount in enumerate(amounts)
    ]
    discount = sum(reduced) * facts.discount_bp // 10_000 if facts.functions & Function.DISCOUNT else 0
    due = form.amount_minor - discount
    ask.told.update(due_minor=due, discount_minor=discount)
    need(due > 0)
    card, account = books.usable(form.card_number, Function.PAY)
    if not ask.is_quote:
        check_pin(card, form.pin)
    paid = {(tender.kind, tender.purse): tender for tender in form.tenders}
    rest = due - sum(tender.amount_minor for tender in form.tenders if tender.kind != TenderKind.CASH)
    cash = paid.get((TenderKind.CASH, 0))
    unit = ROUND_OFF_MINOR[STORES[ask.terminal_id]]
    round_off = rest % unit if cash and unit else 0
    change = cash.amount_minor - (rest - round_off) if cash else 0
    need(rest >= 0 and change >= 0 if cash else rest == 0 or not form.tenders)
    of_card = paid.get((TenderKind.CARD, 0))
    part = (of_card.amount_minor if of_card else 0) if form.tenders else due
    check_limits(books, card, account, part, today)
    by_points = [tender for tender in form.tenders if tender.kind == TenderKind.POINTS]
    by_visits = [tender for tender in form.tenders if tender.kind == TenderKind.VISITS]
    for tender in by_points:
        need(TENDER_RATES.get(tender.purse) and tender.amount_minor <= due * TENDER_CAP_BP[tender.purse] // 10_000)
        need(account.points[tender.purse] >= tender.amount_minor * TENDER_RATES[tender.purse])
    for tender in by_visits:
        left, last_date = account.visits.get(tender.purse, (0, 0))
        need(left >= tender.count and (last_date == 0 or today <= last_date))
    recharge_before(books, ask, card, account, part)
    is_partial = bool(form.flags & 1) and set(paid) <= {(TenderKind.CARD, 0)} and 0 < account.available_minor < part
    need(account.available_minor >= part or is_partial)
    if is_partial:
        part = account.available_minor
    assert ask.reply.code == (PARTIAL if is_partial else APPROVED), ask
    ask.told.update(amount_minor=part, round_off_minor=round_off, change_minor=change)
    lines = points_of_bill(books, ask, card, account, by_points)
    ask.told["points_hundredths"] = sum(line.points for line in lines)
    if ask.is_quote:
        return
    count(books, account, card, part, today)
    account.balance_minor -= part
    account.used.points += ask.told["points_hundredths"]
    for tender in by_points:
        books.post(account, tender.purse, -tender.amount_minor * TENDER_RATES[tender.purse])
    for tender in by_visits:
        account.visits[tender.purse][0] -= tender.count
    for line in lines:
        books.earn(account, line, today)
    assert ask.original is not None
    ask.original.lines, ask.original.points = lines, ask.told["points_hundredths"]


def points_of_bill(books: Books, ask: Ask, card: Card, account: Account, by_points: list[Any]) -> list[Line]:
    """What the switch says that the lines earned, within bounds; of a flat bill exactly what they must be."""
    form, rows = ask.form, ask.reply.lines
    at = len(rows) - len(by_points)
    assert at in (0, len(form.lines)), (ask, "line results")
    for tender, row in zip(by_points, rows[at:], strict=True):
        taken = -tender.amount_minor * TENDER_RATES[tender.purse]
        assert (row.points_hundredths, row.points_category) == (taken, tender.purse), (ask, row)
    lines = []
    facts, has_points = TYPES[card.type], TYPES[card.type].functions & Function.POINTS
    for asked, row in zip(form.lines, rows[:at], strict=False):
        percent = facts.points_percent * (LATE_PERCENT if asked.item == LATE_ITEM else 100) // 100
        if not has_points or asked.item == EXCLUDED_ITEM or asked.flags & LineFlag.NO_POINTS:
            percent = 0
        # A line may have one more grain than its own amount comes to: a whole point, when its neighbours' rests add up.
        assert 0 <= row.points_hundredths <= max(0, asked.amount_minor) * percent // 100 + (100 if percent else 0), ask
        days = row.booking_days
        if row.points_hundredths:
            late = asked.item == LATE_ITEM
            expected = (LATE_CATEGORY, LATE_DAYS) if late else (0, 0)
            assert (row.points_category, days) == expected, (ask, row)
        net = asked.amount_minor - row.discount_minor
        lines.append(Line(row.points_category, row.points_hundredths, ask.today + days if days else 0, net))
    assert sum(row.discount_minor for row in rows[:at]) == (ask.told["discount_minor"] if at else 0), ask
    assert ask.original is not None
    ask.original.has_results = bool(lines)
    left = books.cap_left(card, account, ask.today)
    if not lines:
        expected_points = min(left, books.flat_points(card, form.amount_minor, facts.points_percent))
        is_exact = not form.lines and not form.tenders and ask.reply.code == APPROVED
        points = ask.reply.points_hundredths
        assert points == expected_points if is_exact else 0 <= points <= expected_points + 100, (ask, expected_points)
        lines = [Line(0, points, 0, form.amount_minor)]
    assert sum(line.points for line in lines) <= left, (ask, "daily cap")
    return lines


def hold(books: Books, ask: Ask) -> None:
    """Reserve an amount."""
    form = ask.form
    need(form.card_number in books.cards)
    card, account = books.usable(form.card_number, Function.PAY)
    check_pin(card, form.pin)
    check_limits(books, card, account, form.amount_minor, ask.today)
    recharge_before(books, ask, card, account, form.amount_minor)
    need(account.available_minor >= form.amount_minor and len(account.holds) < 16)
    sequence = ask.reply.journal_sequence
    expires_ms = ask.now_ms + (form.expires_in_s or 604_800) * 1_000
    account.holds[sequence] = Hold(sequence, card.number, form.amount_minor, ask.today, expires_ms)
    count(books, account, card, form.amount_minor, ask.today)
    ask.told["amount_minor"] = form.amount_minor


def open_hold(books: Books, ask: Ask) -> tuple[Account, Hold]:
    """The hold that a capture or release names."""
    account = books.account_of(ask.form.card_number)
    need(account and ask.form.hold_sequence in account.holds)
    assert account is not None
    found = account.holds[ask.form.hold_sequence]
    need(found.card_number == ask.form.card_number)
    return account, found


def capture(books: Books, ask: Ask) -> None:
    """Take what is held."""
    amount = ask.form.amount_minor
    account, found = open_hold(books, ask)
    need(amount <= found.left_minor)
    card = books.cards[ask.form.card_number]
    account.balance_minor -= amount
    found.left_minor -= amount
    found.captured_minor += amount
    if not found.left_minor or not ask.form.keep_rest:
        books.free(account, found)
    earned = books.flat_points(card, amount, TYPES[card.type].points_percent)
    earned = min(earned, books.cap_left(card, account, ask.today))
    if earned:
        account.used.move(ask.today).points += earned
    books.post(account, 0, earned)
    assert ask.original is not None
    ask.original.lines, ask.original.points = [Line(0, earned, 0, amount)], earned
    ask.told.update(amount_minor=amount, points_hundredths=earned)


def release(books: Books, ask: Ask) -> None:
    """Give back what is held."""
    account, found = open_hold(books, ask)
    ask.told["amount_minor"] = found.left_minor
    books.free(account, found)


def credit(books: Books, ask: Ask) -> None:
    """Put value on a card."""
    form, today = ask.form, ask.today
    card, account = books.usable(form.card_number)
    facts, is_opening = TYPES[card.type], form.channel == 0
    reference = (form.channel, form.reference)
    need(is_opening or not facts.flags & CardTypeFlag.ONE_TIME)
    need(not form.reference.strip(b"\0") or reference not in books.references)
    if not is_opening:
        used = account.used.on(today)
        need(used.recharge_count + 1 <= facts.recharge_count_max)
        need(used.recharge_minor + form.amount_minor <= facts.recharge_day_minor_max)
        if card.limits:
            own = card.limits.used.on(today)
            need(own.recharge_count + 1 <= card.limits.recharge_count)
            need(own.recharge_minor + form.amount_minor <= card.limits.recharge_minor)
    need(account.balance_minor + form.amount_minor <= books.ceiling_of(card))
    account.balance_minor += form.amount_minor
    books.references.add(reference)
    earned = 0
    if not is_opening:
        if form.amount_minor >= RECHARGE_MINOR_MIN:
            earned = min(
                books.flat_points(card, form.amount_minor, RECHARGE_PERCENT), books.cap_left(card, account, today)
            )
        for used in books.counters(account, card.number):
            used.move(today)
            used.recharge_minor += form.amount_minor
            used.recharge_count += 1
        account.used.points += earned
        books.post(account, RECHARGE_CATEGORY, earned)
    assert ask.original is not None
    ask.original.lines, ask.original.points = [Line(RECHARGE_CATEGORY, earned, 0)], earned
    ask.told.update(amount_minor=form.amount_minor, points_hundredths=earned)
