"""All records as the entries told them: the last image of a record is the record."""

from __future__ import annotations

import re
from typing import Any

from switch.protocol.layout import Packed
from switch.protocol.messages import CardStatus
from switch.protocol.records import (
    FIRST_WIDE_KEY_KIND,
    GONE,
    RECORDS,
    AccountRecord,
    CardRecord,
    EntryHeader,
    RecordKind,
    images_of,
    record_key,
)

from .words import card_number

ENTRY_HEADER_BYTES = EntryHeader.width_bytes()
SIDES = {"limits": RecordKind.CARD_LIMIT, "card": RecordKind.CARD, "account": RecordKind.ACCOUNT}
_SHOWN_AS = {"status": CardStatus, "kept_status": CardStatus}


class Entry:
    """One journal entry, taken apart."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.head = EntryHeader.decode(data[:ENTRY_HEADER_BYTES])
        at = ENTRY_HEADER_BYTES
        self.request = data[at : at + self.head.request_bytes]
        self.request_padding = data[at + self.head.request_bytes : (at := at + -(-self.head.request_bytes // 8) * 8)]
        self.reply = data[at : at + self.head.reply_bytes]
        self.reply_padding = data[at + self.head.reply_bytes : (at := at + -(-self.head.reply_bytes // 8) * 8)]
        self.images = images_of(data[at:])


def entries_of(data: bytes | None) -> list[Entry]:
    """The entries of one decision: the switch's own cut-over, if one was due, and the message's."""
    entries, at = [], 0
    while data and at < len(data):
        end = at + int.from_bytes(data[at : at + 4], "little")
        entries.append(Entry(data[at:end]))
        at = end
    return entries


class Mirror:
    """Records of one decider."""

    def __init__(self) -> None:
        self.records: dict[tuple[int, ...], Packed] = {}

    def take(self, entry: Entry) -> None:
        """What an entry says of its records."""
        for image in entry.images:
            key = (image[0], *record_key(image))
            if image[0] >= FIRST_WIDE_KEY_KIND and image[2] == GONE:
                self.records.pop(key, None)
            else:
                self.records[key] = RECORDS[RecordKind(image[0])].decode(image)

    def card(self, number: int) -> CardRecord | None:
        """A card."""
        record = self.records.get((RecordKind.CARD, number))
        assert record is None or isinstance(record, CardRecord)
        return record

    def account_of(self, number: int) -> AccountRecord | None:
        """The account of a card."""
        card = self.card(number)
        record = self.records.get((RecordKind.ACCOUNT, card.account_number)) if card else None
        assert record is None or isinstance(record, AccountRecord)
        return record

    # ----------------------------------------------------------------------- what a row asks for

    def find(self, path: str) -> Any:
        """Value of `A.status`, `A.points3`, `A.visits7`, `A.holds`, `A.limits.day_debit_minor`, `gift:7.stock`."""
        owner, _, field = path.partition(".")
        if not re.fullmatch("[A-Z]|[0-9]+", owner):
            kind, *numbers = owner.split(":")
            return self._field((RecordKind[kind.upper()], *map(int, numbers)), field)
        number = card_number(owner)
        card, account = self.card(number), self.account_of(number)
        if field == "exists":
            return int(card is not None)
        assert card is not None, f"no card {owner}"
        side, _, rest = field.partition(".")
        if side in SIDES:
            key = {"limits": (number, 0, 0), "card": (number,), "account": (card.account_number,)}[side]
            return self._field((SIDES[side], *key), rest)
        if hasattr(card, field):
            return getattr(card, field)
        if found := re.fullmatch(r"(points|visits|expiry_of_visits)(\d+)", field):
            word, purse = found.groups()
            upper = 1 if word == "points" else 2
            record = self.records.get((RecordKind.PURSE, card.account_number, upper << 32 | int(purse), 0))
            return getattr(record, "expiry_date" if word.startswith("expiry") else "amount", 0)
        if found := re.fullmatch(r"pending(\d+)", field):
            pending = (RecordKind.PENDING_POINTS, card.account_number, int(found.group(1)))
            return sum(
                getattr(record, "amount_hundredths", 0) for at, record in self.records.items() if at[:3] == pending
            )
        if field == "holds":
            return sum(1 for at in self.records if at[:2] == (RecordKind.HOLD, card.account_number))
        return getattr(account, field)

    def _field(self, key: tuple[int, ...], field: str) -> Any:
        record = self.records.get(key) or self.records.get((*key, 0)) or self.records.get((*key, 0, 0))
        return int(record is not None) if field == "exists" else getattr(record, field)


def shown(path: str, found: Any) -> Any:
    """A value as a failure shows it."""
    field = path.rpartition(".")[2]
    return _SHOWN_AS[field](found).name if field in _SHOWN_AS and found in set(_SHOWN_AS[field]) else found
