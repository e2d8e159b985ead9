"""Who waits for an answer on a link."""

from __future__ import annotations

import asyncio
from typing import Protocol

from switch.protocol.messages import Header

from .errors import LinkLostError


class Asker(Protocol):
    """Who hears what became of a request; exactly one of the two is called, once, never from within `submit`."""

    def answered(self, header: Header, body: bytes) -> None:
        """The reply's header and body."""

    def lost(self, error: LinkLostError) -> None:
        """The connection ended first; `error.sent` says whether the request may have been received."""


class Waiter:
    """Asker behind `Link.request`."""

    __slots__ = ("future",)

    def __init__(self, future: asyncio.Future[tuple[Header, bytes]]) -> None:
        self.future = future

    def answered(self, header: Header, body: bytes) -> None:
        if not self.future.done():
            self.future.set_result((header, body))

    def lost(self, error: LinkLostError) -> None:
        if not self.future.done():
            self.future.set_exception(error)
