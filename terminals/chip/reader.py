"""A card reader over PC/SC, contact or contactless: a card that never answers costs a time-out and not the till.

Each reader has a thread of its own. A call that outlasts its time-out is given up with its thread and its connection
to pcscd; the next call gets new ones. Until the card that caused it is taken out, `wait_for_card` takes no notice of
it: pcscd holds the reader for the call that was given up, and a connection to it would hang as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from terminals._clock import SYSTEM

from .errors import CardLostError, NoCardError, ReaderNotFoundError, ReaderTimeoutError
from .pcsc import Connection, Context, ReaderState, ServiceLostError
from .worker import GivenUp, Worker

EXCHANGE_TIMEOUT_MS = 5_000
"""For one command: ours take milliseconds; what readers themselves allow a card ends sooner."""
CONNECT_TIMEOUT_MS = 10_000
"""For giving a card power and its answer to reset; also what a wait may take beyond its own time-out."""
END_TIMEOUT_MS = 2_000
"""For closing; a thread that hangs is left behind."""
GIVEN_UP_MAX = 4
"""Threads given up that still hang, for one reader; pcscd has 16 connections to a reader at most."""
LOOK_MS = 500
"""How often a wait looks whether what hung has ended, or whether it is still wanted."""
NO_EVENT = -1
T = TypeVar("T")


class _Session:
    """What one thread holds of PC/SC: used in that thread only."""

    def __init__(self) -> None:
        self.context: Context | None = None
        self.connection: Connection | None = None
        self.event_count = NO_EVENT
        """Of the card that was connected to last."""

    def open(self) -> Context:
        if self.context is None:
            self.context = Context()
        return self.context

    def release(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        self.release()
        context, self.context = self.context, None
        if context is not None:
            context.close()


class ChipReader:
    """One reader, by its PC/SC name; `with ChipReader(name) as reader` leaves no thread behind.

    Calls block and may come from any thread, one at a time is served; from asyncio use `asyncio.to_thread`.
    """

    def __init__(
        self,
        name: str,
        *,
        exchange_timeout_ms: int = EXCHANGE_TIMEOUT_MS,
        monotonic_ms: Callable[[], int] = SYSTEM.monotonic_ms,
    ) -> None:
        """Nothing is asked of the reader before the first call."""
        self.name = name
        self._exchange_timeout_ms = exchange_timeout_ms
        self._monotonic_ms = monotonic_ms
        self._lock = threading.Lock()
        self._session = _Session()
        self._worker: Worker | None = None
        self._given_up: list[tuple[Worker, int]] = []
        """Threads that hang, with the event count of the card that they hang on."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of card and reader; a later call begins anew."""
        with self._lock:
            worker, self._worker = self._worker, None
            if worker is not None:
                worker.end(END_TIMEOUT_MS)
            self._session = _Session()

    def wait_for_card(self, timeout_ms: int) -> bytes:
        """Give the next card power, at once when one lies there: its answer to reset.

        `NoCardError` when none came in time, `ReaderNotFoundError` when the reader is not plugged in,
        `CardServiceError` when pcscd is not there, `ReaderBusyError`, `ReaderTimeoutError`.
        """
        with self._lock:
            session, deadline_ms = self._session, self._monotonic_ms() + timeout_ms
            return self._do(
                lambda: self._connect(session, deadline_ms, timeout_ms), timeout_ms + CONNECT_TIMEOUT_MS, "a card"
            )

    def wait_for_removal(self, timeout_ms: int) -> bool:
        """Take the card's power away and wait until it is out: whether it is. Errors as `wait_for_card`."""
        with self._lock:
            session, deadline_ms = self._session, self._monotonic_ms() + timeout_ms
            return self._do(lambda: self._see_out(session, deadline_ms), timeout_ms + CONNECT_TIMEOUT_MS, "removal")

    def exchange(self, command: bytes) -> bytes:
        """The card's answer to a command: data and status word, whatever the status.

        `CardLostError` when the card is out or was none, `ReaderTimeoutError` when it did not answer in time,
        `CardServiceError` when pcscd has ended. After each wait for a card again; whether the command was carried out
        is not known.
        """
        with self._lock:
            session = self._session
            return self._do(lambda: self._exchange(session, command), self._exchange_timeout_ms, "an answer")

    def release(self) -> None:
        """Take the card's power away; it may stay where it is and be waited for again."""
        with self._lock:
            session = self._session
            self._do(session.release, self._exchange_timeout_ms, "to let go")

    # ------------------------------------------------------------------- in the caller's thread

    def _do(self, job: Callable[[], T], timeout_ms: int, what: str) -> T:
        if self._worker is None:
            self._given_up = [(worker, count) for worker, count in self._given_up if worker.is_alive]
            if len(self._given_up) >= GIVEN_UP_MAX:
                raise ReaderTimeoutError(
                    f"{self.name}: expected a reader that answers, got {GIVEN_UP_MAX} calls that hang;"
                    " take the card out, unplug the reader, or start pcscd again"
                )
            self._worker = Worker(f"reader {self.name}", self._session.close)
        try:
            return self._worker.do(job, timeout_ms)
        except GivenUp:
            self._given_up.append((self._worker, self._session.event_count))
            self._worker, self._session = None, _Session()
            raise ReaderTimeoutError(
                f"{self.name}: expected {what} within {timeout_ms} ms, got nothing; take the card out and present it"
                " again"
            ) from None

    # ------------------------------------------------------------------- in the reader's thread

    def _connect(self, session: _Session, deadline_ms: int, timeout_ms: int) -> bytes:
        session.release()
        known, has_silent_card = 0, False
        while True:
            state = self._next_state(session, known, deadline_ms)
            if state is None:
                raise NoCardError(
                    f"{self.name}: expected a card within {timeout_ms} ms, got "
                    + ("one that does not answer; turn it round" if has_silent_card else "none; present one")
                )
            if not self.is_ready(state):
                known, has_silent_card = state.raw, state.present
                continue
            session.event_count = state.event_count  # said first: the connecting itself may hang
            try:
                session.connection = session.open().connect(self.name)
            except CardLostError:
                # Gone again, or gives no answer to reset: wait until something changes.
                known, has_silent_card = state.raw, state.present
                continue
            return state.atr

    def is_ready(self, state: ReaderState) -> bool:
        """Whether there is a card that can be connected to."""
        return state.present and not state.mute and state.event_count not in self._stuck_counts()

    def _stuck_counts(self) -> set[int]:
        return {count for worker, count in self._given_up if worker.is_alive}

    def _see_out(self, session: _Session, deadline_ms: int) -> bool:
        session.release()
        known = 0
        while (state := self._next_state(session, known, deadline_ms)) is not None:
            if not state.present:
                return True
            known = state.raw
        return False

    def _exchange(self, session: _Session, command: bytes) -> bytes:
        if session.connection is None:
            raise CardLostError(f"{self.name}: expected a card, got none; wait for one first")
        try:
            return session.connection.exchange(command)
        except BaseException:
            session.release()
            raise

    def _next_state(self, session: _Session, known: int, deadline_ms: int) -> ReaderState | None:
        """What the reader's state changes to, None when the time is over; pcscd may be started anew meanwhile."""
        while True:
            was_open = session.context is not None
            left_ms = max(0, deadline_ms - self._monotonic_ms())
            slice_ms = min(left_ms, LOOK_MS) if self._given_up else left_ms
            try:
                states = session.open().wait_for_change({self.name: known}, slice_ms)
            except ServiceLostError:
                session.close()
                if not was_open:
                    raise
                known = 0
                continue
            if states is None:
                if slice_ms == left_ms:
                    return None
                known = 0  # what hung may have ended, which changes nothing in the reader's state
                continue
            state = states[self.name]
            if not state.known:
                raise ReaderNotFoundError(
                    f"{self.name}: expected the reader, got none of that name; plug it in, or see `cardswitch device"
                    " readers`"
                )
            return state


