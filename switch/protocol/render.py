"""Everything that is derived from the declarations: C structs for the fast path, tables for the documents.

`python -m switch.protocol.render --write` rewrites `switch/_layout.pxd` and the
marked regions of `docs/protocol.md` and `docs/lifecycle.md`; `--check` says what would change and
exits with 1.  A test runs the check, so that neither can drift from
`messages.py`, `records.py`, `codes.py`, `limits.py`, `session.py` and the
examples in `tests/vectors/`.

This is a tool for the source tree.  Nothing at run time imports it.
"""

from __future__ import annotations

import argparse
import ast
import enum
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from . import codes, limits, messages, records, render_lifecycle, session
from .layout import Packed, PlacedField, layout_of

ROOT = Path(__file__).parents[2]
PXD = Path("switch/_layout.pxd")
DOCUMENT = Path("docs/protocol.md")
LIFECYCLE = Path("docs/lifecycle.md")
VECTORS = Path("tests/vectors")
LINE_WIDTH = 120

ENUM_PREFIXES: dict[type[enum.IntEnum] | type[enum.IntFlag], str] = {
    messages.MessageType: "TYPE",
    codes.ResponseCode: "CODE",
    records.RecordKind: "KIND",
    records.MarkKind: "MARK",
    messages.CardStatus: "CARD",
    messages.TerminalStatus: "TERMINAL",
    messages.Right: "RIGHT",
    messages.CardTypeFlag: "CARD_TYPE",
    messages.CardFlag: "CARD_FLAG",
    messages.CardOperation: "OP",
    messages.OperationFlag: "OP_FLAG",
    messages.FeeKind: "FEE",
    messages.FeeTender: "FEE_TENDER",
    messages.Function: "FUNCTION",
    messages.Relation: "RELATION",
    messages.TypeState: "TYPE_STATE",
    messages.AutoRecharge: "AUTO",
    messages.RechargeChannel: "CHANNEL",
    messages.DebitFlag: "DEBIT",
    messages.LineFlag: "LINE",
    messages.TenderKind: "TENDER",
    messages.Settlement: "SETTLEMENT",
    messages.RuleLayer: "LAYER",
    messages.RuleAction: "ACTION",
    messages.PointsCategoryFlag: "CATEGORY",
    messages.AllowedList: "ALLOWED_LIST",
    messages.OrganisationNode: "NODE",
    messages.RulesetState: "RULESET",
    messages.PinMode: "PIN_MODE",
    messages.DayCloseState: "DAY_CLOSE",
    messages.RecordsEnd: "RECORDS",
    messages.SwitchMode: "MODE",
}
"""Enumerations that the fast path sees, with the prefix of their C names."""

CONSTANTS: dict[ModuleType, tuple[str, ...]] = {
    messages: (
        "PROTOCOL_VERSION",
        "REPLY_BIT",
        "LINE_COUNT_MAX",
        "TENDER_COUNT_MAX",
        "PIN_BYTES",
        "AMOUNT_MINOR_MAX",
        "NO_LIMIT",
        "NO_COUNT_LIMIT",
    ),
    records: (
        "ENTRY_ALIGN_BYTES",
        "ENTRY_VERSION",
        "BLOCK_MAGIC",
        "BLOCK_VERSION",
        "GONE",
        "FIRST_WIDE_KEY_KIND",
        "RECORD_BYTES_MAX",
        "HASHED_HEADER_BYTES",
        "CHECKED_HEADER_BYTES",
    ),
    limits: tuple(
        name for name in vars(limits) if name.isupper() and not name.startswith("_") and name not in vars(messages)
    ),
}
"""Integer constants that the fast path sees."""

UNITS = {"BYTES": "bytes", "MS": "milliseconds", "MINOR": "minor units", "PERCENT": "percent", "LINE": "lines"}
"""Unit of a limit, by the word in its name."""


# --------------------------------------------------------------------------- reading the declarations


def packed_classes(module: ModuleType) -> Iterator[type[Packed]]:
    """Packed structs declared in a module, in the order of the source."""
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Packed) and value.__module__ == module.__name__:
            yield value


def snake_case(name: str) -> str:
    """`SignOnHeader` → `sign_on_header`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def attribute_docstrings(source_of: ModuleType | type) -> dict[str, str]:
    """Texts that stand right below assignments, by the name assigned to; Python itself forgets them."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(source_of)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else tree.body
    texts: dict[str, str] = {}
    for statement, following in pairwise(body):
        match statement, following:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[name] = " ".join(text.split())
    return texts


def summary(cls: type) -> str:
    """First line of a docstring."""
    return (cls.__doc__ or "").strip().splitlines()[0]


# --------------------------------------------------------------------------- switch/_layout.pxd


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
    texts = _enum_texts(cls)
    yield f"cdef enum:  # {cls.__name__}"
    for member in cls:
        value = f"0x{member.value:02x}" if cls is messages.MessageType else str(member.value)
        yield _commented(f"    {prefix}_{member.name} = {value}", texts.get(member.name or "", ""))


