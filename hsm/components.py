"""Split knowledge: a key in full-length components, each known to one custodian, of which all are needed.

Any n - 1 components tell nothing about the key, which is their exclusive or. Each has a check value (AES-CMAC, 5
bytes) that its custodian compares alone, and the key has one that all compare together. Keys and components lie in
slots of locked memory; only the text of a form, which has to be printed or typed, passes through a Python string.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from hsm._cipher import check_value, copy_into, equal, random_into, xor_into
from hsm._memory import KeyPage, KeySlot
from hsm.keyring_errors import (
    ComponentCheckError,
    ComponentCountError,
    ComponentFormError,
    FormTakenError,
    SamePersonError,
)
from hsm.people import check_different, person

COMPONENT_COUNT_MIN = 2
COMPONENT_COUNT_MAX = 9  # more safes than any key here has custodians
CHECK_VALUE_BYTES = 5
KEY_LABEL_CHARACTERS_MAX = 60  # one line of a form
_GROUP_BYTES = 2
_GROUPS_PER_LINE = 4


def form_text(slot: KeySlot) -> str:
    """A component as it is printed: capitals in groups of four digits, four groups a line."""
    groups = _groups(slot)
    return "\n".join(" ".join(groups[at : at + _GROUPS_PER_LINE]) for at in range(0, len(groups), _GROUPS_PER_LINE))


def read_component(text: str, check: str, slot: KeySlot) -> None:
    """Fill a slot from typed hexadecimal; spaces, line ends and small letters are welcome.

    `ComponentFormError` says which group of four is wrong, never what it was; `ComponentCheckError` if the check
    value (5 bytes in hexadecimal) does not fit. The slot then holds zeros.
    """
    typed = "".join(text.split())
    wanted = 2 * len(slot)
    for at in range(0, len(typed), 4):
        if not re.fullmatch(r"[0-9A-Fa-f]{1,4}", typed[at : at + 4]):
            raise ComponentFormError(
                f"expected digits and letters A to F, got another character in group {at // 4 + 1}: type it again"
            )
    if len(typed) != wanted:
        raise ComponentFormError(f"expected {wanted} digits, got {len(typed)}: look for a group that is short or twice")
    view = memoryview(slot)
    try:
        for at in range(len(slot)):
            view[at] = int(typed[2 * at : 2 * at + 2], 16)
        compare_check_value(slot, read_check_value(check), "the component")
    except BaseException:
        view[:] = bytes(len(slot))
        raise
    finally:
        view.release()


def read_check_value(text: str) -> bytes:
    """5 bytes from typed hexadecimal. `ComponentFormError` otherwise."""
    typed = "".join(text.split())
    if not re.fullmatch(r"[0-9A-Fa-f]{10}", typed):
        raise ComponentFormError(
            f"expected a check value of {2 * CHECK_VALUE_BYTES} hexadecimal digits, got {len(typed)} characters"
        )
    return bytes.fromhex(typed)


def compare_check_value(slot: KeySlot, expected: bytes, what: str) -> None:
    """Raise `ComponentCheckError` unless a slot's key has this check value. Check values are no secret."""
    found = check_value(slot)
    if not equal(found, expected):
        raise ComponentCheckError(
            f"expected check value {expected.hex().upper()} of {what}, got {found.hex().upper()}: "
            f"compare with the form, group by group"
        )


