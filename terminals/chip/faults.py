"""What a training card is told to do wrong, as a small text: `pull-after:GENERATE_AC slow:READ_STATE,200`.

| fault                         | what the card does                                                              |
|-------------------------------|---------------------------------------------------------------------------------|
| `pull-before:COMMAND`         | is pulled out before it carries the command out                                 |
| `pull-after:COMMAND`          | carries the command out and is pulled out before it answers                     |
| `cut-before:STEP`             | loses its power before the step                                                 |
| `cut-after:STEP`              | loses its power when the step is done                                           |
| `cut-between:STEP,STEP`       | the same as cut-after the first; the second must be the one that follows it     |
| `garbage:COMMAND[,BYTES]`     | carries the command out and answers so many random bytes (16)                   |
| `slow:COMMAND,MS`             | waits before the answer                                                         |
| `mute:COMMAND[,MS]`           | carries the command out, never answers, and is pulled out after so long (60,000) |
| `pull-now`                    | is pulled out at once, whatever it does                                         |

COMMAND is SELECT, READ_STATE, READ_NUMBER, GENERATE_AC, ISSUER_ANSWER or PERSONALISE, ANY for each of them, or a
number: the so many-th command since the card got power. STEP is counter or mac (of GENERATE_AC), check or chain (of
ISSUER_ANSWER), or person (of PERSONALISE). A fault happens once; one that is given twice happens twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .applet import Instruction
from .errors import ChipError

STEPS = ("counter", "mac", "check", "chain", "person")
"""What a card does inside commands, in order: store the counter, make the MAC; check a MAC, store the chain value;
store what makes a card somebody's."""
FOLLOWS = {"counter": "mac", "check": "chain"}
GARBAGE_BYTES = 16
GARBAGE_BYTES_MAX = 256
"""A longer answer is no short APDU, and pcscd would not pass it on."""
MUTE_MS = 60_000
DELAY_MS_MAX = 600_000
FAULTS_MAX = 64
"""In one plan: whoever writes more wants a program."""
ORDINAL_MAX = 100_000
ANY = "ANY"


class FaultPlanError(ChipError):
    """A text that is no plan of faults."""


class FaultKind(Enum):
    """The words of the table above."""

    PULL_BEFORE = "pull-before"
    PULL_AFTER = "pull-after"
    CUT_BEFORE = "cut-before"
    CUT_AFTER = "cut-after"
    GARBAGE = "garbage"
    SLOW = "slow"
    MUTE = "mute"
    PULL_NOW = "pull-now"


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them: `target` is a command's name, ANY, a number, or a step; `figure` bytes or milliseconds."""

    kind: FaultKind
    target: str = ""
    figure: int = 0

    def fits(self, instruction: Instruction | None, ordinal: int) -> bool:
        """Whether it is about this command."""
        return self.target in (ANY, str(ordinal), instruction.name if instruction else "")


class FaultPlan:
    """The faults still to come, in the order in which they were given."""

    def __init__(self, text: str = "") -> None:
        self._faults: list[Fault] = []
        self.add(text)

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, text: str) -> None:
        """Take more; `FaultPlanError`, and none of them is taken, where the text is no plan."""
        faults = [_parse(word) for word in text.split()]
        if len(self._faults) + len(faults) > FAULTS_MAX:
            raise FaultPlanError(f"faults: expected at most {FAULTS_MAX}, got more; leave some out")
        self._faults += faults

    def of_command(self, kind: FaultKind, instruction: Instruction | None, ordinal: int) -> Fault | None:
        """The next fault of a kind for a command, used up by asking."""
        return self._take(next((f for f in self._faults if f.kind is kind and f.fits(instruction, ordinal)), None))

    def of_step(self, kind: FaultKind, step: str) -> Fault | None:
        """The next fault of a kind for a step, used up by asking."""
        return self._take(next((f for f in self._faults if f.kind is kind and f.target == step), None))

    def now(self) -> Fault | None:
        """A `pull-now`, used up by asking."""
        return self._take(next((f for f in self._faults if f.kind is FaultKind.PULL_NOW), None))

    def _take(self, fault: Fault | None) -> Fault | None:
        if fault is not None:
            self._faults.remove(fault)
        return fault


def _parse(word: str) -> Fault:
    name, _, rest = word.partition(":")
    target, comma, figure = rest.partition(",")
    if name == "cut-between":
        if FOLLOWS.get(target) != figure:
            pairs = " or ".join(f"{first},{second}" for first, second in FOLLOWS.items())
            raise _wrong(word, f"cut-between:{pairs}")
        return Fault(FaultKind.CUT_AFTER, target)
    kind = next((kind for kind in FaultKind if kind.value == name), None)
    if kind is None:
        raise _wrong(word, f"one of cut-between, {', '.join(kind.value for kind in FaultKind)}")
    if kind is FaultKind.PULL_NOW:
        if rest:
            raise _wrong(word, "pull-now alone")
        return Fault(kind)
    if kind in (FaultKind.CUT_BEFORE, FaultKind.CUT_AFTER):
        if target not in STEPS or comma:
            raise _wrong(word, f"{name}: and one of {', '.join(STEPS)}")
        return Fault(kind, target)
    named = [instruction.name for instruction in Instruction]
    if target not in (*named, ANY) and not (target.isdecimal() and 1 <= int(target) <= ORDINAL_MAX):
        raise _wrong(word, f"{name}: and one of {', '.join(named)}, {ANY}, or a number from 1 to {ORDINAL_MAX}")
    return Fault(kind, target, _figure(word, kind, figure if comma else None))


def _figure(word: str, kind: FaultKind, text: str | None) -> int:
    by_kind = {
        FaultKind.GARBAGE: (GARBAGE_BYTES, GARBAGE_BYTES_MAX, "bytes"),
        FaultKind.MUTE: (MUTE_MS, DELAY_MS_MAX, "milliseconds"),
        FaultKind.SLOW: (None, DELAY_MS_MAX, "milliseconds"),
    }
    if kind not in by_kind:
        if text is not None:
            raise _wrong(word, "no figure")
        return 0
    default, most, unit = by_kind[kind]
    if text is None and default is not None:
        return default
    if text is None or not text.isdecimal() or not 1 <= int(text) <= most:
        raise _wrong(word, f"a number of {unit} from 1 to {most} after the comma")
    return int(text)


def _wrong(word: str, expected: str) -> FaultPlanError:
    return FaultPlanError(f"fault {word}: expected {expected}; see `cardswitch device card fault --help`")
