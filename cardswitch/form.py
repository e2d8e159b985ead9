"""Tables out of files, read field by field: every problem is collected with its field, what was expected and what came.

A file is checked as a whole before anything of it is sent, so that one look
shows all that is wrong with it.
"""

from __future__ import annotations

import datetime
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from .output import CommandError
from .units import date_to_days, parse_count_limit, parse_date, parse_decimal, parse_limit, parse_minute

T = TypeVar("T")
_MISSING: Any = object()


class Problems:
    """What is wrong with a file."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[str] = []

    def add(self, path: str, words: str) -> None:
        """Note one problem of the field at a path."""
        self.found.append(f"{path}: {words}")

    def names(self, path: str) -> bool:
        """Whether a problem of this field is noted already: what follows from it need not be."""
        return any(problem.startswith(f"{path}: ") for problem in self.found)

    def raise_if_any(self) -> None:
        """`CommandError` with all of them, one a line."""
        if self.found:
            lines = "\n".join(f"  {problem}" for problem in self.found)
            raise CommandError(f"{self.where}: {len(self.found)} to correct, nothing was sent:\n{lines}")


class Form:
    """One table: hands out each field once, checked; a field that is wrong is noted and its default goes on."""

    def __init__(self, table: Mapping[str, Any], path: str, problems: Problems) -> None:
        self._left = dict(table)
        self._path, self._problems = path, problems

    def path_of(self, name: str) -> str:
        """Name of a field, as in the file."""
        return f"{self._path}.{name}" if self._path else name

    def problem(self, name: str, words: str) -> None:
        """Note a problem that the form itself cannot see."""
        self._problems.add(self.path_of(name), words)

    def take(self, name: str, parse: Callable[[Any], T], default: T = _MISSING) -> T:
        """A field's value as `parse` reads it; a missing one without default is a problem."""
        if name not in self._left:
            if default is _MISSING:
                self.problem(name, "expected a value, got nothing; add it")
                return None  # type: ignore[return-value]
            return default
        try:
            return parse(self._left.pop(name))
        except (ValueError, TypeError) as error:
            self.problem(name, str(error))
            return None if default is _MISSING else default  # type: ignore[return-value]

    def has(self, name: str) -> bool:
        """Whether the field is there and was not taken."""
        return name in self._left

    def number(self, name: str, low: int, high: int, default: int = _MISSING) -> int:
        """A whole number within bounds."""

        def parse(value: Any) -> int:
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"expected a whole number from {low:,} to {high:,}, got {value!r}")
            return value

        return self.take(name, parse, default)

    def decimal(self, name: str, low: int, high: int, default: int = _MISSING) -> int:
        """An amount or points with at most two places, as hundredths within bounds."""

        def parse(value: Any) -> int:
            hundredths = parse_decimal(_text_of_number(value))
            if not low <= hundredths <= high:
                raise ValueError(f"expected {low / 100:.2f} to {high / 100:,.2f}, got {value}")
            return hundredths

        return self.take(name, parse, default)

    def limit(self, name: str, default: int) -> int:
        """A limit of money or points, or "unlimited"."""

        def parse(value: Any) -> int:
            limit = parse_limit(_text_of_number(value))
            if limit < 0:
                raise ValueError(f'expected 0.00 or more, or "unlimited", got {value}')
            return limit

        return self.take(name, parse, default)

    def count_limit(self, name: str, high: int, default: int) -> int:
        """A limit of a count, or "unlimited"."""

        def parse(value: Any) -> int:
            limit = parse_count_limit(str(value))
            if limit != default and limit > high:
                raise ValueError(f'expected 0 to {high:,}, or "unlimited", got {value}')
            return limit

        return self.take(name, parse, default)

    def text(self, name: str, bytes_max: int, default: str = _MISSING) -> str:
        """Text of at most so many bytes in UTF-8."""

        def parse(value: Any) -> str:
            if not isinstance(value, str) or len(value.encode()) > bytes_max:
                raise ValueError(f"expected text of at most {bytes_max} bytes, got {value!r}")
            return value

        return self.take(name, parse, default)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""

        def parse(value: Any) -> bool:
            if not isinstance(value, bool):
                raise ValueError(f"expected true or false, got {value!r}")
            return value

        return self.take(name, parse, default)

    def choice(self, name: str, choices: Mapping[str, T], default: T = _MISSING) -> T:
        """One of the names."""
        return self.take(name, lambda value: choose(value, choices), default)

    def choices(self, name: str, choices: Mapping[str, int], default: int = 0) -> int:
        """A list of names, as the sum of their bits."""

        def parse(value: Any) -> int:
            if not isinstance(value, list):
                raise ValueError(f"expected a list of {', '.join(choices)}, got {value!r}")
            bits = 0
            for item in value:
                bits |= choose(item, choices)
            return bits

        return self.take(name, parse, default)

    def date(self, name: str, default: int = _MISSING) -> int:
        """A date, as days since 1970-01-01."""

        def parse(value: Any) -> int:
            if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
                return date_to_days(value)
            return parse_date(str(value))

        return self.take(name, parse, default)

    def minute(self, name: str, default: int) -> int:
        """A time of day, as minutes since midnight."""

        def parse(value: Any) -> int:
            return value.hour * 60 + value.minute if isinstance(value, datetime.time) else parse_minute(str(value))

        return self.take(name, parse, default)

    def numbers(self, name: str, low: int, high: int) -> list[int]:
        """A list of whole numbers within bounds."""

        def parse(value: Any) -> list[int]:
            is_fine = isinstance(value, list) and all(
                isinstance(item, int) and not isinstance(item, bool) and low <= item <= high for item in value
            )
            if not is_fine:
                raise ValueError(f"expected a list of whole numbers from {low:,} to {high:,}, got {value!r}")
            return list(value)

        return self.take(name, parse, [])

    def form(self, name: str) -> Form:
        """A table inside; empty when it is not there."""
        nothing: dict[str, Any] = {}
        table = self.take(name, _table, nothing)
        return Form(table or {}, self.path_of(name), self._problems)

    def forms(self, name: str) -> list[Form]:
        """Tables of an array; empty when it is not there."""
        nothing: list[dict[str, Any]] = []
        tables = self.take(name, _tables, nothing)
        return [Form(table, f"{self.path_of(name)}[{n}]", self._problems) for n, table in enumerate(tables or [], 1)]

    def finish(self, known: str = "") -> None:
        """Complain about what nobody has asked for."""
        for name in self._left:
            self.problem(
                name, f"no such field{f'; known here: {known}' if known else ''}; correct the name or remove it"
            )


