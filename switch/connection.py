"""One TCP connection: bytes in, bytes out; the only module that knows asyncio's protocols.

Owns a socket from accept to close.  Never reads a message: until sign-on is
through it hands one frame to the dispatcher, afterwards every receive goes to
the link in one piece.  Invariant: at most one partial frame is kept between
two receives, and nothing is read while the link is paused.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, cast

from switch._link import RECEIVE_BYTES, Link
from switch.protocol.frames import FrameCutter, FrameError
from switch.protocol.limits import FRAME_TIMEOUT_MS, IDLE_TIMEOUT_MS, SIGN_ON_FRAME_BYTES, SIGN_ON_TIMEOUT_MS

if TYPE_CHECKING:
    from switch.accept import Listener


class Connection(asyncio.BufferedProtocol):
    """A peer that has connected; a terminal once it has signed on."""

    __slots__ = ("_cutter", "_listener", "_transport", "deadline_ms", "link", "started_ms", "writing")

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._cutter: FrameCutter | None = FrameCutter(SIGN_ON_FRAME_BYTES)
        self.link: Link | None = None
        self.deadline_ms = 0
        """When to close it, by the monotonic clock, unless something whole arrives before."""
        self.writing = False

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are not subclasses of it
        self.deadline_ms = self._listener.monotonic_ms() + SIGN_ON_TIMEOUT_MS
        if not self._listener.admit(self):
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        # The loop asks, receives and reports without a pause, so one buffer serves all connections.
        listener = self._listener
        link = self.link
        if link is not None and link.waiting_bytes:
            kept = link.load(listener.buffer)
            return listener.whole_view[kept : kept + RECEIVE_BYTES]
        return listener.receive_view

    def buffer_updated(self, nbytes: int) -> None:
        link = self.link
        if link is None:
            self._sign_on(bytes(self._listener.receive_view[:nbytes]))
            return
        self._take(link, nbytes + link.waiting_bytes)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.link is not None:
            if self.writing:
                self.stop_writing()
            self.link = None  # answers on their way still leave by the link's own socket
        self._listener.forget(self)
        self._transport = None

    # -- sign-on

    def _sign_on(self, data: bytes) -> None:
        assert self._cutter is not None
        try:
            payloads = self._cutter.feed(data)
        except FrameError:
            self.close("frame length out of bounds before sign-on")
            return
        if not payloads:
            return
        assert self._transport is not None
        answer, keys = self._listener.dispatcher.sign_on(payloads[0])
        self._transport.write(answer)  # network
        if keys is None or len(payloads) > 1:
            self._transport.close()
            return
        sock: socket.socket = self._transport.get_extra_info("socket")
        self.link = Link(self._listener.dispatcher.engine, os.dup(sock.fileno()), *keys)
        self._cutter = None
        self.deadline_ms = self._listener.monotonic_ms() + IDLE_TIMEOUT_MS

    # -- messages

    def _take(self, link: Link, size: int) -> None:
        """One pass over `size` bytes at the start of the shared buffer."""
        listener = self._listener
        frames_before = link.frame_count
        cold = link.receive(listener.buffer, size, listener.now_ms())
        listener.publish_soon()
        if cold is not None:
            for message in cold:
                if not listener.dispatcher.dispatch(link, message):
                    self.close_soon()
                    return
        if link.fault is not None:
            self.close(link.fault)
            return
        now_ms = listener.monotonic_ms()
        if link.frame_count != frames_before:
            self.deadline_ms = now_ms + (FRAME_TIMEOUT_MS if link.waiting_bytes else IDLE_TIMEOUT_MS)
        elif self.deadline_ms > now_ms + FRAME_TIMEOUT_MS:
            self.deadline_ms = now_ms + FRAME_TIMEOUT_MS  # a frame has begun
        if link.paused:
            assert self._transport is not None
            self._transport.pause_reading()
            listener.wait_for_batch(self)

    def resume(self) -> None:
        """The batch that was too full is through: go on with what was kept, then read again."""
        if self.link is None or self._transport is None:
            return
        if self.link.load(self._listener.buffer):
            self._take(self.link, self.link.waiting_bytes)
        if self.link is not None and not self.link.paused and self._transport is not None:
            self._transport.resume_reading()

    def start_writing(self) -> None:
        """The socket took no more: wait until it does."""
        if self.link is not None and not self.writing:
            self.writing = True
            asyncio.get_running_loop().add_writer(self.link.fd, self._write_more)

    def stop_writing(self) -> None:
        """Nothing waits any more."""
        if self.link is not None and self.writing:
            self.writing = False
            asyncio.get_running_loop().remove_writer(self.link.fd)

    def _write_more(self) -> None:
        assert self.link is not None
        left = self.link.flush()  # network
        if left <= 0:
            self.stop_writing()
        if left < 0:
            self.close("peer does not read its answers")

    # -- the end

    def close(self, reason: str) -> None:
        """End the connection for a reason that is counted."""
        self._listener.count_closed(reason)
        if self._transport is not None:
            self._transport.abort()

    def close_soon(self) -> None:
        """End the connection after the answers that are on their way (sign-off)."""
        self._listener.close_after_batch(self)

    def hang_up(self) -> None:
        """Close without a fault."""
        if self._transport is not None:
            self._transport.close()
