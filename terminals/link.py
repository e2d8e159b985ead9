"""One signed-on TCP connection: the only module of the kit that knows sockets.

Feeds bytes to a `TerminalSession` and writes what it seals; matches replies to
requests by sequence number.  It does not reconnect, repeat or reverse: when
the connection ends, every unanswered request is told so, with the knowledge
whether it may have reached the switch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final, cast

from switch.protocol.errors import LocalProtocolError, ProtocolError
from switch.protocol.layout import LayoutError
from switch.protocol.messages import SOFTWARE_VERSION, EchoReply, EchoRequest, Header, MessageType, SignOnTerms
from switch.protocol.session import Message, Refused, SignedOn, TerminalSession

from ._asker import Asker, Waiter
from ._clock import SYSTEM, Surroundings
from .credentials import Credentials
from .errors import LinkLostError, RequestTimeoutError, SignOnRefusedError, WindowExceededError
from .outcome import name_code

CONNECT_TIMEOUT_MS: Final = 5_000
"""TCP connection and sign-on together; a switch answers within milliseconds, a wide-area line adds a second."""

CLOSE_TIMEOUT_MS: Final = 1_000
"""Wait for the answer to a sign-off; after it the connection is cut, which loses nothing."""

WAITING_MAX: Final = 65_536
"""Requests that may queue behind a full window, so that a caller who never waits is told before memory runs out."""

HEARTBEATS_PER_IDLE_TIMEOUT: Final = 3
"""Echoes within the switch's idle time-out: one may get lost, one may be late."""


