"""Reads a journal that has survived a kill and holds it against the book of what was asked and answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from switch.ledger import Checkpoint
from switch.protocol.messages import (
    CaptureRequest,
    CardOperation,
    CreditRequest,
    HoldRequest,
    MessageType,
    OperateCardRequest,
    ReleaseRequest,
    Reply,
    ReversalRequest,
    TransferRequest,
)
from switch.protocol.records import AccountRecord, CardRecord, RecordKind
from tests.crash.tills import Asked, Book, Key
from tests.support.desk import Entry, entries_in, reader_of

MOVES = {
    MessageType.DEBIT: -1,
    MessageType.CREDIT: 1,
    MessageType.REVERSAL: 1,
    MessageType.CAPTURE: -1,
    MessageType.REFUND: 1,
    MessageType.TRANSFER: -1,
    MessageType.HOLD: 0,
    MessageType.RELEASE: 0,
}
"""What `amount_minor` of an approved reply does to the balance of the request's card."""
SETTLING = {RecordKind.ACCOUNT, RecordKind.HOLD}
"""What an entry may change although it was declined: holds that have expired meanwhile."""
LONGEST_HOLD_S = 604_800
HIDDEN_FROM = {MessageType.SET_PIN: 32}
"""Where the fields begin that the journal does not have as they came."""


@dataclass(slots=True)
class Hold:
    """What is held under one sequence."""

    account: int
    left_minor: int
    expires_ms: int


