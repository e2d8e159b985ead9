"""Drawing the face of a visual card: a design and the figures of a sale become dots, one bit each.

The same design and figures make the same dots on every machine that has the same font, so a picture can be compared
with one that was looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from . import code_128
from .card_face import FacePicture, find_font
from .device_errors import DeviceError
from .face_design import HEIGHT_TENTHS_MM, WIDTH_TENTHS_MM, FaceDesign, FaceItem
from .masking import mask
from .receipts import money
from .workstation import DEFAULT_DPI, DPI_MAX, DPI_MIN

TENTHS_MM_PER_INCH = 254
MODULE_DOTS_MIN = 2
"""A bar of one dot bleeds away in the heat of the print."""


class FaceError(DeviceError):
    """A face that cannot be drawn."""


@dataclass(frozen=True, slots=True)
class FaceFacts:
    """What a card shows of its account after a sale; amounts in minor units, points in hundredths."""

    card_number: str
    """In full: `number` masks it."""
    holder: str
    """Name, or the member's number where the till does not know the name; empty: nobody is named."""
    balance_minor: int
    points_hundredths: int
    amount_minor: int
    """Of the sale."""
    level: int
    promotion: str = ""


def dots(tenths_mm: int, dpi: int) -> int:
    """A length in dots, rounded to the nearest."""
    return (2 * tenths_mm * dpi + TENTHS_MM_PER_INCH) // (2 * TENTHS_MM_PER_INCH)


def text_of(item: FaceItem, facts: FaceFacts) -> str:
    """What an item says."""
    values = {
        "holder": facts.holder,
        "number": mask(facts.card_number),
        "number_whole": facts.card_number,
        "balance": money(facts.balance_minor),
        "points": money(facts.points_hundredths),
        "amount": money(facts.amount_minor),
        "level": str(facts.level),
        "promotion": facts.promotion,
        "text": "",
        "bar_code": facts.card_number,
    }
    value = values[item.kind]
    return value if item.kind == "bar_code" else f"{item.text}{value}" if value or item.kind == "text" else ""


def draw_face(design: FaceDesign, facts: FaceFacts, dpi: int = DEFAULT_DPI, font: Path | None = None) -> FacePicture:
    """The face as dots; `FaceError` when this machine has no font, or a bar code does not fit its box."""
    path = font or find_font()
    if path is None:
        raise FaceError("face: expected a font with Chinese characters, got none; install fonts-noto-cjk")
    if not DPI_MIN <= dpi <= DPI_MAX:
        raise FaceError(f"dpi: expected {DPI_MIN} to {DPI_MAX}, got {dpi}; see the writer's manual")
    width, height = dots(WIDTH_TENTHS_MM, dpi), dots(HEIGHT_TENTHS_MM, dpi)
    image = Image.new("1", (width, height), 0)
    for item in design.items:
        text = text_of(item, facts)
        if not text:
            continue
        if item.kind == "bar_code":
            _draw_bars(image, item, text, dpi)
        else:
            _draw_text(image, item, text, dpi, path)
    return FacePicture(width, height, image.tobytes())


def _draw_text(image: Image.Image, item: FaceItem, text: str, dpi: int, path: Path) -> None:
    """One line, cut at the edges of its box."""
    box_width, box_height = dots(item.width, dpi), dots(item.size, dpi)
    font = _font(str(path), max(1, box_height * 3 // 4))
    box = Image.new("1", (box_width, box_height), 0)
    draw = ImageDraw.Draw(box)
    draw.fontmode = "1"  # a dot is black or it is not
    spare = box_width - round(draw.textlength(text, font=font))
    left = {"left": 0, "center": spare // 2, "right": spare}[item.align]
    draw.text((max(0, left), box_height // 2), text, font=font, fill=1, anchor="lm")
    image.paste(1, (dots(item.left, dpi), dots(item.top, dpi)), box)


def _draw_bars(image: Image.Image, item: FaceItem, digits: str, dpi: int) -> None:
    """Bars as wide as the box allows, in whole dots: a bar that is wider here than there is not read."""
    bars = code_128.modules(digits)
    needed = len(bars) + 2 * code_128.QUIET_MODULES
    box_width = dots(item.width, dpi)
    module = box_width // needed
    if module < MODULE_DOTS_MIN:
        least = -(-needed * MODULE_DOTS_MIN * TENTHS_MM_PER_INCH // dpi)
        raise FaceError(
            f"bar code: expected a box of at least {least / 10:.1f} mm for {len(digits)} digits at {dpi} dpi,"
            f" got {item.width / 10:.1f} mm; make it wider"
        )
    left, top = dots(item.left, dpi) + (box_width - len(bars) * module) // 2, dots(item.top, dpi)
    draw = ImageDraw.Draw(image)
    bottom = top + dots(item.size, dpi) - 1
    for place, bar in enumerate(bars):
        if bar == "1":
            draw.rectangle((left + place * module, top, left + (place + 1) * module - 1, bottom), fill=1)


@lru_cache(maxsize=32)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def as_pbm(picture: FacePicture) -> bytes:
    """A picture as a portable bitmap (PBM, P4), which any viewer shows; a set bit is black in both."""
    return f"P4\n{picture.width_dots} {picture.height_dots}\n".encode("ascii") + picture.data


def from_pbm(content: bytes) -> FacePicture:
    """The picture of a portable bitmap that `as_pbm` has made; `ValueError` for another file."""
    magic, size, data = [*content.split(b"\n", 2), b"", b""][:3]
    if magic != b"P4":
        raise ValueError(f"picture: expected a portable bitmap (P4), got {magic[:2]!r}")
    width, height = (int(part) for part in size.split())
    return FacePicture(width, height, data)
