"""The only place where the switch asks for the time or for random bytes."""

from __future__ import annotations

import os
import time

NS_PER_MS = 1_000_000


def now_ms() -> int:
    """Wall clock, milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // NS_PER_MS


def monotonic_ms() -> int:
    """Clock for time-outs, milliseconds from an arbitrary start; never goes back."""
    return time.monotonic_ns() // NS_PER_MS


def random_key() -> bytes:
    """32 unpredictable bytes."""
    return os.urandom(32)