@dataclass(slots=True)
class Audit:
    """What the journal of one directory has said so far; each reading goes on where the last one ended."""

    path: Path
    balances_minor: Counter[int] = field(default_factory=Counter)
    """By account, added up from the amounts of the entries alone."""
    account_of: dict[int, int] = field(default_factory=dict)
    """By card."""
    holds: dict[int, Hold] = field(default_factory=dict)
    """By sequence, also added up from requests and replies alone."""
    credited: set[bytes] = field(default_factory=set)
    """References that stand."""
    entries: dict[Key, Entry] = field(default_factory=dict)
    position: int = 0
    block_number: int = 0
    chain_hash: str = ""
    next_sequence: int = 1

    def read_on(self, *, may_be_torn: bool = False) -> None:
        """Every entry that has come since; what was there before must still be there, or the chain breaks."""
        done = Checkpoint(
            position=self.position,
            block_number=self.block_number,
            chain_hash=self.chain_hash,
            next_sequence=self.next_sequence,
        )
        reader = reader_of(self.path, done)
        for position, header, body in reader.blocks():
            for entry in entries_in(body, position + len(header)):
                self._take(entry)
        assert may_be_torn or reader.fault is None, reader.fault
        assert reader.block_follows() is None
        self.position, self.block_number = reader.position, reader.block_number
        self.chain_hash, self.next_sequence = reader.chain_hash.hex(), reader.next_sequence

    def _take(self, entry: Entry) -> None:
        header, reply = entry.header, Reply.decode(entry.reply)
        # All keyed requests begin with their trace number and their date.
        trace_number, date = (int.from_bytes(entry.request[at : at + 4], "little") for at in (0, 4))
        key = (header.terminal_id, date, trace_number)
        assert key not in self.entries, f"{key} was journaled twice: {self.entries[key].header}, {header}"
        self.entries[key] = entry
        assert reply.journal_sequence == header.sequence
        type_ = MessageType(header.request_type)
        if type_ == MessageType.OPEN_CARD and reply.code == 0:
            card, account = (int.from_bytes(entry.request[at : at + 8], "little") for at in (16, 24))
            self.account_of[card] = account or card
        if type_ == MessageType.OPERATE_CARD:
            self._operate(entry, reply)
        if type_ in MOVES:
            self._move(entry, type_, reply)

    def _operate(self, entry: Entry, reply: Reply) -> None:
        """Each card that was made and issued has its value, in one image of its own; nothing else moves value."""
        request = OperateCardRequest.decode(entry.request)
        done = [request.card_number + n for n, result in enumerate(reply.results) if result.code == 0]
        cards = {CardRecord.decode(image).card_number for image in entry.images if image[0] == RecordKind.CARD}
        assert cards == {*done}
        if request.operation == CardOperation.MAKE_AND_ISSUE:
            self.account_of |= {card: card for card in done}
            self.balances_minor.update(dict.fromkeys(done, request.amount_minor))
        accounts = self._accounts_in(entry)
        assert {*accounts} == ({*done} if request.operation == CardOperation.MAKE_AND_ISSUE else set())
        assert all(record.balance_minor == self.balances_minor[number] for number, record in accounts.items())

    def _move(self, entry: Entry, type_: MessageType, reply: Reply) -> None:
        """An entry is whole: what it moved is what its reply says, and its images say the same."""
        card = int.from_bytes(entry.request[16:24], "little")
        account = self.account_of.get(card)
        if reply.code != 0 or reply.amount_minor == 0:
            assert {image[0] for image in entry.images} <= SETTLING
            return
        assert account is not None
        moved_minor = self._moved(entry, type_, reply, account)
        self.balances_minor[account] += moved_minor
        accounts = self._accounts_in(entry)
        assert all(record.last_sequence == entry.header.sequence for record in accounts.values())
        assert accounts[account].balance_minor == reply.balance_minor == self.balances_minor[account]
        held_minor = sum(
            hold.left_minor
            for hold in self.holds.values()
            if hold.account == account and hold.expires_ms > entry.header.time_ms
        )
        assert accounts[account].held_minor == held_minor
        assert reply.available_minor == reply.balance_minor - held_minor
        assert {*accounts} == {account, *self._getter(entry, type_, reply)}

    def _moved(self, entry: Entry, type_: MessageType, reply: Reply, account: int) -> int:
        """Minor units that an approved request adds to its account's balance; holds and references follow."""
        sequence = entry.header.sequence
        if type_ == MessageType.HOLD:
            hold = HoldRequest.decode(entry.request)
            lasts_ms = 1_000 * (hold.expires_in_s or LONGEST_HOLD_S)
            self.holds[sequence] = Hold(account, hold.amount_minor, entry.header.time_ms + lasts_ms)
        elif type_ == MessageType.CAPTURE:
            capture = CaptureRequest.decode(entry.request)
            hold_left = self.holds[capture.hold_sequence]
            hold_left.left_minor -= capture.amount_minor
            assert hold_left.left_minor >= 0 and hold_left.expires_ms > entry.header.time_ms
            if not capture.keep_rest:
                hold_left.left_minor = 0
        elif type_ == MessageType.RELEASE:
            self._free(ReleaseRequest.decode(entry.request).hold_sequence, entry, reply)
        elif type_ == MessageType.CREDIT:
            reference = CreditRequest.decode(entry.request).reference
            assert reference not in self.credited, f"entry {sequence} credits a reference for the second time"
            self.credited |= {reference} if any(reference) else set()
        elif type_ == MessageType.REVERSAL:
            return self._reversed(entry, reply)
        return MOVES[type_] * reply.amount_minor

    def _reversed(self, entry: Entry, reply: Reply) -> int:
        request = ReversalRequest.decode(entry.request)
        key = (entry.header.terminal_id, request.original_business_date, request.original_trace_number)
        original = self.entries[key]
        if original.header.request_type == MessageType.HOLD:
            self._free(original.header.sequence, entry, reply)
            return 0
        if original.header.request_type == MessageType.CREDIT:
            self.credited.discard(CreditRequest.decode(original.request).reference)
        return reply.amount_minor

    def _free(self, hold_sequence: int, entry: Entry, reply: Reply) -> None:
        hold = self.holds[hold_sequence]
        assert hold.expires_ms > entry.header.time_ms
        assert reply.amount_minor == hold.left_minor
        hold.left_minor = 0

    def _getter(self, entry: Entry, type_: MessageType, reply: Reply) -> set[int]:
        """The other account of a transfer."""
        if type_ != MessageType.TRANSFER:
            return set()
        getter = self.account_of[TransferRequest.decode(entry.request).to_card_number]
        self.balances_minor[getter] += reply.amount_minor
        assert self._accounts_in(entry)[getter].balance_minor == self.balances_minor[getter]
        return {getter}

    @staticmethod
    def _accounts_in(entry: Entry) -> dict[int, AccountRecord]:
        accounts = [AccountRecord.decode(image) for image in entry.images if image[0] == RecordKind.ACCOUNT]
        return {record.account_number: record for record in accounts}

    def compare(self, book: Book) -> None:
        """Answered: there once, with that request and that answer. Unanswered: there whole, or not at all."""
        for asked in book.asked.values():
            entry = self.entries.get(asked.key)
            if asked.answer is not None:
                assert entry is not None, f"{asked.key} was answered {Reply.decode(asked.answer)} and is not journaled"
                assert entry.reply == asked.answer
            if entry is not None:
                until = HIDDEN_FROM.get(asked.type)
                assert (entry.header.request_type, entry.request[:until]) == (asked.type, asked.body[:until])
                assert len(entry.request) == len(asked.body)

    def answers(self) -> Counter[tuple[int, int]]:
        """How often each type was answered with each code."""
        return Counter((entry.header.request_type, Reply.decode(entry.reply).code) for entry in self.entries.values())

    def strangers(self, book: Book, first_sequence: int) -> list[Key]:
        """Entries behind a sequence that nobody has asked for."""
        return [
            key
            for key, entry in self.entries.items()
            if entry.header.sequence >= first_sequence and key not in book.asked and not is_cut_over(entry)
        ]


def is_cut_over(entry: Entry) -> bool:
    """Whether the switch itself has written it, because a date began."""
    return entry.header.terminal_id == 0 and entry.header.request_type == MessageType.CUT_OVER


def was_declined(asked: Asked) -> bool:
    """Whether the answer is a refusal."""
    return asked.answer is not None and Reply.decode(asked.answer).code != 0
