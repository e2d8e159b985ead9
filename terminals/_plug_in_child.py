"""The process in which one custom rule runs: reads sales, calls the rule, writes what it says.

Started by `plug_in_process` as `python -m terminals._plug_in_child TARGET TIME_LIMIT_MS MEMORY_BYTES_MAX`.  Frames both
ways: four bytes of length, then msgpack.  The rule's own output goes to the standard error.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import msgspec

from .bills import Bill, Card, Clock, Sale

ENTRY_POINT_GROUP = "cardswitch.plug_ins"
LENGTH_BYTES = 4
GRANTS_MAX = 64
"""Pairs that one rule may name for one sale: one for each points category."""
ERROR_CHARACTERS_MAX = 500
ALARM_FACTOR = 2
"""The parent kills at the limit; should it be gone itself, the alarm ends a rule that never returns."""

Rule = Callable[[Bill, Card, Clock], Iterable[tuple[int, int]]]


class Answer(msgspec.Struct):
    """What the child says: once when it is ready, then once per sale."""

    grants: list[tuple[int, int]] = []
    """(points category, points in hundredths)."""
    error: str = ""
    """What went wrong; then there are no grants."""


def find_rule(target: str) -> Rule:
    """The rule that a target names: `module:function`, or an entry point of the group `cardswitch.plug_ins`."""
    if ":" in target:
        module_name, _, path = target.partition(":")
        found: Any = importlib.import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
    else:
        points = importlib.metadata.entry_points(group=ENTRY_POINT_GROUP, name=target)
        if not points:
            raise LookupError(f"no entry point {target!r} in group {ENTRY_POINT_GROUP!r}, and no module:function")
        found = next(iter(points)).load()
    if not callable(found):
        raise TypeError(f"{target}: expected something to call, got {type(found).__name__}")
    rule: Rule = found
    return rule


def answer_to(rule: Rule, sale: Sale) -> Answer:
    """What a rule says about one sale, or what went wrong."""
    try:
        grants = []
        for category, points_hundredths in rule(sale.bill, sale.card, sale.clock):
            if type(category) is not int or type(points_hundredths) is not int:
                return Answer(error=f"expected pairs of whole numbers, got {category!r}, {points_hundredths!r}")
            grants.append((category, points_hundredths))
            if len(grants) > GRANTS_MAX:
                return Answer(error=f"expected at most {GRANTS_MAX} pairs, got more")
        return Answer(grants)
    except Exception as error:
        return Answer(error=_said(error))


def main(target: str, time_limit_ms: int, memory_bytes_max: int) -> None:
    """Answer sales until the parent closes the pipe."""
    with os.fdopen(os.dup(0), "rb") as sales, os.fdopen(os.dup(1), "wb") as answers:
        # A rule that reads or prints must not get into the frames.
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes_max, memory_bytes_max))
        try:
            rule = find_rule(target)
        except Exception as error:
            _write(answers, Answer(error=_said(error)))
            return
        _write(answers, Answer())
        decoder = msgspec.msgpack.Decoder(Sale)
        while (content := _read(sales)) is not None:
            signal.setitimer(signal.ITIMER_REAL, ALARM_FACTOR * time_limit_ms / 1000)
            answer = answer_to(rule, decoder.decode(content))
            signal.setitimer(signal.ITIMER_REAL, 0)
            _write(answers, answer)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS_MAX]


def _read(pipe: BinaryIO) -> bytes | None:
    length = pipe.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    content = pipe.read(int.from_bytes(length, "little"))
    return content


def _write(pipe: BinaryIO, answer: Answer) -> None:
    try:
        content = msgspec.msgpack.encode(answer)
    except (OverflowError, msgspec.MsgspecError) as error:  # a number beyond 64 bits
        content = msgspec.msgpack.encode(Answer(error=_said(error)))
    pipe.write(len(content).to_bytes(LENGTH_BYTES, "little") + content)
    pipe.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
