"""Bytes in and bytes out: how the twin reads a message and writes replies and journal entries.

Field places come from `switch.protocol`, which is the contract; what is done
with the fields is the twin's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed, PlacedField, layout_of
from switch.protocol.messages import (
    EVIDENCE_BYTES,
    FOUND_BYTES,
    KEYED_TYPES,
    PIN_BYTES,
    PROTOCOL_VERSION,
    REPLY_BIT,
    REQUESTS,
    WITH_EVIDENCE,
    BackfillRequest,
    BillLine,
    DayTotal,
    DayTotalsRequest,
    DebitFlag,
    DebitRequest,
    ErrorReply,
    Evidence,
    EvidenceFlag,
    Header,
    LineFlag,
    MessageType,
    RefundLine,
    RefundRequest,
    Reply,
    Tender,
)
from switch.protocol.records import ENTRY_ALIGN_BYTES, EntryHeader

INQUIRIES = frozenset(
    {
        MessageType.BALANCE,
        MessageType.CARD_QUERY,
        MessageType.QUOTE,
        MessageType.DAY_DIGESTS,
        MessageType.DAY_LIST,
    }
)
"""Messages without a key that reach the decision."""

DECIDED_TYPES = frozenset({*KEYED_TYPES, *INQUIRIES})
"""Types that reach the decision; sign-off, echo, follow, records and statistics are answered before it."""

HEADER_BYTES = Header.width_bytes()


@cache
def offset_of(form: type[Packed], name: str) -> int:
    """Offset of a field in the body."""
    return next(field.offset for field in layout_of(form).fields if field.name == name)


ROWS: dict[MessageType, tuple[tuple[str, type[Packed]], ...]] = {
    MessageType.DEBIT: (("line_count", BillLine), ("tender_count", Tender)),
    MessageType.QUOTE: (("line_count", BillLine), ("tender_count", Tender)),
    MessageType.REFUND: (("line_count", RefundLine),),
    MessageType.BACKFILL: (("line_count", BillLine),),
    MessageType.DAY_TOTALS: (("total_count", DayTotal),),
}
"""Rows behind the fixed part, in order, each with the one-byte field that counts them."""

KNOWN_FLAGS: dict[type[Packed], int] = {
    DebitRequest: sum(DebitFlag),
    BillLine: sum(LineFlag),
    Evidence: sum(EvidenceFlag),
}
"""Layouts whose `flags` have bits that no version knows."""


@cache
def checked_fields(form: type[Packed]) -> tuple[PlacedField, ...]:
    """Fields whose value is part of the form, in order."""
    return tuple(
        placed
        for placed in layout_of(form).fields
        if placed.name.startswith("reserved") or (placed.name == "flags" and form in KNOWN_FLAGS)
    )


# --------------------------------------------------------------------------- CRC-32C


def _crc32c_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ 0x82F63B78 if value & 1 else value >> 1
        table.append(value)
    return table


_CRC32C_TABLE = _crc32c_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) as in RFC 3720, appendix B.4; of b"123456789" it is 0xE3069283."""
    table, crc = _CRC32C_TABLE, 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


# --------------------------------------------------------------------------- requests


@dataclass(frozen=True, slots=True)
class Asked:
    """A message that has the right form."""

    type: MessageType
    body: bytes
    form: Any
    """The request as its fields: an instance of `REQUESTS[type]`."""

    @property
    def as_sent(self) -> bytes:
        """The body without what was found in its evidence, which a repeat need not find again."""
        return self.body[:-FOUND_BYTES] if getattr(self.form, "evidence", None) is not None else self.body


def read_header(message: bytes) -> Header:
    """Header of a message, whatever it holds; what is missing of it counts as zero."""
    whole = message[:HEADER_BYTES].ljust(HEADER_BYTES, b"\0")
    version, message_type, flags, sequence = layout_of(Header).codec.unpack(whole)
    return Header(version=version, type=message_type, flags=flags, sequence=sequence)


def form_error(message: bytes, header: Header) -> ErrorReply | None:
    """Checks 0 to 4: what is wrong with the form of the message, or None."""
    body = message[HEADER_BYTES:]
    wrong = ResponseCode

    def error(code: ResponseCode, offset: int, expected: int, got: int) -> ErrorReply:
        return ErrorReply(code=code, type=header.type, offset=offset, expected=expected, got=got)

    if len(message) < HEADER_BYTES:
        return error(wrong.LENGTH, 0, HEADER_BYTES, len(message))
    if header.version != PROTOCOL_VERSION:
        return error(wrong.VERSION, 0, PROTOCOL_VERSION, header.version)
    if header.flags != 0:
        return error(wrong.RESERVED_NOT_ZERO, 0, 0, header.flags)
    if header.type not in DECIDED_TYPES:
        return error(wrong.TYPE_UNKNOWN, 0, 0, header.type)
    message_type = MessageType(header.type)
    fixed_bytes = REQUESTS[message_type].width_bytes()
    if len(body) < fixed_bytes:
        return error(wrong.LENGTH, 0, fixed_bytes, len(body))
    parts = _parts(message_type, body)
    pin_bytes = PIN_BYTES if _has_pin(message_type, body) else 0
    expected_bytes = sum(part.width_bytes() for part, _ in parts) + pin_bytes
    has_evidence = message_type in WITH_EVIDENCE and len(body) == expected_bytes + EVIDENCE_BYTES
    if len(body) != expected_bytes and not has_evidence:
        return error(wrong.LENGTH, 0, expected_bytes, len(body))
    for part, start in [*parts, *([(Evidence, expected_bytes)] if has_evidence else [])]:
        for placed in checked_fields(part):
            field = body[start + placed.offset : start + placed.offset + placed.wire.width_bytes]
            if placed.name.startswith("reserved") and any(field):
                got = int.from_bytes(field[:4], "little")
            elif placed.name == "flags" and part in KNOWN_FLAGS and int.from_bytes(field, "little") > KNOWN_FLAGS[part]:
                got = int.from_bytes(field, "little")
            else:
                continue
            return error(wrong.RESERVED_NOT_ZERO, start + placed.offset, 0, got)
    return None


