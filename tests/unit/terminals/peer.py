"""A switch to test terminals against: real frames over TCP, the readable twin behind them, faults on command."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from typing import Any, Self

from switch.protocol.codes import ResponseCode
from switch.protocol.errors import PeerError
from switch.protocol.frames import FrameCutter
from switch.protocol.layout import Packed
from switch.protocol.limits import FRAME_BYTES_MAX
from switch.protocol.messages import (
    REPLY_BIT,
    ChangeKeyRequest,
    CreditRequest,
    EchoReply,
    EchoRequest,
    Header,
    MessageType,
    OpenCardRequest,
    PutCardTypeRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Reply,
    Right,
    SignOnHeader,
    SignOnTerms,
    SwitchMode,
)
from switch.protocol.session import (
    Message,
    SignOnError,
    SignOnSuccess,
    SwitchSession,
    answer_sign_on,
    parse_sign_on,
    refuse_sign_on,
)
from tests.twin.model import Twin

OPERATOR_ID, TERMINAL_ID, STORE_ID = 1, 7, 3
OPERATOR_KEY, TERMINAL_KEY = b"o" * 32, b"t" * 32
CARD, OTHER_CARD = 9999_0100_0001_4533, 9999_0200_0002_3228
ALL_RIGHTS = Right.PAY | Right.CREDIT | Right.CONFIGURE | Right.FOLLOW | Right.CARDS
DAY_MS = 86_400_000


class Fault(enum.Enum):
    """What becomes of one message."""

    NONE = "decide and answer"
    LOSE_REQUEST = "as if it had never arrived"
    LOSE_REPLY = "decide, but answer nothing"
    CUT_BEFORE = "close the connection without deciding"
    CUT_AFTER = "decide, then close the connection"
    BUSY = "answer BUSY, decide nothing"
    HOLD = "decide, and answer after the next answer"


Judge = Callable[[Message], Fault]


class Peer:
    """A listening switch; `faults` are used up one per message, then `judge` decides."""

    def __init__(self, *, timezone: str = "UTC", replay: bool = True, now_ms: int = 1_000 * DAY_MS) -> None:
        self.twin = Twin(timezone=timezone, replay=replay)
        self.replay = replay
        self.now_ms = now_ms
        self.keys = {OPERATOR_ID: OPERATOR_KEY, TERMINAL_ID: TERMINAL_KEY}
        self.next_keys: dict[int, bytes] = {}
        self.flags = 0
        self.rights = {OPERATOR_ID: ALL_RIGHTS, TERMINAL_ID: ALL_RIGHTS}
        self.faults: list[Fault] = []
        self.judge: Judge = lambda message: Fault.NONE
        self.refuse_with: tuple[ResponseCode, int] | None = None
        self.messages: list[Message] = []
        """Everything that arrived, faults or not."""
        self.replies: list[bytes] = []
        self.sign_on_count = 0
        self.idle_timeout_ms = 90_000
        self.in_flight_max = 64
        self.echoes = True
        self.echo_count = 0
        self.signed_off_count = 0
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._held: tuple[int, int, bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    async def open(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=1024)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None
        while self._writers:
            await asyncio.sleep(0)

    def types(self) -> list[MessageType]:
        """Types of the messages that arrived."""
        return [MessageType(message.header.type) for message in self.messages]

    def prepare(self, *, balance_minor: int = 100_00, **card_type: Any) -> Self:
        """One card type, one store, two cards with the same opening balance."""
        keyed: dict[str, Any] = {"business_date": self.now_ms // DAY_MS, "stamp_ms": self.now_ms}
        cards = (CARD, OTHER_CARD)
        requests: list[tuple[MessageType, Packed]] = [
            (MessageType.PUT_CARD_TYPE, PutCardTypeRequest(trace_number=1, **keyed, code=1, **card_type)),
            (MessageType.PUT_STORE, PutStoreRequest(trace_number=2, **keyed, store_id=STORE_ID)),
        ]
        for number, card in enumerate(cards, 3):
            request = OpenCardRequest(trace_number=number, **keyed, card_number=card, card_type=1)
            requests.append((MessageType.OPEN_CARD, request))
        for number, card in enumerate(cards, 5):
            credit = CreditRequest(trace_number=number, **keyed, card_number=card, amount_minor=balance_minor)
            requests.append((MessageType.CREDIT, credit))
        for type_, body in requests:
            _, reply = self.decide(OPERATOR_ID, Message(Header(type=type_, sequence=0), body.encode()))
            assert Reply.decode(reply).code == ResponseCode.APPROVED
        return self

    def register(self) -> Self:
        """Let the twin have a record of the till, as a change of key needs it."""
        keyed: dict[str, Any] = {"business_date": self.now_ms // DAY_MS, "stamp_ms": self.now_ms}
        request = PutTerminalRequest(
            trace_number=101,
            **keyed,
            terminal_id=TERMINAL_ID,
            store_id=0,
            rights=ALL_RIGHTS,
            key=TERMINAL_KEY.ljust(40, b"\0"),
        )
        message = Message(Header(type=MessageType.PUT_TERMINAL, sequence=0), request.encode())
        assert Reply.decode(self.decide(OPERATOR_ID, message)[1]).code == ResponseCode.APPROVED
        return self

    def balance_of(self, card: int) -> int:
        """Balance that the twin's tables hold, minor units."""
        account = self.twin.tables.account_of(card)
        assert account is not None
        return int(account.balance_minor)

    def decide(self, terminal_id: int, message: Message) -> tuple[int, bytes]:
        """Type and body of the twin's reply."""
        plain = message.header.encode() + message.body
        reply = self.twin.decide(terminal_id, self.rights[terminal_id], plain, self.now_ms).reply
        if message.header.type == MessageType.PUT_TERMINAL and Reply.decode(reply[8:]).code == 0:
            request = PutTerminalRequest.decode(message.body)
            self.keys[request.terminal_id] = request.key[:32]
            self.rights[request.terminal_id] = Right(request.rights)
        elif message.header.type == MessageType.CHANGE_KEY and Reply.decode(reply[8:]).code == 0:
            change = ChangeKeyRequest.decode(message.body)
            if not change.confirm:
                self.next_keys[terminal_id] = change.key[:32]
            elif terminal_id in self.next_keys:  # else a repeat
                self.keys[terminal_id] = self.next_keys.pop(terminal_id)
                self.flags = 0
        return Header.decode(reply[:8]).type, reply[8:]

    # ------------------------------------------------------------------- one connection

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, PeerError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cutter = FrameCutter(FRAME_BYTES_MAX)
        payloads: list[bytes] = []
        while not payloads:
            if not (data := await reader.read(65_536)):
                return
            payloads = cutter.feed(data)
        if self.refuse_with is not None:
            writer.write(refuse_sign_on(*self.refuse_with))
            await writer.drain()
            return
        try:
            header, noise_message = parse_sign_on(payloads[0])
            if header.terminal_id not in self.keys:
                raise SignOnError(ResponseCode.SIGN_ON_REFUSED, "terminal unknown")
            success = self._shake_hands(header, noise_message)
        except SignOnError as error:
            writer.write(refuse_sign_on(error.code))
            await writer.drain()
            return
        self.sign_on_count += 1
        writer.write(success.frame)
        session = SwitchSession(success.receive_key, success.send_key)
        while data := await reader.read(65_536):
            for message in session.receive(data):
                assert isinstance(message, Message)
                if not self._answer(header.terminal_id, session, writer, message):
                    return
            await writer.drain()

    def _shake_hands(self, header: SignOnHeader, noise_message: bytes) -> SignOnSuccess:
        """With the terminal's key, or with the one that it goes over to."""
        terms, ephemeral = self._terms(header.terminal_id), b"e" * 32
        try:
            return answer_sign_on(header.encode(), noise_message, self.keys[header.terminal_id], terms, ephemeral)
        except SignOnError:
            if header.terminal_id not in self.next_keys:
                raise
        return answer_sign_on(header.encode(), noise_message, self.next_keys[header.terminal_id], terms, ephemeral)

    def _answer(self, terminal_id: int, session: SwitchSession, writer: asyncio.StreamWriter, message: Message) -> bool:
        """Whether the connection goes on."""
        sequence, type_ = message.header.sequence, message.header.type
        if type_ == MessageType.ECHO:
            self.echo_count += 1
            if self.echoes:
                request = EchoRequest.decode(message.body)
                echo = EchoReply(stamp_ms=request.stamp_ms, time_ms=self.now_ms, business_date=self._today())
                writer.write(session.seal(type_ | REPLY_BIT, sequence, echo.encode()))
            return True
        if type_ == MessageType.SIGN_OFF:
            self.signed_off_count += 1
            writer.write(session.seal(type_ | REPLY_BIT, sequence))
            return False
        self.messages.append(message)
        fault = self.faults.pop(0) if self.faults else self.judge(message)
        if fault is Fault.LOSE_REQUEST:
            return True
        if fault is Fault.CUT_BEFORE:
            return False
        if fault is Fault.BUSY:
            busy = Reply(code=ResponseCode.BUSY, business_date=self._today(), retry_after_ms=100)
            writer.write(session.seal(type_ | REPLY_BIT, sequence, busy.encode()))
            return True
        reply_type, body = self.decide(terminal_id, message)
        self.replies.append(body)
        if fault is Fault.HOLD:
            self._held = reply_type, sequence, body
        elif fault is Fault.NONE:
            writer.write(session.seal(reply_type, sequence, body))
            if self._held is not None:
                writer.write(session.seal(*self._held))
                self._held = None
        return fault is not Fault.CUT_AFTER

    def _today(self) -> int:
        return max(self.twin.today, 0 if self.replay else self.now_ms // DAY_MS)

    def _terms(self, terminal_id: int) -> SignOnTerms:
        return SignOnTerms(
            time_ms=self.now_ms,
            business_date=self._today(),
            partition=0,
            frame_bytes_max=FRAME_BYTES_MAX,
            idle_timeout_ms=self.idle_timeout_ms,
            in_flight_max=self.in_flight_max,
            mode=SwitchMode.REPLAY if self.replay else SwitchMode.PRODUCTION,
            flags=self.flags,
            rights=self.rights[terminal_id],
        )
