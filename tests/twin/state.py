"""What the twin remembers and what a decision reads and leaves: dictionaries of records, and the answers by key.

A record of any kind is one mutable object with the fields of its layout.  A
decision changes records in place, and says so with `Decision.touch`: that is
what makes them images of the entry.  Whoever refuses touches nothing, but for
what settling did before.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed, layout_of
from switch.protocol.messages import CardStatus, Reply
from switch.protocol.records import FIRST_WIDE_KEY_KIND, GONE, RECORDS, RecordKind

from .wire import Asked, offset_of

# --------------------------------------------------------------------------- records

Place = tuple[RecordKind, tuple[int, ...]]
"""Kind and key of a record: one number, or three. Sorting by it is the order of images."""


def _key_fields(kind: RecordKind) -> tuple[str, ...]:
    offsets = (8, 16, 24) if kind >= FIRST_WIDE_KEY_KIND else (8,)
    names = {placed.offset: placed.name for placed in layout_of(RECORDS[kind]).fields}
    return tuple(names[offset] for offset in offsets)


KEY_FIELDS: dict[RecordKind, tuple[str, ...]] = {kind: _key_fields(kind) for kind in RECORDS}
"""Names of the fields that are a record's key."""


_ZEROS: dict[RecordKind, dict[str, int | bytes]] = {
    kind: {
        placed.name: bytes(placed.wire.width_bytes) if placed.wire.format.endswith("s") else 0
        for placed, info in zip(layout_of(form).fields, msgspec.structs.fields(form), strict=True)
        if info.required
    }
    for kind, form in RECORDS.items()
}
"""Fields that a layout has no default for: zero until they are written."""


class Record:
    """One record: the fields of its layout as attributes, which may be changed (but those of the key)."""

    def __init__(self, record_kind: RecordKind, **fields: Any) -> None:
        form = RECORDS[record_kind](**(_ZEROS[record_kind] | fields))
        self.__dict__.update({name: getattr(form, name) for name in form.__struct_fields__})
        self.kind = record_kind

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    def copy(self) -> Record:
        """The same once more."""
        other = object.__new__(Record)
        other.__dict__.update(self.__dict__)
        return other

    @property
    def place(self) -> Place:
        """Kind and key."""
        kind = RecordKind(self.kind)
        return kind, tuple(getattr(self, name) for name in KEY_FIELDS[kind])

    @property
    def is_gone(self) -> bool:
        """Whether it has ended: its image of this entry is the last one."""
        return self.kind >= FIRST_WIDE_KEY_KIND and self.state == GONE

    def image(self) -> bytes:
        """The record as its bytes."""
        fields = {name: value for name, value in self.__dict__.items() if name != "kind"}
        return RECORDS[RecordKind(self.kind)](**fields).encode()

    def __repr__(self) -> str:
        """Kind, key and the fields that are not zero."""
        return f"Record({', '.join(f'{name}={value}' for name, value in self.__dict__.items() if value)})"


SETTLED_KINDS = (
    RecordKind.ACCOUNT,
    RecordKind.CARD_LIMIT,
    RecordKind.PURSE,
    RecordKind.HOLD,
    RecordKind.PENDING_POINTS,
)
"""Kinds that settling and automatic recharges change."""


class Tables:
    """All records, by kind and key, and how many of a kind there may be."""

    def __init__(self, maxima: dict[RecordKind, int] | None = None) -> None:
        self.maxima = maxima or {}
        self.records: dict[RecordKind, dict[tuple[int, ...], Record]] = {kind: {} for kind in RECORDS}

    def find(self, kind: RecordKind, *key: int) -> Record | None:
        """Record by its key (trailing parts that are 0 may be left out); one that is gone is not found."""
        whole = key + (0,) * (len(KEY_FIELDS[kind]) - len(key))
        record = self.records[kind].get(whole)
        return None if record is None or record.is_gone else record

    def get(self, kind: RecordKind, *key: int) -> Record:
        """Record that must be there."""
        record = self.find(kind, *key)
        assert record is not None, (kind, key)
        return record

    def all(self, kind: RecordKind) -> list[Record]:
        """Records of a kind in ascending order of key, without those that are gone."""
        table = self.records[kind]
        return [record for record in map(table.__getitem__, sorted(table)) if not record.is_gone]

    def of_account(self, kind: RecordKind, account_number: int) -> list[Record]:
        """Records whose key begins with an account's number, in ascending order of key, without those that are gone."""
        found = [(key, one) for key, one in self.records[kind].items() if key[0] == account_number and not one.is_gone]
        return [record for _, record in sorted(found, key=lambda row: row[0])]

    def live_cards_of(self, account: Record) -> int:
        """Cards of an account that are in somebody's hands."""
        cards = self.all(RecordKind.CARD)
        return sum(card.account_number == account.account_number and card.status in LIVE for card in cards)

    def has_room(self, kind: RecordKind, count: int = 1) -> bool:
        """Whether `count` more records of a kind may be made."""
        return len(self.records[kind]) + count <= self.maxima.get(kind, 2**62)

    def make(self, kind: RecordKind, **fields: Any) -> Record:
        """A new record (room was checked before), in the table at once; `Decision.touch` is the caller's."""
        record = Record(kind, **fields)
        key = record.place[1]
        assert self.find(kind, *key) is None, record
        self.records[kind][key] = record
        return record

    def load(self, kind: RecordKind, image: bytes) -> Record:
        """A record from its bytes."""
        form = RECORDS[kind].decode(image)
        return self.make(kind, **{name: getattr(form, name) for name in form.__struct_fields__ if name != "kind"})

    def scratch(self) -> Tables:
        """The same records, but what inquiries settle is copied: changes of it are forgotten."""
        copy = Tables(self.maxima)
        for kind, table in self.records.items():
            is_settled = kind in SETTLED_KINDS
            copy.records[kind] = {key: one.copy() for key, one in table.items()} if is_settled else table
        return copy

    def drop_gone(self, places: list[Place]) -> None:
        """Remove what has ended; called when the entry is written."""
        for kind, key in places:
            if kind >= FIRST_WIDE_KEY_KIND and self.records[kind][key].is_gone:
                del self.records[kind][key]

    def card(self, card_number: int) -> Record | None:
        """Card by its number."""
        return self.find(RecordKind.CARD, card_number)

    def account_of(self, card_number: int) -> Record | None:
        """Account behind a card, or None when the card is unknown or has none."""
        card = self.card(card_number)
        return None if card is None or card.account_number == 0 else self.get(RecordKind.ACCOUNT, card.account_number)

    def type_in_force(self, code: int, today: int) -> Record | None:
        """The version of a card type with the largest from_date of those that have begun."""
        begun = [v for v in self.all(RecordKind.CARD_TYPE) if v.code == code and v.from_date <= today]
        return begun[-1] if begun else None

    def images(self) -> dict[RecordKind, dict[tuple[int, ...], bytes]]:
        """Every record as its bytes, by kind and key."""
        return {kind: {key: record.image() for key, record in table.items()} for kind, table in self.records.items()}


