"""Structs that read chosen fields of a layout of the switch, and nothing else of it."""

from __future__ import annotations

import struct
from typing import Any

from switch.protocol.layout import layout_of


def reader_of(record: Any, *names: str) -> struct.Struct:
    """A struct that reads some fields of a layout in their order there, u64 as i64."""
    formats = [
        f.wire.format.replace("Q", "q") if f.name in names else f"{f.wire.width_bytes}x"
        for f in layout_of(record).fields
    ]
    return struct.Struct("<" + "".join(formats))


def several(reader: struct.Struct, count: int) -> struct.Struct:
    """A struct that reads so many records, one behind the other, at once."""
    return struct.Struct(reader.format[0] + reader.format[1:] * count)


def offset_of(record: Any, name: str) -> int:
    """Offset of a field in bytes."""
    return next(field.offset for field in layout_of(record).fields if field.name == name)
