"""Reads blocks of entries into rows: the last image of each record, and what each entry did to each account.

An entry carries each changed record whole, so a record needs no rules: its
last image is its row.  What an entry did to an account is the difference to
the image before.  Images are remembered while memory allows; for accounts that
are met anew the difference is first taken to nothing, and put right when the
whole batch is read and the tables are asked once (`settle`).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from admin.errors import JournalError
from admin.models.journal import PART_BITS, daily_totals, entries
from admin.models.mirror import MARKS_KEPT, MIRRORS
from switch.protocol.codes import ResponseCode
from switch.protocol.entries import ENTRY_VERSION, EntryHeader
from switch.protocol.envelope import Reply
from switch.protocol.layout import layout_of
from switch.protocol.messages import REQUESTS, MessageType, OperateCardRequest, TransferRequest
from switch.protocol.records import (
    FIRST_WIDE_KEY_KIND,
    GONE,
    RECORDS,
    AccountRecord,
    CardRecord,
    PendingPointsRecord,
    PurseRecord,
    RecordKind,
    TerminalRecord,
)

from .closes import CLOSED, Close, read_close
from .fields import reader_of
from .sales import SALES, Sales

Row = tuple[Any, ...]
POINTS_PURSES = 1
"""Upper half of the key of a purse of points; visits are no points."""

_HEADER = struct.Struct("<I4xqqIIBBHHHII")
assert _HEADER.size == EntryHeader.width_bytes()
_REPLY = reader_of(
    Reply, "code", "trace_number", "amount_minor", "recharged_minor", "due_minor", "discount_minor", "receipt_code"
)
_ACCOUNT = reader_of(AccountRecord, "account_number", "balance_minor", "points_hundredths")
_PURSE = reader_of(PurseRecord, "account_number", "purse", "amount")
_PENDING = reader_of(PendingPointsRecord, "account_number", "amount_hundredths")
_TERMINAL = reader_of(TerminalRecord, "store_id", "terminal_id")
_CARD = reader_of(CardRecord, "card_number", "account_number")
_I64 = struct.Struct("<q")
_HEADER_BYTES = _HEADER.size
_KEY_OFFSET, _KEY_END, _STATE_OFFSET = 8, 32, 2


def _card_offsets() -> dict[int, int]:
    offsets = {}
    for kind, request in REQUESTS.items():
        for field in layout_of(request).fields:
            if field.name == "card_number":
                offsets[int(kind)] = field.offset
    return offsets


_CARD_OFFSETS = _card_offsets()
_OPERATION_OFFSET = next(f.offset for f in layout_of(OperateCardRequest).fields if f.name == "operation")
_RECORD_BYTES = {int(kind): record.width_bytes() for kind, record in RECORDS.items()}
_TO_CARD_OFFSET = next(f.offset for f in layout_of(TransferRequest).fields if f.name == "to_card_number")
_TRANSFERS = (int(MessageType.TRANSFER), int(MessageType.TRANSFER_POINTS))
_OPERATE = int(MessageType.OPERATE_CARD)
_ACCOUNT_KIND, _PURSE_KIND, _PENDING_KIND = (
    int(RecordKind.ACCOUNT),
    int(RecordKind.PURSE),
    int(RecordKind.PENDING_POINTS),
)
_DAY_TOTALS = int(MessageType.DAY_TOTALS)
_MARK_KIND = int(RecordKind.MARK)
_MARK_KIND_OFFSET = 31
"""Upper byte of a mark's third key."""
_TERMINAL_KIND, _CARD_KIND = int(RecordKind.TERMINAL), int(RecordKind.CARD)
_VALUE_COLUMN, _BALANCE_COLUMN, _POINTS_COLUMN, _ACCOUNT_COLUMN = (
    [column.name for column in entries.columns].index(name)
    for name in ("value_minor", "balance_minor", "points_hundredths", "account_number")
)
_PART_COLUMN = 2
_TOTALS_KEY = itemgetter(*(entries.columns.keys().index(column.name) for column in daily_totals.primary_key.columns))
_TOTALS_NUMBERS = itemgetter(
    _PART_COLUMN,
    *(
        entries.columns.keys().index(column.name)
        for column in daily_totals.columns
        if not column.primary_key and column.name != "entry_count"
    ),
)
APPROVED = frozenset({int(ResponseCode.APPROVED), int(ResponseCode.PARTIAL)})
KNOWN_MAX = 400_000
"""Accounts and purses whose last value is remembered; about 200 bytes each."""


