"""A switch in service is killed at random moments, and nothing that it answered is lost or done twice.

Each round: tills send what tills send; the switch is killed while it starts, in service, or during a checkpoint; the
journal is read and held against the book; the switch starts again; everything unanswered is sent again, twice, and a
sample of the rest once; changed requests are refused. `verify` decides everything a second time.
"""

import asyncio
import os
import random
import shutil
import signal
import time

import pytest

from switch._verify import verify
from switch.protocol.codes import ResponseCode
from switch.protocol.messages import BalanceRequest, CardOperation, MessageType, Reply
from terminals.link import Link
from tests.crash.audit import MOVES, Audit, was_declined
from tests.crash.tills import CARDS, FROZEN_CARD, Book, BusyTill
from tests.support.desk import Desk, make_directory
from tests.support.switch_process import SwitchProcess

ROUNDS_PER_DIRECTORY = 20
"""Then a new one, so that five hundred rounds do not read an ever longer journal."""
TILLS = {101 + n: bytes([n]) * 32 for n in range(5)}
KILLS = ["in service"] * 6 + ["during a checkpoint"] * 2 + ["at once", "at start", "only its checkpoint process"]
CHECKPOINT_LOOK_S = 1.0
"""The switch looks once a second whether its balance store has to be brought up."""
SAMPLE = 60
MIXED = [*MOVES, MessageType.OPEN_CARD, MessageType.OPERATE_CARD, MessageType.SET_PIN]
"""Types of which some must have been approved in every directory, or the campaign tries less than it says."""
REFUSALS = [
    (MessageType.CREDIT, ResponseCode.CREDITED_BEFORE),
    (MessageType.CAPTURE, ResponseCode.HOLD_UNKNOWN),
    (MessageType.REFUND, ResponseCode.REFUND_EXCEEDS),
    (MessageType.DEBIT, ResponseCode.CARD_STATUS),
]
"""Refusals that must have been among the answers."""


def make_busy_shop(path):
    """Small segments, a checkpoint whenever the switch looks, tills, cards with money and one that is frozen."""
    make_directory(path, checkpoint_bytes=1)
    desk = Desk(path)
    desk.furnish()
    for terminal_id, key in TILLS.items():
        desk.put_till(terminal_id, key)
    for card in [*CARDS, FROZEN_CARD]:
        desk.open_card(card)
        desk.credit(100_000, card=card)
    desk.operate(CardOperation.FREEZE, FROZEN_CARD, operator_id=71)
    desk.commit()
    return path


