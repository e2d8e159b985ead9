"""What a sceptical auditor writes down: accounts, cards and originals, and nothing of how the switch keeps them.

Not the twin: no layouts, no entries, no codes. Points are taken from the switch's answers, within bounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from switch.protocol.messages import CardStatus, CardTypeFlag, Function, MessageType, Reply
from tests.properties.shop import TYPES

NO_LIMIT = 1 << 70
APPROVED, PARTIAL, REVERSED_BEFORE = 0, 10, 100
CATEGORIES = (0, 1, 2)


class RefusedError(Exception):
    """The auditor would not have approved this."""


def need(holds: object) -> None:
    """What must hold for an approval."""
    if not holds:
        raise RefusedError


@dataclass
class Used:
    """What was used of the limits of one business date."""

    date: int = 0
    debit_minor: int = 0
    debit_count: int = 0
    points: int = 0
    recharge_minor: int = 0
    recharge_count: int = 0
    auto_count: int = 0

    def on(self, date: int) -> Used:
        """As seen on a date: nothing of an earlier one."""
        return self if self.date == date else Used(date)

    def move(self, date: int) -> Used:
        """Begin a date, unless it has begun."""
        if self.date != date:
            self.__dict__.update(Used(date).__dict__)
        return self


@dataclass
class Limits:
    """Limits of one card."""

    single_minor: int = NO_LIMIT
    daily_minor: int = NO_LIMIT
    daily_count: int = NO_LIMIT
    recharge_minor: int = NO_LIMIT
    recharge_count: int = NO_LIMIT
    ceiling_minor: int = NO_LIMIT
    used: Used = field(default_factory=Used)
    since: int = 0
    """Entry that gave the card limits of its own: what came before it was not counted."""


@dataclass
class Hold:
    """An open hold."""

    sequence: int
    card_number: int
    left_minor: int
    date: int
    expires_ms: int
    captured_minor: int = 0


@dataclass
class Account:
    """Value of one or more cards."""

    number: int
    balance_minor: int = 0
    used: Used = field(default_factory=Used)
    holds: dict[int, Hold] = field(default_factory=dict)
    points: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    pending: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    """By category and booking date."""
    visits: dict[int, list[int]] = field(default_factory=dict)
    """Count and last date, by service."""

    @property
    def held_minor(self) -> int:
        return sum(hold.left_minor for hold in self.holds.values())

    @property
    def available_minor(self) -> int:
        return self.balance_minor - self.held_minor


@dataclass
class Card:
    """A card."""

    number: int
    type: int
    status: CardStatus
    account: int = 0
    kept: CardStatus | None = None
    successor: int = 0
    frozen_by: int = 0
    is_blacklisted: bool = False
    limits: Limits | None = None
    relation: int = 0
    pin: bytes = b""
    pin_tries: int = 0
    is_locked: bool = False

    @property
    def has_ended_without_account(self) -> bool:
        """What comes back is paid out in cash."""
        return self.status in (CardStatus.RETURNED, CardStatus.VOID)


@dataclass
class Line:
    """A line of an original: its points, and what it cost."""

    category: int
    points: int
    booking_date: int
    net_minor: int = 0
    refunded_minor: int = 0
    points_back: int = 0


@dataclass
class Original:
    """A request that was answered, and what became of it."""

    type: MessageType
    form: Any
    is_approved: bool
    sequence: int = 0
    date: int = 0
    moved_minor: int = 0
    points: int = 0
    lines: list[Line] = field(default_factory=list)
    has_results: bool = False
    is_reversed: bool = False
    refund_count: int = 0
    refunded_minor: int = 0
    is_by_lines: bool = False


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


class Books:
    """All accounts, cards and originals."""

    def __init__(self) -> None:
        self.cards: dict[int, Card] = {}
        self.accounts: dict[int, Account] = {}
        self.originals: dict[tuple[int, int, int], Original | None] = {}
        """By terminal, date and trace number; `None`: a reversal came first."""
        self.by_sequence: dict[int, Original] = {}
        self.references: set[tuple[int, bytes]] = set()
        self.gifts_taken: dict[int, int] = defaultdict(int)
        self.stock = 0
        self.points_posted: dict[int, int] = defaultdict(int)
        """What the books have added to and taken from each category, over all accounts."""

    # ----------------------------------------------------------------------- who and what

    def account_of(self, card_number: int) -> Account | None:
        """The account of a card, if it has one."""
        card = self.cards.get(card_number)
        return self.accounts.get(card.account) if card else None

    def usable(self, card_number: int, function: Function | int = 0) -> tuple[Card, Account]:
        """A card that may do something."""
        card = self.cards.get(card_number)
        need(card and card.status == CardStatus.ACTIVE and not card.is_blacklisted)
        assert card is not None
        need(TYPES[card.type].functions & function == function)
        return card, self.accounts[card.account]

    def limits_of(self, card_number: int) -> Limits | None:
        """Limits of a card, or of the one that goes on for it."""
        card = self.cards[card_number]
        while card.successor:
            card = self.cards[card.successor]
        return card.limits

    def counters(self, account: Account, card_number: int, sequence: int | None = None) -> Iterator[Used]:
        """Where a card's debits and recharges are counted; of an earlier entry, where it was."""
        yield account.used
        limits = self.limits_of(card_number)
        if limits and (sequence is None or sequence > limits.since):
            yield limits.used

    def leads_to(self, card_number: int, other: int) -> bool:
        """Whether a card is another, or the other goes on for it."""
        while card_number and card_number != other:
            card_number = self.cards[card_number].successor
        return card_number == other

    def other_live_cards(self, card: Card) -> bool:
        """Whether other cards may spend the account."""
        live = {CardStatus(n) for n in (1, 2, 6, 7, 8, 9)}
        return any(c.account == card.account and c is not card and c.status in live for c in self.cards.values())

    def ceiling_of(self, card: Card) -> int:
        """Highest balance that a credit may lead to."""
        return min(TYPES[card.type].ceiling_minor, card.limits.ceiling_minor if card.limits else NO_LIMIT)

    # ----------------------------------------------------------------------- movements

    def post(self, account: Account, category: int, points: int) -> None:
        """Book points at once."""
        account.points[category] += points
        self.points_posted[category] += points

    def earn(self, account: Account, line: Line, today: int) -> None:
        """Book what a line earned, at once or later."""
        if line.booking_date > today:
            account.pending[line.category, line.booking_date] += line.points
            self.points_posted[line.category] += line.points
        else:
            self.post(account, line.category, line.points)

    def take_back(self, account: Account, line: Line, points: int, today: int) -> None:
        """Take back points of a line: from those that wait, if they do and suffice, else from the purse."""
        place = line.category, line.booking_date
        if points and line.booking_date > today and account.pending.get(place, 0) >= points:
            account.pending[place] -= points
            self.points_posted[line.category] -= points
        else:
            self.post(account, line.category, -points)

    def free(self, account: Account, hold: Hold) -> None:
        """End a hold; its date's limits get the rest back."""
        for used in self.counters(account, hold.card_number, hold.sequence):
            if used.date == hold.date:
                used.debit_minor -= hold.left_minor
                used.debit_count -= not hold.captured_minor
        del account.holds[hold.sequence]

    def settle(self, account: Account, now_ms: int, today: int) -> bool:
        """End what has expired, book what is due; whether anything changed."""
        has_released = self.release_expired(account, now_ms)
        due = [place for place in account.pending if place[1] <= today]
        for category, date in due:
            account.points[category] += account.pending.pop((category, date))
        return bool(has_released or due)

    def release_expired(self, account: Account, now_ms: int) -> bool:
        """End the holds that have expired; whether there were any."""
        expired = [hold for hold in account.holds.values() if hold.expires_ms <= now_ms]
        for hold in expired:
            self.free(account, hold)
        return bool(expired)

    def cap_left(self, card: Card, account: Account, today: int) -> int:
        """Points that may still be earned today."""
        return max(0, TYPES[card.type].daily_points_max_hundredths - account.used.on(today).points)

    def flat_points(self, card: Card, amount_minor: int, percent: int) -> int:
        """Points of an amount without lines, before the cap; the hundredth of a point per minor unit is 100 percent."""
        facts = TYPES[card.type]
        if not facts.functions & Function.POINTS:
            return 0
        if facts.flags & CardTypeFlag.FINE_POINTS:
            return amount_minor * percent // 100
        return amount_minor * percent // 10_000 * 100
