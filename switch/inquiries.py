"""Inquiries that need no key and no hurry: a day's digests and lists, records of a kind.

Owns nothing and changes nothing.  Answers tell what the switch knows now; they
leave with a batch, so nobody hears of what is not durable yet.
"""

from __future__ import annotations

from bisect import bisect_left
from hashlib import sha256

from switch._closing import day_rows
from switch._listing import list_records
from switch._tables import Tables
from switch.duplicates import AnswerWindow
from switch.group_commit import GroupCommit
from switch.protocol.codes import ResponseCode
from switch.protocol.limits import DAY_DIGEST_PARTS_MAX, DAY_LIST_ROWS_MAX, FOLLOW_BYTES_MAX
from switch.protocol.messages import (
    DayDigest,
    DayDigestsRequest,
    DayListRequest,
    DayReply,
    DayRow,
    ReadRecordsReply,
    ReadRecordsRequest,
    RecordsEnd,
)
from switch.protocol.records import FIRST_WIDE_KEY_KIND, RecordKind, record_bytes

ROW_BYTES = DayRow.width_bytes()
DIGEST_BYTES = 16
_KINDS = frozenset(int(kind) for kind in RecordKind)


class DayBook:
    """What the switch has answered each terminal on the two dates of the window."""

    def __init__(self, answers: AnswerWindow, commit: GroupCommit) -> None:
        self._answers, self._commit = answers, commit

    def digests(self, terminal_id: int, request: DayDigestsRequest, today: int) -> DayReply:
        """Digests of a range of trace numbers, cut into parts."""
        if refusal := _refusal(request, today):
            return refusal
        if not 1 <= request.part_count <= DAY_DIGEST_PARTS_MAX:
            return DayReply(code=ResponseCode.FIELD_INVALID)
        found = self._rows(terminal_id, request)
        if found is None:
            return DayReply(code=ResponseCode.BUSY)
        rows = found[0]
        trace_numbers = memoryview(rows).cast("I")[:: ROW_BYTES // 4].tolist()
        part_length = -(-(request.last_trace - request.first_trace + 1) // request.part_count)
        digests = bytearray()
        end = 0
        for part in range(1, request.part_count + 1):
            start, end = end, bisect_left(trace_numbers, request.first_trace + part * part_length)
            digest = sha256(rows[start * ROW_BYTES : end * ROW_BYTES]).digest()[:DIGEST_BYTES]
            digests += DayDigest(row_count=end - start, digest=digest).encode()
        return DayReply(row_count=request.part_count, more=bytes(digests))

    def rows(self, terminal_id: int, request: DayListRequest, today: int) -> DayReply:
        """The requests of a range of trace numbers, as many as a reply may have."""
        if refusal := _refusal(request, today):
            return refusal
        found = self._rows(terminal_id, request, DAY_LIST_ROWS_MAX)
        if found is None:
            return DayReply(code=ResponseCode.BUSY)
        rows, next_trace = found
        return DayReply(row_count=len(rows) // ROW_BYTES, next_trace=next_trace, more=rows)

    def _rows(
        self, terminal_id: int, request: DayDigestsRequest | DayListRequest, rows_max: int | None = None
    ) -> tuple[bytes, int] | None:
        first, last = request.first_trace, request.last_trace
        return day_rows(self._answers, self._commit, terminal_id, request.closed_date, first, last, rows_max)


def _refusal(request: DayDigestsRequest | DayListRequest, today: int) -> DayReply | None:
    if request.closed_date not in (today - 1, today):
        return DayReply(code=ResponseCode.BUSINESS_DATE)
    if request.first_trace > request.last_trace:
        return DayReply(code=ResponseCode.FIELD_INVALID)
    return None


def read_records(tables: Tables, request: ReadRecordsRequest) -> ReadRecordsReply:
    """Records of a kind from a key on; of a kind with very many records, the one with exactly this key."""
    if request.kind not in _KINDS:
        return ReadRecordsReply(code=ResponseCode.FIELD_INVALID)
    fitting_count = FOLLOW_BYTES_MAX // record_bytes(request.kind)
    count_max = min(request.count_max or fitting_count, fitting_count)
    key = (request.key_a, request.key_b, request.key_c)
    listed = list_records(tables, request.kind, key, count_max)
    if listed is None:
        record = tables.get(request.kind, key if request.kind >= FIRST_WIDE_KEY_KIND else request.key_a)
        records, end = [] if record is None else [record], RecordsEnd.NOT_LISTED
    else:
        records, end = listed[0], RecordsEnd.MORE if listed[1] else RecordsEnd.LAST
    return ReadRecordsReply(is_last=end, record_count=len(records), records=b"".join(records))