class Split:
    """A key in components, one for each custodian, whose forms are given out once each.

    The key's slot stays the caller's. Closing wipes what was not given out.
    """

    def __init__(self, page: KeyPage, key: KeySlot, custodians: list[str], label: str) -> None:
        """Raises `ComponentCountError`, `SamePersonError`, `ComponentFormError` for a label that fills no line."""
        _check_count(len(custodians))
        check_different(custodians)
        if not 1 <= len(label) <= KEY_LABEL_CHARACTERS_MAX or not label.isprintable():
            raise ComponentFormError(
                f"expected a label of 1 to {KEY_LABEL_CHARACTERS_MAX} printable characters, got {len(label)}: name it"
            )
        self.label = label
        self.check_value = check_value(key)
        self._custodians = [person(name) for name in custodians]
        self._slots: dict[str, KeySlot] = {}
        with ExitStack() as undo:
            undo.callback(self.close)
            last = page.take(len(key))
            self._slots[self._custodians[-1]] = last
            copy_into(last, key)
            for name in self._custodians[:-1]:
                self._slots[name] = page.take(len(key))
                random_into(self._slots[name])
                xor_into(last, self._slots[name])
            undo.pop_all()

    def __repr__(self) -> str:
        return f"<Split of {self.label}, {len(self._slots)} forms to give out>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def take_form(self, custodian: str) -> str:
        """The sealed form of one custodian; wipes the component. `FormTakenError` after that, or for a stranger."""
        name = person(custodian)
        slot = self._slots.pop(name, None)
        if slot is None:
            raise FormTakenError(
                f"expected a custodian whose form is not given out, got {name}: a lost form means a new split"
            )
        with slot:
            number = self._custodians.index(name) + 1
            return (
                f"KEY COMPONENT {number} OF {len(self._custodians)}\n"
                f"Key:        {self.label}\n"
                f"Custodian:  {name}\n\n"
                f"{form_text(slot)}\n\n"
                f"Check value of this component:  {_spaced(check_value(slot))}\n"
                f"Check value of the whole key:   {_spaced(self.check_value)}\n"
            )

    def close(self) -> None:
        """Wipe the components that were not given out. Twice is harmless."""
        while self._slots:
            self._slots.popitem()[1].wipe()


class Assembly:
    """A key that custodians enter, each alone; it exists only when all have.

    A refused entry changes nothing. Closing wipes everything that `finish` did not hand over.
    """

    def __init__(self, page: KeyPage, key_bytes: int, component_count: int) -> None:
        _check_count(component_count)
        self.component_count = component_count
        self._page = page
        self._key_bytes = key_bytes
        self._sum: KeySlot | None = page.take(key_bytes)
        self._entered: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"<Assembly, {len(self._entered)} of {self.component_count} components>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def entered(self) -> Iterator[tuple[str, bytes]]:
        """Custodians so far, and the check values of their components."""
        return iter(self._entered.items())

    def enter(self, custodian: str, text: str, check: str) -> None:
        """Add one component. Errors as `read_component`; `SamePersonError` for a custodian or component that was."""
        if self._sum is None or len(self._entered) == self.component_count:
            raise ComponentCountError(f"expected {self.component_count} components, got one more: begin anew")
        name = person(custodian)
        check_different([*self._entered, name])
        with self._page.take(self._key_bytes) as slot:
            read_component(text, check, slot)
            value = check_value(slot)
            if value in self._entered.values():
                raise SamePersonError(
                    f"expected another component than before, got check value {value.hex().upper()} again: "
                    f"{name} holds somebody else's form"
                )
            xor_into(self._sum, slot)
            self._entered[name] = value

    def finish(self, expected_check: str) -> KeySlot:
        """The key, whose slot is the caller's from now on, if its check value is the one on the forms.

        `ComponentCountError` before all have entered; `ComponentCheckError` for another key, which is wiped.
        """
        if self._sum is None or len(self._entered) != self.component_count:
            raise ComponentCountError(
                f"expected {self.component_count} components, got {len(self._entered)}: let the others enter theirs"
            )
        expected = read_check_value(expected_check)
        try:
            compare_check_value(self._sum, expected, "the whole key")
        except ComponentCheckError:
            self.close()
            raise
        key, self._sum = self._sum, None
        return key

    def close(self) -> None:
        """Wipe. Twice is harmless."""
        if self._sum is not None:
            self._sum.wipe()
            self._sum = None


def _check_count(count: int) -> None:
    if not COMPONENT_COUNT_MIN <= count <= COMPONENT_COUNT_MAX:
        raise ComponentCountError(
            f"expected {COMPONENT_COUNT_MIN} to {COMPONENT_COUNT_MAX} components, got {count}: name as many custodians"
        )


def _groups(slot: KeySlot) -> list[str]:
    with memoryview(slot) as view:
        return [view[at : at + _GROUP_BYTES].hex().upper() for at in range(0, len(slot), _GROUP_BYTES)]


def _spaced(value: bytes) -> str:
    text = value.hex().upper()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
