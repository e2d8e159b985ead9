"""Faces of rewritable visual cards: what is printed on the card itself, and erased and printed again at each visit.

The rows of text are the product; a picture of them is for writers that take
dots, and needs a font of this machine that has the characters.
"""

from __future__ import annotations

import datetime
import string
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .columns import clip, pair, printable
from .masking import mask
from .receipts import money

FACE_COLUMNS_MAX = 40
FACE_ROWS_MAX = 12
"""Of the larger cards; 54 mm of card height at 4.5 mm for a row."""
FIELDS = ("name", "card", "balance", "points", "expiry", "last_visit")
FONT_PATHS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/arphic/uming.ttc",
)
"""Where Debian's packages put fonts with Chinese characters."""


@dataclass(frozen=True, slots=True)
class CardFace:
    """What a card shows of its account; amounts in minor units, points in hundredths."""

    name: str
    card_number: str
    """In full; the card shows it masked."""
    balance_minor: int
    points_hundredths: int
    expiry: datetime.date
    last_visit: datetime.date


@dataclass(frozen=True, slots=True)
class FaceTemplate:
    """Rows with fields in braces; what stands after `|` goes to the right edge. `ValueError` for a wrong template."""

    rows: tuple[str, ...]
    columns: int = 24

    def __post_init__(self) -> None:
        if not 1 <= len(self.rows) <= FACE_ROWS_MAX:
            raise ValueError(f"rows: expected 1 to {FACE_ROWS_MAX}, got {len(self.rows)}")
        if not 8 <= self.columns <= FACE_COLUMNS_MAX:
            raise ValueError(f"columns: expected 8 to {FACE_COLUMNS_MAX}, got {self.columns}")
        for number, row in enumerate(self.rows, 1):
            try:
                parsed = [*string.Formatter().parse(row)]
            except ValueError as error:
                raise ValueError(f"row {number}: expected fields in braces, got {row!r} ({error})") from error
            for _, name, form, conversion in parsed:
                if name is not None and (name not in FIELDS or form or conversion):
                    raise ValueError(f"row {number}: expected a field of {', '.join(FIELDS)}, got {{{name}}}")

    def fill(self, face: CardFace) -> tuple[str, ...]:
        """The rows of one card, each of at most `columns` columns."""
        values = {
            "name": face.name,
            "card": mask(face.card_number),
            "balance": money(face.balance_minor),
            "points": money(face.points_hundredths),
            "expiry": f"{face.expiry:%Y-%m-%d}",
            "last_visit": f"{face.last_visit:%Y-%m-%d}",
        }
        filled = []
        for row in self.rows:
            left, bar, right = (printable(part.format_map(values)) for part in row.partition("|"))
            filled.append(pair(left, right, self.columns) if bar else clip(left, self.columns))
        return tuple(filled)


CHINESE_FACE = FaceTemplate(
    ("{name}", "{card}", "余额|{balance}", "积分|{points}", "有效期至|{expiry}", "上次光临|{last_visit}")
)
ENGLISH_FACE = FaceTemplate(
    ("{name}", "{card}", "Balance|{balance}", "Points|{points}", "Valid until|{expiry}", "Last visit|{last_visit}")
)


def find_font() -> Path | None:
    """A font of this machine that has Chinese characters; `None` when there is none."""
    return next((Path(path) for path in FONT_PATHS if Path(path).exists()), None)


@dataclass(frozen=True, slots=True)
class FacePicture:
    """One bit for each dot, rows from the top, eight dots to a byte, the left one highest; 1 is black."""

    width_dots: int
    height_dots: int
    data: bytes


def picture(
    rows: tuple[str, ...], font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_dots: int, height_dots: int
) -> FacePicture:
    """The rows drawn evenly over the face; what is wider than the face is cut at its edge."""
    image = Image.new("1", (width_dots, height_dots), 1)
    draw = ImageDraw.Draw(image)
    for place, row in enumerate(rows):
        draw.text((0, place * height_dots // len(rows)), row, font=font, fill=0)
    inverted = image.point(lambda dot: 0 if dot else 1, "1")
    return FacePicture(width_dots, height_dots, inverted.tobytes())
