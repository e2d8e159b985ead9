"""What one outcome must be: by its row, and by what holds for every outcome."""

from __future__ import annotations

from dataclasses import dataclass

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import KEYED_TYPES, REPLY_BIT, ErrorReply, Header, MessageType, Reply
from switch.protocol.records import RECORDS, AccountRecord, EntryHeader, RecordKind
from tests.twin.wire import crc32c

from .table import NOT_CHECKED, Step, number

HEADER_BYTES = Header.width_bytes()
ENTRY_HEADER_BYTES = EntryHeader.width_bytes()
REPLY_BYTES = Reply.width_bytes()
NOT_JOURNALED_FROM = ResponseCode.NOT_PERMITTED
ERROR_TYPE = MessageType.ERROR | REPLY_BIT
PAYING = (MessageType.DEBIT, MessageType.CREDIT)
SHOWING_BALANCE = (MessageType.DEBIT, MessageType.CREDIT, MessageType.REVERSAL, MessageType.BALANCE)
SHOWING_BALANCE_IF_APPROVED = (MessageType.OPEN_CARD, MessageType.CHANGE_CARD_STATUS)
IMAGES_OF_APPROVAL = {
    MessageType.DEBIT: "account",
    MessageType.CREDIT: "account",
    MessageType.PUT_CARD_TYPE: "card_type",
    MessageType.PUT_STORE: "store",
    MessageType.PUT_TERMINAL: "terminal",
    MessageType.OPEN_CARD: "account,card",
    MessageType.CHANGE_CARD_STATUS: "card",
}


@dataclass(frozen=True, slots=True)
class Counters:
    """Day counters that an account's image should hold."""

    business_date: int
    minor: int
    count: int
    points_hundredths: int


