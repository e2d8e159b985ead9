"""Whatever a peer does on purpose is sent as it is: honest frames, broken frames, half of them, nothing at all.

A blocking socket and the initiator's side of Noise; what the switch makes of it is not known here.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple, Self

from switch.protocol.layout import Packed
from switch.protocol.messages import (
    REQUESTS,
    ErrorReply,
    Header,
    MessageType,
    Reply,
    SignOnAnswer,
    SignOnHeader,
    SignOnTerms,
)
from switch.protocol.noise import Initiator
from terminals.credentials import Credentials

HANG_S = 30.0
"""No answer for this long is a hang; nothing else is read into it."""
STAMP_MS = 1_767_268_800_000
HEADER_BYTES = Header.width_bytes()
ANSWER_BYTES = SignOnAnswer.width_bytes()
_traces = itertools.count(1)

Address = tuple[str, int]


class Answer(NamedTuple):
    """A reply as it came."""

    header: Header
    body: bytes

    @property
    def reply(self) -> Reply:
        """Body of most replies."""
        return Reply.decode(self.body)

    @property
    def error(self) -> ErrorReply:
        """Body of an error reply; `AssertionError` for any other."""
        assert self.header.type == 0xFF, f"expected an error reply, got {self}"
        return ErrorReply.decode(self.body)

    @property
    def code(self) -> int:
        """Response code of a reply or an error reply: both begin with it."""
        return int.from_bytes(self.body[:2], "little")


def framed(payload: bytes) -> bytes:
    """A frame, without asking whether it is allowed."""
    return len(payload).to_bytes(2, "big") + payload


def new_trace() -> int:
    """A trace number that no terminal of this process has used."""
    return next(_traces)


def message(type_: int, body: bytes = b"", sequence: int = 0, version: int = 1, flags: int = 0) -> bytes:
    """Plaintext of a message, whatever its parts are."""
    return struct.pack("<BBHI", version, type_, flags, sequence) + body


class Peer:
    """One connection. Everything received is checked for nothing but its seal."""

    def __init__(
        self, address: Address, credentials: Credentials | None = None, *, receive_bytes: int | None = None
    ) -> None:
        self.credentials = credentials
        self.sock = socket.socket()
        try:
            self.sock.settimeout(HANG_S)
            if receive_bytes is not None:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.connect(address)
        except BaseException:
            self.sock.close()
            raise
        self._received = bytearray()
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- bytes

    def send(self, data: bytes) -> None:
        """Send; a connection that the switch has closed already takes nothing, which is no error here."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(data)

    def read_frame(self) -> bytes | None:
        """Payload of the next frame; None when the connection has ended."""
        while True:
            if len(self._received) >= 2:
                end = 2 + int.from_bytes(self._received[:2], "big")
                if len(self._received) >= end:
                    payload = bytes(self._received[2:end])
                    del self._received[:end]
                    return payload
            try:
                data = self.sock.recv(1 << 18)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._received += data

    def close(self) -> None:
        """Close in the ordinary way."""
        self.sock.close()

    def reset(self) -> None:
        """Close with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def shut_writing(self) -> None:
        """Half-close: this side says no more, but listens."""
        self.sock.shutdown(socket.SHUT_WR)

    # -- sign-on

    def sign_on_frame(self, *, header: bytes | None = None, key: bytes | None = None) -> bytes:
        """First frame, with another header or key than the peer's own if given."""
        if header is None:
            assert self.credentials is not None
            header = SignOnHeader(terminal_id=self.credentials.terminal_id).encode()
        if key is None:
            assert self.credentials is not None
            key = self.credentials.key
        self._initiator = Initiator(key, header, os.urandom(32))
        return framed(header + self._initiator.write_message())

    def finish_sign_on(self, answer: bytes) -> Self:
        """Read the switch's answer and take its keys."""
        assert SignOnAnswer.decode(answer[:ANSWER_BYTES]).code == 0, f"expected to be signed on, got {answer.hex()}"
        self.terms = SignOnTerms.decode(self._initiator.read_message(answer[ANSWER_BYTES:]))
        self._out, self._in = self._initiator.split()
        return self

    def sign_on(self) -> Self:
        """Sign on as an honest terminal does."""
        self.send(self.sign_on_frame())
        answer = self.read_frame()
        assert answer is not None, "expected an answer to the sign-on, got the end of the connection"
        return self.finish_sign_on(answer)

    # -- messages

    def seal(self, plaintext: bytes) -> bytes:
        """Frame of any plaintext, with the next number of the session."""
        return framed(self._out.encrypt(plaintext))

    def open(self, payload: bytes) -> Answer:
        """Reply inside a frame; the switch's own form is checked."""
        plaintext = self._in.decrypt(payload)
        header = Header.decode(plaintext[:HEADER_BYTES])
        assert header.version == 1 and header.flags == 0 and header.type & 0x80, header
        return Answer(header, plaintext[HEADER_BYTES:])

    def next_answer(self) -> Answer | None:
        """Next reply; None when the connection has ended."""
        payload = self.read_frame()
        return None if payload is None else self.open(payload)

    def receive(self) -> Answer:
        """Next reply; `AssertionError` when the connection has ended."""
        answer = self.next_answer()
        assert answer is not None, "expected a reply, got the end of the connection"
        return answer

    def send_message(self, type_: int, body: bytes | Packed = b"") -> int:
        """Send one message with a sequence of its own; the sequence."""
        self._sequence += 1
        self.send(self.seal(message(type_, body if isinstance(body, bytes) else body.encode(), self._sequence)))
        return self._sequence

    def ask(self, type_: int, body: bytes | Packed = b"") -> Answer:
        """Send one message and read its reply."""
        sequence = self.send_message(type_, body)
        answer = self.receive()
        assert answer.header.sequence == sequence, answer
        return answer

    def request(self, type_: MessageType, **fields: Any) -> Packed:
        """A request of this type; the key is filled in where it has one."""
        names = REQUESTS[type_].__struct_fields__
        common = {"trace_number": 0, "business_date": self.terms.business_date, "stamp_ms": STAMP_MS}
        chosen = {name: value for name, value in common.items() if name in names} | fields
        if "trace_number" in names and "trace_number" not in fields:
            chosen["trace_number"] = new_trace()
        return REQUESTS[type_](**chosen)

    def do(self, type_: MessageType, **fields: Any) -> Reply:
        """Ask for something that is answered by a `Reply`."""
        return self.ask(type_, self.request(type_, **fields)).reply

    def answers_until_closed(self) -> Iterator[Answer]:
        """All replies that still come."""
        while (answer := self.next_answer()) is not None:
            yield answer

    def wait_closed(self) -> None:
        """Wait for the switch to close; `AssertionError` when it says anything before."""
        payload = self.read_frame()
        assert payload is None, f"expected the end of the connection, got {len(payload)} bytes"
