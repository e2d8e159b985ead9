"""Digests and lists of a day, held against what the stage itself has seen."""

from __future__ import annotations

import hashlib

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    DayDigest,
    DayDigestsRequest,
    DayListRequest,
    DayReply,
    DayRow,
    MessageType,
    decode_rows,
)

from .check import HEADER_BYTES, Check
from .table import number


def check_day_reply(check: Check, reply: DayReply, message: bytes, rows: dict[int, DayRow]) -> None:
    """Every row and digest; `counts=` and `traces=` of the table's row besides."""
    ordered = [rows[trace] for trace in sorted(rows)]
    if reply.code != ResponseCode.APPROVED:
        check.same("rows of a refusal", (reply.row_count, reply.more), (0, b""))
    elif check.type == MessageType.DAY_DIGESTS:
        _check_digests(check, reply, DayDigestsRequest.decode(message[HEADER_BYTES:]), ordered)
    else:
        request = DayListRequest.decode(message[HEADER_BYTES:])
        wanted = [row for row in ordered if request.first_trace <= row.trace_number <= request.last_trace]
        found = list(decode_rows(DayRow, reply.more))
        check.same("row_count", reply.row_count, len(found))
        check.same("rows", found, wanted[:1024])
        check.same("next_trace", reply.next_trace, wanted[1024].trace_number if len(wanted) > 1024 else 0)
        if "traces" in check.options:
            expected = [number(part) for part in check.options["traces"].split(",") if part]
            check.same("traces", [row.trace_number for row in found], expected)


def _check_digests(check: Check, reply: DayReply, request: DayDigestsRequest, ordered: list[DayRow]) -> None:
    digests = list(decode_rows(DayDigest, reply.more))
    check.same("row_count", reply.row_count, len(digests))
    check.same("parts", len(digests), request.part_count)
    length = -(-(request.last_trace - request.first_trace + 1) // request.part_count)
    for part, digest in enumerate(digests):
        first = request.first_trace + part * length
        last = min(first + length - 1, request.last_trace)
        rows = [row for row in ordered if first <= row.trace_number <= last]
        sha256 = hashlib.sha256(b"".join(row.encode() for row in rows)).digest()
        check.same(f"part {part}", (digest.row_count, digest.digest), (len(rows), sha256[:16]))
    if "counts" in check.options:
        expected = [number(part) for part in check.options["counts"].split(",")]
        check.same("counts", [digest.row_count for digest in digests], expected)
