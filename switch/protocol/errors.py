"""Two sides of one fault: what the peer did wrong, and what our own caller did wrong.

A `PeerError` costs the peer its connection and nobody else anything.  A
`LocalProtocolError` is a bug on this side: it says which rule was broken and
changes nothing, so the session stays as usable as it was.
"""

from __future__ import annotations

from typing import Any


class ProtocolError(Exception):
    """Base of everything that can go wrong between two peers."""


class LocalProtocolError(ProtocolError):
    """This side tried something that the session's state does not allow; nothing was changed."""


class PeerError(ProtocolError):
    """The other side broke the protocol; the session is over.

    `received` holds what arrived whole before the fault and in the same call,
    because an answer that was delivered stays delivered: payloads of frames
    from a `FrameCutter`, events from a session.
    """

    received: tuple[Any, ...] = ()