def _parts(message_type: MessageType, body: bytes) -> list[tuple[type[Packed], int]]:
    """(layout, offset) of the fixed part and of every row that its counts announce."""
    fixed = REQUESTS[message_type]
    parts, at = [(fixed, 0)], fixed.width_bytes()
    for count_field, row in ROWS.get(message_type, ()):
        for _ in range(body[offset_of(fixed, count_field)]):
            parts.append((row, at))
            at += row.width_bytes()
    return parts


def _has_pin(message_type: MessageType, body: bytes) -> bool:
    is_bill = message_type in (MessageType.DEBIT, MessageType.QUOTE)
    return is_bill and bool(body[offset_of(DebitRequest, "flags")] & DebitFlag.PIN)


def read_request(message: bytes, header: Header) -> Asked:
    """The request in a message without `form_error`."""
    message_type, body = MessageType(header.type), message[HEADER_BYTES:]
    fixed = REQUESTS[message_type]
    layout = layout_of(fixed)
    values = layout.codec.unpack_from(body)
    fields: dict[str, Any] = {placed.name: value for placed, value in zip(layout.fields, values, strict=True)}
    rows: dict[type[Packed], list[Packed]] = {}
    for row, at in _parts(message_type, body)[1:]:
        row_layout = layout_of(row)
        row_values = row_layout.codec.unpack_from(body, at)
        names = (placed.name for placed in row_layout.fields)
        rows.setdefault(row, []).append(row(**dict(zip(names, row_values, strict=True))))
    if message_type in WITH_EVIDENCE:
        pin_bytes = PIN_BYTES if _has_pin(message_type, body) else 0
        end = sum(part.width_bytes() for part, _ in _parts(message_type, body)) + pin_bytes
        fields["evidence"] = Evidence.decode(body[end:]) if len(body) > end else None
    if fixed is DebitRequest:
        pin = body[end - pin_bytes : end]
        fields |= {"lines": tuple(rows.get(BillLine, ())), "tenders": tuple(rows.get(Tender, ())), "pin": pin}
    elif fixed is BackfillRequest:
        fields["lines"] = tuple(rows.get(BillLine, ()))
    elif fixed is RefundRequest:
        fields["lines"] = tuple(rows.get(RefundLine, ()))
    elif fixed is DayTotalsRequest:
        fields["totals"] = tuple(rows.get(DayTotal, ()))
    return Asked(message_type, body, fixed(**fields))


# --------------------------------------------------------------------------- replies and entries


def error_message(header: Header, error: ErrorReply) -> bytes:
    """The whole reply to a message that cannot be read."""
    return Header(type=MessageType.ERROR | REPLY_BIT, sequence=header.sequence).encode() + error.encode()


def reply_message(header: Header, reply_body: bytes) -> bytes:
    """The whole reply to a request."""
    return Header(type=header.type | REPLY_BIT, sequence=header.sequence).encode() + reply_body


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ENTRY_ALIGN_BYTES)


def journal_entry(
    *,
    sequence: int,
    time_ms: int,
    terminal_id: int,
    business_date: int,
    asked: Asked,
    reply: Reply,
    images: list[bytes],
    issuing_organisation_id: int = 0,
    accepting_organisation_id: int = 0,
) -> bytes:
    """The exact bytes of a journal entry."""
    reply_body = reply.encode()
    rest = _padded(asked.body) + _padded(reply_body) + b"".join(images)
    head = EntryHeader(
        entry_bytes=EntryHeader.width_bytes() + len(rest),
        sequence=sequence,
        time_ms=time_ms,
        terminal_id=terminal_id,
        business_date=business_date,
        request_type=asked.type,
        image_count=len(images),
        request_bytes=len(asked.body),
        reply_bytes=len(reply_body),
        issuing_organisation_id=issuing_organisation_id,
        accepting_organisation_id=accepting_organisation_id,
    ).encode()
    checksum = crc32c(head[8:] + rest)
    return head[:4] + checksum.to_bytes(4, "little") + head[8:] + rest
