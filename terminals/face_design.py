"""Designs of the faces of visual cards: which items stand where on an ID-1 card, and which promotion whom.

The admin service keeps designs in versions that two people make (`/card-faces`) and hands out those that are approved
as one JSON document; a till reads it from a file, or asks for it. Its form, with all lengths in tenths of a millimetre
from the left upper corner of the card:

    {"format": 1, "faces": [{"card_type": 3, "version": 7, "items": [
        {"kind": "balance", "left": 50, "top": 120, "width": 400, "size": 40, "align": "left", "text": "余额 "}]}],
     "promotions": [{"text": "周三双倍积分", "level": 0, "card_type": 0, "from_date": 20780, "until_date": 0,
      "members": [1000001, 1000007]}]}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from .errors import TerminalError

FORMAT = 1
WIDTH_TENTHS_MM, HEIGHT_TENTHS_MM = 856, 540
"""ISO/IEC 7810 ID-1: 85.60 x 53.98 mm, in tenths; the second is rounded up by 0.02 mm."""
SIZE_TENTHS_MM_MIN, SIZE_TENTHS_MM_MAX = 15, 200
ITEMS_MAX = 16
TEXT_CHARS_MAX = 60
FACES_MAX, PROMOTIONS_MAX = 200, 200
MEMBERS_MAX = 10_000
"""Of a group that has a text of its own."""
FILE_BYTES_MAX = 16 << 20
Kind = Literal[
    "holder", "number", "number_whole", "balance", "points", "amount", "level", "promotion", "text", "bar_code"
]
Align = Literal["left", "center", "right"]
_ITEM_FIELDS = ("kind", "left", "top", "width", "size", "align", "text")


class FaceDesignError(TerminalError):
    """A document that is no design; every fault is named."""


@dataclass(frozen=True, slots=True)
class FaceItem:
    """One item, in a box of one line; lengths in tenths of a millimetre."""

    kind: Kind
    left: int
    top: int
    width: int
    size: int
    """Height of the line; of a bar code that of its bars."""
    align: Align = "left"
    text: str = ""
    """What stands before the value; of a free text all of it."""


@dataclass(frozen=True, slots=True)
class FaceDesign:
    """What the cards of one type show."""

    card_type: int
    version: int
    items: tuple[FaceItem, ...]

    @property
    def has_promotion(self) -> bool:
        """Whether there is room for one."""
        return any(item.kind == "promotion" for item in self.items)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A text, and for whom and when; 0 stands for everybody, and for no end."""

    text: str
    level: int = 0
    card_type: int = 0
    from_date: int = 0
    until_date: int = 0
    members: frozenset[int] | None = None
    """Numbers of the members of a customer group; nothing: members or not, everybody."""

    def fits(self, member: int, level: int, card_type: int, date: int) -> bool:
        """Whether it is for a holder on a business date."""
        return (
            (self.members is None or member in self.members)
            and self.level in (0, level)
            and self.card_type in (0, card_type)
            and self.from_date <= date
            and (not self.until_date or date <= self.until_date)
        )


@dataclass(frozen=True, slots=True)
class FaceBook:
    """All approved designs and the promotions of these days."""

    faces: tuple[FaceDesign, ...]
    promotions: tuple[Promotion, ...] = ()

    def design(self, card_type: int) -> FaceDesign | None:
        """The design of a card type; nothing when its cards have no face."""
        return next((face for face in self.faces if face.card_type == card_type), None)

    def promotion(self, member: int, level: int, card_type: int, date: int) -> str:
        """What a holder is told: of his group before that of his level, that of his type, and the one for everybody.

        Of several alike the first of the document, which is the newest; empty: nothing.
        """
        fitting = [one for one in self.promotions if one.fits(member, level, card_type, date)]
        first = max(
            fitting,
            key=lambda one: (one.members is not None, bool(one.level), bool(one.card_type)),
            default=Promotion(""),
        )
        return first.text