def wait_for_any_card(
    readers: Sequence[ChipReader], timeout_ms: int, *, monotonic_ms: Callable[[], int] = SYSTEM.monotonic_ms
) -> ChipReader:
    """The first of several readers to have a card, which then has power: a till has one slot and one field.

    A reader that is not plugged in is waited for, unless none is. Errors as `ChipReader.wait_for_card`.
    """
    session, deadline_ms = _Session(), monotonic_ms() + timeout_ms
    worker = Worker("readers", session.close)
    try:
        while True:
            found = worker.do(
                lambda: _first_ready(session, readers, deadline_ms, monotonic_ms), timeout_ms + CONNECT_TIMEOUT_MS
            )
            if found is None:
                names = ", ".join(reader.name for reader in readers)
                raise NoCardError(f"{names}: expected a card within {timeout_ms} ms, got none; present one")
            try:
                found.wait_for_card(0)
            except NoCardError:
                continue  # gone again
            return found
    except GivenUp:
        raise ReaderTimeoutError(
            f"readers: expected a card or none within {timeout_ms} ms, got nothing; start pcscd again"
        ) from None
    finally:
        worker.end(0)


def _first_ready(
    session: _Session, readers: Sequence[ChipReader], deadline_ms: int, monotonic_ms: Callable[[], int]
) -> ChipReader | None:
    known = {reader.name: 0 for reader in readers}
    while True:
        left_ms = max(0, deadline_ms - monotonic_ms())
        states = session.open().wait_for_change(known, min(left_ms, LOOK_MS))
        if states is not None:
            if not any(state.known for state in states.values()):
                raise ReaderNotFoundError(
                    f"{', '.join(states)}: expected a reader, got none of these; plug one in, or see `cardswitch device"
                    " readers`"
                )
            for reader in readers:
                if reader.is_ready(states[reader.name]):
                    return reader
            known = {name: state.raw for name, state in states.items()}
        elif left_ms <= LOOK_MS:
            return None