_NOTHING = (0, 0, 0)
_NO_VALUE = (0, 0)
_NO_MONEY = (0, 0, 0, 0)
_POINTS_KINDS = (_PURSE_KIND, _PENDING_KIND)


class Known:
    """What has been read so far and is needed to understand what follows."""

    def __init__(self) -> None:
        self.accounts: dict[int, tuple[int, int]] = {}
        """By account: balance in minor units, points of category 0 in hundredths."""
        self.parts: dict[bytes, int] = {}
        """By kind and key: hundredths of points in purses of other categories, and waiting ones."""
        self.stores: dict[int, int] = {}
        """Store of each terminal."""

    def forget_what_is_too_much(self) -> None:
        """Keep memory bounded; what is forgotten is read from the tables when it is met again."""
        if len(self.accounts) + len(self.parts) > KNOWN_MAX:
            self.accounts.clear()
            self.parts.clear()


class Batch:
    """Rows that some blocks come to; written together, in one transaction."""

    def __init__(self, known: Known, account_of: Callable[[int], int]) -> None:
        self.entries: list[Row] = []
        self.images: dict[int, dict[Any, bytes | None]] = {kind: {} for kind in MIRRORS}
        """By kind, then by key: the last image; None when the record has ended."""
        self.sequence = 0
        self.time_ms = 0
        self.unsettled_accounts: dict[int, int] = {}
        """By account that was not known: the row that met it first."""
        self.unsettled_parts: dict[bytes, int] = {}
        """By kind and key of points that were not known: likewise."""
        self.unsettled_balances: list[tuple[int, int]] = []
        """(row, account) where points changed and the account did not."""
        self.sales = Sales()
        self.closes: dict[Close, list[Row]] = {}
        self._known = known
        self._account_of = account_of
        """Account of a card as the tables have it; asked where one entry changes several accounts."""

    def read_block(self, body: bytes) -> None:
        """Take over all entries of a block."""
        at, end = 0, len(body)
        unpack, reply_of, card_offsets = _HEADER.unpack_from, _REPLY.unpack_from, _CARD_OFFSETS
        rows, stores = self.entries, self._known.stores
        while at < end:
            header = unpack(body, at)
            size, sequence, time_ms, terminal_id, date, type_, version, image_count, request_bytes, reply_bytes = (
                header[:10]
            )
            if version != ENTRY_VERSION:
                raise JournalError(
                    f"journal: expected entries of version {ENTRY_VERSION}, got {version}; update the admin service"
                )
            request_at = at + _HEADER_BYTES
            reply_at = request_at + (request_bytes + 7 & ~7)
            code, trace_number, amount, due, discount, recharged, receipt_code = reply_of(body, reply_at)
            card_at = card_offsets.get(type_)
            card = _I64.unpack_from(body, request_at + card_at)[0] if card_at is not None else 0
            operation = body[request_at + _OPERATION_OFFSET] if type_ == _OPERATE else 0
            touched: dict[int, list[int]] = {}
            cards: list[tuple[int, int]] = []
            row_number = len(rows)
            images_at, end_at = reply_at + (reply_bytes + 7 & ~7), at + size
            if image_count == 1 and body[images_at] == _ACCOUNT_KIND:  # most entries: the short way
                self._read_account(body, images_at, end_at, row_number, touched)
            elif image_count:
                self._read_images(body, images_at, end_at, row_number, touched, cards)
            first = (sequence, 0, time_ms, date, terminal_id, stores.get(terminal_id, 0), type_, operation, code)
            money = (amount, due, discount, recharged)
            last = (header[10], header[11], receipt_code)
            if len(touched) <= 1 and len(cards) <= 1:
                account, (value, balance, points) = next(iter(touched.items()), (0, _NOTHING))
                rows.append(
                    (sequence << PART_BITS, *first, trace_number, card, account, *money, value, balance, points, *last)
                )
            else:
                others = (_I64.unpack_from(body, request_at + _TO_CARD_OFFSET)[0],) if type_ in _TRANSFERS else ()
                self._add_parts(first, trace_number, card, others, money, touched, cards, last)
            if code in APPROVED and type_ in SALES:
                account = rows[row_number][_ACCOUNT_COLUMN] or (self._account(card) if card else 0)
                self.sales.add(
                    body, request_at, reply_at, first, trace_number, card, account, money, header[10], header[11]
                )
            elif operation and code in APPROVED:
                self.sales.add_fee(body, request_at, reply_at, first, header[10], header[11])
            elif type_ == _DAY_TOTALS and code in CLOSED:
                request, reply = body[request_at : request_at + request_bytes], body[reply_at : reply_at + reply_bytes]
                close, found = read_close(terminal_id, request, reply)
                self.closes[close] = found
            self.sequence, self.time_ms = sequence, time_ms
            at += size

    def _read_images(
        self,
        body: bytes,
        at: int,
        end: int,
        row_number: int,
        touched: dict[int, list[int]],
        cards: list[tuple[int, int]],
    ) -> None:
        known, images = self._known, self.images
        while at < end:
            kind = body[at]
            image_end = at + _RECORD_BYTES[kind]
            if kind == _ACCOUNT_KIND:
                self._read_account(body, at, image_end, row_number, touched)
            elif kind < FIRST_WIDE_KEY_KIND:
                (number,) = _I64.unpack_from(body, at + _KEY_OFFSET)
                images[kind][number] = body[at:image_end]
                if kind == _CARD_KIND:
                    cards.append(_CARD.unpack_from(body, at))
                elif kind == _TERMINAL_KIND:
                    store_id, terminal_id = _TERMINAL.unpack_from(body, at)
                    known.stores[terminal_id] = store_id
            elif kind == _MARK_KIND and body[at + _MARK_KIND_OFFSET] not in MARKS_KEPT:
                pass
            elif (of_kind := images.get(kind)) is not None:
                is_gone = body[at + _STATE_OFFSET] == GONE
                of_kind[body[at + _KEY_OFFSET : at + _KEY_END]] = None if is_gone else body[at:image_end]
                if kind in _POINTS_KINDS:
                    self._read_points(body, at, row_number, touched, is_gone)
            at = image_end

    def _read_account(self, body: bytes, at: int, end: int, row_number: int, touched: dict[int, list[int]]) -> None:
        number, balance, points = _ACCOUNT.unpack_from(body, at)
        before = self._known.accounts.get(number)
        if before is None:
            self.unsettled_accounts.setdefault(number, row_number)
            before = _NO_VALUE
        self._known.accounts[number] = (balance, points)
        if (mine := touched.get(number)) is None:
            touched[number] = [balance - before[0], balance, points - before[1]]
        else:
            mine[0] += balance - before[0]
            mine[1] = balance
            mine[2] += points - before[1]
        self.images[_ACCOUNT_KIND][number] = body[at:end]

    def _read_points(self, body: bytes, at: int, row_number: int, touched: dict[int, list[int]], is_gone: bool) -> None:
        """Points in a purse of another category, or that wait; visits are no points."""
        if body[at] == _PURSE_KIND:
            number, purse, amount = _PURSE.unpack_from(body, at)
            if purse >> 32 != POINTS_PURSES:
                return
        else:
            number, amount = _PENDING.unpack_from(body, at)
        key = body[at : at + 1] + body[at + _KEY_OFFSET : at + _KEY_END]
        amount = 0 if is_gone else amount
        before = self._known.parts.get(key)
        if before is None:
            self.unsettled_parts.setdefault(key, row_number)
            before = 0
        self._known.parts[key] = amount
        mine = touched.get(number)
        if mine is None:  # kinds come in ascending order: there is no image of the account
            balance = self._known.accounts.get(number)
            if balance is None:
                self.unsettled_balances.append((row_number, number))
            mine = touched[number] = [0, balance[0] if balance else 0, 0]
        mine[2] += amount - before

    def _add_parts(
        self,
        first: Row,
        trace_number: int,
        card: int,
        others: tuple[int, ...],
        money: Row,
        touched: dict[int, list[int]],
        cards: list[tuple[int, int]],
        last: Row,
    ) -> None:
        """Rows of an entry that changed several cards or accounts: its own card first, money only there."""
        subjects = dict(cards)
        for number in (card, *others):
            if number and number not in subjects:
                subjects[number] = self._account(number)
        ordered = [(card, subjects.pop(card, 0)), *subjects.items()]
        left = dict(touched)
        met = {account for _, account in ordered}
        ordered += [(0, account) for account in touched if account not in met]
        start = len(self.entries)
        places: dict[int, int] = {}
        for part, (number, of_card) in enumerate(ordered):
            account = of_card if of_card in touched else 0  # as in an entry about one card
            value, balance, points = left.pop(account, None) or (0, touched.get(account, _NOTHING)[1], 0)
            places.setdefault(account, start + part)
            id_ = first[0] << PART_BITS | part
            self.entries.append(
                (
                    *(id_, first[0], part, *first[2:], trace_number, number, account),
                    *(money if part == 0 else _NO_MONEY),
                    *(value, balance, points, *last),
                )
            )
        self._move_unsettled(start, places)

    def _move_unsettled(self, row_number: int, places: dict[int, int]) -> None:
        """What was noted for the entry's first row belongs to the row of its account."""
        for account, row in self.unsettled_accounts.items():
            if row == row_number:
                self.unsettled_accounts[account] = places[account]
        for key, row in self.unsettled_parts.items():
            if row == row_number:
                self.unsettled_parts[key] = places[_I64.unpack_from(key, 1)[0]]
        self.unsettled_balances = [
            (places[account] if row == row_number else row, account) for row, account in self.unsettled_balances
        ]

    def _account(self, card: int) -> int:
        image = self.images[_CARD_KIND].get(card)
        return int(_CARD.unpack_from(image)[1]) if image is not None else self._account_of(card)

    def settle(self, accounts: Iterable[tuple[int, int, int]], parts: Iterable[tuple[bytes, int]]) -> None:
        """Put differences right by what the tables had before this batch: (account, balance, points), (key, points)."""
        corrections: dict[int, list[int]] = {}
        before_of: dict[int, int] = {}
        for number, balance, points in accounts:
            before_of[number] = balance
            if (row := self.unsettled_accounts.get(number)) is not None:
                mine = corrections.setdefault(row, [0, 0, 0])
                mine[0] -= balance
                mine[2] -= points
        for key, points in parts:
            corrections.setdefault(self.unsettled_parts[key], [0, 0, 0])[2] -= points
        for row, number in self.unsettled_balances:
            corrections.setdefault(row, [0, 0, 0])[1] += before_of.get(number, 0)
        for row, (value, balance, points) in corrections.items():
            fields = list(self.entries[row])
            fields[_VALUE_COLUMN] += value
            fields[_BALANCE_COLUMN] += balance
            fields[_POINTS_COLUMN] += points
            self.entries[row] = tuple(fields)

    def daily_totals(self) -> list[Row]:
        """Sums of the batch's entries, once they are settled: rows of the table `daily_totals`."""
        groups: defaultdict[Row, list[Row]] = defaultdict(list)
        for row in self.entries:
            groups[_TOTALS_KEY(row)].append(_TOTALS_NUMBERS(row))
        totals = []
        for key, rows in groups.items():
            parts, *numbers = zip(*rows, strict=True)
            totals.append((*key, parts.count(0), *map(sum, numbers)))
        return totals
