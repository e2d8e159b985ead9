"""Reads purchases out of entries: one row per bill, one per line; and what takes them back.

A purchase says its lines itself.  What undoes it does not: its lines are those
of the purchase, with a minus, read from the tables once the batch's own rows
are there (`take_back`).
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select

from admin.models.sales import LINE_BITS, baskets, bill_lines
from switch.protocol.bill import BillLine, DebitRequest, RefundLine, RefundRequest
from switch.protocol.lifecycle import TRANSITIONS
from switch.protocol.messages import (
    CardOperation,
    DebitFlag,
    FeeTender,
    LineResult,
    MessageType,
    OperateCardRequest,
    Reply,
    ReversalRequest,
)

from .fields import offset_of, reader_of, several

Row = tuple[Any, ...]
_DEBIT, _CAPTURE = int(MessageType.DEBIT), int(MessageType.CAPTURE)
_REVERSAL, _REFUND = int(MessageType.REVERSAL), int(MessageType.REFUND)
SALES = frozenset({_DEBIT, _CAPTURE, _REVERSAL, _REFUND})
"""Types of requests that make a bill or take one back."""

_LINES_AT = DebitRequest.width_bytes()
_LINE_COUNT_AT = offset_of(DebitRequest, "line_count")
_LINE = reader_of(BillLine, "item", "amount_minor", "quantity_milli", "department", "category")
_LINE_BYTES = BillLine.width_bytes()
_LINES_AT_ONCE = 500
_SEVERAL_LINES = several(_LINE, _LINES_AT_ONCE)
_LINE_COLUMNS = len(bill_lines.columns)
_REFUND_LINES_AT = RefundRequest.width_bytes()
_REFUND_LINE_COUNT_AT = offset_of(RefundRequest, "line_count")
_REFUND_LINE = reader_of(RefundLine, "line", "amount_minor")
_REFUND_LINE_BYTES = RefundLine.width_bytes()
_ORIGINAL_SEQUENCE_AT = offset_of(RefundRequest, "original_sequence")
_ORIGINAL = reader_of(ReversalRequest, "original_trace_number", "original_business_date")
_I64, _I32 = struct.Struct("<q"), struct.Struct("<i")
_FLAGS_AT, _PRICED = offset_of(DebitRequest, "flags"), int(DebitFlag.PRICED)
_AMOUNT_AT, _QUANTITY_AT = offset_of(BillLine, "amount_minor"), offset_of(BillLine, "quantity_milli")
_RESULTS_AT, _RESULT = Reply.width_bytes(), reader_of(LineResult, "unit_price_minor")
_OPERATION_FIELDS = reader_of(OperateCardRequest, "operation", "fee_tender", "reason", "count")
_FEE = reader_of(Reply, "change_minor")
_FEE_KINDS = {int(operation): int(way.fee) for operation, way in TRANSITIONS.items() if way.fee is not None}
_CHARGE_FEE, _WAIVED = int(CardOperation.CHARGE_FEE), int(FeeTender.WAIVED)
WHOLE_LINE = (1 << LINE_BITS) - 1
"""Number of the line of a refund of the whole bill: no bill has so many lines."""
DATES_APART_MAX = 1
"""A request decided after midnight has the next date; its reversal names the one that it carried."""


class Undoing(NamedTuple):
    """A reversal or refund: its own row without the original, and how to find that."""

    basket: Row
    original_sequence: int
    """0: by the two numbers that follow."""
    original_trace_number: int
    original_business_date: int
    lines: list[Row]
    """(line, amount) of a refund by line."""


class Sales:
    """Bills and lines of a batch."""

    def __init__(self) -> None:
        self.baskets: list[Row] = []
        self._line_ids: list[int] = []
        self._lines: list[bytes] = []
        """Lines of these numbers as they are on the wire, those of each bill in one piece."""
        self.undoings: list[Undoing] = []
        self.fees: list[Row] = []

    def add_fee(self, body: bytes, at: int, reply_at: int, first: Row, issuing: int, accepting: int) -> None:
        """Take over the fee of an approved card operation, if there is one."""
        operation, tender, reason, count = _OPERATION_FIELDS.unpack_from(body, at)
        kind = reason if operation == _CHARGE_FEE else _FEE_KINDS.get(operation)
        (fee_minor,) = _FEE.unpack_from(body, reply_at)
        if kind is not None and (fee_minor or tender == _WAIVED):
            sequence, _, _, date, _, store_id, _, _, _ = first
            self.fees.append((sequence, date, store_id, operation, kind, tender, count, fee_minor, issuing, accepting))

    def add(
        self,
        body: bytes,
        at: int,
        reply_at: int,
        first: Row,
        trace_number: int,
        card: int,
        account: int,
        money: Row,
        issuing: int,
        accepting: int,
    ) -> None:
        """Take over an approved request whose body begins at `at`, its reply's at `reply_at`.

        `first` and `money` as in rows of entries.
        """
        sequence, _, time_ms, date, terminal_id, store_id, type_, _, _ = first
        amount, due, discount, _ = money
        own: Row = (sequence, 0, date, time_ms, terminal_id, store_id, trace_number, type_, card, account)
        if type_ in (_DEBIT, _CAPTURE):
            line_count = body[at + _LINE_COUNT_AT] if type_ == _DEBIT else 0
            line_id = sequence << LINE_BITS
            if line_count:
                start = at + _LINES_AT
                asked = body[start : start + line_count * _LINE_BYTES]
                is_priced = body[at + _FLAGS_AT] & _PRICED
                self._lines.append(_priced(asked, body, reply_at + _RESULTS_AT) if is_priced else asked)
                self._line_ids += range(line_id, line_id + line_count)
            else:
                self._lines.append(_LINE.pack(0, (due or amount) + discount, 0, 0, 0))
                self._line_ids.append(line_id)
            self.baskets.append((*own, 1, line_count, amount, discount, issuing, accepting))
            return
        own = (*own, 0, 0, -amount, 0, issuing, accepting)
        if type_ == _REVERSAL:
            number, original_date = _ORIGINAL.unpack_from(body, at)
            self.undoings.append(Undoing(own, 0, number, original_date, []))
            return
        start, count = at + _REFUND_LINES_AT, body[at + _REFUND_LINE_COUNT_AT]
        lines = list(_REFUND_LINE.iter_unpack(body[start : start + count * _REFUND_LINE_BYTES]))
        self.undoings.append(Undoing(own, _I64.unpack_from(body, at + _ORIGINAL_SEQUENCE_AT)[0], 0, 0, lines))

    def line_values(self) -> list[int]:
        """Rows of `bill_lines`, one behind the other: after its number the fields in their order on the wire."""
        # Hundreds of lines at once, and column by column: there are ten times as many lines as bills.
        content = b"".join(self._lines)
        fields: list[int] = []
        whole = len(content) - len(content) % _SEVERAL_LINES.size
        for at in range(0, whole, _SEVERAL_LINES.size):
            fields += _SEVERAL_LINES.unpack_from(content, at)
        for line in _LINE.iter_unpack(content[whole:]):
            fields += line
        values = [0] * (_LINE_COLUMNS * len(self._line_ids))
        values[::_LINE_COLUMNS] = self._line_ids
        for column in range(1, _LINE_COLUMNS):
            values[column::_LINE_COLUMNS] = fields[column - 1 :: _LINE_COLUMNS - 1]
        return values


def _priced(lines: bytes, body: bytes, results_at: int) -> bytes:
    """Lines that the switch priced, which come without amounts, with what their unit prices came to.

    docs/decision.md: unit price x thousandths of a unit / 1000, half up.
    """
    found = bytearray(lines)
    for number, at in enumerate(range(0, len(lines), _LINE_BYTES)):
        (unit_price_minor,) = _RESULT.unpack_from(body, results_at + number * _RESULT.size)
        (quantity_milli,) = _I32.unpack_from(lines, at + _QUANTITY_AT)
        _I64.pack_into(found, at + _AMOUNT_AT, (unit_price_minor * quantity_milli + 500) // 1_000)
    return bytes(found)


def take_back(connection: Connection, undoings: list[Undoing]) -> None:
    """Write what reversals and refunds took back; those of something else than a bill, and those without effect, not.

    One after the other, since a bill's rows may be of this very batch: they are few.
    """
    names = baskets.columns.keys()
    for undoing in undoings:
        own = dict(zip(names, undoing.basket, strict=True))
        original = _original(connection, undoing, own)
        if original is None or (own["amount_minor"] == 0 and original.amount_minor != 0):
            continue
        lines = _lines_back(connection, undoing, own, original.sequence)
        is_whole = own["type"] == _REVERSAL
        own |= {
            "original_sequence": original.sequence,
            "visits": -1 if is_whole else 0,
            "discount_minor": -original.discount_minor if is_whole else 0,
            "line_count": len(lines),
        }
        connection.execute(insert(baskets), own)
        if lines:
            connection.execute(insert(bill_lines), lines)


def _original(connection: Connection, undoing: Undoing, own: dict[str, Any]) -> Any:
    query = select(baskets.c.sequence, baskets.c.amount_minor, baskets.c.discount_minor, baskets.c.business_date)
    query = query.where(baskets.c.original_sequence == 0)
    if undoing.original_sequence:
        return connection.execute(query.where(baskets.c.sequence == undoing.original_sequence)).first()
    date = undoing.original_business_date
    found = connection.execute(
        query.where(
            baskets.c.account_number == own["account_number"],
            baskets.c.terminal_id == own["terminal_id"],
            baskets.c.trace_number == undoing.original_trace_number,
            baskets.c.business_date.between(date - DATES_APART_MAX, date + DATES_APART_MAX),
        )
    ).all()
    return min(found, key=lambda row: (row.business_date != date, -row.sequence), default=None)


def _lines_back(
    connection: Connection, undoing: Undoing, own: dict[str, Any], original_sequence: int
) -> list[dict[str, Any]]:
    first = original_sequence << LINE_BITS
    found = {
        row.id - first: row._asdict()
        for row in connection.execute(
            select(bill_lines).where(bill_lines.c.id.between(first, first + (1 << LINE_BITS) - 1))
        )
    }
    own_first = own["sequence"] << LINE_BITS
    if own["type"] == _REVERSAL:
        return [
            line
            | {"id": own_first + number, "amount_minor": -line["amount_minor"]}
            | {"quantity_milli": -line["quantity_milli"]}
            for number, line in found.items()
        ]
    nothing = {"item": 0, "department": 0, "category": 0}
    back = undoing.lines or [(WHOLE_LINE, -own["amount_minor"])]
    # Of a refund by line only the amount is known, and it keeps the line's number; of one of the bill as a whole, not
    # even the goods.
    return [
        nothing
        | (found.get(line, {}) if undoing.lines else {})
        | {"id": own_first + line, "amount_minor": -amount, "quantity_milli": 0}
        for line, amount in back
    ]
