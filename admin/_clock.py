"""The only module of the admin service that asks a clock or draws at random; everything else takes `Surroundings`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _pause_s(duration_s: float) -> None:
    time.sleep(duration_s)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the service asks of the world: the time, a pause, and chance."""

    now_ms: Callable[[], int] = _now_ms
    """Wall clock, milliseconds since 1970-01-01 UTC."""
    random_bytes: Callable[[int], bytes] = os.urandom
    """So many secret random bytes: tokens, salts, keys of sessions."""
    pause_s: Callable[[float], None] = _pause_s
    """Sleep; only followers and supervisors wait."""


SYSTEM = Surroundings()
"""The real world."""
