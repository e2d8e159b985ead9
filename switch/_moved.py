"""What one entry moved: by its images, and by what its reply says to whoever asked.

A reply that everybody has heard and the records that nobody sees must tell the
same story. Where a reply does not tell (value that is written off, points that
end with a card, a fee beyond what a field holds) the images alone say it, and
`Told` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from switch._entries import Entry
from switch.protocol.codes import ResponseCode
from switch.protocol.layout import layout_of
from switch.protocol.messages import (
    NO_COUNT_LIMIT,
    CardOperation,
    DebitRequest,
    FeeTender,
    MessageType,
    OperateCardRequest,
    OperationFlag,
    Reply,
    ReversalRequest,
    TenderKind,
)
from switch.protocol.records import (
    GONE,
    AccountRecord,
    PendingPointsRecord,
    PurseRecord,
    RecordKind,
    record_key,
)

TENDER_COUNT_OFFSET = next(f.offset for f in layout_of(DebitRequest).fields if f.name == "tender_count")
POINTS_PURSES = 1
"""Upper half of the key of a purse of points; visits are no points."""
ISSUING = (CardOperation.ISSUE, CardOperation.MAKE_AND_ISSUE)
APPROVED = (ResponseCode.APPROVED, ResponseCode.PARTIAL)
RecordOf = Callable[[int, tuple[int, ...]], bytes | None]
"""The record of a kind and key before the entry; None when there was none."""


def moved_by_images(images: Sequence[bytes], record_before: RecordOf) -> tuple[int, int]:
    """(minor units, hundredths of points of all categories, those that wait included) that an entry's images added."""
    balance_minor = points_hundredths = 0
    for image in images:
        before = record_before(image[0], record_key(image))
        for sign, record in ((-1, before), (1, image)):
            if record is not None:
                minor, points = held(record)
                balance_minor += sign * minor
                points_hundredths += sign * points
    return balance_minor, points_hundredths


def held(record: bytes) -> tuple[int, int]:
    """(minor units, hundredths of points) that a record stands for."""
    kind = record[0]
    if kind == RecordKind.ACCOUNT:
        account = AccountRecord.decode(record)
        return account.balance_minor, account.points_hundredths
    if record[2] == GONE and kind in (RecordKind.PURSE, RecordKind.PENDING_POINTS):
        return 0, 0
    if kind == RecordKind.PURSE:
        purse = PurseRecord.decode(record)
        return 0, purse.amount if purse.purse >> 32 == POINTS_PURSES else 0
    if kind == RecordKind.PENDING_POINTS:
        return 0, PendingPointsRecord.decode(record).amount_hundredths
    return 0, 0


@dataclass(frozen=True, slots=True)
class Told:
    """What a reply says was moved; None: it does not say, and `untold` names what it is."""

    balance_minor: int | None
    points_hundredths: int | None
    untold: str = ""


@dataclass(slots=True)
class ReplyReader:
    """Reads replies in the order of the journal; a reversal is understood from the original that it names."""

    _holds: set[tuple[int, int, int]] = field(default_factory=set)
    """Keys of holds: what a reversal gives back of one was never taken."""
    _points_paid: dict[tuple[int, int, int], int] = field(default_factory=dict)
    """By key of a debit: points that paid a part of it. A reversal gives them back and does not say how many."""

    def read(self, entry: Entry) -> Told:
        """What the reply of the next entry says."""
        kind = MessageType(entry.header.request_type)
        reply = Reply.decode(entry.reply)
        recharged = reply.recharged_minor
        if reply.code not in APPROVED:
            return Told(recharged, 0)
        amount, points = reply.amount_minor, reply.points_hundredths
        if kind == MessageType.DEBIT:
            paid = points_paid(entry, reply)
            if paid:
                self._points_paid[key_of(entry)] = paid
            return Told(recharged - amount, points - paid)
        if kind == MessageType.REVERSAL:
            return self._read_reversal(entry, reply)
        if kind == MessageType.HOLD:
            self._holds.add(key_of(entry))
            return Told(recharged, 0)
        if kind == MessageType.CAPTURE:
            return Told(recharged - amount, points)
        if kind in (MessageType.CREDIT, MessageType.REFUND, MessageType.CONVERT):
            return Told(recharged + amount, points)
        if kind in (MessageType.REDEEM, MessageType.ADJUST_POINTS, MessageType.BACKFILL):
            return Told(recharged, points)
        if kind == MessageType.OPERATE_CARD:
            return told_by_operation(OperateCardRequest.decode(entry.request), reply)
        # Transfers, of value or points, give to one account what they take from another; all else moves nothing.
        return Told(recharged, 0)

    def _read_reversal(self, entry: Entry, reply: Reply) -> Told:
        request = ReversalRequest.decode(entry.request)
        original = (entry.header.terminal_id, request.original_business_date, request.original_trace_number)
        if original in self._holds:
            return Told(reply.recharged_minor, 0)
        # Nothing is said, and nothing given back, when it is the second reversal or the card was paid out.
        paid = self._points_paid.pop(original, 0) if reply.amount_minor or reply.points_hundredths else 0
        return Told(reply.recharged_minor + reply.amount_minor, reply.points_hundredths + paid)


def key_of(entry: Entry) -> tuple[int, int, int]:
    """Terminal, business date and trace number of a keyed request."""
    trace_number, business_date = (int.from_bytes(entry.request[at : at + 4], "little") for at in (0, 4))
    return entry.header.terminal_id, business_date, trace_number


def points_paid(entry: Entry, reply: Reply) -> int:
    """Hundredths of points that tenders of a debit took: the last results, one per such tender."""
    if not entry.request[TENDER_COUNT_OFFSET]:  # nearly all bills: not worth decoding their lines
        return 0
    count = sum(tender.kind == TenderKind.POINTS for tender in DebitRequest.decode(entry.request).tenders)
    return -sum(result.points_hundredths for result in reply.lines[-count:]) if count else 0


def told_by_operation(request: OperateCardRequest, reply: Reply) -> Told:
    """What the reply to a card operation says: values issued, paid out, fees taken from balances."""
    done = sum(result.code == ResponseCode.APPROVED for result in reply.results)
    if not done:
        return Told(0, 0)
    operation = request.operation
    if operation == CardOperation.VOID and request.flags & OperationFlag.WRITE_OFF:
        return Told(None, 0, "value written off")
    if operation == CardOperation.RETURN:
        # The fee is what is kept of the balance, whatever its tender.
        balance_minor = -(reply.amount_minor + reply.change_minor)
        return Told(balance_minor if reply.change_minor < NO_COUNT_LIMIT else None, None, "points ended by a return")
    issued_minor = request.amount_minor * done if operation in ISSUING else 0
    if request.fee_tender != FeeTender.BALANCE:
        return Told(issued_minor, 0)
    if reply.change_minor == NO_COUNT_LIMIT:
        return Told(None, 0, "fees beyond what a reply holds")
    return Told(issued_minor - reply.change_minor, 0)
