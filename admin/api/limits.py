"""How many requests a token may make in a minute, and how many wrong tokens may come from one address."""

from __future__ import annotations

from threading import Lock
from typing import Any

from anyio import to_thread
from litestar.connection import ASGIConnection
from litestar.exceptions import TooManyRequestsException
from litestar.handlers import BaseRouteHandler

from admin.access import Visitor

WINDOW_MS = 60_000
COUNTED_MAX = 10_000
"""Names that are counted at a time; who is behind more addresses than this has other means."""
WRONG_TOKENS_PER_MINUTE = 60
"""A token has 256 bits: this only keeps the database quiet."""


class RequestCounts:
    """Requests by name in the present minute; kept in the process, for there is one web server."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts: dict[str, int] = {}
        self._lock = Lock()

    def count(self, name: str, now_ms: int) -> int:
        """How many came in this minute, this one included."""
        with self._lock:
            if now_ms // WINDOW_MS != self._minute or len(self._counts) >= COUNTED_MAX:
                self._minute, self._counts = now_ms // WINDOW_MS, {}
            self._counts[name] = self._counts.get(name, 0) + 1
            return self._counts[name]


def too_many(most: int, now_ms: int) -> TooManyRequestsException:
    """The answer to one request too many."""
    wait_s = (WINDOW_MS - now_ms % WINDOW_MS) // 1000 + 1
    return TooManyRequestsException(detail=f"At most {most} in a minute.", headers={"Retry-After": str(wait_s)})


async def within_limits(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard of the interface: a token may not ask more often than the parameter says."""
    visitor = connection.scope.get("user")
    if not isinstance(visitor, Visitor):
        return  # `needs` turns it away
    state = connection.app.state
    now = state.service.now()
    now_ms = state.service.surroundings.now_ms()
    most = await to_thread.run_sync(state.service.parameters.number, "api_requests_per_minute", now)
    if state.request_counts.count(f"token {visitor.token_id}", now_ms) > most:
        raise too_many(most, now_ms)
