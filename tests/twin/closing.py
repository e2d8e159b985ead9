"""Section 13: totals of a terminal's business date, and the digests and lists that find a difference."""

from __future__ import annotations

import hashlib
from itertools import pairwise

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    DayCloseState,
    DayDigest,
    DayDigestsRequest,
    DayListRequest,
    DayReply,
    DayRow,
    DayTotal,
    DayTotalsRequest,
    MessageType,
)
from switch.protocol.records import RecordKind

from .state import Ask, Decision, State

APPROVALS = (ResponseCode.APPROVED, ResponseCode.PARTIAL)
PARTS_MAX, TOTALS_MAX, LIST_ROWS_MAX = 256, 32, 1024


def rows_of(state: State, terminal_id: int, date: int) -> list[DayRow]:
    """All answered requests of a terminal under a date, totals left out, by trace number."""
    rows = []
    for trace_number, answer in state.answers.of_terminal(terminal_id, date):
        assert answer.asked is not None and answer.reply is not None
        if answer.asked.type != MessageType.DAY_TOTALS:
            reply = answer.reply
            rows.append(
                DayRow(
                    trace_number=trace_number,
                    type=answer.asked.type,
                    code=reply.code,
                    amount_minor=reply.amount_minor,
                    journal_sequence=reply.journal_sequence,
                )
            )
    return rows


def totals_of(rows: list[DayRow]) -> list[tuple[int, int, int]]:
    """(type, number, sum) of what was approved, by type."""
    approved = [row for row in rows if row.code in APPROVALS]
    totals = []
    for message_type in sorted({row.type for row in approved}):
        amounts = [row.amount_minor for row in approved if row.type == message_type]
        totals.append((message_type, len(amounts), sum(amounts)))
    return totals


def decide_day_totals(state: State, ask: Ask, form: DayTotalsRequest, decision: Decision) -> ResponseCode:
    """Hold a terminal's totals against the switch's."""
    tables, kind = state.tables, RecordKind.DAY_CLOSE
    types = [total.type for total in form.totals]
    in_order = len(types) <= TOTALS_MAX and all(one < other for one, other in pairwise(types))
    invalid = decision.first_invalid(
        form, {"closed_date": form.closed_date in (ask.today, ask.today - 1), "total_count": in_order}
    )
    if invalid is not None:
        return invalid
    key = (ask.terminal_id, form.closed_date, 0)
    record = tables.find(kind, *key)
    if record is None and not tables.has_room(kind):
        return ResponseCode.TABLE_FULL
    rows = rows_of(state, ask.terminal_id, form.closed_date)
    own = totals_of(rows)
    told = [(total.type, total.count, total.amount_minor) for total in form.totals if total.count]
    is_equal = own == told

    if record is None:
        record = tables.make(
            kind,
            terminal_id=ask.terminal_id,
            closed_date=form.closed_date,
            state=DayCloseState.DIFFERS,
            message_count=0,
            approved_minor=0,
        )
    record.state = DayCloseState.CLOSED if is_equal else DayCloseState.DIFFERS
    record.attempts += 1
    record.message_count = len(rows)
    record.approved_minor = sum(amount for _, _, amount in own)
    decision.touch(record)
    decision.more = b"".join(
        DayTotal(type=message_type, count=count, amount_minor=amount).encode() for message_type, count, amount in own
    )
    return ResponseCode.APPROVED if is_equal else ResponseCode.TOTALS_DIFFER


# --------------------------------------------------------------------------- inquiries


def digests_reply(state: State, ask: Ask, form: DayDigestsRequest) -> DayReply:
    """Digests of a range of trace numbers, cut into parts."""
    if form.closed_date not in (ask.today, ask.today - 1):
        return DayReply(code=ResponseCode.BUSINESS_DATE)
    if not 1 <= form.part_count <= PARTS_MAX or form.first_trace > form.last_trace:
        return DayReply(code=ResponseCode.FIELD_INVALID)
    rows = rows_of(state, ask.terminal_id, form.closed_date)
    length = form.last_trace - form.first_trace + 1
    part_length = -(-length // form.part_count)
    digests = []
    for part in range(form.part_count):
        first = form.first_trace + part * part_length
        last = min(first + part_length - 1, form.last_trace)
        digests.append(digest_of([row for row in rows if first <= row.trace_number <= last]))
    return DayReply(row_count=len(digests), more=b"".join(digest.encode() for digest in digests))


def digest_of(rows: list[DayRow]) -> DayDigest:
    """Number and digest of some rows."""
    content = b"".join(row.encode() for row in rows)
    return DayDigest(row_count=len(rows), digest=hashlib.sha256(content).digest()[:16])


def list_reply(state: State, ask: Ask, form: DayListRequest) -> DayReply:
    """Rows of a range of trace numbers, as many as fit."""
    if form.closed_date not in (ask.today, ask.today - 1):
        return DayReply(code=ResponseCode.BUSINESS_DATE)
    if form.first_trace > form.last_trace:
        return DayReply(code=ResponseCode.FIELD_INVALID)
    in_range = [
        row
        for row in rows_of(state, ask.terminal_id, form.closed_date)
        if form.first_trace <= row.trace_number <= form.last_trace
    ]
    shown = in_range[:LIST_ROWS_MAX]
    next_trace = in_range[LIST_ROWS_MAX].trace_number if len(in_range) > LIST_ROWS_MAX else 0
    return DayReply(row_count=len(shown), next_trace=next_trace, more=b"".join(row.encode() for row in shown))
