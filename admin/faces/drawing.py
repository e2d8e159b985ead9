"""The preview of a face: an SVG of the card in its true proportions, without styles or scripts of its own."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from admin.i18n import translate

from .design import HEIGHT_TENTHS_MM, WIDTH_TENTHS_MM, Align, FaceItem, ItemKind

CORNER_TENTHS_MM = 32
"""ISO/IEC 7810: 3.18 mm."""
INK, PAPER, EDGE = "#111111", "#ffffff", "#8a93a3"
BARS = "11010011100110110011001011001000111010110001000101100100010111011000111011001"
"""Bars for show; the writer draws those of the card's own number."""
_ANCHORS = {Align.LEFT: "start", Align.CENTER: "middle", Align.RIGHT: "end"}


def svg_of(items: Sequence[FaceItem], promotion: str = "") -> str:
    """The face with sample figures; `promotion` is the text for everybody."""
    shown = [_bars(item) if item.kind is ItemKind.BAR_CODE else _text(item, place, promotion)
             for place, item in enumerate(items)]  # fmt: skip
    label = quoteattr(translate("Preview of the card's face"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {WIDTH_TENTHS_MM + 4} {HEIGHT_TENTHS_MM + 4}"'
        f' role="img" aria-label={label}><rect width="{WIDTH_TENTHS_MM}" height="{HEIGHT_TENTHS_MM}"'
        f' rx="{CORNER_TENTHS_MM}" fill="{PAPER}" stroke="{EDGE}" stroke-width="2"/>{"".join(shown)}</svg>'
    )


def _text(item: FaceItem, place: int, promotion: str) -> str:
    across = {Align.LEFT: item.left, Align.CENTER: item.left + item.width // 2, Align.RIGHT: item.left + item.width}
    box = f'x="{item.left}" y="{item.top}" width="{item.width}" height="{item.size}"'
    return (
        f'<clipPath id="box-{place}"><rect {box}/></clipPath>'
        f'<text x="{across[item.align]}" y="{item.top + item.size // 2}" font-size="{item.size * 3 // 4}"'
        f' fill="{INK}" text-anchor="{_ANCHORS[item.align]}" dominant-baseline="central"'
        f' clip-path="url(#box-{place})">{escape(item.sample(promotion))}</text>'
    )


def _bars(item: FaceItem) -> str:
    module = item.width / (len(BARS) + 20)
    bars = [
        f'<rect x="{item.left + (place + 10) * module:.2f}" y="{item.top}" width="{module:.2f}"'
        f' height="{item.size}" fill="{INK}"/>'
        for place, bar in enumerate(BARS)
        if bar == "1"
    ]
    return "".join(bars)
