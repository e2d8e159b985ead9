"""Reading a rule file section by section, strictly: each key once, of the right kind, and nothing left over."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any


class RulesError(ValueError):
    """A rule file that cannot be carried out; says file, section, key, what was expected and what came."""


class Refused:
    """Keys that are in the file and not in the language, collected so that one look shows all of them."""

    def __init__(self) -> None:
        self.unknown: list[str] = []

    def raise_if_any(self, where: str) -> None:
        if self.unknown:
            raise RulesError(f"{where}: unknown: {', '.join(self.unknown)}; correct the name or remove it")


class Section:
    """One table of the file: hands out each key once, checked, and complains about what is left over."""

    def __init__(self, where: str, name: str, table: dict[str, Any], refused: Refused) -> None:
        self._where, self._name, self._refused = where, name, refused
        self._left = dict(table)

    def error(self, key: str, expected: str, got: object) -> RulesError:
        return RulesError(f"{self._where}: {self._path(key)}: expected {expected}, got {got!r}")

    def has(self, key: str) -> bool:
        """Whether the key is in the table and was not taken yet."""
        return key in self._left

    def finish(self) -> None:
        """Refuse what nobody has asked for."""
        self._refused.unknown += [self._path(key) for key in self._left]

    def section(self, key: str) -> Section:
        return Section(self._where, self._path(key), self._take(key, "a table", _is_table), self._refused)

    def sections(self, key: str, default: list[Any] | None = None) -> list[Section]:
        """Tables of an array; `default` `None` makes the key mandatory."""
        tables = self._take(key, "an array of tables", _is_array_of_tables, default)
        path = self._path(key)
        return [Section(self._where, f"{path}[{index}]", table, self._refused) for index, table in enumerate(tables, 1)]

    def text(self, key: str) -> str:
        value: str = self._take(key, "text that is not empty", lambda v: isinstance(v, str) and v != "")
        return value

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value: str = self._take(key, "one of " + ", ".join(choices), lambda v: isinstance(v, str) and v in choices)
        return value

    def number(self, key: str, minimum: int, maximum: int, default: int | None = None) -> int:
        """A whole number within bounds; `default` `None` makes the key mandatory."""
        expected = f"a whole number from {minimum} to {maximum}"
        value: int = self._take(key, expected, lambda v: _is_number(v) and minimum <= v <= maximum, default)
        return value

    def date(self, key: str, default: datetime.date | None = None) -> datetime.date:
        value: datetime.date = self._take(
            key,
            "a date such as 2017-07-01",
            lambda v: isinstance(v, datetime.date) and not isinstance(v, datetime.datetime),
            default,
        )
        return value

    def texts(self, key: str) -> frozenset[str]:
        value = self._take(
            key, "a list of texts", lambda v: isinstance(v, list) and all(isinstance(text, str) for text in v), []
        )
        return frozenset(value)

    def numbers(self, key: str) -> frozenset[int]:
        """A list of whole numbers, as a set; nothing when the key is not there."""
        value = self._take(
            key, "a list of whole numbers", lambda v: isinstance(v, list) and all(map(_is_number, v)), []
        )
        return frozenset(value)

    def number_pair(self, key: str) -> tuple[int, int] | None:
        """Two whole numbers; `None` when the key is not there."""
        if not self.has(key):
            return None
        low, high = self._take(
            key, "two whole numbers", lambda v: isinstance(v, list) and len(v) == 2 and all(map(_is_number, v))
        )
        return low, high

    def numbers_by_text(self, key: str, minimum: int, maximum: int) -> dict[str, int]:
        """A table of whole numbers within bounds; empty when the key is not there."""
        table = Section(self._where, self._path(key), self._take(key, "a table", _is_table, {}), self._refused)
        return {name: table.number(name, minimum, maximum) for name in list(table._left)}

    def _take(self, key: str, expected: str, fits: Callable[[Any], bool], default: Any = None) -> Any:
        if key not in self._left:
            if default is None:
                raise RulesError(f"{self._where}: {self._path(key)}: expected {expected}, got nothing; add it")
            return default
        value = self._left.pop(key)
        if not fits(value):
            raise self.error(key, expected, value)
        return value

    def _path(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _is_array_of_tables(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_table, value))
