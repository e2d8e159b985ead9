"""The way to a gateway: what it is handed, what it answers; and the one that is spoken to by HTTP and JSON.

A request is POST with `{"messages": [{"reference", "to", "text", "alphabet",
"parts"}]}` and a bearer token; the answer has a result for each reference.
docs/operating.md says it all.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPException
from threading import Timer
from typing import Protocol

import msgspec

from admin.errors import RefusedError
from admin.settings import Settings
from admin.webhooks.addresses import Resolve, addresses_of, read_address, resolve_name
from admin.webhooks.delivering import DEADLINE_FACTOR, Connection

ANSWER_BYTES_MAX = 1_000_000
"""Of an answer about at most `MESSAGES_PER_REQUEST`."""
MESSAGES_PER_REQUEST = 50
ACCEPTED, REPEATED, LATER, REFUSED = "accepted", "repeated", "later", "refused"


class Handed(msgspec.Struct, frozen=True):
    """A message as a gateway gets it."""

    reference: str
    """The same at each attempt: a gateway takes a message once."""
    to: str
    text: str
    alphabet: str
    parts: int


class Result(msgspec.Struct, frozen=True):
    """What a gateway says about a message."""

    reference: str
    status: str
    """accepted, repeated (it has it already), later (try again) or refused (never)."""
    id: str = ""
    """What it calls the message."""
    problem: str = ""


class _Answer(msgspec.Struct, frozen=True):
    results: list[Result]


class SilenceError(Exception):
    """The gateway as a whole did not take anything: no connection, no sense, or a status that is no success."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Gateway(Protocol):
    """Whatever messages are handed to."""

    def send(self, messages: Sequence[Handed]) -> dict[str, Result]:
        """Results by reference, perhaps not of all; `SilenceError` when it cannot be told what became of any."""


class HttpGateway:
    """A gateway behind an address, reached at one of the address's checked IP addresses."""

    def __init__(
        self, settings: Settings, address: str, token: str, timeout_s: float, resolve: Resolve = resolve_name
    ) -> None:
        self._settings, self._address, self._token = settings, address, token
        self._timeout_s, self._resolve = timeout_s, resolve

    def send(self, messages: Sequence[Handed]) -> dict[str, Result]:
        """Hand messages over in one request."""
        body = msgspec.json.encode({"messages": messages})
        headers = {"Content-Type": "application/json", "User-Agent": "cardswitch"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            target = read_address(self._address, self._settings)
            chosen = addresses_of(target, self._settings, self._resolve)[0]
        except (OSError, RefusedError, UnicodeError) as error:
            raise SilenceError(f"{error}") from None
        connection = Connection(target, chosen, self._timeout_s)
        deadline = Timer(self._timeout_s * DEADLINE_FACTOR, connection.hang_up)
        deadline.daemon = True
        deadline.start()
        try:
            connection.request("POST", target.path, body, headers)
            answer = connection.getresponse()
            content = answer.read(ANSWER_BYTES_MAX)
            if not 200 <= answer.status < 300:
                raise SilenceError(f"HTTP {answer.status}")
            found = msgspec.json.decode(content, type=_Answer)
        except (OSError, HTTPException, ValueError) as error:
            raise SilenceError(f"{type(error).__name__}: {error}") from None
        finally:
            deadline.cancel()
            with suppress(OSError):
                connection.close()
        return {result.reference: result for result in found.results}

    def __repr__(self) -> str:
        return f"HttpGateway({self._address!r})"
