"""A switch without a process: recovers a data directory, decides messages in the caller's thread, commits when told.

For tests that need an exact journal on disk: what lies in which block is theirs to say. `recover` is the product's own,
so making a `Desk` is what a start of the switch does before it listens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardswitch.key_house import KeyHouse, read_passphrase
from hsm.people import TwoPeople
from switch.__main__ import initialize
from switch._blocks import HEADER_BYTES, BlockReader, segment_path
from switch._clock import now_ms
from switch._directory import Settings, open_directory
from switch._recover import recover
from switch._segments import prepare_segment
from switch.journal import LocalJournal
from switch.ledger import Checkpoint, Ledger
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    BillLine,
    CardOperation,
    CreditRequest,
    DebitRequest,
    Header,
    MessageType,
    OpenCardRequest,
    OperateCardRequest,
    PutCardTypeRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Reply,
    ReversalRequest,
    Right,
    SwitchMode,
)
from switch.protocol.records import EntryHeader, RecordKind, images_of

SEGMENT_BYTES = 1 << 20
ALL_RIGHTS = int(Right.PAY | Right.CREDIT | Right.CONFIGURE | Right.FOLLOW | Right.CARDS | Right.SECURITY)
OPERATOR_ID, TILL_ID, STORE_ID, CARD_TYPE = 1, 7, 3, 1
TILL_KEY = b"t" * 32
CARD, OTHER_CARD = 6222_0201_0003_4533, 6222_0201_0005_3228
OPENING_MINOR = 100_000_000


def make_directory(
    path: Path, timezone: str = "UTC", mode: SwitchMode = SwitchMode.PRODUCTION, **settings: Any
) -> Path:
    """An initialized data directory with small segments."""
    bounds = {"segment_bytes": SEGMENT_BYTES, "cards_max": 10_000, **settings}
    people = TwoPeople("first officer", "second officer", now_ms())
    houses: list[KeyHouse] = []

    def make_keys(folder: Path) -> KeyHouse:
        houses.append(KeyHouse.create(folder, read_passphrase, people))
        return houses[0]

    try:
        initialize(path, timezone, mode, Settings(**bounds), make_keys)
    finally:
        for house in houses:
            house.close()
    return path


def make_shop(path: Path, **settings: Any) -> Path:
    """A directory with a store, a card type, a till with every right (its key: TILL_KEY) and two cards with money."""
    make_directory(path, **settings)
    desk = Desk(path)
    desk.furnish()
    desk.commit()
    return path


class Desk:
    """One recovered switch."""

    def __init__(self, path: Path) -> None:
        self.directory = open_directory(path)
        self.keys = KeyHouse.open(self.directory.keys, read_passphrase)
        self.recovered = recover(self.directory, self.keys)
        self.engine, self.journal = self.recovered.engine, self.recovered.journal
        make_room(self.journal)
        self.now_ms = now_ms()
        self._trace_number = self.engine.commit.chain()[3] + 1_000

    @property
    def today(self) -> int:
        return self.engine.date_of(self.now_ms)

    def take_trace_number(self) -> int:
        """One that nobody has used on this journal."""
        self._trace_number += 1
        return self._trace_number

    def ask(self, type_: MessageType, body: Packed | bytes, terminal_id: int = TILL_ID) -> Reply:
        """Decide one request; its entry is in the next block."""
        content = body if isinstance(body, bytes) else body.encode()
        make_room(self.journal)
        message = Header(type=type_, sequence=1).encode() + content
        reply, _ = self.engine.decide(terminal_id, ALL_RIGHTS, message, self.now_ms)
        return Reply.decode(reply[Header.width_bytes() :])

    def key(self) -> dict[str, Any]:
        """The first fields of a new keyed request."""
        return {"trace_number": self.take_trace_number(), "business_date": self.today, "stamp_ms": self.now_ms}

    def debit(self, amount_minor: int = 100, *, card: int = CARD, line_count: int = 0) -> Reply:
        lines = tuple(BillLine(item=n, amount_minor=1) for n in range(line_count))
        return self.ask(
            MessageType.DEBIT,
            DebitRequest(**self.key(), card_number=card, amount_minor=amount_minor, lines=lines),
        )

    def credit(self, amount_minor: int, *, card: int = CARD) -> Reply:
        return self.ask(MessageType.CREDIT, CreditRequest(**self.key(), card_number=card, amount_minor=amount_minor))

    def reverse(self, original: Reply, amount_minor: int, *, card: int = CARD) -> Reply:
        request = ReversalRequest(
            **self.key(),
            card_number=card,
            amount_minor=amount_minor,
            original_trace_number=original.trace_number,
            original_business_date=original.business_date,
        )
        return self.ask(MessageType.REVERSAL, request)

    def furnish(self) -> None:
        """Store, card type, till, two cards with money."""
        self.approve(MessageType.PUT_STORE, PutStoreRequest(**self.key(), store_id=STORE_ID))
        self.approve(MessageType.PUT_CARD_TYPE, PutCardTypeRequest(**self.key(), code=CARD_TYPE, points_percent=100))
        self.put_till(TILL_ID, TILL_KEY)
        for card in (CARD, OTHER_CARD):
            self.open_card(card)
            assert self.credit(OPENING_MINOR, card=card).code == 0

    def put_till(self, terminal_id: int, key: bytes) -> None:
        """A terminal with every right."""
        desk = self.recovered.key_desk
        version = desk.active_storage_version()
        request = PutTerminalRequest(
            **self.key(),
            terminal_id=terminal_id,
            store_id=STORE_ID,
            rights=ALL_RIGHTS,
            storage_version=version,
            key=desk.wrap(key, version),
        )
        self.approve(MessageType.PUT_TERMINAL, request)

    def open_card(self, card: int, account: int = 0) -> None:
        request = OpenCardRequest(**self.key(), card_number=card, account_number=account, card_type=CARD_TYPE)
        self.approve(MessageType.OPEN_CARD, request)

    def operate(self, operation: CardOperation, card: int, **fields: Any) -> Reply:
        """One operation of the card desk on one card; it must be approved."""
        request = OperateCardRequest(**self.key(), card_number=card, operation=operation, **fields)
        return self.approve(MessageType.OPERATE_CARD, request)

    def approve(self, type_: MessageType, body: Packed) -> Reply:
        reply = self.ask(type_, body, OPERATOR_ID)
        assert reply.code == 0, reply
        return reply

    def commit(self) -> None:
        """Make durable what was decided: one block."""
        self.engine.commit.commit_now()

    def state(self) -> dict[str, Any]:
        """All that decides how the next request is answered, but for the clock."""
        return {"chain": self.engine.commit.chain(), "answers": len(self.engine.answers), "records": self.records()}

    def records(self) -> dict[str, set[bytes]]:
        """Every record, by kind."""
        return {kind.name: set(self.engine.tables.records(kind)) for kind in RecordKind}


def make_room(journal: LocalJournal) -> None:
    """What the preparer does in the background: a segment to write to, and a spare one."""
    while journal.spare_count < 1 or journal.segments_prepared == 0:
        number = journal.segments_prepared
        prepare_segment(journal, number)
        journal.segment_is_ready(number)


def reader_of(path: Path, done: Checkpoint | None = None) -> BlockReader:
    """A reader of a directory's journal, from its start or from a checkpoint on."""
    directory, done = open_directory(path), done or Checkpoint()
    return BlockReader(
        str(directory.journal),
        directory.settings.partition,
        directory.settings.segment_bytes,
        done.position,
        done.block_number,
        bytes.fromhex(done.chain_hash),
        done.next_sequence,
    )


