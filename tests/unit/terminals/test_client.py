"""Every way in which a call can end, against a switch that loses, cuts and delays on command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import REPLY_BIT, BillLine, CardStatus, ErrorReply, MessageType, Right
from terminals._clock import SYSTEM, Surroundings
from terminals.client import Client
from terminals.credentials import Credentials
from terminals.errors import RefusedBySwitchError, SwitchUnreachableError
from terminals.outcome import Verdict
from terminals.policy import Policy
from terminals.trace import MemoryTrace, TraceStore
from terminals.trace_file import FileTrace
from tests.unit.terminals.peer import CARD, DAY_MS, OPERATOR_ID, OPERATOR_KEY, TERMINAL_ID, TERMINAL_KEY, Fault, Peer

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


# --------------------------------------------------------------------------- the switch answers


def test_money_calls_tell_amount_balance_and_points():
    async def scenario():
        async with Peer() as peer, till(peer.prepare(points_percent=100)) as client:
            lines = [BillLine(item=1, amount_minor=10_00), BillLine(item=2, amount_minor=2_50)]
            debit = await client.debit(CARD, 12_50, lines)
            credit = await client.credit(CARD, 5_00)
            reversal = await client.reverse(CARD, 12_50, debit.trace_number, debit.business_date)
            balance = await client.balance(CARD)

            assert [end_of(outcome) for outcome in (debit, credit, reversal, balance)] == [APPROVED] * 4
            assert (debit.amount_minor, debit.balance_minor, debit.points_hundredths) == (12_50, 87_50, 12_00)
            assert (credit.amount_minor, credit.balance_minor) == (5_00, 92_50)
            assert (reversal.amount_minor, reversal.points_hundredths) == (12_50, -12_00)
            assert (balance.balance_minor, balance.points_balance_hundredths) == (105_00, 0)
            assert debit.approved
            assert client.unsettled == []

    asyncio.run(scenario())


def test_a_refusal_is_declined_with_its_code_and_meaning():
    async def scenario():
        async with Peer() as peer, till(peer.prepare()) as client:
            outcome = await client.debit(CARD, 100_01)

            assert end_of(outcome) == ending(Verdict.DECLINED, ResponseCode.FUNDS)
            assert outcome.meaning == "The balance is smaller than the amount."
            assert outcome.balance_minor == 100_00

    asyncio.run(scenario())


def test_many_calls_at_a_time_each_get_their_own_answer():
    async def scenario():
        async with Peer() as peer, till(peer.prepare()) as client:
            outcomes = await asyncio.gather(*(client.debit(CARD, amount) for amount in range(1, 51)))

            assert [outcome.amount_minor for outcome in outcomes] == list(range(1, 51))
            assert sorted(outcome.trace_number for outcome in outcomes) == list(range(1, 51))
            assert peer.sign_on_count == 1
            assert peer.balance_of(CARD) == 100_00 - sum(range(1, 51))

    asyncio.run(scenario())


def test_an_operator_sets_up_a_shop():
    async def scenario():
        async with Peer() as peer:
            peer.twin.today = peer.now_ms // DAY_MS
            credentials = Credentials(OPERATOR_ID, OPERATOR_KEY)
            surroundings = replace(SYSTEM, now_ms=lambda: peer.now_ms)
            async with Client(
                *peer.address, credentials, MemoryTrace("a test"), policy=QUICK, surroundings=surroundings
            ) as client:
                outcomes = [
                    await client.put_card_type(2, single_minor_max=50_00, points_percent=100),
                    await client.put_store(9),
                    await client.put_terminal(9_001, b"k" * 32, store_id=9, rights=Right.PAY | Right.CREDIT),
                    await client.open_card(CARD, 2),
                    await client.credit(CARD, 80_00, channel=0),
                    await client.change_card_status(CARD, CardStatus.BLOCKED),
                    await client.change_card_status(CARD, CardStatus.ACTIVE),
                ]
            assert [outcome.code for outcome in outcomes] == [0] * 7
            trace = MemoryTrace("a test")
            async with Client(*peer.address, Credentials(9_001, b"k" * 32), trace, surroundings=surroundings) as client:
                assert (await client.debit(CARD, 50_01)).code == ResponseCode.SINGLE_AMOUNT
                assert (await client.debit(CARD, 50_00)).approved
                assert end_of(await client.put_store(10)) == ending(Verdict.DECLINED, ResponseCode.NOT_PERMITTED)

    asyncio.run(scenario())


def test_a_refused_message_without_a_key_raises_with_the_code(monkeypatch):
    async def scenario():
        async with Peer() as peer, till(peer) as client:
            error = ErrorReply(
                code=ResponseCode.TYPE_UNKNOWN, type=MessageType.STATISTICS, offset=0, expected=0, got=0x61
            )
            monkeypatch.setattr(peer, "decide", lambda *_: (MessageType.ERROR | REPLY_BIT, error.encode()))

            with pytest.raises(
                RefusedBySwitchError, match=r"STATISTICS: expected an answer, got 220 TYPE_UNKNOWN"
            ) as caught:
                await client.statistics()

            assert caught.value.code == ResponseCode.TYPE_UNKNOWN

    asyncio.run(scenario())


# --------------------------------------------------------------------------- an answer stays out


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY, Fault.CUT_BEFORE, Fault.CUT_AFTER])
@pytest.mark.parametrize("count", [1, 2])
def test_the_same_bytes_go_again_and_count_once(fault, count):
    async def scenario():
        async with Peer() as peer, till(peer.prepare()) as client:
            peer.faults = [fault] * count

            outcome = await client.debit(CARD, 10_00)

            assert end_of(outcome) == APPROVED
            assert peer.types() == [DEBIT] * (count + 1)
            assert len({message.body for message in peer.messages}) == 1
            assert peer.balance_of(CARD) == 90_00
            assert client.unsettled == []

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY, Fault.CUT_BEFORE, Fault.CUT_AFTER])
def test_a_debit_that_is_never_answered_is_reversed(fault):
    async def scenario():
        async with Peer() as peer, till(peer.prepare()) as client:
            peer.judge = lambda message: fault if message.header.type == DEBIT else Fault.NONE

            outcome = await client.debit(CARD, 10_00)

            assert end_of(outcome) == REVERSED
            assert peer.types() == [DEBIT, DEBIT, DEBIT, REVERSAL]
            assert peer.balance_of(CARD) == 100_00
            assert client.unsettled == []
            assert "reversed" in outcome.meaning

    asyncio.run(scenario())


def test_a_debit_that_arrives_after_its_reversal_is_refused():
    async def scenario():
        async with Peer() as peer, till(peer.prepare()) as client:
            peer.judge = lambda message: Fault.LOSE_REQUEST if message.header.type == DEBIT else Fault.NONE
            await client.debit(CARD, 10_00)

            _, reply = peer.decide(TERMINAL_ID, peer.messages[0])

            assert reply[0] == ResponseCode.REVERSED_BEFORE
            assert peer.balance_of(CARD) == 100_00

    asyncio.run(scenario())


def test_the_reversal_is_sent_until_it_is_answered():
    async def scenario():
        async with Peer() as peer, till(peer.prepare()) as client:
            peer.faults = [Fault.LOSE_REPLY] * 3 + [Fault.CUT_AFTER, Fault.LOSE_REQUEST, Fault.BUSY, Fault.LOSE_REPLY]

            outcome = await client.debit(CARD, 10_00)

            assert end_of(outcome) == REVERSED
            assert peer.types() == [DEBIT] * 3 + [REVERSAL] * 5
            assert len({message.body for message in peer.messages[3:]}) == 1
            assert peer.balance_of(CARD) == 100_00
            assert client.unsettled == []

    asyncio.run(scenario())


def test_a_credit_cannot_be_reversed_and_goes_again_until_it_is_answered():
    async def scenario():
        async with Peer() as peer, till(peer.prepare()) as client:
            peer.faults = [Fault.LOSE_REPLY] * 6

            outcome = await client.credit(CARD, 10_00)

            assert end_of(outcome) == APPROVED
            assert peer.types() == [CREDIT] * 7
            assert peer.balance_of(CARD) == 110_00

    asyncio.run(scenario())


def test_others_on_the_same_line_survive_a_time_out():
    async def scenario():
        async with Peer() as peer, till(peer.prepare()) as client:
            peer.faults = [Fault.NONE, Fault.LOSE_REQUEST, Fault.NONE, Fault.LOSE_REPLY]

            outcomes = await asyncio.gather(*(client.debit(CARD, 1_00) for _ in range(10)))

            assert [end_of(outcome) for outcome in outcomes] == [APPROVED] * 10
            assert peer.balance_of(CARD) == 90_00

    asyncio.run(scenario())


# --------------------------------------------------------------------------- the switch stays away


def test_a_switch_that_is_not_there_means_that_nothing_was_sent():
    async def scenario():
        peer = Peer().prepare()
        async with peer:
            pass  # it has an address, and is gone
        trace = MemoryTrace("a test")
        async with till(peer, trace, HOPELESS) as client:
            outcome = await client.debit(CARD, 10_00)

            assert end_of(outcome) == ending(Verdict.DECLINED)
            assert outcome.meaning.startswith("Nothing was sent: expected a connection to the switch")
            assert (outcome.trace_number, trace.next_number, client.unsettled) == (0, 1, [])
            with pytest.raises(SwitchUnreachableError, match="check the line, and call again"):
                await client.balance(CARD)

    asyncio.run(scenario())


def test_attempts_to_connect_back_off_with_jitter_until_the_deadline():
    async def scenario():
        peer = Peer()
        async with peer:
            pass
        world = World(peer, unit_random=0.5)
        policy = Policy(backoff_first_ms=100, backoff_max_ms=1_000, settle_deadline_ms=5_000)
        async with till(peer, policy=policy, surroundings=world.surroundings) as client:
            await client.debit(CARD, 10_00)

        assert world.slept_ms == [75, 150, 300, 600, 750, 750, 750, 750, 750]
        assert sum(world.slept_ms) <= 5_000

    asyncio.run(scenario())


def test_a_line_that_is_cut_after_each_request_backs_off_as_well():
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            world = World(peer, unit_random=0.0)
            policy = replace(QUICK, backoff_first_ms=100, backoff_max_ms=400, settle_deadline_ms=2_000)
            peer.judge = lambda message: Fault.CUT_BEFORE
            async with till(peer, policy=policy, surroundings=world.surroundings) as client:
                outcome = await client.credit(CARD, 10_00)

            assert end_of(outcome) == UNKNOWN
            assert world.slept_ms == [50, 100] + [200] * (len(world.slept_ms) - 2)
            assert 1_600 < sum(world.slept_ms) <= 2_000

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
def test_an_unknown_outcome_is_stored_and_settled_when_the_switch_is_back(fault):
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            peer.judge = lambda message: fault
            async with till(peer, policy=HOPELESS) as client:
                outcome = await client.debit(CARD, 10_00)

                assert end_of(outcome) == UNKNOWN
                assert outcome.meaning.endswith("the request is stored, settle() finishes it later.")
                assert client.unsettled[0].trace_number == outcome.trace_number

                peer.judge = lambda message: Fault.NONE
                settled = await client.settle()

                assert [end_of(outcome) for outcome in settled] == [REVERSED]
                assert settled[0].trace_number == outcome.trace_number
                assert client.unsettled == []
                assert await client.settle() == []
            assert peer.balance_of(CARD) == 100_00

    asyncio.run(scenario())


def test_settling_fails_without_harm_while_the_switch_is_away():
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            peer.judge = lambda message: Fault.LOSE_REPLY
            async with till(peer, policy=HOPELESS) as client:
                await client.debit(CARD, 10_00)
                for _ in range(3):
                    assert [end_of(outcome) for outcome in await client.settle()] == [UNKNOWN]

                peer.judge = lambda message: Fault.NONE
                assert [end_of(outcome) for outcome in await client.settle()] == [REVERSED]

            assert len({message.body for message in peer.messages if message.header.type == REVERSAL}) == 1
            assert peer.balance_of(CARD) == 100_00

    asyncio.run(scenario())


# --------------------------------------------------------------------------- the terminal itself dies


async def die_during(peer: Peer, path: Path, call: str) -> None:
    """A process that asks, is killed before the answer, and leaves its trace file."""
    trace = FileTrace(path, TERMINAL_ID)
    async with till(peer, trace) as client:
        task = asyncio.create_task(getattr(client, call)(CARD, 10_00))
        count = len(peer.messages)
        while len(peer.messages) == count:
            await asyncio.sleep(0.001)
        task.cancel()
    trace.shut()


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
def test_after_a_restart_an_open_debit_is_undone_since_nobody_was_told(tmp_path, fault):
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            peer.faults = [fault]
            await die_during(peer, tmp_path / "trace", "debit")

            trace = FileTrace(tmp_path / "trace", TERMINAL_ID)
            async with till(peer, trace) as client:
                assert [request.type for request in client.unsettled] == [DEBIT]
                settled = await client.settle()
                assert [end_of(outcome) for outcome in settled] == [REVERSED]
                assert client.unsettled == []
                assert (await client.debit(CARD, 1_00)).trace_number == 3
            trace.shut()
            assert peer.balance_of(CARD) == 99_00

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
def test_after_a_restart_an_open_credit_is_sent_again_and_counts_once(tmp_path, fault):
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            peer.faults = [fault]
            await die_during(peer, tmp_path / "trace", "credit")

            trace = FileTrace(tmp_path / "trace", TERMINAL_ID)
            async with till(peer, trace) as client:
                assert [end_of(outcome) for outcome in await client.settle()] == [APPROVED]
            trace.shut()
            assert peer.balance_of(CARD) == 110_00

    asyncio.run(scenario())


def test_after_a_restart_in_the_middle_of_a_reversal_it_goes_on_under_its_own_number(tmp_path):
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            peer.judge = lambda message: Fault.LOSE_REPLY
            trace = FileTrace(tmp_path / "trace", TERMINAL_ID)
            async with till(peer, trace, replace(QUICK, settle_deadline_ms=800)) as client:
                await client.debit(CARD, 10_00)
            trace.shut()
            peer.judge = lambda message: Fault.NONE

            trace = FileTrace(tmp_path / "trace", TERMINAL_ID)
            async with till(peer, trace) as client:
                settled = await client.settle()
            trace.shut()

            assert [end_of(outcome) for outcome in settled] == [REVERSED]
            reversals = [message.body for message in peer.messages if message.header.type == REVERSAL]
            assert len(reversals) > 1
            assert len(set(reversals)) == 1
            assert peer.balance_of(CARD) == 100_00

    asyncio.run(scenario())


# --------------------------------------------------------------------------- the switch asks for patience


def test_busy_waits_as_told_and_sends_the_same_bytes():
    async def scenario():
        async with Peer() as peer:
            world = World(peer.prepare())
            peer.faults = [Fault.BUSY, Fault.BUSY]
            async with till(peer, surroundings=world.surroundings) as client:
                outcome = await client.debit(CARD, 10_00)

            assert end_of(outcome) == APPROVED
            assert world.slept_ms == [100, 100]
            assert len({message.body for message in peer.messages}) == 1
            assert peer.balance_of(CARD) == 90_00

    asyncio.run(scenario())


def test_busy_to_the_end_is_declined_because_nothing_was_recorded():
    async def scenario():
        async with Peer() as peer:
            world = World(peer.prepare())
            peer.judge = lambda message: Fault.BUSY
            async with till(peer, surroundings=world.surroundings) as client:
                outcome = await client.debit(CARD, 10_00)

                assert end_of(outcome) == ending(Verdict.DECLINED, ResponseCode.BUSY)
                assert client.unsettled == []
            assert sum(world.slept_ms) < QUICK.settle_deadline_ms

    asyncio.run(scenario())


def test_busy_after_a_lost_answer_proves_nothing_and_stays_unknown():
    async def scenario():
        async with Peer() as peer:
            world = World(peer.prepare())
            peer.faults = [Fault.LOSE_REPLY]
            peer.judge = lambda message: Fault.BUSY
            async with till(peer, surroundings=world.surroundings) as client:
                outcome = await client.debit(CARD, 10_00)

                assert end_of(outcome) == ending(Verdict.UNKNOWN, ResponseCode.BUSY)
                assert len(client.unsettled) == 1

    asyncio.run(scenario())


# --------------------------------------------------------------------------- dates and numbers


def test_a_date_that_has_passed_is_learnt_and_the_request_goes_under_the_new_one():
    async def scenario():
        async with Peer(replay=False) as peer, till(peer.prepare()) as client:
            await client.debit(CARD, 1_00)
            peer.now_ms += 3 * DAY_MS

            outcome = await client.debit(CARD, 10_00)

            assert end_of(outcome) == APPROVED
            assert outcome.business_date == peer.now_ms // DAY_MS
            assert outcome.trace_number == 3
            assert client.unsettled == []
            assert peer.balance_of(CARD) == 89_00

    asyncio.run(scenario())


def test_a_debit_that_nobody_can_settle_any_more_stays_for_a_person():
    async def scenario():
        async with Peer(replay=False) as peer:
            peer.prepare()
            peer.judge = lambda message: Fault.LOSE_REPLY
            async with till(peer, policy=HOPELESS) as client:
                lost = await client.debit(CARD, 10_00)
                peer.judge = lambda message: Fault.NONE
                peer.now_ms += 3 * DAY_MS

                for _ in range(2):
                    settled = await client.settle()
                    assert [end_of(outcome) for outcome in settled] == [
                        ending(Verdict.UNKNOWN, ResponseCode.ORIGINAL_OUTSIDE_WINDOW)
                    ]
                assert f"Compare trace number {lost.trace_number} with the journal" in settled[0].meaning
                client.forget(lost.trace_number)
                assert client.unsettled == []

    asyncio.run(scenario())


def test_a_credit_whose_answer_was_lost_days_ago_is_not_taken_for_refused():
    async def scenario():
        async with Peer(replay=False) as peer:
            peer.prepare()
            peer.judge = lambda message: Fault.LOSE_REPLY
            async with till(peer, policy=HOPELESS) as client:
                await client.credit(CARD, 10_00)
                peer.judge = lambda message: Fault.NONE
                peer.now_ms += 3 * DAY_MS

                settled = await client.settle()

                assert [end_of(outcome) for outcome in settled] == [ending(Verdict.UNKNOWN, ResponseCode.BUSINESS_DATE)]
                assert client.unsettled[0].stuck_code == ResponseCode.BUSINESS_DATE

    asyncio.run(scenario())


def test_only_stuck_requests_can_be_forgotten():
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            peer.judge = lambda message: Fault.LOSE_REPLY
            async with till(peer, policy=HOPELESS) as client:
                lost = await client.debit(CARD, 10_00)

                with pytest.raises(ValueError, match=r"expected a stuck request, got one that settle\(\) can finish"):
                    client.forget(lost.trace_number)

    asyncio.run(scenario())


def test_a_trace_number_used_before_is_declined_and_charges_nothing():
    async def scenario():
        async with Peer() as peer, till(peer.prepare()) as client:
            await client.debit(CARD, 10_00)
            async with till(peer) as forgetful:
                outcome = await forgetful.debit(CARD, 20_00)

                assert end_of(outcome) == ending(Verdict.DECLINED, ResponseCode.TRACE_REUSED)
            assert peer.balance_of(CARD) == 90_00

    asyncio.run(scenario())


def test_undoing_a_debit_whose_number_belongs_to_another_ends_in_declined():
    async def scenario():
        async with Peer() as peer, till(peer.prepare()) as client:
            await client.debit(CARD, 10_00)
            async with till(peer) as forgetful:
                peer.faults = [Fault.LOSE_REQUEST] * 3

                outcome = await forgetful.debit(CARD, 20_00)

                assert end_of(outcome) == ending(Verdict.DECLINED, ResponseCode.ORIGINAL_MISMATCH)
                assert forgetful.unsettled == []
            assert peer.balance_of(CARD) == 90_00

    asyncio.run(scenario())


def test_a_bill_too_long_for_the_switch_never_leaves():
    async def scenario():
        async with Peer() as peer, till(peer.prepare()) as client:
            with pytest.raises(ValueError, match="split the bill"):
                await client.debit(CARD, 1_00, [BillLine(amount_minor=1)] * 256)
            assert peer.messages == []
            assert client.unsettled == []
            assert (await client.debit(CARD, 1_00, [BillLine(amount_minor=1)] * 255)).trace_number == 1

    asyncio.run(scenario())


def test_card_numbers_are_not_in_outcomes_and_open_requests():
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            peer.judge = lambda message: Fault.LOSE_REPLY if message.header.type == DEBIT else Fault.NONE
            async with till(peer, policy=replace(HOPELESS, resend_count_max=9)) as client:
                texts = [
                    repr(await client.debit(CARD, 10_00)),
                    repr(client.unsettled),
                    repr(await client.balance(CARD)),
                ]
            assert all(str(CARD) not in text and CARD.to_bytes(8, "little").hex() not in text for text in texts)
            assert "999901******4533" in texts[2]

    asyncio.run(scenario())
