"""One TCP connection: bytes in, bytes out; the only module that knows asyncio's protocols.

Owns a socket from accept to close.  Never reads a message: until sign-on is
through it hands one frame to the dispatcher, afterwards every receive goes to
the link in one piece (`_intake.pyx`, the part that runs at every receive).
Invariant: at most one partial frame is kept between two receives, and nothing
is read while the link is paused.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, cast

from switch._intake import Intake
from switch._link import Link
from switch.protocol.frames import FrameCutter, FrameError
from switch.protocol.limits import IDLE_TIMEOUT_MS, SIGN_ON_FRAME_BYTES_MAX, SIGN_ON_TIMEOUT_MS

if TYPE_CHECKING:
    from switch.accept import Listener


class Connection(Intake, asyncio.BufferedProtocol):
    """A peer that has connected; a terminal once it has signed on."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener.turn)
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._cutter: FrameCutter | None = FrameCutter(SIGN_ON_FRAME_BYTES_MAX)
        self._writing = False

    # -- called by the event loop (and, at every receive, the methods of Intake)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are not subclasses of it
        self.deadline_ms = self._listener.monotonic_ms() + SIGN_ON_TIMEOUT_MS
        if not self._listener.admit(self):
            self._transport.abort()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_writing()
        self.link = None  # answers on their way still leave by the link's own socket
        self._listener.forget(self)
        self._transport = None

    # -- called by Intake

    def take_sign_on(self, size: int) -> None:
        """Bytes before sign-on is through: one frame, for the dispatcher."""
        if self._cutter is None or self._transport is None:
            return  # the sign-on was answered with a refusal; what follows is not read
        try:
            payloads = self._cutter.feed(bytes(self.turn.receive_view[:size]))
        except FrameError:
            self.close("frame length out of bounds before sign-on")
            return
        if not payloads:
            return
        too_much = len(payloads) > 1 or self._cutter.held_bytes > 0  # nothing can follow before the answer is known
        self._cutter = None
        answer, keys = self._listener.dispatcher.sign_on(payloads[0])
        if keys is None or too_much:
            self._transport.write(answer)  # network
            self._transport.close()
            return
        sock: socket.socket = self._transport.get_extra_info("socket")
        try:
            descriptor = os.dup(sock.fileno())
        except OSError:
            self.close("no file descriptor left for a session")
            return
        self._transport.write(answer)  # network
        self.link = Link(self._listener.dispatcher.engine, descriptor, *keys)
        self.deadline_ms = self._listener.monotonic_ms() + IDLE_TIMEOUT_MS

    def take_cold(self, messages: list[bytes]) -> bool:
        """Messages for the dispatcher, in order; False when the connection ends after them."""
        assert self.link is not None
        for message in messages:
            if not self._listener.dispatcher.dispatch(self.link, message):
                self._listener.close_after_batch(self)
                return False
        return True

    def take_fault(self, reason: str) -> None:
        """The peer broke the protocol."""
        self.close(reason)

    def hold_back(self) -> None:
        """Too many answers wait: read nothing until the batch is through."""
        if self._transport is not None:
            self._transport.pause_reading()
            self._listener.wait_for_batch(self)

    # -- called by the listener

    def resume(self) -> None:
        """The batch that was too full is through: go on with what was kept, then read again."""
        if self.link is None or self._transport is None:
            return
        self.resume_kept()
        if self.link is not None and not self.link.paused and self._transport is not None:
            self._transport.resume_reading()

    def start_writing(self) -> None:
        """The socket took no more: wait until it does."""
        if self.link is not None and not self._writing:
            self._writing = True
            asyncio.get_running_loop().add_writer(self.link.fd, self._write_more)

    def _stop_writing(self) -> None:
        if self.link is not None and self._writing:
            self._writing = False
            asyncio.get_running_loop().remove_writer(self.link.fd)

    def _write_more(self) -> None:
        assert self.link is not None
        left = self.link.flush()  # network
        if left <= 0:
            self._stop_writing()
        if left < 0:
            self.close("peer does not read its answers")

    # -- the end

    def close(self, reason: str) -> None:
        """End the connection for a reason that is counted."""
        self._listener.count_closed(reason)
        if self._transport is not None:
            self._transport.abort()

    def hang_up(self) -> None:
        """Close without a fault, after what was written."""
        if self._transport is not None:
            self._transport.close()
