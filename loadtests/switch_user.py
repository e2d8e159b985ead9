"""A locust user over the binary protocol: one terminal, one connection, one request at a time, times in milliseconds.

For mixes of behaviour, think times and locust's pages; rates are the native generator's business
(`python -m loadtests.bench`), which sends a thousand times more from the same core.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from locust import User
from locust.env import Environment

from switch.protocol.codes import ResponseCode
from switch.protocol.errors import PeerError
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    CreditRequest,
    MessageType,
    OpenCardRequest,
    PutCardTypeRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Reply,
    Right,
)

from .link import SwitchLink
from .stage import CARD_TYPE, OPENING_MINOR, STORE_ID, BenchError, Terminal, expect_approved, now_ms

DAY_MS = 86_400_000
TRACES_PER_MS = 40
"""A day of milliseconds times 40 fits the 32 bits of a trace number."""
TERMINAL_ID_MIN = 1 << 31


def fresh_trace_number() -> int:
    """Start of the trace numbers of this process: above all that an earlier process used today, without a file."""
    return now_ms() % DAY_MS * TRACES_PER_MS + 1


class Operator:
    """Sets up what the users need, over one operator connection that they share."""

    def __init__(self, address: tuple[str, int], operator: Terminal) -> None:
        self.address = address
        self._link = SwitchLink(address, operator.terminal_id, operator.key)
        self._link.next_trace_number = fresh_trace_number()
        self._turn = threading.Lock()  # under locust, gevent's

    def set_up(self, first_card: int, card_count: int) -> None:
        """A store, a card type, and cards with money; cards that exist already get another opening balance."""
        put_store = PutStoreRequest(**self._key(), store_id=STORE_ID)
        expect_approved(self._link, MessageType.PUT_STORE, put_store)
        put_type = PutCardTypeRequest(**self._key(), code=CARD_TYPE, points_percent=100)
        expect_approved(self._link, MessageType.PUT_CARD_TYPE, put_type)
        for card_number in range(first_card, first_card + card_count):
            opened = self._link.request(
                MessageType.OPEN_CARD, OpenCardRequest(**self._key(), card_number=card_number, card_type=CARD_TYPE)
            )
            if not isinstance(opened, Reply) or opened.code not in (ResponseCode.APPROVED, ResponseCode.CARD_EXISTS):
                raise BenchError(f"open card: got {opened}")
            credit = CreditRequest(**self._key(), card_number=card_number, amount_minor=OPENING_MINOR)
            expect_approved(self._link, MessageType.CREDIT, credit)

    def add_terminal(self) -> Terminal:
        """A terminal that no one has used: its number and key are drawn at random."""
        terminal = Terminal(random.randrange(TERMINAL_ID_MIN, 1 << 32), os.urandom(32))
        with self._turn:  # the link carries one request at a time
            put = PutTerminalRequest(
                **self._key(),
                terminal_id=terminal.terminal_id,
                store_id=STORE_ID,
                rights=Right.PAY,
                key=terminal.key + bytes(8),
            )
            expect_approved(self._link, MessageType.PUT_TERMINAL, put)
        return terminal

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    def _key(self) -> dict[str, Any]:
        return {
            "trace_number": self._link.take_trace_number(),
            "business_date": self._link.terms.business_date,
            "stamp_ms": now_ms(),
        }


class SwitchUser(User):
    """Base of users in a locust file; `operator` must be set before the first of them starts."""

    abstract = True
    operator: Operator
    reply_timeout_s = 10.0

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._terminal: Terminal
        self._link: SwitchLink | None = None
        self._next_trace_number = 1

    def on_start(self) -> None:
        """Become a terminal and sign on."""
        self._terminal = self.operator.add_terminal()
        self._signed_on()

    def on_stop(self) -> None:
        """Hang up."""
        self._hang_up()

    def ask(self, message_type: MessageType, body: Packed) -> Reply:
        """One request and its reply, reported under the message's name; refusals are answers, in lines of their own.

        After a failure the next request signs on again. What became of the one that failed stays unknown here: to
        settle that is what the terminal kit does, and what a load test must not hide.
        """
        link = self._signed_on()
        with self._timed("switch", message_type.name.lower()) as done:
            reply = link.request(message_type, body)
            if not isinstance(reply, Reply):
                raise PeerError(f"{message_type.name}: expected a reply, got {reply}")
            done(reply.code)
            return reply

    def key(self) -> dict[str, Any]:
        """First three fields of every request that changes something."""
        return {
            "trace_number": self._take_trace_number(),
            "business_date": self._signed_on().terms.business_date,
            "stamp_ms": now_ms(),
        }

    def _take_trace_number(self) -> int:
        self._next_trace_number += 1
        return self._next_trace_number - 1

    def _signed_on(self) -> SwitchLink:
        if self._link is None:
            with self._timed("sign-on", "sign-on") as done:
                address, terminal = self.operator.address, self._terminal
                self._link = SwitchLink(address, terminal.terminal_id, terminal.key, self.reply_timeout_s)
                done(0)
        return self._link

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    @contextmanager
    def _timed(self, kind: str, name: str) -> Iterator[Callable[[int], None]]:
        """Time a block and report it to locust; a broken or silent connection is a failure, and is hung up."""
        start_s = time.perf_counter()
        codes: list[int] = []
        failure: Exception | None = None
        try:
            yield codes.append
        except (OSError, PeerError) as error:
            failure = error
            self._hang_up()
            raise
        finally:
            refused = f" {ResponseCode(codes[0]).name}" if codes and codes[0] else ""
            self.environment.events.request.fire(
                request_type=kind,
                name=name + refused,
                response_time=(time.perf_counter() - start_s) * 1e3,
                response_length=0,
                exception=failure,
                context={},
            )
