"""What comes next in the life of a key: read off the keyring and the switch, and remembered nowhere else.

The keyring is the plan and holds the keys; the switch's journal says what is in use. A step is taken in the keyring
first, unless it ends a key: that is taken at the switch first. So whatever moment a crash picks, the switch finds every
key that its journal says is in use, and `next_step` finds what was left undone.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hsm.key_states import KEY_VERSION_MAX, KeyState, Purpose

from .output import CommandError

IN_USE = (KeyState.NEW, KeyState.ACTIVE, KeyState.VERIFY_ONLY)
ENDED = (KeyState.RETIRED, KeyState.DESTROYED)
REWRAPPED = (Purpose.STORAGE, Purpose.PIN)
"""What they wrap, the switch wraps anew: nothing is left on an old version, and no medium is replaced for it."""
NAMES = {purpose: purpose.name.lower() for purpose in Purpose}
"""Purposes as this command calls them."""
KEYRING_ONLY = (Purpose.KBPK,)
"""Transport keys: the switch does not know them."""


def read_purpose(text: str) -> Purpose:
    """A purpose by its name, in letters of either case."""
    for purpose, name in NAMES.items():
        if text.lower() == name:
            return purpose
    raise CommandError(f"purpose: expected one of {', '.join(NAMES.values())}, got {text}")


class Act(enum.Enum):
    """What a step does."""

    ADD = "draw"
    ANNOUNCE = "announce"
    ACTIVATE = "activate"
    WITHDRAW = "withdraw"
    REWRAP = "wrap anew"
    RETIRE = "retire"
    DESTROY = "destroy"
    RESTORE = "restore"
    """A person must: keyring and switch do not belong together."""
    WAIT = "wait"
    """A person decides, or media are still to be replaced."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key on both sides; None where it is not known."""

    number: int
    ring: KeyState | None
    switch: KeyState | None
    ring_check: bytes = b""
    switch_check: bytes = b""

    @property
    def agreed(self) -> KeyState | None:
        """The state, when both sides say the same."""
        return self.ring if self.ring is self.switch else None


@dataclass(frozen=True, slots=True)
class Step:
    """What to do with which version, and why."""

    act: Act
    version: int = 0
    why: str = ""


def half_done(versions: Sequence[Version]) -> Step | None:
    """The step that was begun on one side and not finished on the other; those that keep a switch from starting first.

    Differences that mean nothing (NEW here and VERIFY_ONLY there: both load, neither issues) are none.
    """
    found = [step for version in versions if (step := _difference(version, versions)) is not None]
    order = [Act.RESTORE, Act.RETIRE, Act.DESTROY, Act.ANNOUNCE, Act.ACTIVATE, Act.WITHDRAW]
    return min(found, key=lambda step: (order.index(step.act), step.version), default=None)


def _difference(version: Version, versions: Sequence[Version]) -> Step | None:
    number, ring, switch = version.number, version.ring, version.switch
    if ring is switch and version.ring_check == version.switch_check:
        return None
    if ring is None:
        return Step(
            Act.RESTORE, number, "the switch has it and the keyring has not: put back the keyring's newest copy"
        )
    if switch is None:
        return None if ring in ENDED else Step(Act.ANNOUNCE, number, "it is in the keyring and not at the switch")
    if version.ring_check != version.switch_check:
        return Step(Act.RESTORE, number, "check values differ: this keyring does not belong to this switch's journal")
    if KeyState.DESTROYED in (ring, switch):
        return Step(Act.DESTROY, number, f"it is {ring} in the keyring and {switch} at the switch")
    if KeyState.RETIRED in (ring, switch):
        return Step(Act.RETIRE, number, f"it is {ring} in the keyring and {switch} at the switch")
    if ring is KeyState.ACTIVE:
        return Step(Act.ACTIVATE, number, f"it is ACTIVE in the keyring and {switch} at the switch")
    if switch is KeyState.ACTIVE and not any(other.ring is KeyState.ACTIVE for other in versions):
        act = Act.ACTIVATE if ring is KeyState.NEW else Act.WITHDRAW
        return Step(act, number, f"it is {ring} in the keyring and ACTIVE at the switch")
    return None


def next_step(
    purpose: Purpose, versions: Sequence[Version], resting: Mapping[int, int] | None, target: int | None = None
) -> Step:
    """What brings a rotation one step on.

    `resting`: media or wrapped records by key version, None for a purpose whose users nobody can count (receipts).
    `target`: the version to arrive at; without it the one that is under way, or the next number.
    """
    if (step := half_done(versions)) is not None:
        return step
    by_number = {version.number: version for version in versions}
    highest = max(by_number, default=0)
    active = next((version.number for version in versions if version.ring is KeyState.ACTIVE), 0)
    if target is None:
        chosen = _target(purpose, versions, active, highest)
        if isinstance(chosen, Step):
            return chosen
        target = chosen
    if target not in by_number:
        if target != highest + 1 or target > KEY_VERSION_MAX:
            raise CommandError(f"--to: expected version {active or 1} or the next one, {highest + 1}, got {target}")
        return Step(Act.ADD, target, "the next version begins in the keyring")
    if by_number[target].ring in ENDED:
        raise CommandError(f"--to: expected a version in use, got {target}, which is {by_number[target].ring}")
    if by_number[target].ring is not KeyState.ACTIVE:
        return Step(Act.ACTIVATE, target, "the switch has it: new things can be made with it")
    return _end_of_old(versions, resting, target)


def _target(purpose: Purpose, versions: Sequence[Version], active: int, highest: int) -> int | Step:
    newest = max((version.number for version in versions if version.ring is KeyState.NEW), default=0)
    if newest > active:
        return newest
    kept = [version.number for version in versions if version.ring is KeyState.VERIFY_ONLY]
    if kept and max(kept) > active:
        name = NAMES[purpose]
        return Step(
            Act.WAIT,
            max(kept),
            f"version {max(kept)} was rolled back or withdrawn: `keys rotate {name} --to {max(kept)}` goes forward"
            f" again, `keys retire {name} {max(kept)}` ends it",
        )
    if kept:
        return active
    return highest + 1


def _end_of_old(versions: Sequence[Version], resting: Mapping[int, int] | None, target: int) -> Step:
    for version in versions:
        if version.ring is not KeyState.VERIFY_ONLY:
            continue
        number = version.number
        if resting is None:
            return Step(Act.WAIT, number, "nobody counts what was made with it: retire it when that may be refused")
        if count := resting.get(number, 0):
            return Step(Act.WAIT, number, f"{count:,} still rest on it")
        return Step(Act.RETIRE, number, "nothing rests on it any more")
    return Step(Act.NONE, target, "it is the only one in use")


def merged(ring: Iterable[tuple[int, KeyState, bytes]], switch: Iterable[tuple[int, KeyState, bytes]]) -> list[Version]:
    """Versions of one purpose from (number, state, check value) of both sides."""
    left = {number: (state, check) for number, state, check in ring}
    right = {number: (state, check) for number, state, check in switch}
    return [Version(number, *_pair(left.get(number), right.get(number))) for number in sorted({*left, *right})]


def _pair(
    ring: tuple[KeyState, bytes] | None, switch: tuple[KeyState, bytes] | None
) -> tuple[KeyState | None, KeyState | None, bytes, bytes]:
    return (
        (ring and ring[0]) or None,
        (switch and switch[0]) or None,
        ring[1] if ring else b"",
        switch[1] if switch else b"",
    )
