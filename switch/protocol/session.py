"""One connection between a terminal and the switch: sign-on, then sealed messages, without input or output.

Three rules:

* **One table.**  `TRANSITIONS` says what may happen in which state.  Both
  sides follow the same table, because both see the same steps pass on the
  wire; what one sends, the other receives.  The diagram in docs/protocol.md is
  drawn from it.
* **An illegal step changes nothing.**  If this side tries one, it hears
  `LocalProtocolError` and the session stays as it was, the nonce included.
* **A fault of the peer ends the session.**  `receive` raises `PeerError` and
  the state is FAILED for good: after a wrong tag or a wrong length there is no
  way to find the next message.  What was received whole before the fault is in
  the error's `received`.

How to use a session: bytes from the socket go into `receive`, which returns
events; bytes that `start`, `seal` and `message` return go to the socket, in
the order of the calls, because every frame has its number inside the seal.

The switch answers sign-on with the three functions in the middle; after that
the fast path (`switch/_fastpath.pyx`) opens and seals.  `SwitchSession` is the
same in plain Python, for tests and for the readable twin.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from .codes import ResponseCode
from .errors import LocalProtocolError, PeerError
from .frames import FrameCutter, FrameError, frame
from .layout import LayoutError, Packed
from .limits import FRAME_BYTES_MAX, REKEY_FRAMES, REPLY_FRAME_BYTES_MAX, SIGN_ON_FRAME_BYTES, TAG_BYTES
from .messages import (
    KEYED_TYPES,
    MAGIC,
    PROTOCOL_VERSION,
    REPLY_BIT,
    DayReply,
    EchoReply,
    ErrorReply,
    FollowReply,
    Header,
    MessageType,
    ReadRecordsReply,
    Reply,
    SignedOnReply,
    SignOnAnswer,
    SignOnHeader,
    SignOnTerms,
)
from .noise import CipherState, Initiator, NoiseError, Responder

CHALLENGE_BYTES = 8
"""Unpredictable number in a chip's cryptogram: the first bytes of the hash of the session's handshake."""

# --------------------------------------------------------------------------- states


class State(enum.Enum):
    """Where a session stands."""

    NEW = "new"
    """Connected; nothing was sent."""
    SIGNING_ON = "signing on"
    """The terminal has sent its sign-on; the switch has not answered."""
    OPEN = "open"
    """Requests and replies pass."""
    SIGNING_OFF = "signing off"
    """The terminal has sent its last request; replies may still come."""
    CLOSED = "closed"
    """Refused, or signed off; the connection can be closed."""
    FAILED = "failed"
    """The other side broke the protocol; close the connection."""


class Step(enum.Enum):
    """What can pass between the two sides."""

    SIGN_ON = "sign-on"
    """Terminal to switch: sign-on header and Noise message 1."""
    ACCEPTED = "accepted"
    """Switch to terminal: answer with code 0 and Noise message 2."""
    REFUSED = "refused"
    """Switch to terminal: answer with another code."""
    REQUEST = "request"
    """Terminal to switch: any message but a sign-off."""
    REPLY = "reply"
    """Switch to terminal: any reply but that to a sign-off."""
    SIGN_OFF = "sign-off"
    """Terminal to switch: the last message of a session."""
    SIGNED_OFF = "signed off"
    """Switch to terminal: the reply to the sign-off, last of all replies."""
    FAULT = "fault"
    """Anything else: a wrong tag, a wrong length, a message out of turn."""


TRANSITIONS: dict[State, dict[Step, State]] = {
    State.NEW: {Step.SIGN_ON: State.SIGNING_ON, Step.FAULT: State.FAILED},
    State.SIGNING_ON: {Step.ACCEPTED: State.OPEN, Step.REFUSED: State.CLOSED, Step.FAULT: State.FAILED},
    State.OPEN: {
        Step.REQUEST: State.OPEN,
        Step.REPLY: State.OPEN,
        Step.SIGN_OFF: State.SIGNING_OFF,
        Step.FAULT: State.FAILED,
    },
    State.SIGNING_OFF: {Step.REPLY: State.SIGNING_OFF, Step.SIGNED_OFF: State.CLOSED, Step.FAULT: State.FAILED},
    State.CLOSED: {Step.FAULT: State.FAILED},
    State.FAILED: {Step.FAULT: State.FAILED},
}


def after(state: State, step: Step) -> State:
    """State after a step; `LocalProtocolError` when the table does not allow it."""
    try:
        return TRANSITIONS[state][step]
    except KeyError:
        legal = ", ".join(s.value for s in TRANSITIONS[state])
        raise LocalProtocolError(f"{step.value} while {state.value}: allowed are {legal}") from None


# --------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class SignedOn:
    """The switch has accepted the terminal, and has proved that it knows the key."""

    terms: SignOnTerms


@dataclass(frozen=True, slots=True)
class Refused:
    """The switch has refused the sign-on.  Sent in clear, so it proves nothing but that nobody can be reached."""

    code: int
    retry_after_ms: int


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message, opened; its body is not decoded yet."""

    header: Header
    body: bytes
    header_bytes: int = Header.width_bytes()
    """Bytes of the header that came.  Where some are missing, `header` has zeros; a switch answers LENGTH to that."""


