"""Code 128 (ISO/IEC 15417): the bars of a number, for card faces that are drawn dot by dot.

Printers of receipts draw bar codes themselves (`printing.BarCode`); a writer of
visual cards takes dots. Digits go two to a symbol in set C; a last odd one in set B.
"""

from __future__ import annotations

START_C, CODE_B, STOP = 105, 100, 106
CHECK_MODULUS = 103
DIGITS_B = 16
"""Value of the digit 0 in set B."""
MODULES_PER_SYMBOL, MODULES_OF_STOP = 11, 13
QUIET_MODULES = 10
"""Blank on either side; a reader needs it."""
_TABLE = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222"
    " 123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321"
    " 232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121"
    " 313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224"
    " 111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111"
    " 111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113"
    " 114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112"
)
_WIDTHS = _TABLE.split(" ")
"""Of each symbol: widths in modules, a bar first."""


def modules(digits: str) -> str:
    """The bars as `1` and `0`, one for each module, without the quiet zones; `ValueError` for anything but digits."""
    if not digits or not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f"bar code: expected digits, got {len(digits)} characters")
    symbols = [START_C, *(int(digits[at : at + 2]) for at in range(0, len(digits) - 1, 2))]
    if len(digits) % 2:
        symbols += [CODE_B, DIGITS_B + int(digits[-1])]
    check = (symbols[0] + sum(place * symbol for place, symbol in enumerate(symbols))) % CHECK_MODULUS
    bars = []
    for symbol in (*symbols, check, STOP):
        for place, width in enumerate(_WIDTHS[symbol]):
            bars.append(("0" if place % 2 else "1") * int(width))
    return "".join(bars)
