"""Reading a rule file section by section, strictly: each key once, of the right kind, and nothing left over."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any


class RulesError(ValueError):
    """A rule file that cannot be carried out; says file, section, key, what was expected and what came."""


class Refused:
    """Keys that are in the file and cannot be carried out, collected so that one look shows all of them."""

    def __init__(self) -> None:
        self.unsupported: list[str] = []
        self.unknown: list[str] = []

    def raise_if_any(self, where: str) -> None:
        parts = []
        if self.unsupported:
            parts.append(
                f"not supported yet (protocol 1 cannot carry it out): {', '.join(self.unsupported)}; remove it"
            )
        if self.unknown:
            parts.append(f"unknown: {', '.join(self.unknown)}; correct the name or remove it")
        if parts:
            raise RulesError(f"{where}: {'; '.join(parts)}")


class Section:
    """One table of the file: hands out each key once, checked, and complains about what is left over."""

    def __init__(self, where: str, name: str, table: dict[str, Any], refused: Refused) -> None:
        self._where, self._name, self._refused = where, name, refused
        self._left = dict(table)

    def error(self, key: str, expected: str, got: object) -> RulesError:
        return RulesError(f"{self._where}: {self._path(key)}: expected {expected}, got {got!r}")

    def unsupported(self, key: str) -> None:
        self._refused.unsupported.append(self._path(key))

    def not_yet(self, key: str) -> None:
        """A key of the language that cannot be carried out: refused by name, unless it asks for nothing."""
        if key in self._left and self._left.pop(key) not in (0, [], {}):
            self.unsupported(key)

    def finish(self) -> None:
        """Refuse what nobody has asked for."""
        self._refused.unknown += [self._path(key) for key in self._left]

    def section(self, key: str) -> Section:
        return Section(self._where, self._path(key), self._take(key, "a table", _is_table), self._refused)

    def sections(self, key: str) -> list[Section]:
        tables = self._take(key, "an array of tables", lambda v: isinstance(v, list) and all(map(_is_table, v)))
        return [Section(self._where, f"{key}[{index}]", table, self._refused) for index, table in enumerate(tables, 1)]

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

    def bucket_range(self, key: str) -> tuple[int, int] | None:
        if key not in self._left:
            return None
        low, high = self._take(
            key, "two whole numbers", lambda v: isinstance(v, list) and len(v) == 2 and all(map(_is_number, v))
        )
        return low, high

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
