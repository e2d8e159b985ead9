"""Lines of a device that may be unplugged, misset or babbling at any byte."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line that is none: cut off by silence, or longer than any line of this device."""

    byte_count: int
    """How many bytes came; of an overlong one, at least so many."""
    is_overlong: bool


class LineFramer:
    """Cuts bytes into lines that end in carriage return, line feed or both; empty lines are none.

    A beginning is given up after `gap_ms` of silence, so that it is never
    joined to a later line.
    """

    def __init__(self, bytes_max: int, gap_ms: int) -> None:
        self._bytes_max, self._gap_ms = bytes_max, gap_ms
        self._begun = b""
        self._dropped_count = 0
        self._last_ms = 0

    def feed(self, data: bytes, now_ms: int) -> list[bytes | BrokenLine]:
        """Lines that these bytes end."""
        lines = self.idle(now_ms)
        self._last_ms = now_ms
        *ended, self._begun = re.split(rb"[\r\n]", self._begun + data)
        for line in ended:
            if self._dropped_count or len(line) > self._bytes_max:
                lines.append(BrokenLine(self._dropped_count + len(line), True))
            elif line:
                lines.append(line)
            self._dropped_count = 0
        if len(self._begun) > self._bytes_max:  # told when its line ends; until then it takes no memory
            self._dropped_count += len(self._begun)
            self._begun = b""
        return lines

    def idle(self, now_ms: int) -> list[bytes | BrokenLine]:
        """The line that fell silent in the middle, if there is one."""
        count = self._dropped_count + len(self._begun)
        if not count or now_ms - self._last_ms < self._gap_ms:
            return []
        is_overlong = self._dropped_count > 0
        self.reset()
        return [BrokenLine(count, is_overlong)]

    def reset(self) -> None:
        """Forget what was begun."""
        self._begun, self._dropped_count = b"", 0
