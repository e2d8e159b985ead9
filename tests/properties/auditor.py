"""The auditor: decides from the books whether money and points may move, and books what did.

`Auditor.take` is given a request and the switch's answer. It says first what it would have decided, and compares; then
it books. It predicts every amount; of a bill's points it checks bounds and takes the switch's word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from switch.protocol.messages import CardTypeFlag, Function, LineFlag, MessageType, Reply, TenderKind
from tests.properties.books import Account, Books, Card, Hold, Line, Original, RefusedError, Used, need
from tests.properties.card_desk import CARD_DESK
from tests.properties.shop import (
    CONVERT,
    EXCLUDED_ITEM,
    GIFT,
    GIFT_MAX,
    GIFT_PRICE,
    GIFT_STOCK,
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

APPROVED, PARTIAL, REVERSED_BEFORE = 0, 10, 100
CATEGORIES = (0, 1, 2)


@dataclass
class Ask:
    """A request, the switch's answer, and what the auditor expects of it."""

    terminal_id: int
    type: MessageType
    form: Any
    reply: Reply
    now_ms: int
    today: int
    is_quote: bool = False
    told: dict[str, int] = field(default_factory=dict)
    """Fields of the reply; those not named are 0."""
    original: Original | None = None
    is_settled: bool = False
    """Whether settling changed the account before the decision."""


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


# --------------------------------------------------------------------------- paying


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


# --------------------------------------------------------------------------- undoing


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
    for used in books.counters(account, card.number):
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
        for used in books.counters(account, card.number):
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
        for used in books.counters(account, original.form.card_number):
            if used.date == today:
                used.debit_minor -= form.amount_minor
    ask.told.update(amount_minor=form.amount_minor, points_hundredths=-back)


# --------------------------------------------------------------------------- points, visits, transfers


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

__all__ = ["Ask", "Auditor", "Used"]
