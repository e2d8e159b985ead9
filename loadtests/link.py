"""A blocking connection to a switch: sign-on, then one request at a time, or the keys handed to the generator.

Plain sockets, so that it works in a thread, in a script, and under gevent
(whose monkey patching makes it cooperative, for locust).
"""

from __future__ import annotations

import os
import socket
from typing import Self

from switch.protocol.errors import PeerError
from switch.protocol.layout import Packed
from switch.protocol.messages import MessageType, SignOnTerms
from switch.protocol.session import AnyReply, Message, Refused, SignedOn, TerminalSession, parse_reply

from .plan import LinkState

RECEIVE_BYTES = 1 << 16


class SignOnRefusedError(ConnectionError):
    """The switch turned this terminal away; `code` says why."""

    def __init__(self, terminal_id: int, code: int) -> None:
        super().__init__(f"sign-on of terminal {terminal_id}: refused with code {code}")
        self.code = code


class SwitchLink:
    """One signed-on terminal. `timeout_s` bounds every wait; after a time-out the outcome of the request is unknown."""

    def __init__(self, address: tuple[str, int], terminal_id: int, key: bytes, timeout_s: float = 30) -> None:
        self.terminal_id = terminal_id
        self.next_trace_number = 1
        self._sequence = 0
        self._session = TerminalSession(terminal_id, key, os.urandom(32))
        self._socket = socket.create_connection(address, timeout_s)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(self._session.start())  # network
            self.terms = self._sign_on()
        except BaseException:
            self._socket.close()
            raise

    def take_trace_number(self) -> int:
        """Next trace number of this terminal."""
        self.next_trace_number += 1
        return self.next_trace_number - 1

    def request(self, message_type: MessageType, body: Packed) -> AnyReply:
        """Send one request and wait for its reply."""
        self._sequence += 1
        self._socket.sendall(self._session.message(message_type, self._sequence, body))  # network
        while True:
            for event in self._session.receive(self._read()):
                if isinstance(event, Message) and event.header.sequence == self._sequence:
                    return parse_reply(message_type, event.header, event.body)

    def hand_over(self) -> LinkState:
        """Socket and ciphers as they stand, for a `Generator`. Keep this object alive, and send nothing through it."""
        sending, receiving = self._session._send, self._session._receive
        assert sending is not None and receiving is not None, "the constructor has signed on"
        self._socket.setblocking(False)
        return LinkState(
            fd=self._socket.fileno(),
            terminal_id=self.terminal_id,
            send_key=sending.key,
            receive_key=receiving.key,
            send_counter=sending.nonce,
            receive_counter=receiving.nonce,
            next_trace_number=self.next_trace_number,
        )

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> Self:
        """The link itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self.close()

    def _sign_on(self) -> SignOnTerms:
        while True:
            for event in self._session.receive(self._read()):
                if isinstance(event, SignedOn):
                    return event.terms
                if isinstance(event, Refused):
                    raise SignOnRefusedError(self.terminal_id, event.code)

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(RECEIVE_BYTES)  # network
        except TimeoutError:
            raise TimeoutError(f"terminal {self.terminal_id}: no answer in {self._socket.gettimeout():g} s") from None
        if not data:
            raise PeerError("the switch closed the connection")
        return data
