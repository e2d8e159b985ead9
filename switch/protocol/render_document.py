"""Tables, diagrams and examples of docs/protocol.md and docs/lifecycle.md.

Part of `render.py`, a tool for the source tree.  Nothing at run time imports it.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from . import codes, heads, lifecycle, limits, messages, records, session, terms
from .declarations import CONSTANTS, ENUM_PREFIXES, attribute_docstrings, enum_texts, packed_classes, summary
from .layout import Packed, layout_of

ROOT = Path(__file__).parents[2]
VECTORS = Path("tests/vectors")

UNITS = {"BYTES": "bytes", "MS": "milliseconds", "MINOR": "minor units", "PERCENT": "percent", "LINE": "lines"}
"""Unit of a limit, by the word in its name."""


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
        messages.MessageType.SIGNED_ON: "SignedOnReply",
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
            messages.RIGHT_NEEDED[type_].name or "" if type_ in messages.RIGHT_NEEDED else "",
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
        (f"`{cls.__name__}`", member.value, f"`{member.name}`", enum_texts(cls).get(member.name or "", ""))
        for cls in ENUM_PREFIXES
        if cls not in (messages.MessageType, codes.ResponseCode)
        for member in cls
    )
    return _table("set | value | name | meaning", rows)


def _records() -> str:
    rows = ((kind.value, cls.__name__, layout_of(cls).width_bytes, _key(cls)) for kind, cls in records.RECORDS.items())
    return _table("kind | record | bytes | key", rows)


def _key(cls: type[Packed]) -> str:
    """Fields of a record's key, those of a wide key that are always zero left out."""
    keys = (field for field in layout_of(cls).fields if field.wire.meaning.startswith("key: "))
    return ", ".join(f"`{field.name}`" for field in keys if field.wire.meaning != "key: 0")


def _limits() -> str:
    rows: list[tuple[object, ...]] = []
    for module in (terms, limits):
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
    shown = {name: value for name, value in case["fields"].items() if name != "more"} | {"more": case.get("rows", [])}
    return "\n".join(["```text", *_field_lines(shown), "", *lines, "```"])


def _field_lines(fields: dict[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in fields.items():
        if isinstance(value, list):
            for number, inner in enumerate(value):
                yield f"{indent}{name}[{number}]"
                yield from _field_lines(inner, indent + "  ")
        else:
            yield f"{indent + name:<34} {'(empty)' if value == '' else value}"


def regions() -> dict[str, Callable[[], str]]:
    """Maker of every generated region of the document, by its name."""
    makers: dict[str, Callable[[], str]] = {
        "limits": _limits,
        "message types": _message_types,
        "reserved types": _reserved_types,
        "response codes": _response_codes,
        "code classes": _code_classes,
        "enumerations": _enumerations,
        "records": _records,
        "state diagram": _state_diagram,
        "transitions": _states,
        "states": lambda: _meanings(session.State),
        "steps": lambda: _meanings(session.Step),
        "sign-on example": _sign_on_example,
        "debit example": lambda: _message_example("debit with two lines"),
        "reply example": lambda: _message_example("reply to the debit"),
    }
    for cls in chain(packed_classes(messages), packed_classes(records), packed_classes(heads)):
        makers[cls.__name__] = lambda cls=cls: struct_table(cls)  # type: ignore[misc]
    return makers


def _status_name(status: messages.CardStatus | None) -> str:
    return "`none`" if status is None else f"`{status.name}`"


def _card_statuses() -> str:
    texts = attribute_docstrings(messages.CardStatus)
    rows = (
        (status.value, _status_name(status), "yes" if status in lifecycle.LIVE else "", texts[status.name])
        for status in messages.CardStatus
    )
    return _table("value | status | live | meaning", rows)


def _card_operations() -> str:
    rows = (
        (
            operation.value,
            f"`{operation.name}`",
            ", ".join(_status_name(status) for status in step.froms),
            "stays or goes back" if step.to is None else _status_name(step.to),
            "" if step.fee is None else f"`{step.fee.name}`",
            ", ".join(_status_name(status) for status in lifecycle.GONE_ON.get(operation, ())),
        )
        for operation, step in lifecycle.TRANSITIONS.items()
    )
    return _table("value | operation | from | to | fee | done before also in", rows)


def _card_diagram() -> str:
    """Every arrow that changes a status; operations with the same two ends share one."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for operation, step in lifecycle.TRANSITIONS.items():
        targets: tuple[messages.CardStatus, ...] = () if step.to is None else (step.to,)
        if operation is messages.CardOperation.RESTORE:
            targets = lifecycle.TRANSITIONS[messages.CardOperation.REPORT_LOSS].froms  # type: ignore[assignment]
        for status in step.froms:
            for to in targets:
                if status != to:
                    ends = ("[*]" if status is None else status.name.lower(), to.name.lower())
                    arrows.setdefault(ends, []).append(operation.name.lower().replace("_", " "))
    lines = [f"    {start} --> {end}: {', '.join(names)}" for (start, end), names in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def lifecycle_regions() -> dict[str, Callable[[], str]]:
    """Maker of every generated region of docs/lifecycle.md, by its name."""
    return {"diagram": _card_diagram, "statuses": _card_statuses, "operations": _card_operations}


_REGION = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.S)


def document(text: str, makers: dict[str, Callable[[], str]] | None = None) -> str:
    """The document with every generated region made anew; `KeyError` for a region that nothing makes."""
    makers = regions() if makers is None else makers
    return _REGION.sub(lambda found: f"{found[1]}{makers[found[2]]()}\n{found[3]}", text)