Event = SignedOn | Refused | Message


# --------------------------------------------------------------------------- the switch's side of sign-on


class SignOnError(PeerError):
    """A sign-on that the switch refuses; `code` is what to tell the terminal before closing."""

    def __init__(self, code: ResponseCode, reason: str) -> None:
        super().__init__(f"sign-on: {reason}")
        self.code = code


@dataclass(frozen=True, slots=True)
class SignOnSuccess:
    """An accepted sign-on: the frame to send, and the keys of both directions, both counters at 0."""

    frame: bytes
    receive_key: bytes
    send_key: bytes
    handshake_hash: bytes
    """What both sides have seen and agreed on (section 11.2); its first 8 bytes are the challenge of chips."""


def parse_sign_on(frame_payload: bytes) -> tuple[SignOnHeader, bytes]:
    """Header and Noise message 1 of a connection's first frame; `SignOnError` names the code to answer.

    Magic and version are judged first, for all that follows them may differ in
    another version: its terminals learn VERSION and nothing more confusing.
    """
    version_at = len(MAGIC)
    if frame_payload[:version_at] != MAGIC or len(frame_payload) == version_at:
        raise SignOnError(ResponseCode.SIGN_ON_REFUSED, "not our protocol: expected the letters CSWP and a version")
    if (version := frame_payload[version_at]) != PROTOCOL_VERSION:
        raise SignOnError(ResponseCode.VERSION, f"version: expected {PROTOCOL_VERSION}, got {version}")
    if len(frame_payload) != SIGN_ON_FRAME_BYTES:
        got = len(frame_payload)
        raise SignOnError(ResponseCode.SIGN_ON_REFUSED, f"frame length: expected {SIGN_ON_FRAME_BYTES}, got {got}")
    header_bytes = SignOnHeader.width_bytes()
    try:
        header = SignOnHeader.decode(frame_payload[:header_bytes])
    except LayoutError as error:
        raise SignOnError(ResponseCode.SIGN_ON_REFUSED, str(error)) from error
    if header.terminal_id == 0:
        raise SignOnError(ResponseCode.SIGN_ON_REFUSED, "terminal_id: expected a number above 0, got 0")
    return header, frame_payload[header_bytes:]


def answer_sign_on(
    header_bytes: bytes, noise_message: bytes, key: bytes, terms: SignOnTerms, ephemeral_private: bytes
) -> SignOnSuccess:
    """Check message 1 with the terminal's key and answer it; `SignOnError` when the key does not match.

    `header_bytes` is the header as it came: as prologue it is part of what the tags prove.
    """
    handshake = Responder(key, header_bytes, ephemeral_private)
    try:
        payload = handshake.read_message(noise_message)
        if payload:
            raise NoiseError(f"message 1: expected no payload, got {len(payload)} bytes")
        message = handshake.write_message(terms.encode())
    except NoiseError as error:
        raise SignOnError(ResponseCode.SIGN_ON_REFUSED, str(error)) from error
    send, receive = handshake.split()
    return SignOnSuccess(frame(SignOnAnswer().encode() + message), receive.key, send.key, handshake.handshake_hash)


def refuse_sign_on(code: ResponseCode, retry_after_ms: int = 0) -> bytes:
    """Frame that refuses a sign-on; close the connection after it."""
    if code == ResponseCode.APPROVED:
        raise LocalProtocolError("refuse_sign_on: expected a code that refuses, got APPROVED")
    return frame(SignOnAnswer(code=code, retry_after_ms=retry_after_ms).encode())


# --------------------------------------------------------------------------- sessions


