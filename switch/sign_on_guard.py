"""How many wrong sign-ons a switch looks at: a bucket for each address, and one for all strangers together.

A sign-on is the only work that somebody without a key can ask for.  A wrong one
costs two table look-ups and half a handshake on the event loop that also
answers the tills.  So each failure takes a token out of its address's bucket,
and out of a common one; both fill up again slowly.  Who finds his bucket empty
hears BUSY before any key is looked at.  Sessions that exist never pass here.

A sign-on that was recorded and is sent again would be accepted, and useless to
its sender; so that it is not worth a handshake either, the last ones that were
accepted are remembered.

An address from which a terminal has signed on lately does not depend on the
common bucket: strangers at many addresses together cannot keep a store out.
A stranger inside a store's own network, behind its one address, can slow down
that store's next sign-ons, and nobody else's.

Time is an argument, monotonic milliseconds; nothing here reads a clock.
"""

from __future__ import annotations

import collections
import ipaddress

from switch.protocol.limits import (
    SIGN_ON_FAILURES_MAX,
    SIGN_ON_FAILURES_PER_S,
    SIGN_ON_STRANGER_FAILURES_MAX,
    SIGN_ON_STRANGER_FAILURES_PER_S,
)

SOURCES_MAX = 8_192
"""Addresses that are remembered, of either kind: stores are a thousand; about 2 MB. The longest unseen goes first."""
ACCEPTED_MAX = 65_536
"""Accepted sign-ons that are known when they come again: a day of a thousand terminals that sign on every half hour;
about 10 MB. A copy of an older one costs the switch a handshake and gives its sender nothing."""
FAMILIAR_MS = 7 * 86_400_000
"""An address is familiar this long after a terminal has signed on from it: a store that was closed over a holiday."""
IPV6_NETWORK_BITS = 64
"""What one customer of a provider has at least: its addresses count as one."""


class _Bucket:
    """Tokens that fill up again at a steady pace."""

    __slots__ = ("_at_ms", "_size", "_tokens", "_tokens_per_s")

    def __init__(self, size: int, tokens_per_s: int, at_ms: int) -> None:
        self._size, self._tokens_per_s = size, tokens_per_s
        self._tokens, self._at_ms = float(size), at_ms

    def has_one(self, at_ms: int) -> bool:
        """Whether a token is there."""
        filled = max(0, at_ms - self._at_ms) * self._tokens_per_s / 1000
        self._tokens, self._at_ms = min(self._size, self._tokens + filled), max(at_ms, self._at_ms)
        return self._tokens >= 1

    def take(self) -> None:
        """Take a token; below zero is possible, for who takes has looked before."""
        self._tokens -= 1


class SignOnGuard:
    """Says which sign-ons are worth a handshake."""

    def __init__(self) -> None:
        self._buckets: collections.OrderedDict[str, _Bucket] = collections.OrderedDict()
        self._familiar: collections.OrderedDict[str, int] = collections.OrderedDict()
        self._strangers = _Bucket(SIGN_ON_STRANGER_FAILURES_MAX, SIGN_ON_STRANGER_FAILURES_PER_S, 0)
        self._accepted: collections.OrderedDict[bytes, None] = collections.OrderedDict()
        self.held_back_count = 0
        """Sign-ons answered with BUSY because their address, or all strangers together, had failed too often."""

    def admits(self, address: str, at_ms: int) -> bool:
        """Whether a sign-on from this address is looked at now; counted when it is not."""
        source = source_of(address)
        bucket = self._buckets.get(source)
        admitted = bucket is None or bucket.has_one(at_ms)
        if admitted and not self._is_familiar(source, at_ms):
            admitted = self._strangers.has_one(at_ms)
        self.held_back_count += not admitted
        return admitted

    def failed(self, address: str, at_ms: int) -> None:
        """A sign-on from this address was looked at and refused."""
        source = source_of(address)
        bucket = self._buckets.get(source)
        if bucket is None:
            bucket = self._buckets[source] = _Bucket(SIGN_ON_FAILURES_MAX, SIGN_ON_FAILURES_PER_S, at_ms)
            if len(self._buckets) > SOURCES_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(source)
        bucket.take()
        if not self._is_familiar(source, at_ms):
            self._strangers.take()

    def was_accepted(self, ephemeral: bytes) -> bool:
        """Whether a sign-on with this ephemeral key was accepted before: nobody draws one twice, so it is a copy."""
        return ephemeral in self._accepted

    def succeeded(self, address: str, ephemeral: bytes, at_ms: int) -> None:
        """A terminal has signed on from this address."""
        self._accepted[ephemeral] = None
        if len(self._accepted) > ACCEPTED_MAX:
            self._accepted.popitem(last=False)
        source = source_of(address)
        self._familiar[source] = at_ms
        self._familiar.move_to_end(source)
        if len(self._familiar) > SOURCES_MAX:
            self._familiar.popitem(last=False)

    def _is_familiar(self, source: str, at_ms: int) -> bool:
        since_ms = self._familiar.get(source)
        return since_ms is not None and at_ms - since_ms <= FAMILIAR_MS


def source_of(address: str) -> str:
    """What counts as one sender: an IPv4 address, or the network of an IPv6 one."""
    if ":" not in address:
        return address
    host = ipaddress.IPv6Address(address.partition("%")[0])
    if host.ipv4_mapped is not None:
        return str(host.ipv4_mapped)
    return str(ipaddress.IPv6Network((host, IPV6_NETWORK_BITS), strict=False))
