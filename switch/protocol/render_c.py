"""C structs, enumerations and constants of the fast path: the text of `switch/_layout.pxd`.

Part of `render.py`, a tool for the source tree.  Nothing at run time imports it.
"""

from __future__ import annotations

import enum
import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import chain

from . import lifecycle, messages, records
from .declarations import CONSTANTS, ENUM_PREFIXES, attribute_docstrings, enum_texts, packed_classes, summary
from .layout import Packed, PlacedField, layout_of

LINE_WIDTH = 120


def snake_case(name: str) -> str:
    """`SignOnHeader` → `sign_on_header`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _commented(line: str, *comments: str) -> str:
    """The line with the first comment that fits."""
    candidates = (f"{line}  # {comment}" for comment in comments if comment)
    return next((whole for whole in candidates if len(whole) <= LINE_WIDTH), line)


def _c_field(field: PlacedField) -> str:
    array = f"[{field.wire.width_bytes}]" if field.wire.format.endswith("s") else ""
    return _commented(f"    {field.wire.c_type} {field.name}{array}", field.wire.meaning)


def _c_struct(cls: type[Packed]) -> Iterator[str]:
    layout = layout_of(cls)
    size = f"{layout.width_bytes} bytes"
    yield _commented(f"cdef packed struct {snake_case(cls.__name__)}_t:", f"{size}. {summary(cls)}", size)
    yield from (_c_field(field) for field in layout.fields)


def _c_enum(cls: type[enum.IntEnum] | type[enum.IntFlag], prefix: str) -> Iterator[str]:
    texts = enum_texts(cls)
    yield f"cdef enum:  # {cls.__name__}"
    for member in cls:
        value = f"0x{member.value:02x}" if cls is messages.MessageType else str(member.value)
        yield _commented(f"    {prefix}_{member.name} = {value}", texts.get(member.name or "", ""))


_C_TYPES = ((31, "int", ""), (32, "uint32_t", "UINT32_C"), (63, "int64_t", "INT64_C"), (64, "uint64_t", "UINT64_C"))


def _c_type_of(value: int) -> tuple[str, str]:
    """Narrowest C type that holds the value, and the macro that writes it; only an `int` may be an enum."""
    return next((c_type, macro) for bits, c_type, macro in _C_TYPES if value < 1 << bits)


def _c_constants() -> Iterator[str]:
    narrow: list[str] = []
    macros: list[str] = []
    wide: list[str] = []
    for module, names in CONSTANTS.items():
        texts = attribute_docstrings(module)
        for name in names:
            value, text = getattr(module, name), texts.get(name, "")
            c_type, macro = _c_type_of(value)
            if c_type == "int":
                narrow.append(_commented(f"    {name} = {value}", text))
            else:
                macros.append(f"    #define CARDSWITCH_{name} {macro}({value})")
                wide.append(_commented(f'    const {c_type} {name} "CARDSWITCH_{name}"', text))
    yield from ("cdef enum:  # constants", *narrow, "", "")
    yield "# Constants wider than an int: in C an enum could not hold them, so they are macros of a stated type."
    yield from ("cdef extern from *:", '    """', *macros, '    """', *wide)


def _c_record_bytes() -> Iterator[str]:
    """Length of a record by its kind; the table is C, so that every module that asks has it as a constant."""
    yield "# Length of a record by its first byte, its kind; 0: there is no such kind."
    yield from ("cdef extern from *:", '    """', "    #include <stdint.h>")
    yield "    static const uint16_t cardswitch_record_bytes_of[256] = {"
    for kind, cls in records.RECORDS.items():
        yield f"        [{kind.value}] = {layout_of(cls).width_bytes},  /* {kind.name} */"
    yield from ("    };", '    """', '    const uint16_t* RECORD_BYTES_OF "cardswitch_record_bytes_of"')


ROWS: dict[type[Packed], tuple[str, type[Packed]]] = {
    messages.RefundRequest: ("line_count", messages.RefundLine),
    messages.BackfillRequest: ("line_count", messages.BillLine),
    messages.DayTotalsRequest: ("total_count", messages.DayTotal),
}
"""Requests whose fixed part counts the rows behind it (a debit has more than one kind and is checked by hand)."""


def _reserved(cls: type[Packed]) -> str:
    """Initializer of the places of a struct's reserved fields."""
    fields = [f for f in layout_of(cls).fields if f.name.startswith("reserved")]
    return "{" + ", ".join(f"{{{f.offset}, {f.wire.width_bytes}}}" for f in fields) + "}"


