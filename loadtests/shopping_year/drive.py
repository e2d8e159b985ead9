"""The replay itself: day by day, all cards of a day at once, each card's messages one after the other."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence

from switch.protocol.messages import BalanceRequest, MessageType

from .lanes import Lanes, ReplayError, read_reply
from .plan import Card, Chain, Day, Plan
from .process import PrivateSwitch
from .results import Results
from .setup import BATCH_COUNT, Operator, block_cards

STALL_S = 90.0
"""Without any answer for this long the replay gives up; a restart of the switch takes a second."""


class Driver:
    """Sends the plan and hands every answer to the results."""

    def __init__(
        self, plan: Plan, lanes: Lanes, operator: Operator, results: Results, on_day: Callable[[Day], None]
    ) -> None:
        self._plan = plan
        self._lanes = lanes
        self._operator = operator
        self.results = results
        self._on_day = on_day
        self._open_count = 0
        self._finished: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """All days, then all balances; `ReplayError` when an answer is not what a correct switch may say.

        A day begins when the one before is answered to the last message: the
        switch takes the stamps as its clock, and that clock never goes back.
        """
        for day in self._plan.days():
            if day.blocked:
                await block_cards(self._operator, day)
            await self._run_all([_ChainRun(self._lanes, self, chain) for chain in day.chains])
            self._on_day(day)
        cards = self._plan.cards
        for start in range(0, len(cards), BATCH_COUNT):
            await self._run_all([_Inquiry(self, card) for card in cards[start : start + BATCH_COUNT]])
        self.results.check_clones()

    async def _run_all(self, runs: Sequence[_ChainRun | _Inquiry]) -> None:
        if not runs:
            return
        self._open_count = len(runs)
        self._finished = asyncio.get_running_loop().create_future()
        for run in runs:
            run.send()
        await self._lanes.unless_failed(self._finished)

    def note_end(self) -> None:
        """One of the chains or inquiries under way has ended."""
        self._open_count -= 1
        if self._open_count == 0 and self._finished is not None and not self._finished.done():
            self._finished.set_result(None)

    def ask_balance(self, card: Card) -> None:
        """Read a card's final balance and points back from the switch."""

        def note(body: bytes) -> None:
            try:
                self.results.note_balance(card, read_reply(body))
            except ReplayError as error:
                self._lanes.fail(error)
            self.note_end()

        request = BalanceRequest(stamp_ms=self._plan.last_stamp_ms, card_number=card.number)
        self._lanes.send(card.terminal_id, MessageType.BALANCE, request.encode(), note)


class _Inquiry:
    """A balance inquiry that waits to be sent."""

    __slots__ = ("_card", "_driver")

    def __init__(self, driver: Driver, card: Card) -> None:
        self._driver, self._card = driver, card

    def send(self) -> None:
        self._driver.ask_balance(self._card)


class _ChainRun:
    """One card's messages of one day under way."""

    __slots__ = ("_chain", "_driver", "_first_answer", "_index", "_lanes")

    def __init__(self, lanes: Lanes, driver: Driver, chain: Chain) -> None:
        self._lanes, self._driver, self._chain = lanes, driver, chain
        self._index = 0
        self._first_answer: bytes | None = None
        """Answer to the message whose duplicate is under way."""

    def send(self) -> None:
        """Send the message whose turn it is."""
        step = self._chain.steps[self._index]
        self._lanes.send(step.terminal_id, step.type, step.body, self._answered)

    def _answered(self, body: bytes) -> None:
        try:
            self._note(body)
        except ReplayError as error:
            self._lanes.fail(error)
            return
        if self._index < len(self._chain.steps):
            self.send()
        else:
            self._driver.note_end()

    def _note(self, body: bytes) -> None:
        step, clone = self._chain.steps[self._index], self._chain.clone
        if self._first_answer is not None:
            if body != self._first_answer:
                raise ReplayError(
                    f"duplicate at terminal {step.terminal_id}: expected the first answer {self._first_answer.hex()},"
                    f" got {body.hex()}"
                )
            self._first_answer = None
        else:
            if step.type == MessageType.REVERSAL:
                self._driver.results.note_reversal(clone, step.basket_index, read_reply(body))
            else:
                self._driver.results.note_purchase(clone, step.basket_index, read_reply(body))
            if step.is_duplicated:
                self._first_answer = body
                return
        self._index += 1


class Killer:
    """Kills the private switch after every so many answers, and starts it again."""

    def __init__(self, switch: PrivateSwitch, every_count: int) -> None:
        self._switch = switch
        self._every_count = every_count
        self._left_count = every_count
        self._lanes: Lanes | None = None
        self.kill_count = 0

    def watch(self, lanes: Lanes) -> None:
        """Count the answers of these lanes."""
        self._lanes = lanes
        if self._every_count:
            lanes.on_answer = self._note_answer

    async def finish(self) -> None:
        """Kill no more, and wait until the switch is back from the last time."""
        assert self._lanes is not None
        self._left_count = self._every_count = sys.maxsize
        await self._lanes.unless_failed(asyncio.ensure_future(self._lanes.is_up.wait()))

    def _note_answer(self) -> None:
        """Answers that were on their way when the switch died still come in; they do not kill it a second time."""
        assert self._lanes is not None
        self._left_count -= 1
        if self._left_count <= 0 and self._lanes.is_up.is_set():
            self._left_count = self._every_count
            self.kill_count += 1
            self._lanes.is_up.clear()
            self._switch.kill()
            self._lanes.start(self._start_again())

    async def _start_again(self) -> None:
        await self._switch.restart()
        assert self._lanes is not None
        self._lanes.is_up.set()


async def watch_for_stalls(lanes: Lanes, switch: PrivateSwitch | None) -> None:
    """Run beside the replay: `ReplayError` when no answer comes any more, or the switch has ended by itself."""
    loop = asyncio.get_running_loop()
    last_count, last_at = -1, loop.time()
    while True:
        await asyncio.sleep(1)
        if lanes.answered_count != last_count:
            last_count, last_at = lanes.answered_count, loop.time()
        if switch is not None and lanes.is_up.is_set() and (error := switch.ended_by_itself()) is not None:
            raise error
        if loop.time() - last_at > STALL_S:
            raise ReplayError(f"expected an answer within {STALL_S:.0f} s, got none after {last_count} answers")
