"""One connection per terminal, and requests that are sent until they are answered.

A lane is a terminal's place: its link, or the requests that wait for one.  When
the switch goes away, unanswered requests wait and are sent again, byte for
byte, over the next connection; that is all a terminal has to do for its request
to count exactly once.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from switch.protocol.codes import CodeClass, ResponseCode, code_class
from switch.protocol.layout import layout_of
from switch.protocol.messages import REPLY_BIT, ErrorReply, Header, MessageType, Reply, SwitchMode
from terminals.credentials import Credentials
from terminals.errors import LinkLostError, SignOnRefusedError
from terminals.link import Link
from terminals.outcome import meaning_of, name_code

CONNECTS_AT_A_TIME = 32
"""A thousand terminals that come back at once would overrun the listener's queue and then wait for seconds."""
RECONNECT_PAUSE_S = 0.02
ABSENCE_MAX_S = 60.0
"""A switch that stays away for longer than this ends the replay."""


class ReplyFields(NamedTuple):
    """Fixed part of a `Reply`, in its order; what follows for some types is left alone."""

    code: int
    detail: int
    trace_number: int
    business_date: int
    retry_after_ms: int
    amount_minor: int
    balance_minor: int
    points_hundredths: int
    points_balance_hundredths: int
    journal_sequence: int
    available_minor: int
    due_minor: int
    discount_minor: int
    recharged_minor: int
    round_off_minor: int
    change_minor: int
    receipt_code: int


assert ReplyFields._fields == tuple(field.name for field in layout_of(Reply).fields)

_unpack_reply = layout_of(Reply).codec.unpack_from
_REPLY_BYTES = Reply.width_bytes()
_STALE_CODES = frozenset({ResponseCode.BUSINESS_DATE, ResponseCode.TRACE_REUSED, ResponseCode.CARD_EXISTS})
"""What a switch answers that was used before."""
_RETRY_CODES = frozenset(code.value for code in ResponseCode if code_class(code) is CodeClass.RETRY)


class ReplayError(RuntimeError):
    """The replay cannot go on; the message says what was expected, what came and where."""


class Pending:
    """One request on its way; what a `Link` calls an asker."""

    __slots__ = ("body", "done", "lane", "type")

    def __init__(self, lane: Lane, type_: int, body: bytes, done: Callable[[bytes], None]) -> None:
        self.lane, self.type, self.body, self.done = lane, type_, body, done

    def answered(self, header: Header, body: bytes) -> None:
        """A reply came; hand it on, or send the request again when the switch asks for that."""
        lanes = self.lane.lanes
        if header.type != self.type | REPLY_BIT or len(body) < _REPLY_BYTES:
            lanes.fail(self._error(header.type, body))
            return
        code = int.from_bytes(body[:2], "little")
        if code in _RETRY_CODES:
            lanes.retry_count += 1
            retry_after_ms = read_reply(body).retry_after_ms
            asyncio.get_running_loop().call_later(retry_after_ms / 1000, self.lane.send, self)
            return
        lanes.answered_count += 1
        lanes.on_answer()
        self.done(body)

    def lost(self, error: LinkLostError) -> None:
        """The connection ended first: once more over the next one."""
        self.lane.lanes.resent_count += error.sent
        self.lane.send(self)

    def _error(self, type_: int, body: bytes) -> ReplayError:
        got = f"type {type_:#04x} with {len(body)} bytes"
        if type_ == MessageType.ERROR | REPLY_BIT:
            error = ErrorReply.decode(body)
            got = f"{name_code(error.code)} (offset {error.offset}: expected {error.expected}, got {error.got})"
        return ReplayError(
            f"terminal {self.lane.terminal_id}: expected a reply to {MessageType(self.type).name}, got {got}"
        )


class Lane:
    """One terminal."""

    __slots__ = ("connecting", "lanes", "link", "terminal_id", "waiting")

    def __init__(self, lanes: Lanes, terminal_id: int) -> None:
        self.lanes, self.terminal_id = lanes, terminal_id
        self.link: Link | None = None
        self.waiting: deque[Pending] = deque()
        self.connecting = False

    def send(self, pending: Pending) -> None:
        """Send now, or as soon as there is a connection."""
        link = self.link
        if link is not None and link.alive:
            link.submit(pending.type, pending.body, pending)
            return
        self.waiting.append(pending)
        if not self.connecting:
            self.connecting = True
            self.lanes.start(self._connect())

    async def _connect(self) -> None:
        self.link = await self.lanes.connect(self.terminal_id)
        self.connecting = False
        waiting, self.waiting = self.waiting, deque()
        for pending in waiting:
            self.send(pending)