class Link(asyncio.Protocol):
    """One connection of one terminal, made by `Link.connect`."""

    def __init__(self, credentials: Credentials, surroundings: Surroundings) -> None:
        self._loop = asyncio.get_running_loop()
        self._credentials = credentials
        self._session = TerminalSession(
            credentials.terminal_id, credentials.key, surroundings.ephemeral_private(), SOFTWARE_VERSION
        )
        self._now_ms = surroundings.now_ms
        self._who = f"terminal {credentials.terminal_id}"
        self._transport: asyncio.Transport | None = None
        self._signed_on: asyncio.Future[SignOnTerms] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._error: LinkLostError | None = None
        self._sequence = 0
        self._pending: dict[int, Asker] = {}
        self._waiting: deque[tuple[int, bytes, Asker]] = deque()
        self._window = 1
        self._heartbeat: asyncio.TimerHandle | None = None
        self._heartbeat_ms = 0.0
        self._sequence_at_heartbeat = 0
        self._echo_open = False
        self.business_date = 0
        """Latest business date that the switch has told in sign-on and echoes, days since 1970-01-01."""
        self.late_count = 0
        """Replies that nobody waited for any more, because their request had timed out."""

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        credentials: Credentials,
        surroundings: Surroundings = SYSTEM,
        *,
        timeout_ms: int = CONNECT_TIMEOUT_MS,
    ) -> Link:
        """Connect and sign on; `SignOnRefusedError` for a refusal, `LinkLostError` for all else that went wrong."""
        link = cls(credentials, surroundings)
        place = f"{host}:{port}"
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await link._loop.create_connection(lambda: link, host, port)  # network
                await link._signed_on
        except TimeoutError:
            link.abort()
            raise LinkLostError(
                f"{link._who}: expected {place} to answer the sign-on within {timeout_ms} ms, got nothing;"
                " check the address and whether the switch runs",
                sent=False,
            ) from None
        except OSError as error:
            link.abort()
            reason = error.strerror or str(error)
            raise LinkLostError(
                f"{link._who}: expected a switch at {place}, got {reason}; check the address and whether it runs",
                sent=False,
            ) from error
        except BaseException:
            link.abort()
            raise
        return link

    @property
    def terms(self) -> SignOnTerms:
        """What the switch said at sign-on."""
        return self._signed_on.result()

    @property
    def challenge(self) -> bytes:
        """What chips are asked in this session, 8 bytes."""
        return self._session.challenge

    @property
    def alive(self) -> bool:
        """Whether requests can still be sent."""
        return self._error is None

    @property
    def is_idle(self) -> bool:
        """Nothing is in flight, and nothing waits to be sent."""
        return not self._pending and not self._waiting

    @property
    def sent_count(self) -> int:
        """Requests sent so far (modulo 2^32)."""
        return self._sequence

    def is_of(self, credentials: Credentials) -> bool:
        """Whether the link was made with exactly this key."""
        return self._credentials == credentials

    @property
    def in_flight_count(self) -> int:
        """Requests sent and not yet answered."""
        return len(self._pending)

    def submit(self, type_: int, body: bytes, asker: Asker) -> None:
        """Send a request, or queue it while the window is full; `asker` hears what became of it.

        `LinkLostError` when the link has ended (nothing was sent), `WindowExceededError`
        when more than WAITING_MAX requests would wait.
        """
        if self._error is not None:
            raise LinkLostError(str(self._error), sent=False)
        if len(self._pending) < self._window and not self._waiting:
            self._send(type_, body, asker)
        elif len(self._waiting) < WAITING_MAX:
            self._waiting.append((type_, body, asker))
        else:
            raise WindowExceededError(
                f"{self._who}: expected at most {WAITING_MAX} waiting requests, got one more; await answers first"
            )

    async def request(self, type_: int, body: bytes, timeout_ms: int) -> tuple[Header, bytes]:
        """Header and body of the reply; `RequestTimeoutError` or `LinkLostError` when there is none."""
        waiter = Waiter(self._loop.create_future())
        self.submit(type_, body, waiter)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await waiter.future
        except TimeoutError:
            raise RequestTimeoutError(
                f"{self._who}: expected a reply to {_name(type_)} within {timeout_ms} ms, got none;"
                " its outcome is unknown: send the same bytes again, or reverse it"
            ) from None

    async def close(self) -> None:
        """Sign off, wait a moment for the switch's answer, and close; requests in flight hear `LinkLostError`."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()  # after the sign-off nothing may be sent
        if self.alive and self._signed_on.done():
            with suppress(LinkLostError, WindowExceededError):  # the connection is to end anyway
                await self.request(MessageType.SIGN_OFF, b"", CLOSE_TIMEOUT_MS)
        self.abort(LinkLostError(f"{self._who}: the link was closed by this side"))
        await self._ended

    def abort(self, error: LinkLostError | None = None) -> None:
        """End the connection at once."""
        self._end(error or LinkLostError(f"{self._who}: the link was cut by this side"))
        if self._transport is not None:
            self._transport.abort()
        elif not self._ended.done():
            self._ended.set_result(None)

    # ------------------------------------------------------------------- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first frame of the sign-on."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop has a class of its own
        if self._error is not None:  # given up while the connection was being made
            transport.abort()
            return
        transport.write(self._session.start())  # network

    def data_received(self, data: bytes) -> None:
        """Hand the bytes to the session and act on what it says."""
        try:
            events = self._session.receive(data)
            fault: ProtocolError | None = None
        except ProtocolError as error:
            # What arrived whole before the fault was answered all the same.
            events, fault = list(getattr(error, "received", ())), error
        for event in events:
            if isinstance(event, Message):
                self._answer(event.header, event.body)
            elif isinstance(event, SignedOn):
                self._begin(event.terms)
            elif isinstance(event, Refused):
                self._refuse(event)
        if fault is not None:
            self.abort(LinkLostError(f"{self._who}: the switch broke the protocol: {fault}; the connection was cut"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        reason = f" ({exc})" if exc else ""
        self._end(LinkLostError(f"{self._who}: the connection to the switch ended{reason}"))
        if not self._ended.done():
            self._ended.set_result(None)

    # ------------------------------------------------------------------- inside

    def _send(self, type_: int, body: bytes, asker: Asker) -> None:
        assert self._transport is not None
        self._sequence = sequence = (self._sequence + 1) & 0xFFFFFFFF
        frame = self._session.seal(type_, sequence, body)
        self._pending[sequence] = asker
        self._transport.write(frame)  # network

    def _answer(self, header: Header, body: bytes) -> None:
        asker = self._pending.pop(header.sequence, None)
        if asker is None or (isinstance(asker, Waiter) and asker.future.done()):
            self.late_count += 1
        else:
            asker.answered(header, body)
        while self._waiting and len(self._pending) < self._window and self._error is None:
            type_, request_body, asker = self._waiting.popleft()
            try:
                self._send(type_, request_body, asker)
            except LocalProtocolError as error:
                self._loop.call_soon(asker.lost, LinkLostError(f"{self._who}: {error}", sent=False))

    def _begin(self, terms: SignOnTerms) -> None:
        self._window = max(1, terms.in_flight_max)
        self.business_date = terms.business_date
        self._heartbeat_ms = max(1.0, terms.idle_timeout_ms / HEARTBEATS_PER_IDLE_TIMEOUT)
        self._heartbeat = self._loop.call_later(self._heartbeat_ms / 1000, self._beat)
        if not self._signed_on.done():
            self._signed_on.set_result(terms)

    def _refuse(self, event: Refused) -> None:
        error = SignOnRefusedError(
            f"{self._who}: expected to be signed on, got refusal {name_code(event.code)};"
            " check terminal number and key, and that the terminal is not blocked",
            event.code,
            event.retry_after_ms,
        )
        self.abort(error)

    def _beat(self) -> None:
        """Echo when nothing was sent since the last beat; an echo that stays unanswered means a dead line."""
        if self._error is not None:
            return
        if self._echo_open:
            self.abort(
                LinkLostError(
                    f"{self._who}: expected an answer to an echo within {self._heartbeat_ms:.0f} ms, got none;"
                    " the line is dead, connect again"
                )
            )
            return
        if self._sequence == self._sequence_at_heartbeat:
            self._echo_open = True
            self._send(MessageType.ECHO, EchoRequest(stamp_ms=self._now_ms()).encode(), _Heartbeat(self))
        self._sequence_at_heartbeat = self._sequence
        self._heartbeat = self._loop.call_later(self._heartbeat_ms / 1000, self._beat)

    def _end(self, error: LinkLostError) -> None:
        if self._error is not None:
            return
        self._error = error
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        if not self._signed_on.done():
            # Nothing can have been asked before the sign-on, whatever ended it.
            error.sent = False
            self._signed_on.set_exception(error)
            self._signed_on.exception()  # seen: whoever gave up does not come back for it
        pending, self._pending = list(self._pending.values()), {}
        waiting, self._waiting = list(self._waiting), deque()
        # Later, so that an asker that sends again does not do so in the middle of this.
        for asker in pending:
            self._loop.call_soon(asker.lost, LinkLostError(str(error), sent=True))
        for _, _, asker in waiting:
            self._loop.call_soon(asker.lost, LinkLostError(str(error), sent=False))


class _Heartbeat:
    """Asker of the echoes that the link sends by itself."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    def answered(self, header: Header, body: bytes) -> None:
        self._link._echo_open = False
        with suppress(LayoutError):  # an error reply: the line lives, which is all that a heartbeat asks
            self._link.business_date = max(self._link.business_date, EchoReply.decode(body).business_date)

    def lost(self, error: LinkLostError) -> None:
        pass


def _name(type_: int) -> str:
    try:
        return MessageType(type_).name
    except ValueError:
        return f"message type {type_:#04x}"
