"""Who is signed on at the switch right now: asked while somebody looks, at most once in two seconds.

The journal does not know it, so the switch is asked over a connection that stays open.  A switch that is not there is
no error here: pages say that it cannot be known.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from switch.protocol.messages import SignedOnRow

from .errors import AdminError
from .switch_link import SwitchLink

ASK_EVERY_MS = 2_000
RETRY_EVERY_MS = 5_000
"""After a failure: a page must not wait for a switch that is gone each time it is drawn."""
IPV4_PREFIX, IPV6_PREFIX = 16, 48
"""Part of an address that those see who may not change terminals: the network, not the machine."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Who is signed on, by terminal; a terminal may have several sessions, the newest last."""

    is_known: bool
    by_terminal: Mapping[int, tuple[SignedOnRow, ...]] = field(default_factory=dict)
    asked_ms: int = 0

    def of(self, terminal_id: int) -> tuple[SignedOnRow, ...]:
        """Sessions of one terminal."""
        return self.by_terminal.get(terminal_id, ())


class SignedOnKept:
    """Keeps the connection and the last answer; may be asked by many threads."""

    def __init__(self, connect: Callable[[], SwitchLink], now_ms: Callable[[], int]) -> None:
        self._connect, self._now_ms = connect, now_ms
        self._link: SwitchLink | None = None
        self._lock = Lock()
        self._tried_ms: int | None = None
        self._sessions = Sessions(is_known=False)

    def look(self) -> Sessions:
        """Sessions as they were at most two seconds ago."""
        with self._lock:
            now_ms = self._now_ms()
            pause_ms = ASK_EVERY_MS if self._sessions.is_known else RETRY_EVERY_MS
            if self._tried_ms is None or not 0 <= now_ms - self._tried_ms < pause_ms:
                self._tried_ms = now_ms
                self._sessions = self._ask(now_ms)
            return self._sessions

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._hang_up()

    def _ask(self, now_ms: int) -> Sessions:
        for is_last_try in (False, True):  # the switch closes a connection on which nobody has asked for a while
            try:
                if self._link is None:
                    self._link, is_last_try = self._connect(), True
                found: dict[int, tuple[SignedOnRow, ...]] = {}
                for row in self._link.signed_on():
                    found[row.terminal_id] = (*found.get(row.terminal_id, ()), row)
                return Sessions(is_known=True, by_terminal=found, asked_ms=now_ms)
            except AdminError:
                self._hang_up()
                if is_last_try:
                    break
        return Sessions(is_known=False)

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.__exit__(None, None, None)
            self._link = None


def shown_address(address: bytes, *, is_whole: bool) -> str:
    """Where a session comes from: whole, or its network alone; empty: unknown."""
    if not any(address):
        return ""
    found = ipaddress.IPv6Address(address)
    one: ipaddress.IPv4Address | ipaddress.IPv6Address = found.ipv4_mapped or found
    if is_whole:
        return str(one)
    return str(ipaddress.ip_network(f"{one}/{IPV4_PREFIX if one.version == 4 else IPV6_PREFIX}", strict=False))


def shown_version(version: int) -> str:
    """Version of a terminal's software; empty: it does not say."""
    return f"{version >> 8}.{version & 0xFF}" if version else ""