class _Session:
    """What both sides share: state, frames, and the ciphers once there are some."""

    def __init__(self, state: State, receive_bytes_max: int, send_bytes_max: int) -> None:
        self.state = state
        self._cutter = FrameCutter(receive_bytes_max)
        self._send_bytes_max = send_bytes_max
        self._send: CipherState | None = None
        self._receive: CipherState | None = None

    def receive(self, data: bytes) -> list[Event]:
        """Events that `data` completes; `PeerError` when it breaks the protocol, and then the session is over."""
        events: list[Event] = []
        try:
            for payload in self._payloads(data):
                events.append(self._read_frame(payload))
        except PeerError as error:
            self.state = after(self.state, Step.FAULT)
            error.received = tuple(events)
            raise
        return events

    def seal(self, type: int, sequence: int, body: bytes = b"") -> bytes:
        """Frame of one message.  Send frames in the order in which they were sealed."""
        state = after(self.state, self._step_sent(type))
        assert self._send is not None, "a state that lets messages pass has ciphers"
        plaintext = Header(type=type, sequence=sequence).encode() + body
        if (frame_bytes := len(plaintext) + TAG_BYTES) > self._send_bytes_max:
            raise LocalProtocolError(f"message: expected a frame of at most {self._send_bytes_max}, got {frame_bytes}")
        sealed = frame(self._send.encrypt(plaintext))
        self.state = state  # nothing can fail any more
        return sealed

    def _payloads(self, data: bytes) -> Iterable[bytes]:
        try:
            yield from self._cutter.feed(data)
        except FrameError as error:
            yield from error.received
            raise

    def _read_frame(self, payload: bytes) -> Event:
        if self._receive is None:
            raise PeerError(f"frame while {self.state.value}: nothing may be sent now")
        try:
            plaintext = self._receive.decrypt(payload)
        except NoiseError as error:
            raise PeerError(str(error)) from error
        head = plaintext[: Header.width_bytes()]
        header = Header.decode(head.ljust(Header.width_bytes(), b"\0"))
        message = Message(header, plaintext[len(head) :], len(head))
        self._advance_received(self._step_received(message))
        return message

    def _advance_received(self, step: Step) -> None:
        try:
            self.state = after(self.state, step)
        except LocalProtocolError as error:  # the peer tried what it may not
            raise PeerError(str(error)) from None

    def _step_sent(self, type: int) -> Step:
        raise NotImplementedError

    def _step_received(self, message: Message) -> Step:
        raise NotImplementedError


class TerminalSession(_Session):
    """The terminal's side of one connection; a new connection needs a new session and a new ephemeral key."""

    def __init__(self, terminal_id: int, key: bytes, ephemeral_private: bytes, software_version: int = 0) -> None:
        super().__init__(State.NEW, REPLY_FRAME_BYTES_MAX, FRAME_BYTES_MAX)
        self._header_bytes = SignOnHeader(terminal_id=terminal_id, software_version=software_version).encode()
        self._handshake: Initiator | None = Initiator(key, self._header_bytes, ephemeral_private)
        self.challenge = b""
        """What chips are asked in this session (8 bytes): the start of the handshake's hash, known once signed on."""

    def start(self) -> bytes:
        """First frame of the connection: who signs on, and proof that it knows the key."""
        state = after(self.state, Step.SIGN_ON)
        assert self._handshake is not None
        sign_on = frame(self._header_bytes + self._handshake.write_message())
        self.state = state
        return sign_on

    def message(self, type: int, sequence: int, request: Packed) -> bytes:
        """Frame of one request."""
        return self.seal(type, sequence, request.encode())

    def _read_frame(self, payload: bytes) -> Event:
        if self.state is State.SIGNING_ON:
            return self._read_answer(payload)
        return super()._read_frame(payload)

    def _read_answer(self, payload: bytes) -> Event:
        """The switch's first frame.  A later version may say more in a refusal; what follows the answer is ignored."""
        assert self._handshake is not None
        answer_bytes = SignOnAnswer.width_bytes()
        try:
            answer = SignOnAnswer.decode(payload[:answer_bytes])
            if answer.code != ResponseCode.APPROVED:
                self._advance_received(Step.REFUSED)
                return Refused(answer.code, answer.retry_after_ms)
            terms = SignOnTerms.decode(self._handshake.read_message(payload[answer_bytes:]))
        except (LayoutError, NoiseError) as error:
            raise PeerError(f"sign-on: {error}") from error
        self.challenge = self._handshake.handshake_hash[:CHALLENGE_BYTES]
        self._send, self._receive = self._handshake.split()
        self._handshake = None  # its secrets are not needed again
        self._send_bytes_max = min(terms.frame_bytes_max, REPLY_FRAME_BYTES_MAX)  # more no length field can say
        self._advance_received(Step.ACCEPTED)
        return SignedOn(terms)

    def _step_sent(self, type: int) -> Step:
        return Step.SIGN_OFF if type == MessageType.SIGN_OFF else Step.REQUEST

    def _step_received(self, message: Message) -> Step:
        header = message.header
        if message.header_bytes < Header.width_bytes():
            raise PeerError(f"reply: expected a header of {Header.width_bytes()} bytes, got {message.header_bytes}")
        if header.version != PROTOCOL_VERSION or header.flags != 0 or not header.type & REPLY_BIT:
            raise PeerError(f"header of a reply: expected version {PROTOCOL_VERSION}, flags 0, a reply; got {header}")
        return Step.SIGNED_OFF if header.type == MessageType.SIGN_OFF | REPLY_BIT else Step.REPLY


