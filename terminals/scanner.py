"""Bar-code scanners: lines of a scanner to codes, ours and others.

Our dynamic code, shown by the app and good once, is the 24 digits of
`hsm.bar_code`. The printed code of a card is its number and only names the
card. Anything else is goods.

Scanners may be set to put the symbology before each code (ISO/IEC 15424,
"AIM identifier": `]C1` is Code 128 of GS1, `]E0` EAN-13, `]Q1` QR).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from hsm.bar_code import BAR_CODE_DIGITS, PREFIX, BarCode, parse_bar_code

from .device_errors import DeviceError
from .line_framing import BrokenLine, LineFramer
from .luhn import luhn_holds
from .masking import mask
from .serial_port import PortListener

CODE_BYTES_MAX = 4096
"""A QR code holds 2953 bytes at most."""
CODE_GAP_MS = 200
"""A line that falls silent in the middle this long is a broken one; scanners send without pauses."""
REPEAT_WINDOW_MS = 1500
"""A code that lies under the scanner is sent again and again: reads nearer than this to the last are the same one."""

_AIM = re.compile(r"\](.)(.)", re.DOTALL)
_GOODS = ("E",)
"""AIM letters that carry article numbers (EAN, UPC), whose 13 digits may look like a card number."""


class CodeKind(enum.Enum):
    """What a code is to a till."""

    DYNAMIC = "dynamic"
    """A code of the app: identifies and authorises, once."""
    PRINTED = "printed"
    """A card number: names the card, authorises nothing."""
    OTHER = "other"
    """An article, a voucher, something else: the till decides."""


@dataclass(frozen=True, slots=True)
class CodeRead:
    """One code read."""

    kind: CodeKind
    text: str
    symbology: str = ""
    """AIM letter and modifier, such as `C0`; empty when the scanner does not send them."""
    dynamic: BarCode | None = None
    """Fields of a dynamic code; the switch judges them."""

    def __repr__(self) -> str:
        shown = repr(self.text) if self.kind is CodeKind.OTHER else mask(self.text)
        return f"CodeRead({self.kind.name}, {shown}, symbology {self.symbology or 'unknown'})"


class CodeError(DeviceError):
    """A line of a scanner that is no code."""


class CodeTruncatedError(CodeError):
    """The scanner fell silent in the middle of a code."""


class CodeGarbageError(CodeError):
    """Bytes that are no text, or not after this scanner's prefix."""


class CodeTooLongError(CodeError):
    """More bytes than any code holds."""


@dataclass(frozen=True, slots=True)
class ScannerRules:
    """How one scanner is set, and which digits are card numbers."""

    prefix: str = ""
    """What the scanner sends before each code (a setting of most scanners); taken off, and required."""
    card_digits: frozenset[int] = frozenset({16})
    """Lengths of our printed card numbers."""
    gap_ms: int = CODE_GAP_MS
    repeat_window_ms: int = REPEAT_WINDOW_MS


def classify(text: str, rules: ScannerRules, symbology: str = "") -> CodeRead:
    """A code's kind and fields, by its digits."""
    is_digits = text.isascii() and text.isdigit()
    if is_digits and len(text) == BAR_CODE_DIGITS and text.startswith(PREFIX):
        return CodeRead(CodeKind.DYNAMIC, text, symbology, parse_bar_code(text))
    may_be_card = is_digits and len(text) in rules.card_digits and not symbology.startswith(_GOODS)
    return CodeRead(CodeKind.PRINTED if may_be_card and luhn_holds(text) else CodeKind.OTHER, text, symbology)


class ScannerParser:
    """Bytes of a scanner to codes; one line is one code, ended by carriage return, line feed or both."""

    def __init__(self, rules: ScannerRules | None = None) -> None:
        self._rules = rules or ScannerRules()
        self._framer = LineFramer(CODE_BYTES_MAX, self._rules.gap_ms)
        self._seen: tuple[str, int] | None = None

    def feed(self, data: bytes, now_ms: int) -> list[CodeRead | CodeError]:
        """Codes and errors that these bytes complete; repeats within the window are left out."""
        reads = [self._parse(line) for line in self._framer.feed(data, now_ms)]
        return [read for read in reads if not self._is_repeat(read, now_ms)]

    def idle(self, now_ms: int) -> list[CodeRead | CodeError]:
        """A code that fell silent in the middle is given up."""
        return [self._parse(line) for line in self._framer.idle(now_ms)]

    def reset(self) -> None:
        """Forget what was begun."""
        self._framer.reset()

    def _is_repeat(self, read: CodeRead | CodeError, now_ms: int) -> bool:
        if isinstance(read, CodeError):
            return False
        seen, self._seen = self._seen, (read.text, now_ms)
        return seen is not None and seen[0] == read.text and now_ms - seen[1] < self._rules.repeat_window_ms

    def _parse(self, line: bytes | BrokenLine) -> CodeRead | CodeError:
        if isinstance(line, BrokenLine):
            if line.is_overlong:
                return CodeTooLongError(
                    f"expected a code of at most {CODE_BYTES_MAX} bytes, got {line.byte_count}; check the port"
                )
            return CodeTruncatedError(
                f"expected the end of a code, got {line.byte_count} bytes and then silence;"
                " scan again (the scanner must end codes with carriage return; check its speed, too)"
            )
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            text = "\0"
        prefix = self._rules.prefix
        if not text.isprintable() or not text.startswith(prefix):
            return CodeGarbageError(
                f"expected a code{' after the prefix' if prefix else ''}, got {len(line)} bytes that are none;"
                " check the scanner's speed and settings"
            )
        text = text.removeprefix(prefix)
        found = _AIM.match(text)
        if found is None:
            return classify(text, self._rules)
        return classify(text[found.end() :], self._rules, found[1] + found[2])


ScannerReader = PortListener[CodeRead | CodeError]
"""A scanner on a port: `ScannerReader(settings, ScannerParser(), deliver)`."""
