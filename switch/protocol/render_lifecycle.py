"""The life of a card for `switch/_layout.pxd` and docs/lifecycle.md; a part of `render`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from . import lifecycle, messages

NO_FEE = 255
"""In place of a fee's kind in the table of transitions."""


def c_transitions() -> Iterator[str]:
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


def _status_name(status: messages.CardStatus | None) -> str:
    return "`none`" if status is None else f"`{status.name}`"


def status_rows(texts: dict[str, str]) -> Iterator[tuple[object, ...]]:
    """Value, name, whether it is live, and meaning of every status; `texts`: the meanings by name."""
    yield from (
        (status.value, _status_name(status), "yes" if status in lifecycle.LIVE else "", texts[status.name])
        for status in messages.CardStatus
    )


def operation_rows() -> Iterator[tuple[object, ...]]:
    """Value, name, starts, target, fee, and further statuses of DONE_BEFORE of every operation."""
    yield from (
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


def diagram() -> str:
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


def regions(
    table: Callable[[str, Iterable[Iterable[object]]], str], texts: dict[str, str]
) -> dict[str, Callable[[], str]]:
    """Maker of every generated region of docs/lifecycle.md, by its name."""
    operations = "value | operation | from | to | fee | done before also in"
    return {
        "diagram": diagram,
        "statuses": lambda: table("value | status | live | meaning", status_rows(texts)),
        "operations": lambda: table(operations, operation_rows()),
    }
