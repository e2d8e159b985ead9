"""`cardswitch journal show`: entries for people, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from switch._blocks import BlockReader
from switch._directory import DirectoryError, open_directory
from switch._entries import cut, entries_in
from switch.protocol.codes import ResponseCode
from switch.protocol.masking import mask
from switch.protocol.messages import REQUESTS, MessageType, Reply
from switch.protocol.records import EntryHeader

EPOCH = date(1970, 1, 1)
SHOWN = {
    MessageType.REVERSAL: ("original_business_date", "original_trace_number"),
    MessageType.CREDIT: ("channel",),
    MessageType.CAPTURE: ("hold_sequence", "keep_rest"),
    MessageType.RELEASE: ("hold_sequence",),
    MessageType.REFUND: ("original_sequence", "line_count"),
    MessageType.REDEEM: ("gift_id", "pieces", "category"),
    MessageType.CONVERT: ("category",),
    MessageType.ADJUST_POINTS: ("category", "reason"),
    MessageType.TRANSFER_POINTS: ("category",),
    MessageType.BACKFILL: ("store_id", "receipt", "sale_date"),
    MessageType.LOAD_VISITS: ("service", "count"),
    MessageType.DAY_TOTALS: ("closed_date",),
    MessageType.PUT_CARD_TYPE: ("code", "from_date", "points_percent"),
    MessageType.SET_TYPE_STATE: ("code", "state"),
    MessageType.PUT_STORE: ("store_id",),
    MessageType.PUT_TERMINAL: ("terminal_id", "store_id", "rights", "status"),
    MessageType.PUT_ORGANISATION: ("organisation_id", "parent_id"),
    MessageType.PUT_POINTS_CATEGORY: ("category", "flags"),
    MessageType.PUT_GIFT: ("gift_id", "price_hundredths"),
    MessageType.PUT_RULE: ("ruleset", "rule", "layer", "action", "rate", "remove"),
    MessageType.ACTIVATE_RULES: ("ruleset", "from_date", "rule_count"),
    MessageType.PUT_PRICE: ("item", "price_class", "unit_price_minor", "from_date"),
    MessageType.PUT_ALLOWED: ("code", "list", "number", "allowed"),
    MessageType.OPEN_CARD: ("card_type", "status"),
    MessageType.OPERATE_CARD: ("operation", "count", "operator_id"),
    MessageType.SET_PIN: ("mode",),
    MessageType.SET_CARD: ("sets", "level"),
    MessageType.CUT_OVER: ("next_date",),
    MessageType.PUT_SWITCH: ("partition", "mode"),
    MessageType.CONFIRM_WRITE: ("counter",),
    MessageType.PUT_MEDIUM: ("medium", "state", "key_version", "counter", "operator_id"),
    MessageType.PUT_MEDIUM_POLICY: ("code", "flags", "media", "operator_id", "approver_id"),
    MessageType.PUT_KEY: ("purpose", "key_version", "state", "operator_id", "approver_id"),
    MessageType.PUT_TRAVEL: ("store_id", "other_store_id", "minutes", "operator_id"),
    MessageType.HANDLE_ALARM: ("alarm", "state", "operator_id"),
    MessageType.REWRAP_KEY: ("kind", "storage_version"),
    MessageType.CHANGE_KEY: ("confirm",),
}
"""Fields of a request that its line names, beside card and amount.

A terminal's key, a PIN's hash, a medium's number and that of another card are never among them.
"""


def entries(path: Path) -> Iterator[tuple[EntryHeader, bytes, Reply]]:
    """Every entry of a directory's journal: header, request body, reply."""
    directory = open_directory(path)
    settings = directory.settings
    reader = BlockReader(str(directory.journal), settings.partition, settings.segment_bytes)
    for _, _, body in reader.blocks():
        for _, entry in entries_in(body):
            parts = cut(entry)
            yield parts.header, parts.request, Reply.decode(parts.reply)
    behind = reader.block_follows()
    if behind is not None:
        raise DirectoryError(
            f"{directory.journal}: expected block {reader.block_number} at journal position "
            f"{reader.position if reader.fault is None else reader.fault_position}, got {reader.fault or 'no block'}; "
            f"a whole later block lies at {behind}; what is shown ends before the damage"
        )


def hundredths(number: int, sign: str = "") -> str:
    """A count of hundredths as text, without a float; `sign` "+" also marks what is not negative."""
    whole, part = divmod(abs(number), 100)
    return f"{'-' if number < 0 else sign}{whole}.{part:02}"


def line(header: EntryHeader, request_body: bytes, reply: Reply) -> str:
    """One entry as text; card numbers are masked."""
    kind = MessageType(header.request_type)
    request = REQUESTS[kind].decode(request_body)
    at = datetime.fromtimestamp(header.time_ms / 1000, UTC)
    parts = [
        f"{header.sequence:>10}",
        f"{at:%Y-%m-%d %H:%M:%S}.{header.time_ms % 1000:03}Z",
        f"date {EPOCH + timedelta(days=header.business_date)}",
        f"terminal {header.terminal_id:>9} trace {reply.trace_number:>7}",
        f"{kind.name.lower():<18}",
        f"{reply.code:>3} {ResponseCode(reply.code).name.lower():<18}",
    ]
    if reply.detail:
        parts.append(f"detail {reply.detail}")
    if hasattr(request, "card_number"):
        parts.append(f"card {mask(request.card_number)}")
    if hasattr(request, "amount_minor"):
        parts.append(f"asked {request.amount_minor} done {reply.amount_minor} balance {reply.balance_minor}")
        earned, points = hundredths(reply.points_hundredths, "+"), hundredths(reply.points_balance_hundredths)
        parts.append(f"points {earned} = {points}")
    evidence = getattr(request, "evidence", None)
    if evidence is not None:
        parts.append(f"medium {evidence.medium} outcome {evidence.outcome} counter {evidence.found_counter}")
    parts += [f"{name} {getattr(request, name)}" for name in SHOWN.get(kind, ())]
    return "  ".join(parts)


def show(path: Path, start: int, count: int, card: int | None) -> int:
    """Print entries from a sequence on; exit status 0."""
    for header, request, reply in entries(path):
        if count <= 0:
            break
        if header.sequence < start:
            continue
        body = REQUESTS[MessageType(header.request_type)].decode(request)
        if card is not None and getattr(body, "card_number", None) != card:
            continue
        print(line(header, request, reply))
        count -= 1
    return 0
