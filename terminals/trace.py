"""Trace numbers, open requests and the day's answers: what a terminal must not forget, even when its plug is pulled.

Before a request leaves, its trace number and its bytes are on disk; before its
outcome is told to anybody, it is marked as settled.  So after a crash every
request is in one of three cases:

| found in the store            | meaning                                | what `Client.settle` does        |
|-------------------------------|----------------------------------------|----------------------------------|
| nothing                       | never sent, or settled and told        | nothing                          |
| an open request               | perhaps sent; nobody was told          | undoes a debit, resends the rest |
| an open request marked stuck  | the switch cannot settle it any more   | reports it again, for a person   |

Beside them the store keeps a book: what the switch has answered to each
request of the last two business dates, for the day close (`day_close.py`).

`MemoryTrace` here is for replays and load tests only; a till uses `FileTrace`
of `trace_file.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from switch.protocol.messages import PIN_BYTES, DebitFlag, DebitRequest, HoldRequest, MessageType

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


class Heard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the switch has answered to a request, as far as the day close compares it."""

    code: int
    amount_minor: int
    journal_sequence: int


class BookedRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A settled request of one of the last two business dates."""

    request: OpenRequest
    """Without PIN; its body is empty when the book has it from the switch alone, and for operators' messages."""
    heard: Heard | None = None
    """Its answer; `None` when none was ever heard, and a reversal has undone it."""

    @property
    def key(self) -> tuple[int, int]:
        """Business date and trace number."""
        return self.request.business_date, self.request.trace_number


class Opened(msgspec.Struct, tag="open", forbid_unknown_fields=True):
    """A request got its number and is about to be sent."""

    request: OpenRequest


class Closed(msgspec.Struct, tag="close", forbid_unknown_fields=True, omit_defaults=True):
    """A request is settled; with an answer or a reversal it goes into the book."""

    trace_number: int
    heard: Heard | None = None
    is_reversed: bool = False

    @property
    def is_booked(self) -> bool:
        """Whether the switch has, or may have, an entry under the request's number."""
        return self.heard is not None or self.is_reversed


class Booked(msgspec.Struct, tag="booked", forbid_unknown_fields=True):
    """The book has this for a request, whatever it had before."""

    entry: BookedRequest


class Unbooked(msgspec.Struct, tag="unbooked", forbid_unknown_fields=True):
    """The book has nothing for a request any more."""

    business_date: int
    trace_number: int


class Stuck(msgspec.Struct, tag="stuck", forbid_unknown_fields=True):
    """The switch has refused for good to settle a request."""

    trace_number: int
    code: int


Record = Opened | Closed | Stuck | Booked | Unbooked
"""What a store is told to remember."""


class TraceStore:
    """Numbers requests, remembers the open ones and books the others; subclasses decide where it is remembered."""

    def __init__(
        self, next_number: int = 1, open_requests_max: int = OPEN_REQUESTS_MAX, *, keeps_book: bool = True
    ) -> None:
        self._next_number = next_number
        self._open: dict[int, OpenRequest] = {}
        self._open_requests_max = open_requests_max
        self._keeps_book = keeps_book
        self._book: dict[tuple[int, int], BookedRequest] = {}
        self._latest_date = 0

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
        self._note_date(business_date)
        self._open[number] = request
        self._next_number = successor_of(number)
        return request

    def close(self, trace_number: int, heard: Heard | None = None, *, is_reversed: bool = False) -> None:
        """Mark a request as settled, by an answer of its own or by a reversal; a second time changes nothing."""
        if trace_number in self._open:
            closed = Closed(trace_number, heard, is_reversed)
            self._persist(closed)
            self._take_out(closed)

    # ------------------------------------------------------------------- the book

    def booked(self, business_date: int) -> list[BookedRequest]:
        """What the book has for a business date, by trace number: the latest date that was used, or the one before."""
        entries = [entry for (date, _), entry in self._book.items() if date == business_date]
        return sorted(entries, key=lambda entry: entry.request.trace_number)

    def book(self) -> list[BookedRequest]:
        """All that the book has, of both business dates."""
        return list(self._book.values())

    def correct(self, entry: BookedRequest) -> None:
        """Let the book have this for a request: the switch has said so."""
        self._persist(Booked(entry))
        self._book[entry.key] = entry

    def strike(self, entry: BookedRequest) -> None:
        """Let the book have nothing for a request: the switch has nothing either."""
        self._persist(Unbooked(*entry.key))
        self._book.pop(entry.key, None)

    def _take_out(self, closed: Closed) -> None:
        request = self._open.pop(closed.trace_number)
        if closed.is_booked and self._keeps_book:
            entry = BookedRequest(request=without_secrets(request), heard=closed.heard)
            self._book[entry.key] = entry

    def _note_date(self, business_date: int) -> None:
        """Forget what the switch has forgotten: dates before the one before the latest."""
        if business_date > self._latest_date:
            self._latest_date = business_date
            for key in [key for key in self._book if key[0] + 1 < business_date]:
                del self._book[key]

    # ------------------------------------------------------------------- the rest

    def mark_stuck(self, trace_number: int, code: int) -> None:
        """Note that the switch refused for good to settle a request; it stays open for a person to look at."""
        request = self._open.get(trace_number)
        if request is not None and request.stuck_code != code:
            self._persist(Stuck(trace_number, code))
            self._open[trace_number] = msgspec.structs.replace(request, stuck_code=code)

    def compact(self) -> None:
        """Forget for good what is settled, where it is still written down: it may have held a key."""

    def shut(self) -> None:
        """Give back what the store holds; it can be used no more."""

    def _persist(self, record: Record) -> None:
        raise NotImplementedError


class MemoryTrace(TraceStore):
    """A store that forgets everything when the process ends.

    For those who can start again from nothing: a replay or a load test against
    a switch of their own.  `reason` says why that is so, because for a real
    till it never is.  A book is kept on demand: it holds every request of two
    business dates.
    """

    def __init__(self, reason: str, next_number: int = 1, *, keeps_book: bool = False) -> None:
        super().__init__(next_number, keeps_book=keeps_book)
        if not reason:
            raise ValueError("reason: expected why nothing has to be remembered, got nothing; use FileTrace for a till")
        self.reason = reason

    def _persist(self, record: Record) -> None:
        pass


def successor_of(number: int) -> int:
    """Trace number after this one."""
    return number + 1 if number < TRACE_NUMBER_MAX else 1


def without_secrets(request: OpenRequest) -> OpenRequest:
    """A request as it may be kept for two days: without PIN, without the keys and PINs of operators' messages."""
    body = request.body
    if request.type >= MessageType.PUT_CARD_TYPE:
        body = b""
    elif request.type == MessageType.DEBIT and (debit := DebitRequest.decode(body)).flags & DebitFlag.PIN:
        body = msgspec.structs.replace(debit, pin=bytes(PIN_BYTES)).encode()  # evidence may follow the PIN
    elif request.type == MessageType.HOLD and any(HoldRequest.decode(body).pin):
        body = b""
    else:
        return request
    return msgspec.structs.replace(request, body=body)
