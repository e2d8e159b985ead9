"""A blocking terminal that sees plain bytes: many requests may be under way, answers come in the order of the wire."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from dataclasses import dataclass
from typing import Self

import msgspec

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.messages import BalanceRequest, MessageType, Reply, SignOnTerms
from switch.protocol.session import Message, Refused, SignedOn, TerminalSession

TIMEOUT_S = 30.0
RECEIVE_BYTES = 1 << 16


class HungUpError(ConnectionError):
    """The switch has closed the connection."""


class RefusedError(ConnectionError):
    """The switch has refused the sign-on."""

    def __init__(self, code: int) -> None:
        super().__init__(f"sign-on refused with {ResponseCode(code).name}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came, and when."""

    sequence: int
    body: bytes
    arrived_ns: int
    """By the monotonic clock."""

    @property
    def reply(self) -> Reply:
        return Reply.decode(self.body)


class Till:
    """One signed-on connection."""

    def __init__(self, address: tuple[str, int], terminal_id: int, key: bytes) -> None:
        self.terminal_id = terminal_id
        self._session = TerminalSession(terminal_id, key, os.urandom(32))
        self._sequence = 0
        self._arrived: deque[Answer] = deque()
        self._socket = socket.create_connection(address, TIMEOUT_S)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(self._session.start())
            self.terms = self._sign_on()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def challenge(self) -> bytes:
        """What chips answer in this session."""
        return self._session.challenge

    def send(self, type_: MessageType, body: Packed | bytes = b"") -> int:
        """Send one request; its sequence number. HungUpError when the switch is gone."""
        self._sequence += 1
        content = body if isinstance(body, bytes) else body.encode()
        try:
            self._socket.sendall(self._session.seal(type_, self._sequence, content))
        except (ConnectionResetError, BrokenPipeError) as error:
            raise HungUpError("the switch takes nothing any more") from error
        return self._sequence

    def receive(self, timeout_s: float = TIMEOUT_S) -> Answer:
        """The next answer; TimeoutError when none comes, HungUpError when none can come."""
        deadline_s = time.monotonic() + timeout_s
        while not self._arrived:
            self._socket.settimeout(max(0.001, deadline_s - time.monotonic()))
            for event in self._session.receive(self._read()):
                assert isinstance(event, Message)
                self._arrived.append(Answer(event.header.sequence, event.body, time.monotonic_ns()))
        return self._arrived.popleft()

    def ask(self, type_: MessageType, body: Packed | bytes = b"") -> Answer:
        """Send one request and wait for its answer, which is the next."""
        sequence = self.send(type_, body)
        answer = self.receive()
        assert answer.sequence == sequence
        return answer

    def balance_minor(self, card_number: int) -> int:
        """What the switch says is on a card."""
        return self.ask(MessageType.BALANCE, BalanceRequest(stamp_ms=0, card_number=card_number)).reply.balance_minor

    def statistics(self) -> dict[str, int]:
        """The switch's counters."""
        figures: dict[str, int] = msgspec.json.decode(self.ask(MessageType.STATISTICS).body)
        return figures

    def _sign_on(self) -> SignOnTerms:
        while True:
            for event in self._session.receive(self._read()):
                if isinstance(event, Refused):
                    raise RefusedError(event.code)
                assert isinstance(event, SignedOn)
                return event.terms

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise HungUpError("the switch reset the connection") from error
        if not data:
            raise HungUpError("the switch closed the connection")
        return data
