"""What the twin remembers: dictionaries of small objects, and the answers of two business dates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import Reply
from switch.protocol.records import (
    AccountRecord,
    CardRecord,
    CardTypeRecord,
    RecordKind,
    StoreRecord,
    TerminalRecord,
)

from .wire import Asked

# --------------------------------------------------------------------------- records


@dataclass(slots=True)
class Account:
    """Purse of one or several cards."""

    number: int
    balance_minor: int = 0
    points_hundredths: int = 0
    counters_date: int = 0
    day_debit_minor: int = 0
    day_debit_count: int = 0
    day_points_hundredths: int = 0
    last_sequence: int = 0

    def counters_of(self, date: int) -> tuple[int, int, int]:
        """(amount, number, points) of the approved debits of a date; counters of an earlier date count as zero."""
        if self.counters_date != date:
            return 0, 0, 0
        return self.day_debit_minor, self.day_debit_count, self.day_points_hundredths

    def image(self) -> bytes:
        """The record as its 64 bytes."""
        return AccountRecord(
            business_date=self.counters_date,
            account_number=self.number,
            balance_minor=self.balance_minor,
            points_hundredths=self.points_hundredths,
            day_debit_minor=self.day_debit_minor,
            day_points_hundredths=self.day_points_hundredths,
            day_debit_count=self.day_debit_count,
            last_sequence=self.last_sequence,
        ).encode()


@dataclass(slots=True)
class Card:
    """One plastic or token."""

    number: int
    account_number: int
    card_type: int
    status: int
    opened_date: int
    last_sequence: int = 0

    def image(self) -> bytes:
        """The record as its 64 bytes."""
        return CardRecord(
            card_type=self.card_type,
            status=self.status,
            card_number=self.number,
            account_number=self.account_number,
            opened_date=self.opened_date,
            last_sequence=self.last_sequence,
        ).encode()


@dataclass(slots=True)
class CardType:
    """What the cards of one type may do."""

    code: int
    flags: int
    daily_count_max: int
    single_minor_max: int
    daily_minor_max: int
    daily_points_max_hundredths: int
    points_percent: int
    points_per_unit: int
    last_sequence: int = 0

    def image(self) -> bytes:
        """The record as its 64 bytes."""
        return CardTypeRecord(
            flags=self.flags,
            daily_count_max=self.daily_count_max,
            code=self.code,
            single_minor_max=self.single_minor_max,
            daily_minor_max=self.daily_minor_max,
            daily_points_max_hundredths=self.daily_points_max_hundredths,
            points_percent=self.points_percent,
            points_per_unit=self.points_per_unit,
            last_sequence=self.last_sequence,
        ).encode()


@dataclass(slots=True)
class Store:
    """A store."""

    store_id: int
    organisation_id: int
    last_sequence: int = 0

    def image(self) -> bytes:
        """The record as its 64 bytes."""
        return StoreRecord(
            organisation_id=self.organisation_id, store_id=self.store_id, last_sequence=self.last_sequence
        ).encode()


@dataclass(slots=True)
class Terminal:
    """A terminal or an operator's workplace."""

    terminal_id: int
    store_id: int
    rights: int
    status: int
    wrapped_key: bytes
    last_sequence: int = 0

    def image(self) -> bytes:
        """The record as its 64 bytes."""
        return TerminalRecord(
            status=self.status,
            rights=self.rights,
            store_id=self.store_id,
            terminal_id=self.terminal_id,
            wrapped_key=self.wrapped_key,
            last_sequence=self.last_sequence,
        ).encode()


Record = Account | Card | CardType | Store | Terminal


@dataclass(slots=True)
class Tables:
    """All records, by key, and how many there may be."""

    accounts_max: int
    cards_max: int
    terminals_max: int
    stores_max: int
    accounts: dict[int, Account] = field(default_factory=dict)
    cards: dict[int, Card] = field(default_factory=dict)
    card_types: dict[int, CardType] = field(default_factory=dict)
    stores: dict[int, Store] = field(default_factory=dict)
    terminals: dict[int, Terminal] = field(default_factory=dict)

    def account_of(self, card_number: int) -> Account | None:
        """Account behind a card, or None when the card is unknown."""
        card = self.cards.get(card_number)
        return None if card is None else self.accounts[card.account_number]

    def images(self) -> dict[RecordKind, dict[int, bytes]]:
        """Every record as its 64 bytes, by kind and key."""
        return {
            RecordKind.ACCOUNT: {key: record.image() for key, record in self.accounts.items()},
            RecordKind.CARD: {key: record.image() for key, record in self.cards.items()},
            RecordKind.CARD_TYPE: {key: record.image() for key, record in self.card_types.items()},
            RecordKind.STORE: {key: record.image() for key, record in self.stores.items()},
            RecordKind.TERMINAL: {key: record.image() for key, record in self.terminals.items()},
        }


# --------------------------------------------------------------------------- answers

Key = tuple[int, int, int]
"""Terminal, the request's business date, trace number."""


@dataclass(slots=True)
class Answer:
    """What became of one key: an answered request, a reversal's note, or a note that was answered later."""

    asked: Asked | None = None
    reply: Reply | None = None
    is_note: bool = False
    """A reversal named this key before anything came under it."""
    is_reversed: bool = False

    def is_repeat(self, asked: Asked) -> bool:
        """Whether a request is the answered one once more."""
        return self.asked is not None and self.asked.type == asked.type and self.asked.body == asked.body


@dataclass(slots=True)
class Answers:
    """Answers of today and the day before; never more than a maximum for one business date."""

    per_date_max: int
    by_key: dict[Key, Answer] = field(default_factory=dict)
    count_by_date: Counter[int] = field(default_factory=Counter)

    def find(self, key: Key) -> Answer | None:
        """What became of a key."""
        return self.by_key.get(key)

    def has_room(self, *dates: int) -> bool:
        """Whether one more key for each of the dates may be kept."""
        return all(self.count_by_date[date] + dates.count(date) <= self.per_date_max for date in dates)

    def keep(self, key: Key, answer: Answer) -> None:
        """Remember what became of a key; room was checked before."""
        assert self.has_room(key[1]) and key not in self.by_key, key
        self.by_key[key] = answer
        self.count_by_date[key[1]] += 1

    def forget_before(self, date: int) -> None:
        """Drop the keys of all dates before `date`."""
        self.by_key = {key: answer for key, answer in self.by_key.items() if key[1] >= date}
        self.count_by_date = Counter(key[1] for key in self.by_key)


# --------------------------------------------------------------------------- decisions


@dataclass(slots=True)
class Decision:
    """What was decided about one new request; the reply and the entry are written from it."""

    code: ResponseCode
    detail: int = 0
    amount_minor: int = 0
    points_hundredths: int = 0
    account: Account | None = None
    """Whose balance and points the reply shows."""
    changed: tuple[Record, ...] = ()
    """Records of the entry's images, in order; the entry's sequence becomes their `last_sequence`."""