class Lanes:
    """All terminals of a replay."""

    def __init__(
        self,
        address: Callable[[], tuple[str, int]],
        key_of: Callable[[int], bytes],
        on_answer: Callable[[], None],
    ) -> None:
        self._address = address
        self._key_of = key_of
        self._lanes: dict[int, Lane] = {}
        self._connects = asyncio.Semaphore(CONNECTS_AT_A_TIME)
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_answer = on_answer
        """Called for every answer, before it is acted on."""
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends with the error that ends the replay."""
        self.is_up = asyncio.Event()
        """Cleared while the switch is known to be away, so that nobody knocks in vain."""
        self.is_up.set()
        self.connect_count = 0
        self.answered_count = 0
        self.resent_count = 0
        """Requests sent again because their connection had ended before the answer."""
        self.retry_count = 0
        """Answers that asked to send the same bytes later."""

    @property
    def open_count(self) -> int:
        """Living connections."""
        return sum(lane.link is not None and lane.link.alive for lane in self._lanes.values())

    def send(self, terminal_id: int, type_: int, body: bytes, done: Callable[[bytes], None]) -> None:
        """Send a request until it is answered; `done` gets the reply's body, once."""
        lane = self._lanes.get(terminal_id)
        if lane is None:
            lane = self._lanes[terminal_id] = Lane(self, terminal_id)
        lane.send(Pending(lane, type_, body, done))

    async def unless_failed(self, awaited: asyncio.Future[Any]) -> None:
        """Wait for something, but no longer than the replay can go on."""
        await asyncio.wait([awaited, self.failed], return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            self.failed.result()

    def fail(self, error: BaseException) -> None:
        """End the replay; the first reason counts."""
        if not self.failed.done():
            self.failed.set_exception(error)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the replay; its error ends the replay."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def connect(self, terminal_id: int) -> Link:
        """A signed-on link, however often the switch is killed meanwhile; `ReplayError` when it stays away."""
        loop = asyncio.get_running_loop()
        credentials = Credentials(terminal_id, self._key_of(terminal_id))
        give_up_at = loop.time() + ABSENCE_MAX_S
        while True:
            pause_s = RECONNECT_PAUSE_S
            try:
                async with self._connects:
                    await self.is_up.wait()
                    link = await Link.connect(*self._address(), credentials)
            except SignOnRefusedError as error:
                if code_class(error.code) is not CodeClass.RETRY:
                    raise ReplayError(str(error)) from error
                pause_s = max(pause_s, error.retry_after_ms / 1000)
            except LinkLostError as error:
                if self.connect_count == 0:
                    raise ReplayError(str(error)) from error  # it never was there
                if loop.time() > give_up_at:
                    raise ReplayError(f"{error} (tried for {ABSENCE_MAX_S:.0f} s)") from error
            else:
                if link.terms.mode != SwitchMode.REPLAY:
                    link.abort()
                    raise ReplayError(
                        "expected a switch in replay mode, got a production switch;"
                        " a replay brings its own time: make a data directory with init --mode replay"
                    )
                self.connect_count += 1
                return link
            await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """Sign everybody off."""
        for task in list(self._tasks):
            task.cancel()
        links = [lane.link for lane in self._lanes.values() if lane.link is not None]
        await asyncio.gather(*(link.close() for link in links), return_exceptions=True)
        if not self.failed.cancel() and not self.failed.cancelled():
            self.failed.exception()  # seen

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)


def read_reply(body: bytes) -> ReplyFields:
    """Fixed part of a `Reply`; unpacked by hand, because decoding the struct costs more than sending the request."""
    return ReplyFields(*_unpack_reply(body))


def refused(what: str, reply: ReplyFields) -> ReplayError:
    """Error for an answer that a replay cannot go on with."""
    code, business_date = reply.code, reply.business_date
    hint = ""
    if code in _STALE_CODES:
        date = datetime.date(1970, 1, 1) + datetime.timedelta(days=business_date)
        hint = f" (The switch's date is {date}.) A replay needs a switch that nobody has used before."
    return ReplayError(f"{what}: expected approval, got {name_code(code)}: {meaning_of(code)}{hint}")
