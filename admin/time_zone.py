"""The wall clock of the stores: the switch's time zone, in which its pages tell the time and read what people type."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from .database import Database
from .models.mirror import switches

log = structlog.get_logger(__name__)
KEPT_MS = 60_000
"""A switch keeps its zone for good; so long it may take until the first journal has told it."""


class StoreZone:
    """The time zone of the switch, read at most every `KEPT_MS`; UTC until the switch is known."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._kept = ZoneInfo("UTC")
        self._kept_until_ms = 0
        self._lock = Lock()

    def now(self) -> ZoneInfo:
        """The zone."""
        now_ms = self._now_ms()
        with self._lock:
            if not now_ms < self._kept_until_ms <= now_ms + KEPT_MS:
                with self._database.read() as session:
                    self._kept = zone_of(session)
                self._kept_until_ms = now_ms + KEPT_MS
            return self._kept


def zone_of(session: Session) -> ZoneInfo:
    """The switch's time zone, in which its stores tell the time."""
    for name in session.scalars(select(switches.c.timezone)):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            log.warning("the switch's time zone is not known here", zone=name)
    return ZoneInfo("UTC")
