"""Making printed cards: the number as a bar code, scanned back and compared.

A printed code can be copied by anybody with a camera: it names the card, and
authorises nothing without a PIN or a person who looks.
"""

from __future__ import annotations

from .columns import clip, printable, wrap
from .device_errors import VerifyError
from .luhn import luhn_holds
from .masking import mask
from .printing import BarCode, Cut, Document, TextLine
from .scanner import CodeKind, CodeRead


def lay_out_printed_card(store: str, holder: str, card_number: str, columns: int) -> Document:
    """A card on paper; `ValueError` for a number without its check digit, which our scanners would not take."""
    if not luhn_holds(card_number):
        raise ValueError(f"card_number: expected a number with its check digit, got {mask(card_number)} without")
    return (
        *(
            TextLine(part, is_bold=True, is_double=True, is_centred=True)
            for part in wrap(printable(store), columns // 2)
        ),
        TextLine(clip(printable(holder), columns), is_centred=True),
        BarCode(card_number),
        Cut(),
    )


def check_printed_card(read: CodeRead, card_number: str) -> None:
    """`VerifyError` unless what was scanned from the card is its number; such a card is not handed out."""
    if read.kind is not CodeKind.PRINTED or read.text != card_number:
        raise VerifyError(
            f"expected to scan {mask(card_number)} from the card, got {read!r}; print again, with a clean head"
        )
