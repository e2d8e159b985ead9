"""One signed-on connection to the switch, for following and for inquiries: blocking, one request at a time.

Nothing that changes the switch goes through here: that needs numbers on disk
before it is sent, so that a lost answer can be asked for again.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from switch.protocol.errors import ProtocolError
from switch.protocol.layout import Packed
from switch.protocol.limits import FOLLOW_BYTES_MAX
from switch.protocol.messages import (
    SOFTWARE_VERSION,
    FollowReply,
    FollowRequest,
    MessageType,
    SignedOnReply,
    SignedOnRequest,
    SignedOnRow,
    StatisticsRequest,
)
from switch.protocol.session import AnyReply, Message, Refused, SignedOn, TerminalSession, parse_reply

from ._clock import Surroundings
from .errors import SettingsError, SwitchLinkError
from .settings import Settings

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
"""A switch answers within milliseconds; one that is starting reads its journal first."""
RECEIVE_BYTES = 262_144
EPHEMERAL_BYTES = 32
KEY_BYTES = 32
SESSIONS_MAX = 100_000
"""Of one look at who is signed on: more than a switch has descriptors for, so that a look ends."""


class TerminalKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of a key file as `cardswitch init` and `terminal add` write it."""

    terminal_id: int
    key: str

    def __repr__(self) -> str:
        return f"TerminalKey(terminal_id={self.terminal_id}, key=<hidden>)"


def read_key_file(path: Path) -> TerminalKey:
    """Number and key of the operator's terminal; `SettingsError`, which never shows the key."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=TerminalKey)
        if len(bytes.fromhex(found.key)) == KEY_BYTES:
            return found
    except OSError as error:
        raise SettingsError(
            f"{path}: expected the key file of an operator's terminal, got {error.strerror}; set switch_key"
        ) from error
    except (msgspec.DecodeError, ValueError):
        pass
    raise SettingsError(f'{path}: expected {{"terminal_id": 1, "key": "64 hexadecimal digits"}}; set switch_key')


def link_of(settings: Settings, surroundings: Surroundings) -> SwitchLink:
    """A connection to the switch that settings name."""
    key = read_key_file(Path(settings.switch_key))
    return SwitchLink(settings.switch_host, settings.switch_port, key, surroundings.random_bytes)


class SwitchLink:
    """A connection: `with SwitchLink(host, port, key, ephemeral) as link`."""

    def __init__(self, host: str, port: int, key: TerminalKey, random_bytes: Callable[[int], bytes]) -> None:
        self._session = TerminalSession(
            key.terminal_id, bytes.fromhex(key.key), random_bytes(EPHEMERAL_BYTES), SOFTWARE_VERSION
        )
        self._sequence = 0
        try:
            self._socket = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
        except OSError as error:
            raise SwitchLinkError(
                f"switch at {host}:{port}: expected a connection, got {error.strerror or error}; is it running?"
            ) from error
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(ANSWER_TIMEOUT_S)
            self._send(self._session.start())
            event = self._next_event()
            if isinstance(event, Refused):
                raise SwitchLinkError(
                    f"switch at {host}:{port}: refused terminal {key.terminal_id} with code {event.code};"
                    " check its key file and its rights"
                )
            assert isinstance(event, SignedOn)
            self.terms = event.terms
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        """The link itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it; unanswered requests change nothing."""
        self._socket.close()

    def ask(self, type_: MessageType, request: Packed) -> AnyReply:
        """Reply to one request; `SwitchLinkError` when none comes."""
        self._sequence += 1
        try:
            self._send(self._session.message(type_, self._sequence, request))
            event = self._next_event()
            assert isinstance(event, Message)
            return parse_reply(type_, event.header, event.body)
        except ProtocolError as error:
            raise SwitchLinkError(f"switch: {error}") from error

    def follow(self, partition: int, position: int, bytes_max: int = FOLLOW_BYTES_MAX) -> FollowReply:
        """Journal bytes from a position on; none when there are no more yet."""
        reply = self.ask(MessageType.FOLLOW, FollowRequest(partition=partition, bytes_max=bytes_max, position=position))
        if not isinstance(reply, FollowReply):
            raise SwitchLinkError(f"switch: expected journal bytes, got {type(reply).__name__}; give right FOLLOW")
        return reply

    def statistics(self) -> dict[str, int]:
        """The switch's counters by name."""
        reply = self.ask(MessageType.STATISTICS, StatisticsRequest())
        if not isinstance(reply, dict):
            raise SwitchLinkError(f"switch: expected counters, got {type(reply).__name__}; give right FOLLOW")
        return reply

    def signed_on(self) -> list[SignedOnRow]:
        """Who is signed on at this moment, by the order in which they came."""
        found: list[SignedOnRow] = []
        while len(found) < SESSIONS_MAX:
            after = found[-1].session if found else 0
            reply = self.ask(MessageType.SIGNED_ON, SignedOnRequest(after_session=after))
            if not isinstance(reply, SignedOnReply):
                raise SwitchLinkError(
                    f"switch: expected who is signed on, got {type(reply).__name__}; give right FOLLOW"
                )
            found += reply.sessions
            if reply.is_last or not reply.row_count:
                break
        return found

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise SwitchLinkError(f"switch: the connection broke: {error}") from error

    def _next_event(self) -> SignedOn | Refused | Message:
        while True:
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except OSError as error:
                raise SwitchLinkError(f"switch: the connection broke: {error}") from error
            if not data:
                raise SwitchLinkError("switch: it has closed the connection")
            try:
                events = self._session.receive(data)
            except ProtocolError as error:
                raise SwitchLinkError(f"switch: {error}") from error
            if events:
                return events[0]  # one request at a time, so one answer at a time
