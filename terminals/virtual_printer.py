"""A virtual ESC/POS printer: understands what comes, shows it as text, answers for its state, runs out of paper.

`Paper` is the interpreter, without a port; `VirtualPrinter` sits behind one.
What a real printer does when its paper ends, this one does: it stops in the
middle, keeps what it has been sent, answers DLE EOT, and goes on printing
when paper is put in.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

from .columns import ENCODING
from .virtual_serial import VirtualAnswerer

BUFFER_BYTES_MAX = 65_536
"""A printer that does not print keeps this much; what comes after is lost."""

# Lengths of commands: their first two bytes, and how many parameter bytes follow.
_PARAMETERS = {
    b"\x1b@": 0, b"\x1b!": 1, b"\x1ba": 1, b"\x1bE": 1, b"\x1bG": 1, b"\x1bM": 1, b"\x1b-": 1, b"\x1b{": 1,
    b"\x1bV": 1, b"\x1bd": 1, b"\x1bJ": 1, b"\x1bt": 1, b"\x1bR": 1, b"\x1b2": 0, b"\x1b3": 1, b"\x1b ": 1,
    b"\x1bp": 3, b"\x1bB": 2, b"\x1d!": 1, b"\x1dB": 1, b"\x1dH": 1, b"\x1dh": 1, b"\x1dw": 1, b"\x1df": 1,
    b"\x1dL": 2, b"\x1dW": 2, b"\x1dr": 1, b"\x1da": 1, b"\x1c&": 0, b"\x1c.": 0, b"\x1c!": 1, b"\x1c-": 1,
    b"\x1cS": 2, b"\x1cC": 1, b"\x1cW": 1,
}  # fmt: skip
_CUTS = {b"A": 1, b"B": 1}
"""GS V with these modes has a distance too."""
_REALTIME = re.compile(rb"\x10\x04([\x01-\x04])")
_CUT_LINE = "- - - - - - cut - - - - - -"


class Paper:
    """What came out of the printer, line by line, and what it says of itself."""

    def __init__(self, on_line: Callable[[str], None] = lambda line: None) -> None:
        self.lines: list[str] = []
        self.lines_left: int | None = None
        """Lines until the paper ends; `None` for a roll that does not."""
        self.is_cover_open = False
        self.is_offline = False
        self._on_line = on_line
        self._kept = b""
        self._line = b""
        self._is_chinese = False
        self._symbol = b""

    @property
    def text(self) -> str:
        """All that was printed."""
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def is_stopped(self) -> bool:
        """Whether it prints nothing now."""
        return self.lines_left == 0 or self.is_cover_open or self.is_offline

    def feed(self, data: bytes) -> bytes:
        """Take what the host sent; the answers, at once or in their order."""
        answers = b""
        if self.is_stopped:
            answers += b"".join(self._status(found[1][0]) for found in _REALTIME.finditer(data))
            data = _REALTIME.sub(b"", data)
        self._kept = (self._kept + data)[:BUFFER_BYTES_MAX]
        while self._kept and not self.is_stopped:
            used, answer = self._step()
            if not used:
                break
            self._kept = self._kept[used:]
            answers += answer
        if self.is_stopped and self._kept:  # the paper ended in the middle of these bytes
            answers += b"".join(self._status(found[1][0]) for found in _REALTIME.finditer(self._kept))
            self._kept = _REALTIME.sub(b"", self._kept)
        return answers

    def _status(self, number: int) -> bytes:
        """The answer to DLE EOT: bits 1 and 4 always set."""
        bits = 0x12
        if number == 1 and self.is_stopped:
            bits |= 0x08
        if number == 2:
            bits |= (0x04 if self.is_cover_open else 0) | (0x20 if self.lines_left == 0 else 0)
        if number == 4 and self.lines_left is not None:
            bits |= 0x60 if self.lines_left == 0 else 0x0C if self.lines_left < 20 else 0
        return bytes([bits])

    def _step(self) -> tuple[int, bytes]:
        """Carry out one command or character; how many bytes it took (none: more must come), and its answer."""
        kept = self._kept
        first = kept[:1]
        if first == b"\x10":
            if len(kept) < 3:
                return 0, b""
            return 3, self._status(kept[2]) if kept[1] == 4 and 1 <= kept[2] <= 4 else b""
        if first in (b"\x1b", b"\x1c", b"\x1d"):
            return self._command(kept)
        if first == b"\n":
            self._end_line()
            return 1, b""
        if first < b" ":
            return 1, b""
        if self._is_chinese and first >= b"\x81":
            if len(kept) < 2:
                return 0, b""
            size = 4 if b"0" <= kept[1:2] <= b"9" else 2
            if len(kept) < size:
                return 0, b""
            self._line += kept[:size]
            return size, b""
        self._line += first if first < b"\x7f" else b"?"
        return 1, b""

    def _command(self, kept: bytes) -> tuple[int, bytes]:
        head = kept[:2]
        if len(head) < 2:
            return 0, b""
        if head == b"\x1dV":
            size = 3 + _CUTS.get(kept[2:3], 0)
            if len(kept) < size:
                return 0, b""
            self._put(_CUT_LINE)
            return size, b""
        if head == b"\x1d(":
            size = 5 + int.from_bytes(kept[3:5], "little")
            if len(kept) < 5 or len(kept) < size:
                return 0, b""
            self._symbol_command(kept[5:size])
            return size, b""
        if head == b"\x1dk":
            size = 4 + int.from_bytes(kept[3:4], "little")
            if len(kept) < 4 or len(kept) < size:
                return 0, b""
            self._put(f"[bar code {_code_128(kept[4:size])}]")
            return size, b""
        if head == b"\x1dv":
            size = 8 + int.from_bytes(kept[4:6], "little") * int.from_bytes(kept[6:8], "little")
            if len(kept) < 8 or len(kept) < size:
                return 0, b""
            self._put(f"[picture, {size - 8} bytes]")
            return size, b""
        count = _PARAMETERS.get(head)
        if count is None:
            self._put(f"[unknown command {head.hex(' ')}]")
            return 2, b""
        if len(kept) < 2 + count:
            return 0, b""
        return 2 + count, self._simple(head, kept[2 : 2 + count])

    def _simple(self, head: bytes, parameters: bytes) -> bytes:
        if head == b"\x1b@":
            self._line, self._is_chinese = b"", False
        elif head in (b"\x1c&", b"\x1c."):
            self._is_chinese = head == b"\x1c&"
        elif head == b"\x1bd":
            if self._line:
                self._end_line()
        elif head == b"\x1dr" and parameters in (b"\x01", b"1"):
            return bytes([0x03 if self.lines_left is not None and self.lines_left < 20 else 0])
        return b""

    def _symbol_command(self, body: bytes) -> None:
        """GS ( k for QR codes: 49 80 keeps the content, 49 81 prints it."""
        if body[:2] == b"1P":
            self._symbol = body[3:]
        elif body[:2] == b"1Q":
            self._put(f"[QR {self._symbol.decode('utf-8', 'replace')}]")

    def _end_line(self) -> None:
        line, self._line = self._line, b""
        self._put(line.decode(ENCODING, "replace"))

    def _put(self, line: str) -> None:
        self.lines.append(line)
        self._on_line(line)
        if self.lines_left is not None:
            self.lines_left = max(0, self.lines_left - 1)


def _code_128(content: bytes) -> str:
    """What GS k 73 is given, read: `{C` makes two digits of each byte."""
    if content.startswith(b"{C"):
        return "".join(f"{pair:02}" for pair in content[2:])
    return content.removeprefix(b"{B").decode("ascii", "replace")


class VirtualPrinter(VirtualAnswerer):
    """A printer behind a virtual port; `received` is every byte that came."""

    def __init__(self, link: Path | None = None, on_line: Callable[[str], None] = lambda line: None) -> None:
        super().__init__(link)
        self.paper = Paper(on_line)
        self.received = b""
        self._paper_lock = threading.Lock()

    def take(self, data: bytes) -> bytes:
        """Print, and answer."""
        with self._paper_lock:
            self.received += data
            return self.paper.feed(data)

    def load_paper(self, lines: int | None = None) -> None:
        """Put in a new roll and close the cover: it prints on, and answers what it was asked before."""
        with self._paper_lock:
            self.paper.lines_left, self.paper.is_cover_open, self.paper.is_offline = lines, False, False
            answer = self.paper.feed(b"")
        if answer:
            self.port.send(answer)

    def save(self, path: Path) -> None:
        """Keep what was printed as text."""
        path.write_text(self.paper.text, "utf-8")
