"""Fixed binary layouts, declared once as annotated structs.

A packed struct is a `msgspec.Struct` whose fields are annotated with a wire
type, who fills the field in, and what it means.  Everything else is derived
from that one declaration: the Python codec here, the C structs of the fast
path (`switch/_layout.pxd`), the tables of docs/protocol.md and the fuzzers'
knowledge of where each field lies.

Rules of every layout: little-endian; no implicit padding; a field called
`reserved…` must be zero, so that a later version can give it a meaning.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self, dataclass_transform, get_type_hints

import msgspec

_WIDTHS_BYTES = {"B": 1, "b": 1, "H": 2, "h": 2, "I": 4, "i": 4, "Q": 8, "q": 8}
_C_TYPES = {
    "B": "uint8_t",
    "H": "uint16_t",
    "I": "uint32_t",
    "Q": "uint64_t",
    "i": "int32_t",
    "q": "int64_t",
    "s": "uint8_t",
}
_NAMES = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64", "i": "i32", "q": "i64", "s": "bytes"}


class LayoutError(ValueError):
    """Bytes that do not fit a layout; names the field, its offset, what was expected and what came.

    `offset` (bytes from the start of the body), `expected` and `got` are also
    attributes, so that an error reply can carry them.
    """

    def __init__(self, where: str, offset: int, expected: int, got: int, hint: str) -> None:
        super().__init__(f"{where} at offset {offset}: expected {expected}, got {got}; {hint}")
        self.offset, self.expected, self.got = offset, expected, got


@dataclass(frozen=True, slots=True)
class Wire:
    """Wire type of one field: a `struct` format, who fills it in, what it means."""

    format: str
    filled_by: str
    meaning: str

    @property
    def width_bytes(self) -> int:
        """Bytes that the field takes."""
        return int(self.format[:-1]) if self.format.endswith("s") else _WIDTHS_BYTES[self.format]

    @property
    def c_type(self) -> str:
        """C type of one element."""
        return _C_TYPES[self.format[-1]]

    @property
    def type_name(self) -> str:
        """Type as the documents write it: u32, i64, 40 bytes."""
        if self.format.endswith("s"):
            return f"{self.width_bytes} bytes"
        return _NAMES[self.format]


def u8(filled_by: str, meaning: str) -> Wire:
    """One byte, 0 to 255."""
    return Wire("B", filled_by, meaning)


def u16(filled_by: str, meaning: str) -> Wire:
    """Two bytes, unsigned."""
    return Wire("H", filled_by, meaning)


def u32(filled_by: str, meaning: str) -> Wire:
    """Four bytes, unsigned."""
    return Wire("I", filled_by, meaning)


def u64(filled_by: str, meaning: str) -> Wire:
    """Eight bytes, unsigned."""
    return Wire("Q", filled_by, meaning)


def i32(filled_by: str, meaning: str) -> Wire:
    """Four bytes, two's complement."""
    return Wire("i", filled_by, meaning)


def i64(filled_by: str, meaning: str) -> Wire:
    """Eight bytes, two's complement."""
    return Wire("q", filled_by, meaning)


def octets(width_bytes: int, filled_by: str, meaning: str) -> Wire:
    """A fixed number of bytes without inner meaning to the layout."""
    return Wire(f"{width_bytes}s", filled_by, meaning)


@dataclass(frozen=True, slots=True)
class PlacedField:
    """A field together with its place in the layout."""

    name: str
    offset: int
    wire: Wire


@dataclass(frozen=True, slots=True)
class Layout:
    """All fields of one packed struct, in order, without gaps."""

    fields: tuple[PlacedField, ...]
    codec: struct.Struct
    names: tuple[str, ...]
    """Of all fields."""
    reserved: tuple[tuple[PlacedField, int | bytes], ...]
    """Fields that must be zero, each with its zero."""

    @property
    def width_bytes(self) -> int:
        """Bytes of the whole struct."""
        return self.codec.size


@cache
def layout_of(cls: type[Packed]) -> Layout:
    """Layout of a packed struct, computed from its annotations."""
    hints = get_type_hints(cls, include_extras=True)
    fields: list[PlacedField] = []
    offset = 0
    for name in cls.__struct_fields__:
        metadata: Sequence[Any] = getattr(hints[name], "__metadata__", ())
        wire = next((m for m in metadata if isinstance(m, Wire)), None)
        if wire is None:
            if name in cls.trailing:
                continue
            raise TypeError(f"{cls.__name__}.{name}: expected an annotation with a wire type, got {hints[name]!r}")
        fields.append(PlacedField(name, offset, wire))
        offset += wire.width_bytes
    return Layout(
        tuple(fields),
        struct.Struct("<" + "".join(f.wire.format for f in fields)),
        tuple(f.name for f in fields),
        tuple(
            (f, bytes(f.wire.width_bytes) if f.wire.format.endswith("s") else 0)
            for f in fields
            if f.name.startswith("reserved")
        ),
    )


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all packed structs: encode to bytes, decode from bytes."""

    trailing: ClassVar[tuple[str, ...]] = ()
    """Names of fields that follow the fixed part and are coded by the class itself."""

    @classmethod
    def width_bytes(cls) -> int:
        """Bytes of the fixed part."""
        return layout_of(cls).width_bytes

    def encode(self) -> bytes:
        """Bytes of the struct; `struct.error` if a value does not fit its field."""
        layout = layout_of(type(self))
        return layout.codec.pack(*[getattr(self, name) for name in layout.names])

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """Struct from exactly its bytes; `LayoutError` for another length or a reserved field that is not zero."""
        layout = layout_of(cls)
        if len(body) != layout.width_bytes:
            raise LayoutError(
                f"{cls.__name__} length", 0, layout.width_bytes, len(body), "send exactly the bytes of the layout"
            )
        return cls(**cls._fixed_fields(body))

    @classmethod
    def _fixed_fields(cls, body: bytes | bytearray | memoryview) -> dict[str, Any]:
        layout = layout_of(cls)
        values = dict(zip(layout.names, layout.codec.unpack_from(body), strict=True))
        for field, zero in layout.reserved:
            if values[field.name] != zero:
                got = int.from_bytes(body[field.offset : field.offset + field.wire.width_bytes], "little")
                raise LayoutError(
                    f"{cls.__name__}.{field.name}", field.offset, 0, got & 0xFFFFFFFF, "leave reserved fields zero"
                )
        return values