def parse_face_book(content: bytes) -> FaceBook:
    """The book in a document; `FaceDesignError` names what is wrong."""
    try:
        table = json.loads(content)
    except ValueError as error:
        raise FaceDesignError(f"card faces: expected JSON, got: {error}; fetch the document again") from error
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        got = table.get("format") if isinstance(table, dict) else type(table).__name__
        raise FaceDesignError(f"card faces: expected a document of format {FORMAT}, got {got}; update this till")
    faces = tuple(_face(row, at) for at, row in enumerate(_rows(table, "faces", FACES_MAX)))
    promotions = tuple(_promotion(row, at) for at, row in enumerate(_rows(table, "promotions", PROMOTIONS_MAX)))
    return FaceBook(faces, promotions)


def read_face_book(path: Path) -> FaceBook:
    """The book of a file; `FaceDesignError` when it cannot be read or used."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise FaceDesignError(f"{path}: expected a readable file, got: {error}") from error
    if len(content) > FILE_BYTES_MAX:
        raise FaceDesignError(f"{path}: expected at most {FILE_BYTES_MAX} bytes, got more")
    return parse_face_book(content)


def _rows(table: dict[str, Any], name: str, most: int) -> list[dict[str, Any]]:
    rows = table.get(name, [])
    if not isinstance(rows, list) or len(rows) > most or not all(isinstance(row, dict) for row in rows):
        raise FaceDesignError(f"{name}: expected a list of at most {most} objects")
    return rows


def _number(row: dict[str, Any], where: str, name: str, low: int, high: int) -> int:
    value = row.get(name, 0)
    if type(value) is not int or not low <= value <= high:
        raise FaceDesignError(f"{where}.{name}: expected {low} to {high}, got {value!r}")
    return value


def _text(row: dict[str, Any], where: str) -> str:
    value = row.get("text", "")
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX or not (value == "" or value.isprintable()):
        raise FaceDesignError(f"{where}.text: expected at most {TEXT_CHARS_MAX} printable characters, got {value!r}")
    return value


def _face(row: dict[str, Any], at: int) -> FaceDesign:
    where = f"faces[{at}]"
    items = _rows(row, "items", ITEMS_MAX)
    return FaceDesign(
        _number(row, where, "card_type", 1, 65_535),
        _number(row, where, "version", 1, 2**31 - 1),
        tuple(_item(item, f"{where}.items[{place}]") for place, item in enumerate(items)),
    )


def _item(row: dict[str, Any], where: str) -> FaceItem:
    for key in row:
        if key not in _ITEM_FIELDS:
            raise FaceDesignError(f"{where}.{key}: expected one of {', '.join(_ITEM_FIELDS)}; update this till")
    kind: Any = row.get("kind")
    align: Any = row.get("align", "left")
    if kind not in get_args(Kind):
        raise FaceDesignError(f"{where}.kind: expected one of {', '.join(get_args(Kind))}, got {kind!r}")
    if align not in get_args(Align):
        raise FaceDesignError(f"{where}.align: expected one of {', '.join(get_args(Align))}, got {align!r}")
    left = _number(row, where, "left", 0, WIDTH_TENTHS_MM - 1)
    top = _number(row, where, "top", 0, HEIGHT_TENTHS_MM - 1)
    width = _number(row, where, "width", 1, WIDTH_TENTHS_MM - left)
    size = _number(row, where, "size", SIZE_TENTHS_MM_MIN, min(SIZE_TENTHS_MM_MAX, HEIGHT_TENTHS_MM - top))
    return FaceItem(kind, left, top, width, size, align, _text(row, where))


def _promotion(row: dict[str, Any], at: int) -> Promotion:
    where = f"promotions[{at}]"
    members = row.get("members")
    if members is not None and not (
        isinstance(members, list) and len(members) <= MEMBERS_MAX and all(type(one) is int for one in members)
    ):
        raise FaceDesignError(f"{where}.members: expected at most {MEMBERS_MAX} numbers of members, or none")
    return Promotion(
        _text(row, where),
        _number(row, where, "level", 0, 255),
        _number(row, where, "card_type", 0, 65_535),
        _number(row, where, "from_date", 0, 2**31 - 1),
        _number(row, where, "until_date", 0, 2**31 - 1),
        None if members is None else frozenset(members),
    )
