"""Plays one stream to the twin and to an engine, and tells the first difference so that it can be understood.

Invariant: replies, journal entries and records are equal byte for byte, after
every message, for every stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed, layout_of
from switch.protocol.messages import REPLY_BIT, REQUESTS, ErrorReply, Header, LineResult, MessageType, Reply
from switch.protocol.records import RECORDS, EntryHeader, RecordKind, images_of

from .traffic import Traffic
from .wire import DECIDED_TYPES, HEADER_BYTES, ROWS, offset_of
from .world import World

RECORDS_EVERY = 1000
"""Messages between two comparisons of all records (their images in the entries are compared every time)."""


LISTINGS = (bytes([MessageType.DAY_DIGESTS]), bytes([MessageType.DAY_LIST]))
"""Inquiries about a day are answered beside the engine."""


class EngineUnderTest(Protocol):
    """What is compared with the twin."""

    def decide(self, terminal_id: int, rights: int, message: bytes, now_ms: int) -> tuple[bytes, bytes | None]:
        """Whole reply and journal entries (a cut-over's, the message's) of a whole message."""

    def records(self) -> Mapping[int, Mapping[Any, bytes]]:
        """Every record as its bytes, by kind and key; a key of one number may be that number."""


MakeEngine = Callable[..., EngineUnderTest]


class DifferenceError(AssertionError):
    """The engine does not do what the twin does."""


def compare(world: World, make_engine: MakeEngine, message_count: int) -> None:
    """Play `message_count` messages; `DifferenceError` at the first one that the engine decides otherwise."""
    twin, engine = world.twin(), make_engine(**world.settings.as_arguments())
    stream = islice(Traffic(world, twin).messages(), message_count)
    for step, (terminal_id, message, now_ms) in enumerate(stream, start=1):
        if message[1:2] in LISTINGS:
            continue
        rights = world.rights[terminal_id]
        expected = twin.decide(terminal_id, rights, message, now_ms)
        reply, entry = engine.decide(terminal_id, rights, message, now_ms)
        if (reply, entry) != (expected.reply, expected.written):
            asked = f"terminal {terminal_id}, rights {rights}, now_ms {now_ms}, today {twin.today}"
            lines = [asked, *_request_lines(message)]
            lines += _reply_lines(expected.reply, reply) + _entry_lines(expected.written, entry)
            raise DifferenceError(_report(world, step, lines))
        if step % RECORDS_EVERY == 0 or step == message_count:
            lines = _record_lines(twin.state_records(), engine.records())
            if lines:
                raise DifferenceError(_report(world, step, lines))


def _report(world: World, step: int, lines: list[str]) -> str:
    command = f"TWIN_SEED={world.seed} python -m pytest tests/twin/test_twin_equality.py --twin-messages {step}"
    head = [f"twin and engine differ: seed {world.seed}, step {step}", f"again with: {command}", str(world.settings)]
    return "\n".join([*head, *lines])


# --------------------------------------------------------------------------- decoding


def _fields(form: type[Packed], data: bytes) -> dict[str, object]:
    """Fields of a layout, even if the bytes are too few, too many or not allowed."""
    layout = layout_of(form)
    values = layout.codec.unpack_from(data.ljust(layout.width_bytes, b"\0"))
    fields: dict[str, object] = {field.name: value for field, value in zip(layout.fields, values, strict=True)}
    if len(data) < layout.width_bytes:
        fields["bytes"] = len(data)
    if "code" in fields and form in (Reply, ErrorReply):
        code = int(str(fields["code"]))
        fields["code"] = f"{code} {ResponseCode(code).name}" if code in set(ResponseCode) else str(code)
    return fields


def _side_by_side(title: str, expected: dict[str, object], got: dict[str, object]) -> Iterator[str]:
    """Both sides, field by field, with an arrow where they differ."""
    yield f"{title:32} {'twin':>24} {'engine':>24}"
    for name in expected | got:
        left, right = expected.get(name, "-"), got.get(name, "-")
        left, right = (value.hex() if isinstance(value, bytes) else value for value in (left, right))
        yield f"  {name:30} {left!s:>24} {right!s:>24}{'' if left == right else '   <---'}"


def _request_lines(message: bytes) -> list[str]:
    header, body = message[:HEADER_BYTES], message[HEADER_BYTES:]
    lines = [f"message {message.hex()}", f"header {_fields(Header, header)}"]
    if len(header) == HEADER_BYTES and header[1] in DECIDED_TYPES:
        message_type = MessageType(header[1])
        form = REQUESTS[message_type]
        lines.append(f"{message_type.name} of {len(body)} bytes: {_fields(form, body)}")
        lines.append(f"  followed by {max(0, len(body) - form.width_bytes())} bytes of rows")
        if header[1] in ROWS and len(header) == HEADER_BYTES:
            lines += [f"  {row!r}" for row in _rows(message_type, body)]
    return lines


def _rows(message_type: MessageType, body: bytes) -> Iterator[dict[str, object]]:
    """Rows behind the fixed part, as far as the bytes go."""
    at = REQUESTS[message_type].width_bytes()
    for count_field, form in ROWS[message_type]:
        for _ in range(body.ljust(256, b"\0")[offset_of(REQUESTS[message_type], count_field)]):
            yield _fields(form, body[at:])
            at += form.width_bytes()


def _reply_lines(expected: bytes, got: bytes) -> list[str]:
    if expected == got:
        return ["the replies are equal"]
    forms = [ErrorReply if reply[1:2] == bytes([MessageType.ERROR | REPLY_BIT]) else Reply for reply in (expected, got)]
    headers = [_fields(Header, reply[:HEADER_BYTES]) for reply in (expected, got)]
    bodies = [_fields(form, reply[HEADER_BYTES:]) for form, reply in zip(forms, (expected, got), strict=True)]
    lines = [*_side_by_side("reply header", *headers), *_side_by_side("reply", *bodies)]
    return [*lines, *_result_lines(expected, got), *_first_byte(expected, got)]


def _result_lines(expected: bytes, got: bytes) -> Iterator[str]:
    """Line results that differ (of other replies the same bytes, read as such)."""
    width, start = LineResult.width_bytes(), HEADER_BYTES + Reply.width_bytes()
    for at in range(start, max(len(expected), len(got)), width):
        left, right = expected[at : at + width], got[at : at + width]
        if left != right:
            title = f"result {(at - start) // width}"
            yield from _side_by_side(title, _fields(LineResult, left), _fields(LineResult, right))


def _first_byte(expected: bytes, got: bytes) -> list[str]:
    place = next((at for at, (one, other) in enumerate(zip(expected, got, strict=False)) if one != other), None)
    if place is None:
        return [f"lengths differ: twin {len(expected)}, engine {len(got)} bytes"] if len(expected) != len(got) else []
    return [f"first different byte at offset {place}: twin {expected[place]:#04x}, engine {got[place]:#04x}"]


def _entry_lines(expected: bytes | None, got: bytes | None) -> list[str]:
    if expected == got:
        return ["the entries are equal"]
    if expected is None or got is None:
        return [f"entry: the twin writes {'none' if expected is None else 'one'}, the engine the opposite"]
    lines: list[str] = []
    for (title, form, left), (_, _, right) in zip(_entry_parts(expected), _entry_parts(got), strict=False):
        if left != right:
            lines += _side_by_side(title, _fields(form, left), _fields(form, right))
    return [*lines, *_first_byte(expected, got)]


def _entry_parts(entries: bytes) -> Iterator[tuple[str, type[Packed], bytes]]:
    """(name, layout, bytes) of the parts of one or two entries."""
    at = 0
    while at < len(entries):
        end = at + max(64, int.from_bytes(entries[at : at + 4], "little"))
        yield from _parts_of_one(entries[at:end])
        at = end


def _parts_of_one(entry: bytes) -> Iterator[tuple[str, type[Packed], bytes]]:
    head_bytes = EntryHeader.width_bytes()
    yield "entry header", EntryHeader, entry[:head_bytes]
    head = _fields(EntryHeader, entry[:head_bytes])
    request_type, request_bytes, reply_bytes = (
        int(str(head[name])) for name in ("request_type", "request_bytes", "reply_bytes")
    )
    at = head_bytes + -(-request_bytes // 8) * 8
    if request_type in DECIDED_TYPES:
        yield "entry request", REQUESTS[MessageType(request_type)], entry[head_bytes:at]
    yield "entry reply", Reply, entry[at : at + reply_bytes]
    images = images_of(entry[at + -(-reply_bytes // 8) * 8 :])
    for number, image in enumerate(images):
        kind = RecordKind(image[0])
        yield f"image {number} {kind.name}", RECORDS[kind], image


def _record_lines(
    expected: Mapping[RecordKind, Mapping[tuple[int, ...], bytes]], got: Mapping[int, Mapping[Any, bytes]]
) -> list[str]:
    """The first record that differs; the engine's switch record is its own affair."""
    for kind, records in expected.items():
        others = {key if isinstance(key, tuple) else (key,): image for key, image in got.get(kind, {}).items()}
        for key in sorted(records.keys() | others.keys()):
            left, right = records.get(key, b""), others.get(key, b"")
            if left != right:
                form = RECORDS[kind]
                return list(_side_by_side(f"{kind.name} {key}", _fields(form, left), _fields(form, right)))
    return []
