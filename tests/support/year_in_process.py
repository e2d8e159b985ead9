"""A replay of the shopping year without sockets: each message is decided on the spot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtests.shopping_year.drive import Driver
from loadtests.shopping_year.plan import Plan
from loadtests.shopping_year.results import Results
from loadtests.shopping_year.setup import KeyRing, Operator, set_up
from terminals.credentials import Credentials

OPERATOR = Credentials(1, b"o" * 32)

Decide = Callable[[int, int, bytes], bytes]
"""Body of the reply to (terminal, message type, body)."""


class LanesInProcess:
    """Takes the place of `Lanes`: no connection, no waiting."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide

    def send(self, terminal_id: int, type_: int, body: bytes, done: Callable[[bytes], None]) -> None:
        """Decide, and hand the answer on."""
        done(self._decide(terminal_id, type_, body))

    def fail(self, error: BaseException) -> None:
        """A wrong answer ends the replay."""
        raise error

    async def unless_failed(self, awaited: asyncio.Future[Any]) -> None:
        """Everything has been answered already."""
        await awaited


def replay_in_process(plan: Plan, decide: Decide, out: Path) -> dict[str, Any]:
    """Set up and send the whole plan; the summary."""

    async def whole() -> Results:
        lanes: Any = LanesInProcess(decide)
        operator = Operator(lanes, OPERATOR.terminal_id)
        await set_up(operator, plan, KeyRing(OPERATOR))
        results = Results(plan)
        await Driver(plan, lanes, operator, results, lambda day: None).run()
        return results

    return asyncio.run(whole()).write(out)