# --------------------------------------------------------------------------- answers

Key = tuple[int, int, int]
"""Terminal, the request's business date, trace number."""


LIVE = (
    CardStatus.ISSUED,
    CardStatus.ACTIVE,
    CardStatus.FROZEN,
    CardStatus.LOST,
    CardStatus.BAD,
    CardStatus.EXPIRED,
)
"""Statuses of a card in somebody's hands."""


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
        return self.asked is not None and self.asked.type == asked.type and self.asked.as_sent == asked.as_sent


@dataclass(slots=True)
class Answers:
    """Answers of today and the day before; never more than a maximum for one business date."""

    per_date_max: int
    by_key: dict[Key, Answer] = field(default_factory=dict)
    count_by_date: Counter[int] = field(default_factory=Counter)

    def find(self, key: Key) -> Answer | None:
        """What became of a key."""
        return self.by_key.get(key)

    def of_terminal(self, terminal_id: int, date: int) -> list[tuple[int, Answer]]:
        """(trace number, answer) of a terminal's answered requests under a date, in order of trace number."""
        return sorted(
            (
                (key[2], answer)
                for key, answer in self.by_key.items()
                if key[:2] == (terminal_id, date) and answer.reply is not None
            ),
            key=lambda row: row[0],
        )

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


@dataclass(slots=True)
class State:
    """All that decisions read and change."""

    tables: Tables
    answers: Answers
    journal: dict[int, Answer] = field(default_factory=dict)
    """Every answered request by the sequence of its entry, however old (the same objects as in `answers`)."""


# --------------------------------------------------------------------------- decisions


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks and when: all that a decision reads besides its request and the state."""

    terminal_id: int
    rights: int
    sequence: int
    """Number that the entry of this decision will have (of an inquiry: 0)."""
    now_ms: int
    today: int
    """Business date."""
    local_date: int
    """Local date of `now_ms`, whatever the cut-over."""
    minute: int
    """Local minute of the day of `now_ms`."""
    store_id: int = 0
    """The terminal's store; 0: none."""
    organisation_id: int = 0
    """Of that store; 0: none."""
    round_off_minor: int = 0
    """Of that store."""


@dataclass(slots=True)
class Decision:
    """What one request leaves behind besides its code; reply and entry are written from it."""

    detail: int = 0
    amount_minor: int = 0
    points_hundredths: int = 0
    due_minor: int = 0
    discount_minor: int = 0
    recharged_minor: int = 0
    round_off_minor: int = 0
    change_minor: int = 0
    more: bytes = b""
    """What follows the reply."""
    issuer_answer: bytes = b""
    """What goes back to the medium, behind that."""
    shown: Record | None = None
    """Account whose balance and points the reply shows, as they are when the entry is written."""
    undone: Answer | None = None
    """Of a reversal with an effect: its original."""
    touched: dict[Place, Record] = field(default_factory=dict)

    def touch(self, *records: Record) -> None:
        """The records were written by this decision: they are images of its entry, once each."""
        for record in records:
            self.touched[record.place] = record

    def show(self, account: Record | None) -> None:
        """The reply shows this account."""
        self.shown = account

    def invalid(self, form: Packed, name: str) -> ResponseCode:
        """FIELD_INVALID: `detail` is the offset of the field called so."""
        self.detail = offset_of(type(form), name)
        return ResponseCode.FIELD_INVALID

    def first_invalid(self, form: Packed, checks: dict[str, bool]) -> ResponseCode | None:
        """FIELD_INVALID for the first field, in the order given, whose check does not hold; None when all hold."""
        return next((self.invalid(form, name) for name, holds in checks.items() if not holds), None)
