"""Loose ends: a switch that stays away, a till that dies, dates that pass, numbers used twice."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import (
    BillLine,
    Header,
    MessageType,
    PutTerminalRequest,
    Reply,
    Right,
    TerminalStatus,
)
from switch.protocol.records import RecordKind
from switch.protocol.session import Message
from terminals.errors import SwitchUnreachableError
from terminals.outcome import Verdict
from terminals.policy import Policy
from terminals.trace import MemoryTrace
from terminals.trace_file import FileTrace
from tests.unit.terminals.peer import (
    CARD,
    DAY_MS,
    OPERATOR_ID,
    STORE_ID,
    TERMINAL_ID,
    TERMINAL_KEY,
    Fault,
    Peer,
)
from tests.unit.terminals.till import (
    APPROVED,
    DEBIT,
    HOPELESS,
    QUICK,
    REVERSAL,
    REVERSED,
    UNKNOWN,
    World,
    end_of,
    ending,
    till,
)

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


def test_a_debit_that_hears_of_a_quarantine_after_a_silence_may_have_been_applied_and_is_reversed():
    async def scenario():
        async with Peer().prepare() as peer:
            before_minor = peer.balance_of(CARD)
            peer.faults = [Fault.CUT_AFTER]

            def quarantine(message):
                request = PutTerminalRequest(
                    trace_number=900,
                    business_date=peer.now_ms // DAY_MS,
                    stamp_ms=peer.now_ms,
                    terminal_id=TERMINAL_ID,
                    store_id=STORE_ID,
                    rights=Right.PAY,
                    key=TERMINAL_KEY.ljust(40, b"\0"),
                )
                put = Message(Header(type=MessageType.PUT_TERMINAL, sequence=0), request.encode())
                _, answer = peer.decide(OPERATOR_ID, put)
                assert Reply.decode(answer).code == ResponseCode.APPROVED
                terminal = peer.twin.tables.find(RecordKind.TERMINAL, TERMINAL_ID)
                assert terminal is not None
                terminal.status = TerminalStatus.QUARANTINED
                return Fault.NONE

            peer.judge = quarantine
            async with till(peer) as client:
                outcome = await client.debit(CARD, 10_00)

            assert end_of(outcome) == REVERSED
            assert peer.types()[-1] == REVERSAL and peer.balance_of(CARD) == before_minor

    asyncio.run(scenario())
