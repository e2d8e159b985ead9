"""Addresses of cards that do not tell the card's number: one block of AES under the service's secret.

A page of a card must have an address; with the number in it, masking would be
for show, in the address bar, in logs, in the browser's history.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK_BYTES = 16
NUMBER_BYTES = 8
_PADDING = "=" * 6
REFERENCE_CHARACTERS = 26


class References:
    """Turns card numbers into references and back."""

    def __init__(self, key: bytes) -> None:
        # One block holds one number: ECB is the bare permutation that is wanted here.
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())

    def make(self, number: int) -> str:
        """26 letters and digits."""
        block = self._cipher.encryptor().update(number.to_bytes(BLOCK_BYTES, "big"))
        return base64.b32encode(block).decode().rstrip("=").lower()

    def read(self, reference: str) -> int | None:
        """The number; None for what was not made here."""
        if len(reference) != REFERENCE_CHARACTERS:
            return None
        try:
            block = self._cipher.decryptor().update(base64.b32decode(reference.upper() + _PADDING))
        except ValueError:
            return None
        number = int.from_bytes(block, "big")
        return number if number < 1 << 8 * NUMBER_BYTES else None
