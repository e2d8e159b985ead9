"""A till of the working day: the terminals' own client with the key file that was fetched from the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import Evidence, MediumKind
from terminals.client import Client
from terminals.credentials import read_credentials
from terminals.day_close_report import DayCloseReport
from terminals.outcome import Outcome
from terminals.trace import MemoryTrace

T = TypeVar("T")


class DayTill:
    """Sells, closes its day; each act is a session of its own, in a thread, for Playwright's loop runs in this one."""

    def __init__(self, address: tuple[str, int], key_file: Path) -> None:
        self._address, self._credentials = address, read_credentials(key_file)
        self._trace = MemoryTrace("a till of the working day", keeps_book=True)

    def sell(self, card_number: int, amount_minor: int, **options: Any) -> Outcome:
        """Sell for an amount on a card."""
        return self._do(lambda client: client.debit(card_number, amount_minor, **options))

    def guess_codes(self, count: int) -> None:
        """What a thief does: show one made-up code after the other."""

        async def guess(client: Client) -> None:
            for number in range(1, count + 1):
                made_up = Evidence(medium=MediumKind.CODE, key_version=1, medium_id=number, proof=bytes(16))
                outcome = await client.debit(0, 100, evidence=made_up)
                assert outcome.code == ResponseCode.MEDIUM_UNKNOWN, outcome.meaning

        self._do(guess)

    def close_day(self) -> DayCloseReport:
        """Close the business date of its session."""
        return self._do(lambda client: client.close_day())

    def _do(self, work: Callable[[Client], Awaitable[T]]) -> T:
        async def session() -> T:
            async with Client(*self._address, self._credentials, self._trace) as client:
                return await work(client)

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, session()).result()
