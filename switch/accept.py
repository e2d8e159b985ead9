"""Listens, admits or turns away, and closes who keeps it waiting.

Owns the listening socket, the connections before sign-on and, through the
intake, the links after it.  Never reads a message.  Invariant: the number of
connections and the time that a silent one may last are bounded, whoever
connects.
"""

from __future__ import annotations

import asyncio
import collections
import os
import resource
from collections.abc import Callable

from switch._intake import ENDED, NOT_READ, Intake
from switch._link import Link
from switch.connection import Connection
from switch.dispatch import Dispatched, Dispatcher
from switch.protocol.limits import FRAME_TIMEOUT_MS, SIGNED_ON_ROWS_MAX
from switch.protocol.messages import SignedOnReply, SignedOnRequest, SignedOnRow
from switch.sign_on_guard import source_of

SWEEP_S = 1.0
"""How often silent connections are looked for: their time-outs are tens of seconds."""
BACKLOG_MAX = 4096
"""Connections that the kernel may hold ready: a thousand stores come back at once after a cut."""

SILENT_SHARE = 4
"""One address may hold every fourth connection at most before sign-on: a silent crowd leaves room for the others."""
SILENT_MIN = 64
"""But as many as this, however few connections there may be: the tills of a large store, come back at once."""

FILES_RESERVED = 64
"""Descriptors that no stranger may take: journal segments, the balance store, the event loop, the operator's files."""

SIGNED_ON_ROW_BYTES = SignedOnRow.width_bytes()

Outcome = tuple[Link, list[bytes] | None, str | None]


def open_files_allowed() -> int:
    """Descriptors that this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


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
        self.intake = Intake(dispatcher.engine)
        self._connections_max = min(connections_max, open_files_allowed() - FILES_RESERVED)
        self._connections: set[Connection] = set()
        self._silent_max = max(SILENT_MIN, self._connections_max // SILENT_SHARE)
        self._silent_counts: collections.Counter[str] = collections.Counter()
        self._waiting: list[Link] = []
        self._deferred: dict[Link, list[bytes]] = {}
        self._closing: list[Link] = []
        self._draining = False
        self._loop = asyncio.get_running_loop()
        self._commit = dispatcher.engine.commit
        self._event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self.accepted_count = self.turned_away_count = 0
        self.closed_counts: collections.Counter[str] = collections.Counter()

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Start to listen and to commit; the address that was bound."""
        self.dispatcher.connection_figures = self.figures
        self.dispatcher.signed_on = self.signed_on
        self._loop.add_reader(self._event_fd, self._batch_through)
        self._loop.add_reader(self.intake.fd, self._links_ready)
        self._commit.start(self._event_fd)
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
        self._loop.remove_reader(self.intake.fd)
        await self._loop.run_in_executor(None, self._commit.drain)
        for link in self.intake.all():
            self.intake.remove(link)
        for connection in list(self._connections):
            connection.close("switch is stopping")
        await asyncio.sleep(0)
        self._loop.remove_reader(self._event_fd)
        os.close(self._event_fd)

    # -- called by connections

    def admit(self, connection: Connection) -> bool:
        """Whether a new connection may stay; it is counted either way."""
        if self._draining or len(self._connections) + len(self.intake) >= self._connections_max:
            self.turned_away_count += 1
            return False
        source = source_of(connection.address)
        if self._silent_counts[source] >= self._silent_max:
            self.turned_away_count += 1
            return False
        self.accepted_count += 1
        self._connections.add(connection)
        self._silent_counts[source] += 1
        return True

    def forget(self, connection: Connection) -> None:
        """A connection has ended, or has become a link."""
        if connection in self._connections:
            self._connections.remove(connection)
            source = source_of(connection.address)
            self._silent_counts[source] -= 1
            if not self._silent_counts[source]:
                del self._silent_counts[source]

    def adopt(self, link: Link) -> None:
        """A terminal has signed on: read its link from now on."""
        self.intake.add(link, self.monotonic_ms())

    def count_closed(self, reason: str) -> None:
        """A connection is closed for a fault of the peer."""
        self.closed_counts[reason] += 1

    def figures(self) -> dict[str, int]:
        """Counters of connections by name."""
        return {
            "connections_open": len(self._connections) + len(self.intake),
            "connections_signed_on": len(self.intake),
            "connections_accepted": self.accepted_count,
            "connections_turned_away": self.turned_away_count,
            "receives": self.intake.receive_count,
            **{f"closed: {reason}": count for reason, count in sorted(self.closed_counts.items())},
        }

    def signed_on(self, request: SignedOnRequest) -> SignedOnReply:
        """Who is signed on, as many as were asked for and fit."""
        count_max = min(request.count_max or SIGNED_ON_ROWS_MAX, SIGNED_ON_ROWS_MAX)
        rows, is_more = self.intake.rows(
            request.after_session, request.terminal_id, count_max, self.now_ms(), self.monotonic_ms()
        )
        return SignedOnReply(is_last=0 if is_more else 1, row_count=len(rows) // SIGNED_ON_ROW_BYTES, rows=rows)

    # -- called by the loop

    def _links_ready(self) -> None:
        """One turn: everything that has come is decided, then handed to the commit thread together."""
        self._finish(self.intake.run(self.now_ms(), self.monotonic_ms()))
        self._commit.publish_now()

    def _finish(self, outcomes: list[Outcome]) -> None:
        for link, messages, fault in outcomes:
            self._dispatch(link, messages or [])
            reason = fault or link.fault  # the dispatcher may have counted one error too many
            if reason is not None:
                self._end(link, reason)
            elif link.paused:
                self._waiting.append(link)
                self._commit.tell_when_through()

    def _dispatch(self, link: Link, messages: list[bytes]) -> None:
        for place, message in enumerate(messages):
            outcome = self.dispatcher.dispatch(link, message)
            if outcome == Dispatched.LAST:
                self._closing.append(link)
                self._commit.tell_when_through()
            if outcome == Dispatched.NO_ROOM:
                self._deferred[link] = messages[place:]
                self.intake.hold(link)
                if link.backlog_bytes:
                    # It asks and does not read: it has as long as for a frame.
                    link.deadline_ms = min(link.deadline_ms, self.monotonic_ms() + FRAME_TIMEOUT_MS)
            if outcome != Dispatched.ANSWERED or link.fault is not None:
                return

    def _end(self, link: Link, reason: str) -> None:
        if reason != ENDED:
            self.count_closed(reason)
        self._deferred.pop(link, None)
        self.intake.remove(link)

    def _batch_through(self) -> None:
        """A batch is through that somebody waited for."""
        os.eventfd_read(self._event_fd)
        waiting, self._waiting = self._waiting, []
        closing, self._closing = self._closing, []
        for link in closing:
            self.intake.remove(link)
        for link in waiting:
            if link.backlog_bytes:
                continue  # its turn comes again when the socket has taken what waits
            deferred = self._deferred.pop(link, None)
            if deferred is not None:
                self._finish([(link, deferred, None)])
            if link not in self._deferred and link.fault is None:
                self._finish(self.intake.resume(link, self.now_ms(), self.monotonic_ms()))
        self.intake.wait_for_sockets()
        self._commit.publish_now()

    def _sweep(self) -> None:
        now_ms = self.monotonic_ms()
        for connection in [c for c in self._connections if c.deadline_ms < now_ms]:
            connection.close("no sign-on in time")
        for link in self.intake.silent(now_ms):
            self._end(link, NOT_READ if link.backlog_bytes else "silent for too long")
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
