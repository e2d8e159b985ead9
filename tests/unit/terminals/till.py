"""A till for tests, the ends that its calls can have, and a world whose clock only moves when somebody sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import MessageType
from terminals._clock import SYSTEM, Surroundings
from terminals.client import Client
from terminals.credentials import Credentials
from terminals.outcome import Verdict
from terminals.policy import Policy
from terminals.trace import MemoryTrace, TraceStore
from tests.unit.terminals.peer import TERMINAL_ID, TERMINAL_KEY, Peer

DEBIT, REVERSAL, CREDIT = MessageType.DEBIT, MessageType.REVERSAL, MessageType.CREDIT
QUICK = Policy(
    request_timeout_ms=100,
    resend_count_max=2,
    settle_deadline_ms=5_000,
    backoff_first_ms=1,
    backoff_max_ms=10,
    retry_after_ms_max=200,
)
HOPELESS = replace(QUICK, settle_deadline_ms=450)


class World:
    """A clock that only moves when somebody sleeps, and dice that always show the same."""

    def __init__(self, peer: Peer, unit_random: float = 0.5) -> None:
        self.slept_ms: list[float] = []
        self._elapsed_ms = 0.0
        self.surroundings = Surroundings(
            now_ms=lambda: peer.now_ms,
            monotonic_ms=lambda: int(self._elapsed_ms),
            sleep_ms=self._sleep,
            ephemeral_private=SYSTEM.ephemeral_private,
            unit_random=lambda: unit_random,
        )

    async def _sleep(self, duration_ms: float) -> None:
        self.slept_ms.append(duration_ms)
        self._elapsed_ms += duration_ms
        await asyncio.sleep(0)


@asynccontextmanager
async def till(
    peer: Peer, trace: TraceStore | None = None, policy: Policy = QUICK, surroundings: Surroundings | None = None
) -> AsyncIterator[Client]:
    trace = trace or MemoryTrace("a test")
    surroundings = surroundings or replace(SYSTEM, now_ms=lambda: peer.now_ms)
    credentials = Credentials(TERMINAL_ID, TERMINAL_KEY)
    async with Client(*peer.address, credentials, trace, policy=policy, surroundings=surroundings) as client:
        yield client


def ending(verdict, code=None, is_reversed=False):
    return verdict, code, is_reversed


def end_of(outcome):
    return outcome.verdict, outcome.code, outcome.is_reversed


APPROVED = ending(Verdict.APPROVED, ResponseCode.APPROVED)
REVERSED = ending(Verdict.DECLINED, None, is_reversed=True)
UNKNOWN = ending(Verdict.UNKNOWN)
