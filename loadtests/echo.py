"""The fair peer: a uvloop server that sends every byte back, and does nothing else.

What it reaches is what sockets, kernel and event loop cost on this machine.
It uses what the switch uses (uvloop, `BufferedProtocol`, a frozen collector),
so the difference to the switch is the switch's own work.

Run: `python -m loadtests.echo`; it prints `ready on HOST:PORT` and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import cast

import uvloop

RECEIVE_BYTES = 1 << 18
"""As much as the generator reads at once."""


class Echo(asyncio.BufferedProtocol):
    """One connection; bytes are copied once, because the receive buffer is used again at once."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (uvloop has set TCP_NODELAY)."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the base class

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Send them back."""
        assert self._transport is not None
        self._transport.write(bytes(self._buffer[:nbytes]))  # network


async def serve() -> None:
    """Listen on a free port of the loopback interface until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=1024)
    host, port = server.sockets[0].getsockname()
    print(f"ready on {host}:{port}", flush=True)
    gc.collect()
    gc.freeze()
    # The parent holds the other end: when it ends, however it ends, so does this process.
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
