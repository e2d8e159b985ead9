"""Where the keys are and which two people change them: the options that all `cardswitch keys` commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from hsm.people import TwoPeople
from switch._clock import now_ms
from switch._directory import open_directory

from .key_house import KeyHouse, read_passphrase
from .output import CommandError

KEYS = Group("Keys", sort_key=80)
OPERATOR_ID_MAX = 2**32 - 1
EXAMPLE = '--officers "Li Wei:11,Chen Jie:12"'


@dataclass(frozen=True, slots=True)
class Officers:
    """Author and approver: names for the key log, numbers for the switch."""

    people: TwoPeople
    author_id: int
    approver_id: int


def read_officers(text: str, at_ms: int) -> Officers:
    """`Li Wei:11,Chen Jie:12`: author, then approver, each with their number as operators. `CommandError`."""
    parts = [part.rpartition(":") for part in text.split(",")] if text else []
    names = [name.strip() for name, _, _ in parts]
    numbers = [number.strip() for _, _, number in parts]
    if len(parts) != 2 or not all(names) or not all(n.isascii() and n.isdigit() for n in numbers):
        raise CommandError(
            f"officers: expected author and approver with their operator numbers, got {text!r}; add {EXAMPLE}, or set"
            " CARDSWITCH_OFFICERS"
        )
    author_id, approver_id = map(int, numbers)
    if not 0 < author_id <= OPERATOR_ID_MAX or not 0 < approver_id <= OPERATOR_ID_MAX or author_id == approver_id:
        raise CommandError(
            f"officers: expected two different numbers from 1 to {OPERATOR_ID_MAX}, got {author_id} and {approver_id}"
        )
    return Officers(TwoPeople(names[0], names[1], at_ms), author_id, approver_id)


@Parameter(name="*")
@dataclass(frozen=True)
class House:
    """Options of every command that opens the keys."""

    data: Annotated[Path | None, Parameter(env_var="CARDSWITCH_DATA", group=KEYS)] = None
    """Data directory of the switch; its keys are opened with the passphrase, as `serve` does."""
    officers: Annotated[str, Parameter(env_var="CARDSWITCH_OFFICERS", group=KEYS)] = ""
    """The two people who do it, with their operator numbers: NAME:NUMBER,NAME:NUMBER (author, approver)."""

    @property
    def directory(self) -> Path:
        """The data directory."""
        if self.data is None:
            raise CommandError("keys: expected --data DIR or the environment variable CARDSWITCH_DATA, got neither")
        return self.data

    def read_officers(self) -> Officers:
        """Who does it, now."""
        return read_officers(self.officers, now_ms())

    @contextmanager
    def open(self, *, writable: bool = False) -> Iterator[KeyHouse]:
        """The keys, to be read: the keyring changes by log and lock, whoever has it open; `writable` is for KEKs."""
        house = KeyHouse.open(open_directory(self.directory).keys, read_passphrase, writable=writable)
        try:
            yield house
        finally:
            house.close()

    @contextmanager
    def open_to_change(self, *, writable: bool = False) -> Iterator[tuple[KeyHouse, Officers]]:
        """The keys and who changes them; a line of the log that a crash cut is removed first, and that is logged."""
        officers = self.read_officers()
        with self.open(writable=writable) as house:
            house.keyring.repair_log(officers.people)
            yield house, officers


HOUSE = House()
