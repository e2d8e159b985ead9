"""The text of a short message: which alphabet it takes, how long it is, how it is parted, what must not be in it.

Alphabets and lengths are those of 3GPP TS 23.038: the GSM 7 bit default
alphabet with its extension table, else UCS-2 (UTF-16, as all telephones read
it). A message has 160 septets or 70 units of 16 bits; one of several parts has
a header of 6 octets (3GPP TS 23.040, 9.2.3.24.1), which leaves 153 or 67.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import regex

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet in the order of its codes (TS 23.038, 6.2.1); code 27 is the escape to the extension."""
ESCAPE = "\x1b"
EXTENSION = {
    **{"\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F},
    **{"[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65},
}
"""The extension table (TS 23.038, 6.2.1.1): each of these takes two septets."""
GSM, UCS2 = "GSM", "UCS-2"
SINGLE_UNITS = {GSM: 160, UCS2: 70}
PART_UNITS = {GSM: 153, UCS2: 67}
PARTS_MAX = 10
"""Parts of one message: a telephone joins up to 255, and nobody reads or pays for so many."""
TEXT_LENGTH_MAX = 1_000
"""Characters of a text with its merge fields: more than `PARTS_MAX` parts of UCS-2 hold."""
WORD_LENGTH_MAX = 40
UTF16_BYTES = 2
CHARACTER, WORD = "character", "word"
_COSTS = {**dict.fromkeys(BASIC.replace(ESCAPE, ""), 1), **dict.fromkeys(EXTENSION, 2)}
"""Septets of each character of the alphabet."""
_CLUSTERS = regex.compile(r"\X")
"""What people take for one character: an accent with its letter, a family with its joiners (Unicode, UAX #29)."""
_ILLEGAL_KINDS = frozenset({"Cc", "Cs", "Co", "Cn"})
"""General categories (UAX #44): control, half a surrogate pair, private use, not assigned."""
_LEGAL_CONTROLS = frozenset("\n\r")
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffc\ufffd\ufeff")
"""Signs that turn the direction of what follows, or that stand for something lost."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How a text is sent."""

    alphabet: str
    units: int
    """Septets of GSM, units of 16 bits of UCS-2, without headers."""
    parts: tuple[str, ...]
    left_units: int
    """That the last part still holds."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that must not be sent."""

    kind: str
    """character or word."""
    text: str
    place: int
    """Of its first character, from 1."""

    @property
    def shown(self) -> str:
        """As people are told: a character by its number, for it may not be seen."""
        return f"U+{ord(self.text):04X}" if self.kind == CHARACTER else self.text


def composed(text: str) -> str:
    """The text with letters and accents as one character each where there is one (NFC), and lines ended alike."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def alphabet_of(text: str) -> str:
    """The alphabet that a text takes."""
    return GSM if all(character in _COSTS for character in text) else UCS2


def units_of(text: str, alphabet: str) -> int:
    """Length of a text in an alphabet's units."""
    if alphabet == GSM:
        return sum(_COSTS[character] for character in text)
    return len(text.encode("utf-16-be", "surrogatepass")) // UTF16_BYTES


def measured(text: str) -> Measured:
    """Alphabet, length and parts of a text."""
    alphabet = alphabet_of(text)
    units = units_of(text, alphabet)
    if units <= SINGLE_UNITS[alphabet]:
        return Measured(alphabet, units, (text,), SINGLE_UNITS[alphabet] - units)
    parts = tuple(_parts(text, alphabet))
    return Measured(alphabet, units, parts, PART_UNITS[alphabet] - units_of(parts[-1], alphabet))


def _parts(text: str, alphabet: str) -> Iterator[str]:
    """Each as full as it can be without cutting a character; a cluster that fits no part is cut between characters."""
    room = PART_UNITS[alphabet]
    part, used = "", 0
    for cluster in _CLUSTERS.findall(text):
        pieces = [cluster] if units_of(cluster, alphabet) <= room else list(cluster)
        for piece in pieces:
            size = units_of(piece, alphabet)
            if used + size > room:
                yield part
                part, used = "", 0
            part, used = part + piece, used + size
    yield part


def encoded(text: str) -> bytes:
    """Octets of a text in its alphabet: a septet in each octet for GSM, big-endian for UCS-2."""
    if alphabet_of(text) == UCS2:
        return text.encode("utf-16-be", "surrogatepass")
    codes: list[int] = []
    for character in text:
        codes += [BASIC.index(ESCAPE), EXTENSION[character]] if character in EXTENSION else [BASIC.index(character)]
    return bytes(codes)


def faults_in(text: str, words: Iterable[str]) -> list[Fault]:
    """Illegal characters and words of a text, in their order."""
    found = [Fault(CHARACTER, one, place) for place, one in enumerate(text, 1) if is_illegal(one)]
    plain, places = _folded(text)
    for word in words:
        wanted = _folded(word)[0]
        start = plain.find(wanted) if wanted else -1
        while start >= 0:
            found.append(Fault(WORD, word, places[start]))
            start = plain.find(wanted, start + len(wanted))
    return sorted(found, key=lambda fault: fault.place)


def is_illegal(character: str) -> bool:
    """Whether no gateway or telephone can be relied upon to show a character."""
    if character in _LEGAL_CONTROLS:
        return False
    return character in _TURNING or unicodedata.category(character) in _ILLEGAL_KINDS


def _folded(text: str) -> tuple[str, list[int]]:
    """A text as words are looked for in it (full width and capitals make no difference), and where each came from."""
    plain, places = "", []
    for place, character in enumerate(text, 1):
        one = unicodedata.normalize("NFKC", character).casefold()
        plain += one
        places += [place] * len(one)
    return plain, places
