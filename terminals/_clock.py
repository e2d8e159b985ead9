"""The only module of the terminal kit that asks a clock or draws at random.

Everything else takes a `Surroundings`, so that a test can be the clock, the
sleep and the dice.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

KEY_BYTES = 32
"""An X25519 private key."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _ephemeral_private() -> bytes:
    return os.urandom(KEY_BYTES)


async def _sleep_ms(duration_ms: float) -> None:
    await asyncio.sleep(duration_ms / 1000)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a terminal asks of the world beside its connection: two clocks, a pause and two kinds of chance."""

    now_ms: Callable[[], int] = _now_ms
    """Wall clock for the stamps of requests, milliseconds since 1970-01-01 UTC."""
    monotonic_ms: Callable[[], int] = _monotonic_ms
    """Clock for deadlines; never goes back, its zero means nothing."""
    sleep_ms: Callable[[float], Awaitable[None]] = _sleep_ms
    """Pause between attempts, milliseconds."""
    ephemeral_private: Callable[[], bytes] = _ephemeral_private
    """A fresh private key of 32 bytes for each sign-on; must never repeat."""
    random_bytes: Callable[[int], bytes] = os.urandom
    """So many secret random bytes: unpredictable numbers for cards, first chain values."""
    unit_random: Callable[[], float] = random.random
    """A number from 0 up to but not 1, for the jitter of the back-off; need not be secret."""


SYSTEM = Surroundings()
"""The real world."""
