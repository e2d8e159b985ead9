"""A private switch in replay mode with an operator and two tills in two stores, driven by the terminal kit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loadtests.shopping_year.process import PrivateSwitch
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import Right
from terminals._clock import SYSTEM
from terminals.client import Client
from terminals.credentials import Credentials, read_credentials
from terminals.outcome import Outcome
from terminals.policy import Policy
from terminals.trace import MemoryTrace, TraceStore

NOON_MS = 1_499_011_200_000
"""2017-07-02, 12:00 in New York."""
DAY_MS = 86_400_000
CARD, PLATINUM = 9999_0100_0001_4533, 9999_0200_0002_3228
TILL, OTHER_TILL = Credentials(367_001, b"a" * 32), Credentials(406_002, b"b" * 32)
QUICK = Policy(request_timeout_ms=1_000, settle_deadline_ms=15_000, backoff_first_ms=5, backoff_max_ms=50)


class Clock:
    """The world's time, which the test moves."""

    def __init__(self) -> None:
        self.now_ms = NOON_MS


@dataclass
class Shop:
    """A running switch with an operator and two tills in two stores."""

    switch: PrivateSwitch
    clock: Clock
    operator: Client
    till: Client
    other_till: Client

    def client(self, credentials: Credentials, trace: TraceStore | None = None, policy: Policy = QUICK) -> Client:
        surroundings = replace(SYSTEM, now_ms=lambda: self.clock.now_ms)
        trace = trace or MemoryTrace("a test")
        return Client(*self.switch.address, credentials, trace, policy=policy, surroundings=surroundings)

    async def limit_from_tomorrow(self, **limits: Any) -> None:
        """Give the card type, which is in use, a version with other limits: it holds from the next date on."""
        today = (await self.operator.echo()).business_date
        assert (await self.operator.put_card_type(1, points_percent=100, from_date=today + 1, **limits)).approved


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[Shop]:
    switch = PrivateSwitch(folder / "data", "America/New_York")
    await asyncio.to_thread(switch.initialise)
    async with AsyncExitStack() as stack:
        await switch.start()
        stack.push_async_callback(switch.stop)
        clock = Clock()
        surroundings = replace(SYSTEM, now_ms=lambda: clock.now_ms)

        async def client(credentials: Credentials) -> Client:
            made = Client(*switch.address, credentials, MemoryTrace("a test"), policy=QUICK, surroundings=surroundings)
            return await stack.enter_async_context(made)

        operator = await client(read_credentials(switch.operator_credentials))
        outcomes = [
            await operator.put_card_type(1, points_percent=100),
            await operator.put_card_type(2, points_percent=150),
        ]
        outcomes += [await operator.put_store(367), await operator.put_store(406)]
        for till, store_id in ((TILL, 367), (OTHER_TILL, 406)):
            rights = Right.PAY | Right.CREDIT
            outcomes.append(await operator.put_terminal(till.terminal_id, till.key, store_id=store_id, rights=rights))
        outcomes += [await operator.open_card(CARD, 1), await operator.open_card(PLATINUM, 2)]
        outcomes += [await operator.credit(card, 100_00, channel=0) for card in (CARD, PLATINUM)]
        assert [outcome.code for outcome in outcomes] == [0] * len(outcomes)
        yield Shop(switch, clock, operator, await client(TILL), await client(OTHER_TILL))


def codes(*outcomes: Outcome) -> list[ResponseCode]:
    return [ResponseCode(outcome.code or 0) for outcome in outcomes]
