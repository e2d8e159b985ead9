"""What must hold between any two messages: the switch agrees with the books, and its records among themselves."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from switch.protocol.lifecycle import TRANSITIONS
from switch.protocol.messages import CardFlag, CardOperation, CardStatus, MessageType, Reply
from switch.protocol.records import MarkKind, RecordKind
from tests.properties.auditor import Auditor
from tests.properties.books import APPROVED, NO_LIMIT, PARTIAL, Ask, Card
from tests.properties.shop import TYPES, Switch, date_of, decoded

POINTS, VISITS = 1 << 32, 2 << 32
WHOLE_BILL = 2**32 - 1
Records = dict[RecordKind, dict[tuple[int, ...], bytes]]


def check_shown(books: Auditor, switch: Switch, now_ms: int) -> None:
    """Every card shows what the books say, as of now."""
    accounts, cards = books.accounts, books.cards
    books.accounts, books.cards = deepcopy((accounts, cards))
    try:
        for account in books.accounts.values():
            books.settle(account, now_ms, date_of(now_ms))
        for card in books.cards.values():
            check_card(books, card, Reply.decode(switch.query(card.number, now_ms)), date_of(now_ms))
    finally:
        books.accounts, books.cards = accounts, cards


def check_card(books: Auditor, card: Card, reply: Reply, today: int) -> None:
    """One card shows what the books say."""
    facts, account = reply.facts, books.accounts.get(card.account)
    flags = CardFlag.BLACKLISTED * card.is_blacklisted | CardFlag.PIN_LOCKED * card.is_locked
    assert (facts.status, facts.flags, facts.account_number, facts.successor_number) == (
        card.status,
        flags,
        card.account,
        card.successor,
    ), (card, facts)
    if account is None:
        assert (reply.balance_minor, reply.available_minor) == (0, 0)
        return
    assert (reply.balance_minor, reply.available_minor) == (account.balance_minor, account.available_minor), account
    purses = {POINTS | category: points for category, points in account.points.items() if points or category == 0}
    purses |= {VISITS | service: left for service, (left, _) in account.visits.items() if left}
    shown = {purse.purse: purse.amount for purse in reply.purses}
    assert shown == {POINTS: 0} | purses, (account, shown)
    used = account.used.on(today)
    said = (facts.day_debit_minor, facts.day_debit_count, facts.day_recharge_minor, facts.day_recharge_count)
    assert said == (used.debit_minor, used.debit_count, used.recharge_minor, used.recharge_count), (account, facts)
    assert facts.pending_hundredths == sum(account.pending.values()), account


def check_records(books: Auditor, records: Records, flow_minor: int) -> None:
    """The switch's own records add up; nothing was made and nothing lost."""
    accounts = {account.account_number: account for account in decoded(records[RecordKind.ACCOUNT])}
    held = dict.fromkeys(accounts, 0)
    for hold in decoded(records[RecordKind.HOLD]):
        assert hold.amount_minor > 0, hold
        held[hold.account_number] += hold.amount_minor
    points: dict[int, int] = {}
    for number, account in accounts.items():
        assert 0 <= account.held_minor == held[number], (account, held)
        assert account.balance_minor >= account.held_minor, account
        assert min(account.day_debit_minor, account.day_debit_count, account.day_recharge_minor) >= 0, account
        points[0] = points.get(0, 0) + account.points_hundredths
    assert sum(account.balance_minor for account in accounts.values()) == flow_minor, "money was made or lost"
    for purse in decoded(records[RecordKind.PURSE]):
        if purse.purse < VISITS:
            points[purse.purse - POINTS] = points.get(purse.purse - POINTS, 0) + purse.amount
    for pending in decoded(records[RecordKind.PENDING_POINTS]):
        assert pending.amount_hundredths >= 0, pending
        points[pending.category] = points.get(pending.category, 0) + pending.amount_hundredths
    posted = {category: total for category, total in books.points_posted.items() if total}
    assert {category: total for category, total in points.items() if total} == posted, "points were made or lost"
    for mark in decoded(records[RecordKind.MARK]):
        if mark.key_c >> 56 == MarkKind.REFUND and mark.key_b == WHOLE_BILL:
            original = books.by_sequence[mark.key_a]
            assert mark.amount_minor <= original.moved_minor, (mark, original)
    check_card_limits(books, records)
    assert decoded(records[RecordKind.GIFT])[0].stock == books.stock >= 0