def choose(value: Any, choices: Mapping[str, T]) -> T:
    """The choice of this name; case and `_` for `-` do not matter."""
    key = value.lower().replace("_", "-") if isinstance(value, str) else value
    if key not in choices:
        raise ValueError(f"expected one of {', '.join(choices)}, got {value!r}")
    return choices[key]


def names_of(enumeration: Any) -> dict[str, int]:
    """`POINTS_ITEM` → `points-item`: names as files have them, by an enumeration's members."""
    return {member.name.lower().replace("_", "-"): int(member) for member in enumeration}


def name_of(enumeration: Any, value: int) -> str:
    """Name of a value as files have it; the number when it has none."""
    return next((name for name, member in names_of(enumeration).items() if member == value), str(value))


def bits_of(enumeration: Any, value: int) -> list[str]:
    """Names of the bits that are on."""
    return [name for name, member in names_of(enumeration).items() if value & member]


def read_toml(path: Path) -> tuple[Form, Problems]:
    """A TOML file; decimals keep the digits that were written."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=_decimal_text)
    except OSError as error:
        raise CommandError(f"{path}: expected a readable file, got {error.strerror}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: expected TOML, got {error}; correct the line") from None
    problems = Problems(str(path))
    return Form(table, "", problems), problems


def read_json(path: Path) -> tuple[Form, Problems]:
    """A JSON file with one object; decimals keep the digits that were written."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"), parse_float=_decimal_text)
    except OSError as error:
        raise CommandError(f"{path}: expected a readable file, got {error.strerror}; check the path") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: expected JSON, got {error}; correct the line") from None
    problems = Problems(str(path))
    if not isinstance(table, dict):
        raise CommandError(f"{path}: expected one JSON object, got something else")
    return Form(table, "", problems), problems


class DecimalText(str):
    """A decimal of a file, as it was written."""


def _decimal_text(text: str) -> DecimalText:
    return DecimalText(text)


def _text_of_number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"expected a number such as 12.50, got {value!r}")
    return str(value)


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a table, got {value!r}")
    return value


def _tables(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"expected a list of tables, got {value!r}")
    return value


def bits_of_numbers(value: int) -> list[int]:
    """Numbers of the bits that are on."""
    return [bit for bit in range(value.bit_length()) if value >> bit & 1]
