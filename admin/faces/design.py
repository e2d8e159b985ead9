"""What a face is made of: items on an ID-1 card, checked, with a sample for the preview.

All lengths are tenths of a millimetre from the left upper corner. The terminal kit draws the same items as dots
(docs/devices.md has the form of the document).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Annotated

import msgspec

from admin.access import mask_number
from admin.errors import RefusedError
from admin.models.faces import TEXT_LENGTH_MAX

WIDTH_TENTHS_MM, HEIGHT_TENTHS_MM = 856, 540
"""ISO/IEC 7810 ID-1: 85.60 x 53.98 mm."""
SIZE_TENTHS_MM_MIN, SIZE_TENTHS_MM_MAX = 15, 200
ITEMS_MAX = 16
BAR_CODE_TENTHS_MM_MIN = 300
"""16 digits at 300 dpi need 22.7 mm for two dots a bar; of long numbers and coarse writers more."""
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
_ = str


class ItemKind(enum.StrEnum):
    """What an item says."""

    HOLDER = "holder"
    NUMBER = "number"
    NUMBER_WHOLE = "number_whole"
    BALANCE = "balance"
    POINTS = "points"
    AMOUNT = "amount"
    LEVEL = "level"
    PROMOTION = "promotion"
    TEXT = "text"
    BAR_CODE = "bar_code"


class Align(enum.StrEnum):
    """Where the text stands in its box."""

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


KINDS: dict[str, str] = {
    ItemKind.HOLDER: _("Member number"),
    ItemKind.NUMBER: _("Card number, masked"),
    ItemKind.NUMBER_WHOLE: _("Card number, whole"),
    ItemKind.BALANCE: _("Balance"),
    ItemKind.POINTS: _("Points"),
    ItemKind.AMOUNT: _("Amount of the last sale"),
    ItemKind.LEVEL: _("Level"),
    ItemKind.PROMOTION: _("Promotion"),
    ItemKind.TEXT: _("Free text"),
    ItemKind.BAR_CODE: _("Bar code of the number"),
}
ALIGNS: dict[str, str] = {Align.LEFT: _("Left"), Align.CENTER: _("Centre"), Align.RIGHT: _("Right")}
SAMPLE_NUMBER = "6221260012345674"
SAMPLES: dict[str, str] = {
    ItemKind.HOLDER: "1000001",
    ItemKind.NUMBER: mask_number(SAMPLE_NUMBER),
    ItemKind.NUMBER_WHOLE: SAMPLE_NUMBER,
    ItemKind.BALANCE: "1,234.50",
    ItemKind.POINTS: "86.00",
    ItemKind.AMOUNT: "12.50",
    ItemKind.LEVEL: "2",
    ItemKind.TEXT: "",
}


class FaceItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item, in a box of one line; lengths in tenths of a millimetre."""

    kind: ItemKind
    left: Annotated[int, msgspec.Meta(ge=0, lt=WIDTH_TENTHS_MM)]
    top: Annotated[int, msgspec.Meta(ge=0, lt=HEIGHT_TENTHS_MM)]
    width: Annotated[int, msgspec.Meta(ge=1, le=WIDTH_TENTHS_MM)]
    size: Annotated[int, msgspec.Meta(ge=SIZE_TENTHS_MM_MIN, le=SIZE_TENTHS_MM_MAX)]
    """Height of the line; of a bar code that of its bars."""
    align: Align = Align.LEFT
    text: Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH_MAX, pattern=NO_CONTROLS)] = ""
    """What stands before the value; of a free text all of it."""

    def sample(self, promotion: str) -> str:
        """What it might say."""
        return self.text + (promotion if self.kind is ItemKind.PROMOTION else SAMPLES.get(self.kind, ""))


STARTING_ITEMS = (
    FaceItem(kind=ItemKind.NUMBER, left=40, top=40, width=500, size=45),
    FaceItem(kind=ItemKind.BALANCE, left=40, top=110, width=380, size=50, text="余额 "),
    FaceItem(kind=ItemKind.POINTS, left=440, top=110, width=376, size=50, align=Align.RIGHT, text="积分 "),
    FaceItem(kind=ItemKind.AMOUNT, left=40, top=180, width=380, size=40, text="本次消费 "),
    FaceItem(kind=ItemKind.PROMOTION, left=40, top=260, width=776, size=60, align=Align.CENTER),
    FaceItem(kind=ItemKind.BAR_CODE, left=40, top=380, width=776, size=110),
)
"""What a new design begins with: a card that can be printed as it is."""


def checked_items(items: Iterable[FaceItem]) -> tuple[FaceItem, ...]:
    """The items of a design that may be kept; `RefusedError` for one that cannot be printed."""
    found = tuple(items)
    if not 1 <= len(found) <= ITEMS_MAX:
        raise RefusedError("A face has 1 to {count} items.", count=ITEMS_MAX)
    for place, item in enumerate(found, 1):
        if item.left + item.width > WIDTH_TENTHS_MM:
            raise RefusedError("Item {place} ends beyond the right edge of the card (85.6 mm).", place=place)
        if item.top + item.size > HEIGHT_TENTHS_MM:
            raise RefusedError("Item {place} ends beyond the lower edge of the card (54.0 mm).", place=place)
        if item.kind is ItemKind.BAR_CODE and item.width < BAR_CODE_TENTHS_MM_MIN:
            raise RefusedError("Item {place}: a bar code of less than 30 mm cannot be read.", place=place)
        if item.kind is ItemKind.TEXT and not item.text.strip():
            raise RefusedError("Item {place}: a free text needs its text.", place=place)
    return found