def check_card_limits(books: Auditor, records: Records) -> None:
    """Cards' own limits are where the books have them, with what was used of them."""
    limited = {card.number: card.limits for card in books.cards.values() if card.limits}
    found = {record.card_number: record for record in decoded(records[RecordKind.CARD_LIMIT])}
    assert set(found) == set(limited)
    for number, limits in limited.items():
        record, used = found[number], limits.used
        names = ("debit_minor", "debit_count", "recharge_minor", "recharge_count")
        said = (record.business_date, *(getattr(record, f"day_{name}") for name in names))
        assert said == (used.date, *(getattr(used, name) for name in names)), (record, limits)
        of_account = books.accounts[books.cards[number].account].used
        assert used.date != of_account.date or used.debit_minor <= of_account.debit_minor, (limits, of_account)


def check_change(ask: Ask, before: Records, after: Records, *, may_change: bool) -> None:
    """A refusal changes nothing that it may not; statuses move along the life cycle only."""
    if not may_change:
        assert before == after, (ask, "a refused request, or a repeat, changed something")
    old, new = ({card.card_number: card for card in decoded(r[RecordKind.CARD])} for r in (before, after))
    for number, card in new.items():
        was = old.get(number)
        if was is None or was.status == card.status:
            continue
        assert ask.type == MessageType.OPERATE_CARD, (ask, was, card)
        operation = CardOperation(ask.form.operation)
        if operation == CardOperation.REPLACE and number == ask.form.related_number:
            assert was.status in (CardStatus.MADE, CardStatus.DRAWN), (ask, was)
            continue
        way = TRANSITIONS[operation]
        assert number == ask.form.card_number and was.status in way.froms, (ask, was, card)
        assert card.status == (way.to or was.kept_status), (ask, was, card)


def check_limits_kept(books: Auditor, ask: Ask, after: Records) -> None:
    """What was approved keeps within the limits, by the switch's own records."""
    if ask.reply.code not in (APPROVED, PARTIAL) or ask.type not in LIMITED:
        return
    card = books.cards[ask.form.card_number]
    facts, limits = TYPES[card.type], card.limits
    account = next(a for a in decoded(after[RecordKind.ACCOUNT]) if a.account_number == card.account)
    if ask.type in (MessageType.DEBIT, MessageType.HOLD):
        amount = ask.reply.amount_minor
        assert account.day_debit_minor <= facts.daily_minor_max and account.day_debit_count <= facts.daily_count_max, (
            ask
        )
        assert amount <= min(facts.single_minor_max, limits.single_minor if limits else NO_LIMIT), ask
        if limits:
            assert limits.used.debit_minor <= limits.daily_minor and limits.used.debit_count <= limits.daily_count, ask
    if ask.type in (MessageType.CREDIT, MessageType.CONVERT):
        assert account.balance_minor <= books.ceiling_of(card), ask
    if ask.type == MessageType.CREDIT and ask.form.channel:
        assert account.day_recharge_minor <= facts.recharge_day_minor_max, ask
        assert account.day_recharge_count <= facts.recharge_count_max, ask
    if ask.type != MessageType.CONVERT and ask.reply.points_hundredths:
        assert account.day_points_hundredths <= facts.daily_points_max_hundredths, ask


LIMITED = (MessageType.DEBIT, MessageType.HOLD, MessageType.CAPTURE, MessageType.CREDIT, MessageType.CONVERT)


def flow_of(ask: Ask, original: Any, balance_before: int) -> int:
    """What an answer says that came into all accounts together, and with a minus sign what left them."""
    reply, type_ = ask.reply, ask.type
    came_in = reply.recharged_minor
    if type_ in (MessageType.CREDIT, MessageType.REFUND, MessageType.CONVERT):
        came_in += reply.amount_minor
    elif type_ in (MessageType.DEBIT, MessageType.CAPTURE):
        came_in -= reply.amount_minor
    elif type_ == MessageType.REVERSAL and original is not None and original.type != MessageType.HOLD:
        came_in += reply.amount_minor
    elif type_ == MessageType.OPERATE_CARD and reply.code == APPROVED:
        operation = ask.form.operation
        came_in += ask.form.amount_minor - reply.amount_minor
        if operation == CardOperation.RETURN or ask.form.fee_tender == 2:
            came_in -= reply.change_minor
        if operation == CardOperation.VOID and reply.balance_minor == 0:
            came_in -= balance_before
    return came_in