def bring_up_store(path: Path, until_position: int | None = None) -> Checkpoint:
    """Advance the balance store to a position, or to the end of the journal."""
    if until_position is None:
        until_position = blocks_of(path)[-1].end
    ledger = Ledger(open_directory(path).ledger)
    try:
        return ledger.advance(reader_of(path, ledger.checkpoint()), until_position)
    finally:
        ledger.close()


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block lies."""

    position: int
    end: int
    number: int
    file: Path
    offset: int
    """In the file."""

    @property
    def size(self) -> int:
        return self.end - self.position


def blocks_of(path: Path) -> list[Block]:
    """Every whole block of a directory's journal."""
    directory = open_directory(path)
    segment_bytes = directory.settings.segment_bytes
    found = []
    for number, (position, header, body) in enumerate(reader_of(path).blocks()):
        assert len(header) == HEADER_BYTES
        segment, offset = divmod(position, segment_bytes)
        file = Path(segment_path(str(directory.journal), segment))
        found.append(Block(position, position + len(header) + len(body), number, file, offset))
    return found


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, cut into its parts."""

    position: int
    header: EntryHeader
    request: bytes
    reply: bytes
    images: tuple[bytes, ...]


def entries_in(body: bytes, position: int) -> list[Entry]:
    """The entries of a block's body, which begins at a position."""
    found, at, header_bytes = [], 0, EntryHeader.width_bytes()
    while at < len(body):
        header = EntryHeader.decode(body[at : at + header_bytes])
        reply_at = at + header_bytes + -(-header.request_bytes // 8) * 8
        images_at = reply_at + -(-header.reply_bytes // 8) * 8
        request = body[at + header_bytes : at + header_bytes + header.request_bytes]
        images = tuple(images_of(body[images_at : at + header.entry_bytes]))
        assert len(images) == header.image_count
        found.append(Entry(position + at, header, request, body[reply_at : reply_at + header.reply_bytes], images))
        at += header.entry_bytes
    return found


def entries_of(path: Path) -> list[Entry]:
    """Every entry of a directory's journal."""
    return [
        entry
        for position, header, body in reader_of(path).blocks()
        for entry in entries_in(body, position + len(header))
    ]


def overwrite(file: Path, offset: int, content: bytes) -> None:
    """Put other bytes into a file."""
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(content)


def scramble(file: Path, offset: int) -> None:
    """Change one byte of a file, every bit of it."""
    with file.open("r+b") as opened:
        opened.seek(offset)
        byte = opened.read(1)
        opened.seek(offset)
        opened.write(bytes([byte[0] ^ 0xFF]))
