"""Trace numbers and open requests: what a terminal must not forget, even when its plug is pulled.

Before a request leaves, its trace number and its bytes are on disk; before its
outcome is told to anybody, it is marked as settled.  So after a crash every
request is in one of three cases:

| found in the store            | meaning                                | what `Client.settle` does        |
|-------------------------------|----------------------------------------|----------------------------------|
| nothing                       | never sent, or settled and told        | nothing                          |
| an open request               | perhaps sent; nobody was told          | undoes a debit, resends the rest |
| an open request marked stuck  | the switch cannot settle it any more   | reports it again, for a person   |

`MemoryTrace` here is for replays and load tests only; a till uses `FileTrace`
of `trace_file.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from .errors import TooManyOpenRequestsError

TRACE_NUMBER_MAX: Final = 2**32 - 1
"""After it the numbers begin again at 1; by then the switch has long forgotten the first ones."""

OPEN_REQUESTS_MAX: Final = 1_024
"""Unsettled requests that a terminal may have; as many as the switch answers at a time on one connection."""


class OpenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that was, or may have been, sent and is not settled."""

    trace_number: int
    business_date: int
    """Business date that the request carries, days since 1970-01-01."""
    type: int
    """Message type byte."""
    body: bytes
    """The exact bytes, so that sending them again is a repeat and not a new request."""
    stuck_code: int = 0
    """Response code with which the switch refused to settle it; 0 while there is hope."""

    def __repr__(self) -> str:
        return (
            f"OpenRequest(trace_number={self.trace_number}, business_date={self.business_date}, type={self.type:#04x})"
        )


class Opened(msgspec.Struct, tag="open", forbid_unknown_fields=True):
    """A request got its number and is about to be sent."""

    request: OpenRequest


class Closed(msgspec.Struct, tag="close", forbid_unknown_fields=True):
    """A request is settled."""

    trace_number: int


class Stuck(msgspec.Struct, tag="stuck", forbid_unknown_fields=True):
    """The switch has refused for good to settle a request."""

    trace_number: int
    code: int


class TraceStore:
    """Numbers requests and remembers the open ones; subclasses decide where it is remembered."""

    def __init__(self, next_number: int = 1, open_requests_max: int = OPEN_REQUESTS_MAX) -> None:
        self._next_number = next_number
        self._open: dict[int, OpenRequest] = {}
        self._open_requests_max = open_requests_max

    @property
    def next_number(self) -> int:
        """Trace number of the next request."""
        return self._next_number

    def open_requests(self) -> list[OpenRequest]:
        """Everything that is not settled, oldest first."""
        return list(self._open.values())

    def is_open(self, trace_number: int) -> bool:
        """Whether a request is not settled."""
        return trace_number in self._open

    def begin(
        self, type_: int, business_date: int, build: Callable[[int], bytes], *, urgent: bool = False
    ) -> OpenRequest:
        """Number a request and remember its bytes; on disk when this returns.

        `build` makes the body from the trace number.  `TooManyOpenRequestsError`
        when the bound is reached, unless it is `urgent`: a reversal settles
        another request and must not be kept out by it.
        """
        bound = self._open_requests_max * (2 if urgent else 1)
        if len(self._open) >= bound:
            raise TooManyOpenRequestsError(
                f"open requests: expected less than {bound}, got {len(self._open)}; call settle() before new requests"
            )
        number = self._next_number
        request = OpenRequest(trace_number=number, business_date=business_date, type=type_, body=build(number))
        self._persist(Opened(request))
        self._open[number] = request
        self._next_number = successor_of(number)
        return request

    def close(self, trace_number: int) -> None:
        """Mark a request as settled; a second time changes nothing."""
        if trace_number in self._open:
            self._persist(Closed(trace_number))
            del self._open[trace_number]

    def mark_stuck(self, trace_number: int, code: int) -> None:
        """Note that the switch refused for good to settle a request; it stays open for a person to look at."""
        request = self._open.get(trace_number)
        if request is not None and request.stuck_code != code:
            self._persist(Stuck(trace_number, code))
            self._open[trace_number] = msgspec.structs.replace(request, stuck_code=code)

    def shut(self) -> None:
        """Give back what the store holds; it can be used no more."""

    def _persist(self, record: Opened | Closed | Stuck) -> None:
        raise NotImplementedError


class MemoryTrace(TraceStore):
    """A store that forgets everything when the process ends.

    For those who can start again from nothing: a replay or a load test against
    a switch of their own.  `reason` says why that is so, because for a real
    till it never is.
    """

    def __init__(self, reason: str, next_number: int = 1) -> None:
        super().__init__(next_number)
        if not reason:
            raise ValueError("reason: expected why nothing has to be remembered, got nothing; use FileTrace for a till")
        self.reason = reason

    def _persist(self, record: Opened | Closed | Stuck) -> None:
        pass


def successor_of(number: int) -> int:
    """Trace number after this one."""
    return number + 1 if number < TRACE_NUMBER_MAX else 1
