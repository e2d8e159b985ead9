"""Rows behind the fixed part of a message: structs of one class, one behind the other, as many as a field counts."""

from __future__ import annotations

from typing import TypeVar

from .layout import LayoutError, Packed

Row = TypeVar("Row", bound=Packed)


def decode_rows(row_class: type[Row], body: bytes | bytearray | memoryview) -> tuple[Row, ...]:
    """Structs of one class, one behind the other; `LayoutError` when the last one is cut short."""
    row_bytes = row_class.width_bytes()
    return tuple(row_class.decode(body[at : at + row_bytes]) for at in range(0, len(body), row_bytes))


def decode_with_rows(
    form: type[Row], body: bytes | bytearray | memoryview, row_class: type[Packed], count_field: str, rows_field: str
) -> Row:
    """A struct whose fixed part counts the rows behind it; `LayoutError` when the length does not fit the count."""
    fixed_bytes, row_bytes = form.width_bytes(), row_class.width_bytes()
    if len(body) < fixed_bytes:
        raise LayoutError(f"{form.__name__} length", 0, fixed_bytes, len(body), "send at least the fixed part")
    fields = form._fixed_fields(body)
    expected_bytes = fixed_bytes + fields[count_field] * row_bytes
    if len(body) != expected_bytes:
        raise LayoutError(f"{form.__name__} length", 0, expected_bytes, len(body), "send what the count says")
    return form(**fields, **{rows_field: decode_rows(row_class, body[fixed_bytes:])})
