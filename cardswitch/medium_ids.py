"""Numbers of media as people write them and may see them: a UID in hex, a token of 11 digits, a card number."""

from __future__ import annotations

from switch.protocol.messages import MediumKind
from terminals.masking import mask

from .output import CommandError
from .units import parse_card_number

UID_BYTES_MAX = 7
TOKEN_DIGITS = 11
SHOWN_HEX_FIRST, SHOWN_LAST = 4, 4
"""What is left of a masked UID or token: enough to tell two of one card apart."""
SHOWN_DIGITS_FIRST = 2


def parse_medium_id(kind: MediumKind, text: str, card_number: int) -> int:
    """A medium's number; a stripe's is its card's, and need not be told. `CommandError` for anything else."""
    compact = text.replace(" ", "").replace(":", "")
    if kind is MediumKind.STRIPE:
        if compact and parse_card_number(compact) != card_number:
            raise CommandError("--id: expected the card's own number for a stripe, got another; leave --id out")
        return card_number
    if kind is MediumKind.CODE:
        if len(compact) != TOKEN_DIGITS or not (compact.isascii() and compact.isdigit()) or not int(compact):
            raise CommandError(
                f"--id: expected the device's token with {TOKEN_DIGITS} digits, got {len(compact)} characters;"
                " the app shows it, and each code begins with it"
            )
        return int(compact)
    is_hex = compact.isascii() and compact.isalnum() and all(digit in "0123456789abcdefABCDEF" for digit in compact)
    if not is_hex or len(compact) != 2 * UID_BYTES_MAX or not int(compact, 16):
        raise CommandError(
            f"--id: expected the UID of the {kind.name.lower()} as {2 * UID_BYTES_MAX} hexadecimal digits,"
            f" got {len(compact)} characters; `cardswitch device card read` reads a chip's"
        )
    return int(compact, 16)


def format_medium_id(kind: int, number: int, *, unmasked: bool) -> str:
    """A medium's number, masked unless asked for otherwise; nothing for 0."""
    if not number:
        return ""
    if kind in (MediumKind.CHIP, MediumKind.TAG):
        text, first = f"{number:0{2 * UID_BYTES_MAX}X}", SHOWN_HEX_FIRST
    elif kind == MediumKind.CODE:
        text, first = f"{number:0{TOKEN_DIGITS}d}", SHOWN_DIGITS_FIRST
    else:
        return str(number) if unmasked else mask(number)
    if unmasked:
        return text
    return text[:first] + "*" * (len(text) - first - SHOWN_LAST) + text[-SHOWN_LAST:]
