"""A private switch with cards and terminals on it, set up over the protocol as any operator would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

from loadtests.training_keys import with_training_keys
from switch.protocol.codes import ResponseCode
from switch.protocol.layout import Packed
from switch.protocol.messages import (
    MessageType,
    PutCardTypeRequest,
    PutStoreRequest,
    PutTerminalRequest,
    Reply,
    Right,
    StatisticsRequest,
)

from ._generator import Generator
from .child import Child
from .link import SwitchLink
from .plan import CardRange, RunResult, credit_plan, open_card_plan

CARD_TYPE = 1
STORE_ID = 1
SETUP_LINKS = 16
SETUP_WINDOW = 512
SETUP_SECONDS_MAX = 120
SETUP_RATE_PER_S = 150_000
"""Below what the disk of any machine tried can prepare room for, so that no message of the set-up hears BUSY."""
OPENING_MINOR = 1_000_000_000
"""On each card: more than any run takes from one, so that the load is debits and not refusals."""


class BenchError(RuntimeError):
    """The bench cannot go on, or proves nothing."""


class Terminal(msgspec.Struct, frozen=True):
    """Credentials of a terminal that has not sent anything yet; used for one connection, so its traces start at 1."""

    terminal_id: int
    key: bytes


class Switch:
    """A switch process on a data directory of its own."""

    def __init__(self, data: Path, log: Path) -> None:
        self.data = data
        self._log = log
        self._operator_trace_number = 1
        self._next_terminal_id = 1_000
        self.command("init", "--data", str(data), "--timezone", "UTC", "--mode", "production")
        operator = json.loads((data / "operator.key").read_text())
        self._operator = Terminal(operator["terminal_id"], bytes.fromhex(operator["key"]))
        self.child = self._serve()

    def command(self, *arguments: str, timeout_s: float = 120) -> float:
        """Run a `cardswitch` command to its end; seconds taken. BenchError with its output when it fails."""
        start_s = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "cardswitch", *arguments],
            stdin=subprocess.DEVNULL,
            env=with_training_keys(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode != 0:
            raise BenchError(f"cardswitch {' '.join(arguments)} ended with {done.returncode}: {done.stdout.strip()}")
        return time.monotonic() - start_s

    def __enter__(self) -> Self:
        """The switch itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process running, whatever went wrong."""
        self.child.kill()

    def restart_killed(self) -> None:
        """SIGKILL, and start again."""
        self.child.kill()
        self.child = self._serve()

    def configure(self) -> None:
        """One store, one card type without limits that earns a point per main unit."""
        with self.operator() as (link, take_trace_number):
            today = link.terms.business_date
            store = PutStoreRequest(
                trace_number=take_trace_number(), business_date=today, stamp_ms=now_ms(), store_id=STORE_ID
            )
            expect_approved(link, MessageType.PUT_STORE, store)
            card_type = PutCardTypeRequest(
                trace_number=take_trace_number(),
                business_date=today,
                stamp_ms=now_ms(),
                code=CARD_TYPE,
                points_percent=100,
            )
            expect_approved(link, MessageType.PUT_CARD_TYPE, card_type)

    def add_terminals(self, count: int, rights: Right = Right.PAY) -> list[Terminal]:
        """Terminals that no one has used."""
        first = self._next_terminal_id
        self._next_terminal_id += count
        terminals = [Terminal(first + n, os.urandom(32)) for n in range(count)]
        with self.operator() as (link, take_trace_number):
            for terminal in terminals:
                put = PutTerminalRequest(
                    trace_number=take_trace_number(),
                    business_date=link.terms.business_date,
                    stamp_ms=now_ms(),
                    terminal_id=terminal.terminal_id,
                    store_id=STORE_ID,
                    rights=rights,
                    key=terminal.key + bytes(8),
                )
                expect_approved(link, MessageType.PUT_TERMINAL, put)
        return terminals

    def sign_on(self, terminal: Terminal) -> SwitchLink:
        """A connection of this terminal."""
        return SwitchLink(self.child.address, terminal.terminal_id, terminal.key)

    @contextmanager
    def operator(self) -> Iterator[tuple[SwitchLink, Callable[[], int]]]:
        """A connection of the operator that `init` made, and what gives the next trace number on it."""
        with self.sign_on(self._operator) as link:
            link.next_trace_number = self._operator_trace_number
            try:
                yield link, link.take_trace_number
            finally:
                self._operator_trace_number = link.next_trace_number

    def statistics(self) -> dict[str, int]:
        """The switch's own counters; empty when it has none."""
        with self.operator() as (link, _):
            reply = link.request(MessageType.STATISTICS, StatisticsRequest())
        return reply if isinstance(reply, dict) else {}

    def _serve(self) -> Child:
        return Child(["-m", "cardswitch", "serve", "--data", str(self.data), "--listen", "127.0.0.1:0"], self._log)


@contextmanager
def generator_of(switch: Switch, terminals: Iterable[Terminal], window: int) -> Iterator[tuple[Generator, SwitchLink]]:
    """A generator with all terminals signed on; and the first link, for the terms of the session."""
    links: list[SwitchLink] = []
    try:
        links.extend(switch.sign_on(terminal) for terminal in terminals)
        terms = links[0].terms
        yield Generator([link.hand_over() for link in links], min(window, terms.in_flight_max)), links[0]
    finally:
        for link in links:
            link.close()


def open_cards(
    switch: Switch, cards: CardRange, card_type: int = CARD_TYPE, *, rate_per_s: float = SETUP_RATE_PER_S
) -> float:
    """Open every card and credit its opening balance; seconds taken."""
    terminals = switch.add_terminals(SETUP_LINKS, Right.PAY | Right.CREDIT | Right.CONFIGURE)
    start_s = time.monotonic()
    with generator_of(switch, terminals, SETUP_WINDOW) as (generator, link):
        today = link.terms.business_date
        for plan in (
            open_card_plan(cards, today, now_ms(), card_type),
            credit_plan(cards, today, now_ms(), OPENING_MINOR),
        ):
            result = generator.run(plan, duration_s=SETUP_SECONDS_MAX, message_count=cards.count, rate_per_s=rate_per_s)
            expect_all_approved(result, cards.count)
    return time.monotonic() - start_s


def expect_approved(link: SwitchLink, message_type: MessageType, body: Packed) -> Reply:
    """Reply to a request that must succeed."""
    reply = link.request(message_type, body)
    if not isinstance(reply, Reply) or reply.code != ResponseCode.APPROVED:
        raise BenchError(f"{message_type.name}: expected an approval, got {reply}")
    return reply


def expect_all_approved(result: RunResult, count: int) -> None:
    """BenchError unless exactly `count` messages were answered, all with code 0."""
    if result.code_counts != {0: count}:
        raise BenchError(f"expected {count} approvals, got {named_codes(result.code_counts)}")


def named_codes(code_counts: dict[int, int]) -> dict[str, int]:
    """Counts by the codes' names."""
    names = {code.value: code.name for code in ResponseCode}
    return {names.get(code, str(code)): count for code, count in code_counts.items()}


def now_ms() -> int:
    """Wall clock, milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000