def _c_forms() -> Iterator[str]:
    """Form of every request by its type: lengths, rows, reserved fields, right."""
    yield "# Form of a request by its type; `known` is 0 where there is no such type."
    yield from ("cdef extern from *:", '    """', "    #include <stdint.h>")
    yield "    typedef struct { uint8_t at, bytes; } cardswitch_place_t;"
    yield "    typedef struct {"
    yield "        uint16_t known, fixed_bytes, row_count_at, row_bytes;"
    yield "        uint8_t right, keyed, has_card, evidence;"
    yield "        cardswitch_place_t reserved[4], row_reserved[2];"
    yield "    } cardswitch_form_t;"
    yield "    static const cardswitch_form_t cardswitch_forms[256] = {"
    for type_, cls in messages.REQUESTS.items():
        count_field, row = ROWS.get(cls, ("", None))
        offsets = {f.name: f.offset for f in layout_of(cls).fields}
        parts = [f".known = 1, .fixed_bytes = {layout_of(cls).width_bytes}", f".reserved = {_reserved(cls)}"]
        if row is not None:
            parts.append(f".row_count_at = {offsets[count_field]}, .row_bytes = {layout_of(row).width_bytes}")
            parts.append(f".row_reserved = {_reserved(row)}")
        parts.append(
            f".right = {int(messages.RIGHT_NEEDED.get(type_, 0))}, .keyed = {int(type_ in messages.KEYED_TYPES)}"
        )
        has_card = type_ in messages.KEYED_TYPES and offsets.get("card_number") == 16
        parts.append(f".has_card = {int(has_card)}, .evidence = {int(type_ in messages.WITH_EVIDENCE)}")
        row_text = f"[0x{type_:02x}] = {{{', '.join(parts).replace('{}', '{{0, 0}}')}}},"
        yield from textwrap.wrap(row_text, LINE_WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12)
    yield from ("    };", '    """')
    yield from ('    ctypedef struct place_t "cardswitch_place_t":', "        uint8_t at", "        uint8_t bytes")
    yield '    ctypedef struct form_t "cardswitch_form_t":'
    yield from (f"        uint16_t {name}" for name in ("known", "fixed_bytes", "row_count_at", "row_bytes"))
    yield from (f"        uint8_t {name}" for name in ("right", "keyed", "has_card", "evidence"))
    yield from ("        place_t reserved[4]", "        place_t row_reserved[2]")
    yield '    const form_t* FORMS "cardswitch_forms"'


NO_FEE = 255
"""In place of a fee's kind in the table of transitions."""


def _c_transitions() -> Iterator[str]:
    """The life of a card by operation; bit 0 of a mask is a number that no card has."""
    yield "# What a card operation does to the status. Bit n of a mask: status n; bit 0: a number that no card has."
    yield "# `to` 0: the status stays, or is the one that was kept; `fee` NO_FEE: none."
    yield from ("cdef extern from *:", '    """', "    #include <stdint.h>")
    yield "    typedef struct { uint16_t from_mask, done_mask; uint8_t to, fee; } cardswitch_transition_t;"
    yield f"    static const cardswitch_transition_t cardswitch_transitions[{max(messages.CardOperation) + 1}] = {{"
    for operation, step in lifecycle.TRANSITIONS.items():
        masks = f"0x{lifecycle.from_mask(operation):04x}, 0x{lifecycle.done_mask(operation):04x}"
        fee = NO_FEE if step.fee is None else int(step.fee)
        yield f"        [{operation.value}] = {{{masks}, {int(step.to or 0)}, {fee}}},  /* {operation.name} */"
    yield from ("    };", '    """', '    ctypedef struct transition_t "cardswitch_transition_t":')
    yield from (f"        uint16_t {name}" for name in ("from_mask", "done_mask"))
    yield from (f"        uint8_t {name}" for name in ("to", "fee"))
    yield '    const transition_t* TRANSITIONS "cardswitch_transitions"'
    yield from ("", "", "cdef enum:  # sets of card statuses: bit n is status n")
    for name, statuses in (("STATUSES_LIVE", lifecycle.LIVE), ("STATUSES_ENDED", lifecycle.ENDED)):
        yield f"    {name} = 0x{sum(1 << status for status in statuses):04x}"
    yield f"    NO_FEE = {NO_FEE}"


def layout_pxd() -> str:
    """Text of `switch/_layout.pxd`: structs, enumerations and constants, nothing that needs a module at run time."""
    head = [
        "# Generated by `python -m switch.protocol.render --write` from messages, records, codes and limits.",
        "# All structs are packed and little-endian: the fast path lays them over the bytes of wire and journal.",
        "from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t",
    ]
    classes = [cls for cls in chain(packed_classes(messages), packed_classes(records)) if layout_of(cls).fields]
    blocks: list[Iterable[str]] = [head]
    blocks += [_c_struct(cls) for cls in classes]
    blocks += [_c_enum(cls, prefix) for cls, prefix in ENUM_PREFIXES.items()]
    blocks.append(_c_constants())
    blocks.append(_c_record_bytes())
    blocks.append(_c_forms())
    blocks.append(_c_transitions())
    return "\n\n\n".join("\n".join(block) for block in blocks) + "\n"
