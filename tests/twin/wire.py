"""Bytes in and bytes out: how the twin reads a message and writes replies and journal entries.

Field places come from `switch.protocol`, which is the contract; what is done
with the fields is the twin's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed, layout_of
from switch.protocol.messages import (
    KEYED_TYPES,
    PROTOCOL_VERSION,
    REPLY_BIT,
    REQUESTS,
    BalanceRequest,
    BillLine,
    ChangeCardStatusRequest,
    CreditRequest,
    DebitRequest,
    ErrorReply,
    Header,
    MessageType,
    OpenCardRequest,
    PutCardTypeRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Reply,
    ReversalRequest,
)
from switch.protocol.records import ENTRY_ALIGN_BYTES, EntryHeader

KeyedForm = (
    DebitRequest
    | ReversalRequest
    | CreditRequest
    | PutCardTypeRequest
    | PutStoreRequest
    | PutTerminalRequest
    | OpenCardRequest
    | ChangeCardStatusRequest
)
"""A request that has a key, as its fields."""

DECIDED_TYPES = frozenset({*KEYED_TYPES, MessageType.BALANCE})
"""Types that reach the decision; sign-off, echo, follow and statistics are answered before it."""

HEADER_BYTES = Header.width_bytes()
DEBIT_BYTES = DebitRequest.width_bytes()
LINE_BYTES = BillLine.width_bytes()


def offset_of(form: type[Packed], name: str) -> int:
    """Offset of a field in the body."""
    return next(field.offset for field in layout_of(form).fields if field.name == name)


LINE_FLAGS_OFFSET = offset_of(BillLine, "flags")
LINE_AMOUNT_INDEX = [field.name for field in layout_of(BillLine).fields].index("amount_minor")
LINE_COUNT_OFFSET = offset_of(DebitRequest, "line_count")


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
    form: KeyedForm | BalanceRequest
    line_amounts: tuple[int, ...]
    """Amounts of a debit's bill lines (the form's own `lines` stay empty: they are the slow way)."""


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
    expected_bytes = _body_bytes(message_type, body)
    if len(body) != expected_bytes:
        return error(wrong.LENGTH, 0, expected_bytes, len(body))
    for offset, width in _reserved_fields(message_type, body):
        field = body[offset : offset + width]
        if any(field):
            return error(wrong.RESERVED_NOT_ZERO, offset, 0, int.from_bytes(field[:4], "little"))
    return None


def _body_bytes(message_type: MessageType, body: bytes) -> int:
    """Length that the body should have."""
    if message_type == MessageType.DEBIT and len(body) >= DEBIT_BYTES:
        return DEBIT_BYTES + LINE_BYTES * body[LINE_COUNT_OFFSET]
    return REQUESTS[message_type].width_bytes()


_RESERVED: dict[MessageType, list[tuple[int, int]]] = {
    message_type: [
        (field.offset, field.wire.width_bytes)
        for field in layout_of(REQUESTS[message_type]).fields
        if field.name.startswith("reserved")
    ]
    for message_type in DECIDED_TYPES
}


def _reserved_fields(message_type: MessageType, body: bytes) -> list[tuple[int, int]]:
    """(offset, width) of every field that must be zero, in order."""
    if message_type != MessageType.DEBIT:
        return _RESERVED[message_type]
    flags_of_lines = [(at, 2) for at in range(DEBIT_BYTES + LINE_FLAGS_OFFSET, len(body), LINE_BYTES)]
    return _RESERVED[message_type] + flags_of_lines


def read_request(message: bytes, header: Header) -> Asked:
    """The request in a message without `form_error`."""
    message_type, body = MessageType(header.type), message[HEADER_BYTES:]
    cls = REQUESTS[message_type]
    layout = layout_of(cls)
    values = layout.codec.unpack_from(body)
    form = cls(**{field.name: value for field, value in zip(layout.fields, values, strict=True)})
    line_amounts: tuple[int, ...] = ()
    if message_type == MessageType.DEBIT:
        lines = layout_of(BillLine).codec.iter_unpack(body[DEBIT_BYTES:])
        line_amounts = tuple(line[LINE_AMOUNT_INDEX] for line in lines)
    return Asked(message_type, body, form, line_amounts)  # type: ignore[arg-type]


# --------------------------------------------------------------------------- replies and entries


def error_message(header: Header, error: ErrorReply) -> bytes:
    """The whole reply to a message that cannot be read."""
    return Header(type=MessageType.ERROR | REPLY_BIT, sequence=header.sequence).encode() + error.encode()


def reply_message(header: Header, reply_body: bytes) -> bytes:
    """The whole reply to a request."""
    return Header(type=header.type | REPLY_BIT, sequence=header.sequence).encode() + reply_body


def journal_entry(
    *,
    sequence: int,
    time_ms: int,
    terminal_id: int,
    business_date: int,
    asked: Asked,
    reply: Reply,
    images: list[bytes],
) -> bytes:
    """The exact bytes of a journal entry."""
    reply_body = reply.encode()
    padding = bytes(-len(asked.body) % ENTRY_ALIGN_BYTES)
    rest = asked.body + padding + reply_body + b"".join(images)
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
    ).encode()
    checksum = crc32c(head[8:] + rest)
    return head[:4] + checksum.to_bytes(4, "little") + head[8:] + rest