class SwitchSession(_Session):
    """The switch's side after sign-on, in plain Python: what the fast path does, for tests and the readable twin.

    It judges seals and states only.  Headers and bodies that a terminal may
    not send are returned like any other: they earn an error reply, and the
    session goes on.
    """

    def __init__(self, receive_key: bytes, send_key: bytes, rekey_frames: int = REKEY_FRAMES) -> None:
        super().__init__(State.OPEN, FRAME_BYTES_MAX, REPLY_FRAME_BYTES_MAX)
        self._receive, self._send = CipherState(receive_key, rekey_frames), CipherState(send_key, rekey_frames)

    def _step_sent(self, type: int) -> Step:
        return Step.SIGNED_OFF if type == MessageType.SIGN_OFF | REPLY_BIT else Step.REPLY

    def _step_received(self, message: Message) -> Step:
        expected = Header(type=MessageType.SIGN_OFF, sequence=message.header.sequence)
        return Step.SIGN_OFF if message == Message(expected, b"") else Step.REQUEST


# --------------------------------------------------------------------------- replies

_DECODERS: dict[int, Callable[[bytes], Any]] = {
    **dict.fromkeys(KEYED_TYPES, Reply.decode),
    MessageType.ECHO: EchoReply.decode,
    MessageType.BALANCE: Reply.decode,
    MessageType.QUOTE: Reply.decode,
    MessageType.CARD_QUERY: Reply.decode,
    MessageType.DAY_DIGESTS: DayReply.decode,
    MessageType.DAY_LIST: DayReply.decode,
    MessageType.FOLLOW: FollowReply.decode,
    MessageType.READ_RECORDS: ReadRecordsReply.decode,
    MessageType.SIGNED_ON: SignedOnReply.decode,
    MessageType.STATISTICS: msgspec.json.Decoder(dict[str, int]).decode,
}

AnyReply = (
    Reply | ErrorReply | EchoReply | DayReply | FollowReply | ReadRecordsReply | SignedOnReply | dict[str, int] | None
)


def parse_reply(request_type: int, header: Header, body: bytes) -> AnyReply:
    """Reply to a request of this type, decoded; `PeerError` when it is none.

    An `ErrorReply` may answer any request.  So may a `Reply` with code
    NOT_PERMITTED, whatever the type's own reply is.  The reply to a sign-off is
    empty: `None`.
    """
    if request_type not in _DECODERS and request_type != MessageType.SIGN_OFF:
        raise LocalProtocolError(f"parse_reply: expected the type of a request, got 0x{request_type:02x}")
    try:
        if header.type == MessageType.ERROR | REPLY_BIT:
            return ErrorReply.decode(body)
        if header.type != request_type | REPLY_BIT:
            raise PeerError(f"reply type: expected 0x{request_type | REPLY_BIT:02x}, got 0x{header.type:02x}")
        if _is_refusal(body):
            return Reply.decode(body)
        if request_type == MessageType.SIGN_OFF:
            if body:
                raise PeerError(f"reply to sign-off: expected no body, got {len(body)} bytes")
            return None
        reply: AnyReply = _DECODERS[request_type](body)
        return reply
    except (LayoutError, msgspec.DecodeError) as error:
        raise PeerError(f"reply to 0x{request_type:02x}: {error}") from error


def _is_refusal(body: bytes) -> bool:
    """Whether a body is a `Reply` with code NOT_PERMITTED: no other reply has this length and begins with this code."""
    return len(body) == Reply.width_bytes() and int.from_bytes(body[:2], "little") == ResponseCode.NOT_PERMITTED
