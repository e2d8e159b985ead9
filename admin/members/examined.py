"""What was found out about a file before any of it is taken over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FIRST_LINE = 2
"""Of the rows, as a spreadsheet numbers them: the heading is row 1."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one cell."""

    row: int
    """As the spreadsheet numbers it: the heading is row 1."""
    column: str
    value: str
    message: str


@dataclass(slots=True)
class Examined:
    """What a file would do; drafts are those of its kind: members as they are to be, or records about them."""

    heading: list[str]
    rows: list[list[str]]
    mapping: list[str]
    drafts: list[tuple[int, Any, int]] = field(default_factory=list)
    """(row, draft, number or 0) of rows whose cells are good"""
    added: list[tuple[int, Any, int]] = field(default_factory=list)
    """(row, draft, number or 0)"""
    changed: list[tuple[int, Any, int]] = field(default_factory=list)
    """(row, draft, member that is there)"""
    skipped: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether it may be taken over."""
        return not self.faults

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be added or changed."""
        return not (self.added or self.changed)

    @property
    def is_good_in_part(self) -> bool:
        """Whether its good rows may be taken over without the others."""
        return not self.is_empty and all(fault.row > 1 for fault in self.faults)

    def fault(self, line: int, column: str, value: str, message: str) -> None:
        """Note what is wrong with a cell."""
        self.faults.append(Fault(line, column, value, message))