class Check:
    """One outcome beside its row."""

    def __init__(self, step: Step, message: bytes, reply: bytes, entry: bytes | None) -> None:
        self.step, self.options = step, step.options
        self.message, self.reply, self.entry = message, reply, entry
        self.type = message[1] if len(message) > 1 else 0
        self.is_error = reply[1] == ERROR_TYPE

    def same(self, what: str, got: object, expected: object) -> None:
        """Assert, with the place in the table."""
        assert got == expected, f"{self.step.where}: {what} is {got}, expected {expected}"

    def header(self) -> None:
        """The reply's header names the request's type and repeats its sequence."""
        sequence = int.from_bytes(self.message[4:HEADER_BYTES].ljust(4, b"\0"), "little")
        reply_type = ERROR_TYPE if self.is_error else self.type | REPLY_BIT
        self.same("reply header", self.reply[:HEADER_BYTES], Header(type=reply_type, sequence=sequence).encode())

    def error(self) -> None:
        """An error reply says what is wrong, and nothing is journaled."""
        error = ErrorReply.decode(self.reply[HEADER_BYTES:])
        self.same("error code", ResponseCode(error.code).name, self.step.cells["code"])
        self.same("type", error.type, self.type)
        for name in ("offset", "expected", "got"):
            self.same(name, getattr(error, name), number(self.options.get(name, "0")))
        self.same("entry", self.entry, None)

    @property
    def body(self) -> Reply:
        """The reply's body."""
        return Reply.decode(self.reply[HEADER_BYTES:])

    def is_journaled(self) -> bool:
        """Whether the row's code is one that an entry records."""
        return self.type in KEYED_TYPES and self.body.code < NOT_JOURNALED_FROM

    def reply_fields(self, today: int, amount_minor: int) -> None:
        """Every field of a first reply; what the row does not name must be zero."""
        body, options = self.body, self.options
        approved = body.code == ResponseCode.APPROVED
        trace = int.from_bytes(self.message[HEADER_BYTES : HEADER_BYTES + 4], "little")
        paid = amount_minor if approved and self.type in PAYING else 0
        retry_ms = 1000 if body.code == ResponseCode.WINDOW_FULL else 0
        self.same("trace number", body.trace_number, trace if self.type in KEYED_TYPES else 0)
        self.same("business date", body.business_date, today)
        self.same("retry_after_ms", body.retry_after_ms, retry_ms)
        self.same("detail", body.detail, number(options.get("detail", "0")))
        self.same("amount", body.amount_minor, number(options.get("paid", str(paid))))
        self.same("points earned", body.points_hundredths, number(options.get("earned", "0")))
        if body.code >= NOT_JOURNALED_FROM:
            self.same("sequence", body.journal_sequence, 0)

    def entry_tells_the_same(self, *, terminal_id: int, time_ms: int, sequence: int | None) -> None:
        """The entry holds the request, the reply and the images, and its checksum is right."""
        assert self.entry is not None, f"{self.step.where}: no entry"
        head = EntryHeader.decode(self.entry[:ENTRY_HEADER_BYTES])
        rest, request = self.entry[ENTRY_HEADER_BYTES:], self.message[HEADER_BYTES:]
        padded_bytes = -(-len(request) // 8) * 8
        images = rest[padded_bytes + REPLY_BYTES :]
        if sequence is not None:
            self.same("entry sequence", head.sequence, sequence)
        self.same("reply's sequence", self.body.journal_sequence, head.sequence)
        self.same("entry_bytes", head.entry_bytes, len(self.entry))
        self.same("crc32c", head.crc32c, crc32c(self.entry[8:]))
        self.same("time_ms", head.time_ms, time_ms)
        self.same("terminal_id", head.terminal_id, terminal_id)
        self.same("business_date", head.business_date, self.body.business_date)
        self.same("request_type", head.request_type, self.type)
        self.same("request_bytes", head.request_bytes, len(request))
        self.same("reply_bytes", head.reply_bytes, REPLY_BYTES)
        self.same("request", rest[:padded_bytes], request.ljust(padded_bytes, b"\0"))
        self.same("reply", rest[padded_bytes : padded_bytes + REPLY_BYTES], self.reply[HEADER_BYTES:])
        self.same("image_count", head.image_count * 64, len(images))
        self._images([images[at : at + 64] for at in range(0, len(images), 64)], head.sequence)

    def _images(self, images: list[bytes], sequence: int) -> None:
        """The images are those that the row names, or those that an approval of this type has."""
        approved = self.body.code == ResponseCode.APPROVED
        usual = IMAGES_OF_APPROVAL.get(MessageType(self.type), "") if approved else ""
        if self.type == MessageType.REVERSAL and self.body.amount_minor:
            usual = "account"
        kinds = ",".join(RecordKind(image[0]).name.lower() for image in images)
        self.same("images", kinds, self.options.get("images", usual))
        for image in images:
            record = RECORDS[RecordKind(image[0])].decode(image)
            self.same("image's sequence", getattr(record, "last_sequence", None), sequence)
            if isinstance(record, AccountRecord):
                self.same("image's balance", record.balance_minor, self.body.balance_minor)
                self.same("image's points", record.points_hundredths, self.body.points_balance_hundredths)

    def counters(self, expected: Counters) -> None:
        """The day counters in the account's image."""
        assert self.entry is not None, f"{self.step.where}: no entry"
        record = AccountRecord.decode(self.entry[-64:])
        got = Counters(
            record.business_date, record.day_debit_minor, record.day_debit_count, record.day_points_hundredths
        )
        self.same("day counters", got, expected)

    def balance(self, inquiry: Reply, *, last: bool) -> None:
        """An inquiry finds what the reply told and what the row says."""
        told = (self.body.balance_minor, self.body.points_balance_hundredths)
        found = (inquiry.balance_minor, inquiry.points_balance_hundredths)
        approved = self.body.code == ResponseCode.APPROVED
        if self.step.cells["message"] != "repeat":
            shows = self.type in SHOWING_BALANCE or (self.type in SHOWING_BALANCE_IF_APPROVED and approved)
            shows = shows and self.body.code < NOT_JOURNALED_FROM
            self.same("balance and points told", told, found if shows else (0, 0))
        if last and self.step.cells["balance"] != NOT_CHECKED:
            self.same("balance", inquiry.balance_minor, number(self.step.cells["balance"]))
        if last and self.step.cells["points"] != NOT_CHECKED:
            self.same("points", inquiry.points_balance_hundredths, number(self.step.cells["points"]))
