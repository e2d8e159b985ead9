"""Text in columns, as receipt printers and visual cards count them: ASCII takes one, everything else two.

That is the rule of the devices, not of Unicode: they print GB18030, whose
characters beyond ASCII have two bytes and two columns each, quotation marks
and dashes among them. Those with four bytes are beyond most printers' fonts.
"""

from __future__ import annotations

import unicodedata

ENCODING = "gb18030"
MISSING = "〓"
"""The "geta", printed where a character is not in the font: better seen than left out."""
ELLIPSIS = ".."


def printable(text: str) -> str:
    """The text with characters that devices have: composed, one line, others as `〓`; `¥` as its full-width form."""
    made = []
    for character in unicodedata.normalize("NFC", text).replace("\N{YEN SIGN}", "\N{FULLWIDTH YEN SIGN}"):
        if character.isspace():
            made.append(" ")
        elif not character.isprintable():
            made.append(MISSING)
        else:
            made.append(character if len(character.encode(ENCODING, "replace")) <= 2 else MISSING)
    return "".join(made)


def width(text: str) -> int:
    """Columns that a text takes."""
    return sum(2 - (character.isascii() and (character.isprintable() or character.isspace())) for character in text)


def clip(text: str, columns: int) -> str:
    """The text, or as much of its beginning as fits before `..`."""
    if width(text) <= columns:
        return text
    kept, left = [], columns - width(ELLIPSIS)
    for character in text:
        left -= width(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept) + ELLIPSIS[: max(0, columns)]


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """The text filled up with spaces, or clipped."""
    clipped = clip(text, columns)
    spaces = " " * (columns - width(clipped))
    return spaces + clipped if right else clipped + spaces


def pair(left: str, right: str, columns: int) -> str:
    """A label and a figure at the two edges; the label gives way."""
    right = clip(right, columns)
    room = columns - width(right) - 1
    if room < 0:
        return right
    return f"{pad(left, room)} {right}"


def wrap(text: str, columns: int) -> list[str]:
    """Lines of at most so many columns; between Chinese characters anywhere, else at spaces where there are any."""
    lines, line = [], ""
    for word in _words(text):
        if width(line + word.rstrip()) <= columns:
            line += word
            continue
        if line.strip():
            lines.append(line.rstrip())
        line = ""
        for character in word.lstrip():
            if width(line + character) > columns:
                lines.append(line)
                line = ""
            line += character
    if line.strip() or not lines:
        lines.append(line.rstrip())
    return lines


def _words(text: str) -> list[str]:
    """Pieces between which a line may break: each wide character, and words with the spaces after them."""
    words = [""]
    for character in text:
        if not character.isascii():
            words += [character, ""]
        else:
            words[-1] += character
            if character == " ":
                words.append("")
    return [word for word in words if word]