def _enum_texts(cls: type[enum.Enum]) -> dict[str, str]:
    if cls is codes.ResponseCode:
        return {code.name: meaning for code, (_, meaning) in codes.MEANINGS.items()}
    return attribute_docstrings(cls)


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
    yield "        uint8_t right, keyed, has_card;"
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
        parts.append(f".has_card = {int(has_card)}")
        yield f"        [0x{type_:02x}] = {{{', '.join(parts).replace('{}', '{{0, 0}}')}}},"
    yield from ("    };", '    """')
    yield from ('    ctypedef struct place_t "cardswitch_place_t":', "        uint8_t at", "        uint8_t bytes")
    yield '    ctypedef struct form_t "cardswitch_form_t":'
    yield from (f"        uint16_t {name}" for name in ("known", "fixed_bytes", "row_count_at", "row_bytes"))
    yield from (f"        uint8_t {name}" for name in ("right", "keyed", "has_card"))
    yield from ("        place_t reserved[4]", "        place_t row_reserved[2]")
    yield '    const form_t* FORMS "cardswitch_forms"'


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
    blocks.append(render_lifecycle.c_transitions())
    return "\n\n\n".join("\n".join(block) for block in blocks) + "\n"


# --------------------------------------------------------------------------- docs/protocol.md


def _table(head: str, rows: Iterable[Iterable[object]]) -> str:
    columns = head.split(" | ")
    lines = [f"| {head} |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def struct_table(cls: type[Packed]) -> str:
    """Fields of one struct with offset, width, type, who fills them in, and meaning."""
    layout = layout_of(cls)
    if not layout.fields:
        return f"{summary(cls)} The body is empty (0 bytes)."
    rows: list[tuple[object, ...]] = [
        (f.offset, f.wire.width_bytes, f"`{f.name}`", f.wire.type_name, f.wire.filled_by, f.wire.meaning)
        for f in layout.fields
    ]
    rows += [(layout.width_bytes, "rest", f"`{name}`", "see text", "", "") for name in cls.trailing]
    size = f"{layout.width_bytes} bytes" + (", then more:" if cls.trailing else ".")
    return f"{summary(cls)} {size}\n\n" + _table("offset | bytes | field | type | filled in by | meaning", rows)


def _reply_name(type_: messages.MessageType) -> str:
    special = {
        messages.MessageType.SIGN_OFF: "empty",
        messages.MessageType.ECHO: "EchoReply",
        messages.MessageType.DAY_DIGESTS: "DayReply",
        messages.MessageType.DAY_LIST: "DayReply",
        messages.MessageType.FOLLOW: "FollowReply",
        messages.MessageType.STATISTICS: "JSON",
        messages.MessageType.READ_RECORDS: "ReadRecordsReply",
        messages.MessageType.PUT_SWITCH: "refused on the wire",
    }
    return special.get(type_, "Reply")


def _message_types() -> str:
    rows = (
        (
            f"0x{type_:02x}",
            f"0x{type_ | messages.REPLY_BIT:02x}",
            f"`{type_.name}`",
            cls.__name__,
            _reply_name(type_),
            messages.RIGHT_NEEDED[type_].name if type_ in messages.RIGHT_NEEDED else "",
            "yes" if type_ in messages.KEYED_TYPES else "",
        )
        for type_, cls in messages.REQUESTS.items()
    )
    return _table("request type | reply type | name | request body | reply body | right | has a key", rows)


def _reserved_types() -> str:
    return _table("type | for", ((f"0x{type_:02x}", what) for type_, what in messages.RESERVED_TYPES.items()))


def _response_codes() -> str:
    rows = ((code.value, f"`{code.name}`", class_.value, text) for code, (class_, text) in codes.MEANINGS.items())
    return _table("code | name | class | meaning", rows)


def _code_classes() -> str:
    texts = attribute_docstrings(codes.CodeClass) | {"APPROVED": "Done."}
    return _table("class | what the sender does", ((c.value, texts[c.name]) for c in codes.CodeClass))


def _enumerations() -> str:
    rows = (
        (f"`{cls.__name__}`", member.value, f"`{member.name}`", _enum_texts(cls).get(member.name or "", ""))
        for cls in ENUM_PREFIXES
        if cls not in (messages.MessageType, codes.ResponseCode)
        for member in cls
    )
    return _table("set | value | name | meaning", rows)


def _limits() -> str:
    rows: list[tuple[object, ...]] = []
    for module in (messages, limits):
        texts = attribute_docstrings(module)
        for name in CONSTANTS[module]:
            if name in texts:
                unit = next((unit for word, unit in UNITS.items() if word in name.split("_")), "")
                rows.append((f"`{name}`", f"{getattr(module, name):,}", unit, texts[name]))
    return _table("name | value | unit | reason", rows)


def _state_diagram() -> str:
    def node(state: session.State) -> str:
        return state.name.lower()

    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {node(session.State.NEW)}"]
    for state, steps in session.TRANSITIONS.items():
        lines += [f"    {node(state)} --> {node(following)}: {step.value}" for step, following in steps.items()]
    ends = (session.State.CLOSED, session.State.FAILED)
    return "\n".join([*lines, *(f"    {node(state)} --> [*]" for state in ends), "```"])


def _states() -> str:
    rows = (
        (f"`{state.value}`", *(steps[step].value if step in steps else "" for step in session.Step))
        for state, steps in session.TRANSITIONS.items()
    )
    return _table("state | " + " | ".join(step.value for step in session.Step), rows)


def _meanings(cls: type[enum.Enum]) -> str:
    texts = attribute_docstrings(cls)
    return _table(f"{cls.__name__.lower()} | meaning", ((f"`{m.value}`", texts[m.name]) for m in cls))


def _vectors(name: str) -> Any:
    return json.loads((ROOT / VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def _hex_lines(label: str, value: str) -> Iterator[str]:
    """A value in hex, 32 bytes to a line, its label in front of the first."""
    pieces = [value[at : at + 64] for at in range(0, len(value), 64)] or ["(empty)"]
    yield f"{label:<34} {pieces[0]}"
    yield from (f"{'':<34} {piece}" for piece in pieces[1:])


def _sign_on_example() -> str:
    example = _vectors("sign_on")
    lines = chain.from_iterable(_hex_lines(step["name"], step["hex"]) for step in example["steps"])
    return "\n".join(["```text", *lines, "```"])


def _message_example(case_name: str) -> str:
    case = next(case for case in _vectors("messages")["cases"] if case["name"] == case_name)
    lines = chain.from_iterable(
        _hex_lines(label, case[key])
        for label, key in (
            ("key", "key"),
            ("nonce", "nonce_hex"),
            ("header", "header"),
            ("body", "body"),
            ("frame", "frame"),
        )
    )
    return "\n".join(["```text", *_field_lines(case["fields"]), "", *lines, "```"])


def _field_lines(fields: dict[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in fields.items():
        if isinstance(value, list):
            for number, inner in enumerate(value):
                yield f"{indent}{name}[{number}]"
                yield from _field_lines(inner, indent + "  ")
        else:
            yield f"{indent + name:<34} {value}"


def regions() -> dict[str, Callable[[], str]]:
    """Maker of every generated region of the document, by its name."""
    makers: dict[str, Callable[[], str]] = {
        "limits": _limits,
        "message types": _message_types,
        "reserved types": _reserved_types,
        "response codes": _response_codes,
        "code classes": _code_classes,
        "enumerations": _enumerations,
        "state diagram": _state_diagram,
        "transitions": _states,
        "states": lambda: _meanings(session.State),
        "steps": lambda: _meanings(session.Step),
        "sign-on example": _sign_on_example,
        "debit example": lambda: _message_example("debit with two lines"),
        "reply example": lambda: _message_example("reply to the debit"),
    }
    for cls in chain(packed_classes(messages), packed_classes(records)):
        makers[cls.__name__] = lambda cls=cls: struct_table(cls)  # type: ignore[misc]
    return makers


def lifecycle_regions() -> dict[str, Callable[[], str]]:
    """Maker of every generated region of docs/lifecycle.md, by its name."""
    return render_lifecycle.regions(_table, attribute_docstrings(messages.CardStatus))


_REGION = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.S)


def document(text: str, makers: dict[str, Callable[[], str]] | None = None) -> str:
    """The document with every generated region made anew; `KeyError` for a region that nothing makes."""
    makers = regions() if makers is None else makers
    return _REGION.sub(lambda found: f"{found[1]}{makers[found[2]]()}\n{found[3]}", text)


# --------------------------------------------------------------------------- command


def generated_files() -> dict[Path, str]:
    """What every generated file should contain, by its path in the source tree."""
    return {
        PXD: layout_pxd(),
        DOCUMENT: document((ROOT / DOCUMENT).read_text(encoding="utf-8")),
        LIFECYCLE: document((ROOT / LIFECYCLE).read_text(encoding="utf-8"), lifecycle_regions()),
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the generated files, or check them."""
    parser = argparse.ArgumentParser(
        prog="python -m switch.protocol.render", description=(__doc__ or "").split("\n")[0]
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="rewrite what is generated")
    what.add_argument("--check", action="store_true", help="exit with 1 if something is not up to date")
    write = parser.parse_args(arguments).write

    stale = 0
    for path, wanted in generated_files().items():
        file = ROOT / path
        if file.exists() and file.read_text(encoding="utf-8") == wanted:
            continue
        if write:
            file.write_text(wanted, encoding="utf-8")
            print(f"{path}: written")
        else:
            stale = 1
            print(f"{path}: out of date; run `python -m switch.protocol.render --write`", file=sys.stderr)
    return stale


if __name__ == "__main__":
    sys.exit(main())
