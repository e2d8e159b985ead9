"""Listens, admits or turns away, and closes who keeps it waiting.

Owns the listening socket, the one receive buffer and the list of connections.
Never reads a message.  Invariant: the number of connections and the time that
a silent one may last are bounded, whoever connects.
"""

from __future__ import annotations

import asyncio
import collections
import os
from collections.abc import Callable

from switch._intake import Turn
from switch._link import needy_links
from switch.connection import Connection
from switch.dispatch import Dispatcher

SWEEP_S = 1.0
"""How often silent connections are looked for: their time-outs are tens of seconds."""
BACKLOG_MAX = 4096
"""Connections that the kernel may hold ready: a thousand stores come back at once after a cut."""


class Listener:
    """All connections of one listening socket."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        connections_max: int,
        now_ms: Callable[[], int],
        monotonic_ms: Callable[[], int],
    ) -> None:
        self.dispatcher = dispatcher
        self.now_ms, self.monotonic_ms = now_ms, monotonic_ms
        self.turn = Turn(self._begin_turn)
        self._connections_max = connections_max
        self._connections: set[Connection] = set()
        self._waiting: list[Connection] = []
        self._closing: list[Connection] = []
        self._draining = False
        self._loop = asyncio.get_running_loop()
        self._publish = dispatcher.engine.commit.publish_now
        self._event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self.accepted_count = self.turned_away_count = 0
        self.closed_counts: collections.Counter[str] = collections.Counter()

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Start to listen and to commit; the address that was bound."""
        self.dispatcher.connection_figures = self.figures
        self._loop.add_reader(self._event_fd, self._batch_through)
        self.dispatcher.engine.commit.start(self._event_fd)
        self._server = await self._loop.create_server(lambda: Connection(self), host, port, backlog=BACKLOG_MAX)
        self._sweep()
        address = self._server.sockets[0].getsockname()
        return address[0], address[1]

    async def drain(self) -> None:
        """Take no more connections, make durable and answer what was asked, close the rest."""
        self._draining = True
        assert self._server is not None
        self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self._loop.run_in_executor(None, self.dispatcher.engine.commit.drain)
        for connection in list(self._connections):
            connection.hang_up()
        await asyncio.sleep(0)
        self._loop.remove_reader(self._event_fd)
        os.close(self._event_fd)

    # -- called by connections

    def admit(self, connection: Connection) -> bool:
        """Whether a new connection may stay; it is counted either way."""
        if self._draining or len(self._connections) >= self._connections_max:
            self.turned_away_count += 1
            return False
        self.accepted_count += 1
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """A connection has ended."""
        self._connections.discard(connection)

    def count_closed(self, reason: str) -> None:
        """A connection is closed for a fault of the peer."""
        self.closed_counts[reason] += 1

    def wait_for_batch(self, connection: Connection) -> None:
        """Call the connection's `resume` when the batch is through."""
        self._waiting.append(connection)
        self.dispatcher.engine.commit.tell_when_through()

    def close_after_batch(self, connection: Connection) -> None:
        """Close the connection when its last answer has left."""
        self._closing.append(connection)
        self.dispatcher.engine.commit.tell_when_through()

    def figures(self) -> dict[str, int]:
        """Counters of connections by name."""
        return {
            "connections_open": len(self._connections),
            "connections_accepted": self.accepted_count,
            "connections_turned_away": self.turned_away_count,
            **{f"closed: {reason}": count for reason, count in sorted(self.closed_counts.items())},
        }

    # -- called by the loop

    def _begin_turn(self) -> None:
        self.turn.now_ms, self.turn.monotonic_ms = self.now_ms(), self.monotonic_ms()
        self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        # Every socket that was ready has been read: hand the batch to the commit thread.
        self.turn.end()
        self._publish()

    def _batch_through(self) -> None:
        os.eventfd_read(self._event_fd)
        waiting, self._waiting = self._waiting, []
        closing, self._closing = self._closing, []
        for connection in closing:
            connection.hang_up()
        for connection in waiting:
            connection.resume()
        needy = set(needy_links(self.dispatcher.engine))
        if needy:
            for connection in list(self._connections):
                if connection.link is not None and connection.link.fd in needy:
                    connection.start_writing()

    def _sweep(self) -> None:
        now_ms = self.monotonic_ms()
        for connection in [c for c in self._connections if c.deadline_ms < now_ms]:
            connection.close("silent for too long" if connection.link is not None else "no sign-on in time")
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