class Rounds:
    """All rounds on one directory."""

    def __init__(self, path, seed):
        self.switch = SwitchProcess(make_busy_shop(path))
        self.book, self.audit = Book(), Audit(path)
        self.audit.read_on()
        self.first_sequence = self.audit.next_sequence
        self.chance = random.Random(seed)
        self.counts = dict.fromkeys(["unanswered", "unanswered and journaled", "torn bytes", *KILLS], 0)

    def tills(self):
        seeds = {terminal_id: self.chance.getrandbits(64) for terminal_id in TILLS}
        return [BusyTill(self.book, random.Random(seeds[number]), number, key) for number, key in TILLS.items()]

    async def play(self, number):
        """One round; afterwards the switch runs, and all is answered."""
        kill = KILLS[number % len(KILLS)]
        self.counts[kill] += 1
        await self.serve_until_killed(kill)
        self.read_and_compare(may_be_torn=True)
        if kill == "at start":
            self.kill_while_it_starts()
            self.read_and_compare(may_be_torn=True)
        self.switch.start()
        self.counts["torn bytes"] += self.switch.torn_bytes
        await self.ask_again()
        self.read_and_compare()
        assert self.book.unanswered() == []

    async def serve_until_killed(self, kill):
        """Traffic of all tills until the process is gone."""
        children = self.switch.children()
        traffic = [asyncio.create_task(till.run(self.switch.address)) for till in self.tills()]
        if kill == "during a checkpoint":
            # The first look comes a second after the start; the store is then some thousand entries behind.
            await asyncio.sleep(max(0.0, self.started_s + CHECKPOINT_LOOK_S - time.monotonic()))
            await asyncio.sleep(self.chance.random() * 0.06)
        elif kill == "only its checkpoint process":
            await asyncio.sleep(self.chance.random() * 0.2)
            for child in children:
                os.kill(child, signal.SIGKILL)
            await asyncio.sleep(self.chance.random() * 0.2)
        elif kill != "at once":
            await asyncio.sleep(self.chance.random() * 0.4)
        else:
            await asyncio.sleep(self.chance.random() * 0.03)
        await asyncio.to_thread(self.switch.kill)
        await asyncio.gather(*traffic)

    def kill_while_it_starts(self):
        """Some times in a row, somewhere in recovery."""
        for _ in range(3):
            self.switch.spawn()
            time.sleep(self.chance.random() * 0.3)
            self.switch.kill()

    def read_and_compare(self, *, may_be_torn=False):
        """What the journal says, and the book."""
        self.audit.read_on(may_be_torn=may_be_torn)
        self.audit.compare(self.book)
        assert self.audit.strangers(self.book, self.first_sequence) == []

    async def ask_again(self):
        """Unanswered requests twice, at the same time; others once; changed ones are refused; then the balances."""
        self.started_s = time.monotonic()
        answered, unanswered = self.book.answered(), self.book.unanswered()
        self.counts["unanswered"] += len(unanswered)
        self.counts["unanswered and journaled"] += sum(asked.key in self.audit.entries for asked in unanswered)
        declined = [asked for asked in answered if was_declined(asked)]
        sample = self.chance.sample(answered, min(SAMPLE, len(answered))) + declined[-SAMPLE:]
        tills = {till.credentials.terminal_id: till for till in self.tills()}
        for till in tills.values():
            till.link = await Link.connect(*self.switch.address, till.credentials)
        try:
            await asyncio.gather(*(tills[a.key[0]].send(a) for a in [*unanswered, *unanswered, *sample]))
            await asyncio.gather(*(self.refuse_changed(tills[a.key[0]], a) for a in sample[:20] + unanswered[:20]))
            await self.compare_balances(next(iter(tills.values())))
        finally:
            for till in tills.values():
                till.link.abort()

    async def refuse_changed(self, till, asked):
        """The same trace number with another amount or card."""
        at = 16 + self.chance.randrange(8)
        changed = asked.body[:at] + bytes([asked.body[at] ^ 1]) + asked.body[at + 1 :]
        _, body = await till.link.request(asked.type, changed, 30_000)
        assert Reply.decode(body).code == ResponseCode.TRACE_REUSED

    async def compare_balances(self, till):
        """What the switch says is on each account is what the entries add up to."""
        self.audit.read_on()
        for card in CARDS:
            request = BalanceRequest(stamp_ms=0, card_number=card)
            _, body = await till.link.request(MessageType.BALANCE, request.encode(), 30_000)
            assert Reply.decode(body).balance_minor == self.audit.balances_minor[card]


async def play_all(rounds, count):
    rounds.switch.start()
    rounds.started_s = time.monotonic()
    try:
        for number in range(count):
            await rounds.play(number)
    finally:
        rounds.switch.kill()


def assert_no_pin_is_kept(path, book):
    """Nobody who has the directory can read a PIN: not in the journal, not in the balance store."""
    assert len(book.pins) > 10
    for file in [*(path / "journal").iterdir(), *(path / "ledger").rglob("*")]:
        content = file.read_bytes() if file.is_file() else b""
        assert [pin for pin in book.pins if pin in content] == []


@pytest.mark.feature("VC-022", "EF-057")
def test_a_switch_that_is_killed_again_and_again_loses_no_answer_and_does_nothing_twice(crash_rounds, tmp_path, capsys):
    seed = int(os.environ.get("CARDSWITCH_CRASH_SEED") or random.SystemRandom().getrandbits(32))
    left = crash_rounds
    while left > 0:
        count = min(left, ROUNDS_PER_DIRECTORY)
        try:
            path = tmp_path / f"left-{left}"
            rounds = Rounds(path, seed)
            asyncio.run(play_all(rounds, count))
            assert verify(path) == 0
            assert_no_pin_is_kept(path, rounds.book)
            assert len(rounds.book.answered()) > 100 * count
            shutil.rmtree(path)
            if count == ROUNDS_PER_DIRECTORY:
                assert rounds.counts["unanswered"] > count, "kills have met requests under way"
                seen = rounds.audit.answers()
                assert min(seen[type_, ResponseCode.APPROVED] for type_ in MIXED) > 10, seen
                assert min(seen[pair] for pair in REFUSALS) > 0, seen
        except Exception as error:
            error.add_note(
                f"again: CARDSWITCH_CRASH_SEED={seed} .venv/bin/python -m pytest tests/crash/test_kill_switch.py"
                f" --crash-rounds {count}; the switch said: {rounds.switch.output}"
            )
            raise
        left -= count
        seed += 1
        with capsys.disabled():
            if crash_rounds > ROUNDS_PER_DIRECTORY:
                print(f"  {crash_rounds - left} rounds: {len(rounds.book.asked):,} requests, {rounds.counts}")
