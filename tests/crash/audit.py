"""Reads a journal that has survived a kill and holds it against the book of what was asked and answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from switch.ledger import Checkpoint
from switch.protocol.messages import MessageType, Reply
from switch.protocol.records import AccountRecord, RecordKind
from tests.crash.tills import Asked, Book, Key
from tests.support.desk import Entry, entries_in, reader_of

IMAGES = {
    MessageType.DEBIT: [RecordKind.ACCOUNT],
    MessageType.CREDIT: [RecordKind.ACCOUNT],
    MessageType.REVERSAL: [RecordKind.ACCOUNT],
}
SIGN = {MessageType.DEBIT: -1, MessageType.CREDIT: 1, MessageType.REVERSAL: 1}


@dataclass(slots=True)
class Audit:
    """What the journal of one directory has said so far; each reading goes on where the last one ended."""

    path: Path
    balances_minor: Counter[int] = field(default_factory=Counter)
    """By account, added up from the amounts of the entries alone."""
    account_of: dict[int, int] = field(default_factory=dict)
    """By card."""
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
        if type_ in SIGN:
            self._move(entry, type_, reply)

    def _move(self, entry: Entry, type_: MessageType, reply: Reply) -> None:
        """An entry is whole: what it moved is what its reply says, and its image says the same."""
        card = int.from_bytes(entry.request[16:24], "little")
        account = self.account_of.get(card)
        if reply.amount_minor == 0:
            assert not entry.images
            return
        assert reply.code == 0
        assert account is not None
        self.balances_minor[account] += SIGN[type_] * reply.amount_minor
        (image,) = entry.images
        record = AccountRecord.decode(image)
        assert (record.account_number, record.last_sequence) == (account, entry.header.sequence)
        assert record.balance_minor == reply.balance_minor == self.balances_minor[account]

    def compare(self, book: Book) -> None:
        """Answered: there once, with that request and that answer. Unanswered: there whole, or not at all."""
        for asked in book.asked.values():
            entry = self.entries.get(asked.key)
            if asked.answer is not None:
                assert entry is not None, f"{asked.key} was answered {Reply.decode(asked.answer)} and is not journaled"
                assert entry.reply == asked.answer
            if entry is not None:
                assert (entry.header.request_type, entry.request) == (asked.type, asked.body)

    def strangers(self, book: Book, first_sequence: int) -> list[Key]:
        """Entries behind a sequence that nobody has asked for."""
        return [
            key
            for key, entry in self.entries.items()
            if entry.header.sequence >= first_sequence and key not in book.asked
        ]


def was_declined(asked: Asked) -> bool:
    """Whether the answer is a refusal."""
    return asked.answer is not None and Reply.decode(asked.answer).code != 0
