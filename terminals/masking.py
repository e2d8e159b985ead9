"""Card numbers as people and logs may see them, for the terminal kit: the switch's own masking."""

from __future__ import annotations

from switch.protocol.masking import mask

__all__ = ["mask"]
