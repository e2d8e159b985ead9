"""The switch's pulse: decisions a second and how long they wait for the disk, from its own counters.

Asked while somebody looks, at most once a second, over a connection that stays
open.  A switch that is not there is no error here: the wall says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from .errors import AdminError
from .switch_link import SwitchLink

ASK_EVERY_MS = 1_000
RETRY_EVERY_MS = 5_000
"""After a failure: a page must not wait for a switch that is gone each time it is drawn."""
HISTORY_MS = 300_000
"""What the chart shows: five minutes."""
SAMPLES_MAX = 400
NS_PER_US = 1_000


@dataclass(frozen=True, slots=True)
class Beat:
    """What happened between two questions."""

    time_ms: int
    per_second_hundredths: int
    """Decisions written to the journal, hundredths of one a second."""
    sync_us: int | None
    """Mean time of a write to disk, which every answer waits for; None: there was none."""


@dataclass(frozen=True, slots=True)
class PulseFigures:
    """What the wall shows of the switch itself."""

    is_reachable: bool
    beats: tuple[Beat, ...] = ()
    terminal_count: int = 0
    """Connections that are signed on, the service's own too."""
    is_disk_full: bool = False

    @property
    def last(self) -> Beat | None:
        """The newest."""
        return self.beats[-1] if self.beats else None


class Pulse:
    """Keeps the connection, the last counters and some minutes of beats; may be asked by many threads."""

    def __init__(self, connect: Callable[[], SwitchLink], now_ms: Callable[[], int]) -> None:
        self._connect, self._now_ms = connect, now_ms
        self._link: SwitchLink | None = None
        self._lock = Lock()
        self._asked_ms = 0
        self._before: tuple[int, dict[str, int]] | None = None
        self._beats: deque[Beat] = deque(maxlen=SAMPLES_MAX)
        self._figures = PulseFigures(is_reachable=False)

    def look(self) -> PulseFigures:
        """Figures that are at most a second old; those of before while another thread asks."""
        if not self._lock.acquire(blocking=False):
            return self._figures
        try:
            now_ms = self._now_ms()
            pause_ms = ASK_EVERY_MS if self._figures.is_reachable else RETRY_EVERY_MS
            if not self._asked_ms or now_ms - self._asked_ms >= pause_ms:
                self._asked_ms = now_ms
                self._figures = self._ask(now_ms)
            return self._figures
        finally:
            self._lock.release()

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._hang_up()

    def _ask(self, now_ms: int) -> PulseFigures:
        try:
            if self._link is None:
                self._link = self._connect()
            counters = self._link.statistics()
        except AdminError:
            self._hang_up()
            self._before = None
            return PulseFigures(is_reachable=False, beats=tuple(self._beats))
        self._note(now_ms, counters)
        while self._beats and now_ms - self._beats[0].time_ms > HISTORY_MS:
            self._beats.popleft()
        return PulseFigures(
            is_reachable=True,
            beats=tuple(self._beats),
            terminal_count=counters.get("connections_signed_on", 0),
            is_disk_full=bool(counters.get("disk_full")),
        )

    def _note(self, now_ms: int, counters: dict[str, int]) -> None:
        before, self._before = self._before, (now_ms, counters)
        if before is None:
            return
        passed_ms = now_ms - before[0]
        decided, synced, sync_ns = (
            counters.get(name, 0) - before[1].get(name, 0) for name in ("entries", "blocks", "sync_ns_sum")
        )
        if passed_ms <= 0 or decided < 0:  # the switch has started again, and counts from 0
            return
        sync_us = sync_ns // synced // NS_PER_US if synced > 0 else None
        self._beats.append(Beat(now_ms, decided * 100_000 // passed_ms, sync_us))

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.__exit__(None, None, None)
            self._link = None
