"""A connection before its sign-on; the only module that knows asyncio's protocols.

Owns a socket from accept until its sign-on is answered.  Then the socket goes
to a link (`_intake.pyx` reads it, the commit thread writes it) and the event
loop lets go of it.  Never reads a message.  Invariant: a stranger can hold one
frame of SIGN_ON_FRAME_BYTES_MAX for SIGN_ON_TIMEOUT_MS, and no more.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from typing import TYPE_CHECKING, cast

from switch._link import ADDRESS_BYTES, Link
from switch.protocol.codes import ResponseCode
from switch.protocol.frames import FrameCutter, FrameError
from switch.protocol.limits import BUSY_RETRY_AFTER_MS, SIGN_ON_FRAME_BYTES_MAX, SIGN_ON_TIMEOUT_MS
from switch.protocol.session import refuse_sign_on

if TYPE_CHECKING:
    from switch.accept import Listener


class Connection(asyncio.Protocol):
    """A peer that has connected and not signed on yet."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._cutter: FrameCutter | None = FrameCutter(SIGN_ON_FRAME_BYTES_MAX)
        self.address = ""
        """Where the peer connects from."""
        self.deadline_ms = 0
        """When to close it, by the monotonic clock."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are not subclasses of it
        if peer := transport.get_extra_info("peername"):
            self.address = peer[0]
        self.deadline_ms = self._listener.monotonic_ms() + SIGN_ON_TIMEOUT_MS
        if not self._listener.admit(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._cutter is None or self._transport is None:
            return  # refused already; what follows is not read
        try:
            payloads = self._cutter.feed(data)
        except FrameError:
            self.close("frame length out of bounds before sign-on")
            return
        if payloads:
            # Nothing can follow a sign-on before its answer is known.
            too_much = len(payloads) > 1 or self._cutter.held_bytes > 0
            self._cutter = None
            self._sign_on(payloads[0], too_much)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.forget(self)
        self._transport = None

    def _sign_on(self, payload: bytes, too_much: bool) -> None:
        assert self._transport is not None
        answer, keys = self._listener.dispatcher.sign_on(payload, self.address, self._listener.monotonic_ms())
        if keys is None or too_much:
            self._transport.write(answer)  # network
            self._transport.close()
            return
        sock: socket.socket = self._transport.get_extra_info("socket")
        try:
            descriptor = os.dup(sock.fileno())
        except OSError:
            self._listener.count_closed("no file descriptor left for a session")
            self._transport.write(refuse_sign_on(ResponseCode.BUSY, BUSY_RETRY_AFTER_MS))  # network
            self._transport.close()
            return
        link = Link(self._listener.dispatcher.engine, descriptor, *keys, address=address_bytes(self.address))
        try:
            taken = os.write(descriptor, answer)  # network: an empty socket takes these 100 bytes whole
        except OSError:
            taken = 0
        if taken == len(answer):
            try:
                self._listener.adopt(link)
            except OSError:  # the system has no room for one more watched socket; that is this peer's loss alone
                self._listener.count_closed("no room to watch a session")
        self._transport.abort()  # closes the event loop's descriptor only; the link's keeps the connection

    def close(self, reason: str) -> None:
        """End the connection for a reason that is counted."""
        self._listener.count_closed(reason)
        if self._transport is not None:
            self._transport.abort()


def address_bytes(address: str) -> bytes:
    """An address of a peer as rows about sessions have it; zeros for one that is not of the internet."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])  # without the name of an interface
    except ValueError:
        return bytes(ADDRESS_BYTES)
    return found.packed if found.version == 6 else b"\0" * 10 + b"\xff\xff" + found.packed
