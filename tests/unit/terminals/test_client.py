"""Every way in which a call can end while the switch is there, though it loses, cuts and delays on command."""

import asyncio
from dataclasses import replace

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import REPLY_BIT, BillLine, ErrorReply, MessageType, Right
from terminals._clock import SYSTEM
from terminals.client import Client
from terminals.credentials import Credentials
from terminals.errors import RefusedBySwitchError
from terminals.outcome import Verdict
from terminals.trace import MemoryTrace
from tests.unit.terminals.peer import CARD, DAY_MS, OPERATOR_ID, OPERATOR_KEY, TERMINAL_ID, Fault, Peer
from tests.unit.terminals.till import (
    APPROVED,
    CREDIT,
    DEBIT,
    QUICK,
    REVERSAL,
    REVERSED,
    World,
    end_of,
    ending,
    till,
)

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
            assert outcome.meaning == "Less is available than the amount."
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
                    await client.freeze_card(CARD, 7),
                    await client.unfreeze_card(CARD, 8),
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
