"""The terminal kit against the switch itself: a private one in replay mode, whose clock the stamps move."""

import asyncio
import os
import signal
from dataclasses import replace

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import NO_COUNT_LIMIT, BillLine
from terminals.credentials import Credentials
from terminals.errors import SignOnRefusedError
from terminals.link import Link
from terminals.outcome import Verdict
from terminals.trace_file import FileTrace
from tests.support.terminal_shop import CARD, DAY_MS, PLATINUM, TILL, codes, shop


@pytest.mark.feature("HD-022", "HD-109", "GJ-046", "GJ-056", "GJ-057", "GJ-097", "GJ-101", "VC-027")
def test_a_bill_is_paid_from_the_card_and_earns_points_that_any_store_sees(tmp_path):
    async def scenario():
        async with shop(tmp_path) as s:
            bill = [BillLine(item=1, amount_minor=10_00), BillLine(item=2, amount_minor=2_50)]
            paid = await s.till.debit(CARD, 12_50, bill)
            seen = await s.other_till.balance(CARD)

            assert paid.approved
            assert (paid.balance_minor, paid.points_hundredths, paid.points_balance_hundredths) == (87_50, 12_00, 12_00)
            assert (seen.balance_minor, seen.points_balance_hundredths) == (87_50, 12_00)

    asyncio.run(scenario())


@pytest.mark.feature("HD-115", "GJ-055")
def test_the_same_bill_earns_more_on_a_better_card(tmp_path):
    async def scenario():
        async with shop(tmp_path) as s:
            plain, better = await s.till.debit(CARD, 20_00), await s.till.debit(PLATINUM, 20_00)

            assert (plain.points_hundredths, better.points_hundredths) == (20_00, 30_00)

    asyncio.run(scenario())


@pytest.mark.feature("HD-089", "GJ-037", "GJ-038", "GJ-042")
def test_cash_put_on_at_a_till_can_be_spent_at_once(tmp_path):
    async def scenario():
        async with shop(tmp_path) as s:
            declined = await s.till.debit(CARD, 130_00)
            credited = await s.till.credit(CARD, 50_00, channel=1, reference=b"4711")
            paid = await s.other_till.debit(CARD, 130_00)

            assert codes(declined, credited, paid) == [ResponseCode.FUNDS, ResponseCode.APPROVED, ResponseCode.APPROVED]
            assert (credited.balance_minor, paid.balance_minor) == (150_00, 20_00)

    asyncio.run(scenario())


@pytest.mark.feature("HD-142", "HD-143", "HD-144")
def test_limits_of_a_version_hold_from_its_first_midnight_on_and_until_the_next_version_s(tmp_path):
    async def scenario():
        async with shop(tmp_path) as s:
            await s.limit_from_tomorrow(single_minor_max=30_00, daily_minor_max=50_00, daily_count_max=3)
            s.clock.now_ms += 12 * 3_600_000 - 1  # 23:59:59.999
            before = await s.till.debit(CARD, 30_01)
            s.clock.now_ms += 1
            amounts = (30_01, 30_00, 20_01, 19_98, 1, 1)
            today = [await s.till.debit(CARD, amount) for amount in amounts]
            await s.limit_from_tomorrow(daily_count_max=NO_COUNT_LIMIT)
            s.clock.now_ms += DAY_MS - 1
            last = await s.till.debit(CARD, 1)
            s.clock.now_ms += 1
            tomorrow = [await s.till.debit(CARD, 1) for _ in range(4)]

            approved = ResponseCode.APPROVED
            assert codes(before) == [approved]
            assert codes(*today) == [
                ResponseCode.SINGLE_AMOUNT,
                approved,
                ResponseCode.DAILY_AMOUNT,
                approved,
                approved,
                ResponseCode.DAILY_COUNT,
            ]
            assert codes(last) == [ResponseCode.DAILY_COUNT]
            assert codes(*tomorrow) == [approved] * 4

    asyncio.run(scenario())


@pytest.mark.feature("HD-142", "HD-143", "HD-144")
def test_limits_of_one_card_hold_from_the_next_request_on(tmp_path):
    async def scenario():
        async with shop(tmp_path) as s:
            assert (await s.till.debit(CARD, 40_00)).approved
            await s.operator.set_card(CARD, single_minor_max=30_00, daily_minor_max=20_00, daily_count_max=2)
            today = [await s.till.debit(CARD, amount) for amount in (30_01, 20_01, 19_99, 1, 1)]
            await s.operator.set_card(CARD, sets_limits=True)
            after = await s.till.debit(CARD, 35_00)

            approved = ResponseCode.APPROVED
            assert codes(*today) == [
                ResponseCode.SINGLE_AMOUNT,
                ResponseCode.DAILY_AMOUNT,  # a card's counters begin with its limits
                approved,
                approved,
                ResponseCode.DAILY_COUNT,
            ]
            assert codes(after) == [approved]

    asyncio.run(scenario())


@pytest.mark.feature("HD-144")
def test_a_frozen_card_pays_nowhere_keeps_its_balance_and_can_be_unfrozen(tmp_path):
    async def scenario():
        async with shop(tmp_path) as s:
            await s.operator.freeze_card(CARD, 7)
            frozen = [
                await s.till.debit(CARD, 1_00),
                await s.other_till.debit(CARD, 1_00),
                await s.till.credit(CARD, 1),
            ]
            balance = await s.till.balance(CARD)
            await s.operator.unfreeze_card(CARD, 8)

            assert codes(*frozen) == [ResponseCode.CARD_STATUS] * 3
            assert (balance.approved, balance.balance_minor) == (True, 100_00)
            assert (await s.till.debit(CARD, 1_00)).approved

    asyncio.run(scenario())


@pytest.mark.feature("EF-057")
def test_a_reversal_gives_back_money_points_and_the_days_limit(tmp_path):
    async def scenario():
        async with shop(tmp_path) as s:
            await s.limit_from_tomorrow(daily_minor_max=50_00)
            s.clock.now_ms += DAY_MS
            paid = await s.till.debit(CARD, 50_00)
            refused = await s.till.debit(CARD, 1)
            given_back = await s.till.reverse(CARD, 50_00, paid.trace_number, paid.business_date)
            again = await s.till.debit(CARD, 50_00)

            assert codes(paid, refused, given_back, again) == [0, ResponseCode.DAILY_AMOUNT, 0, 0]
            assert (given_back.balance_minor, given_back.points_hundredths) == (100_00, -50_00)
            assert (again.balance_minor, again.points_balance_hundredths) == (50_00, 50_00)

    asyncio.run(scenario())


@pytest.mark.feature("EF-057")
def test_requests_under_way_when_the_switch_is_killed_count_once(tmp_path):
    async def scenario():
        async with shop(tmp_path) as s:
            for _ in range(5):
                calls = [asyncio.create_task(s.till.debit(CARD, 10)) for _ in range(40)]
                while not any(call.done() for call in calls):
                    await asyncio.sleep(0)
                s.switch.kill()
                await s.switch.restart()
                outcomes = await asyncio.gather(*calls)
                assert {outcome.verdict for outcome in outcomes} == {Verdict.APPROVED}

            assert (await s.till.balance(CARD)).balance_minor == 100_00 - 5 * 40 * 10

    asyncio.run(scenario())


@pytest.mark.feature("EF-057")
def test_a_till_that_dies_settles_its_open_debit_when_it_comes_back(tmp_path):
    async def scenario():
        async with shop(tmp_path) as s:
            path = tmp_path / "till.trace"
            trace = FileTrace(path, TILL.terminal_id)
            async with s.client(TILL, trace) as till:
                await till.balance(CARD)
                os.kill(s.switch.process_id, signal.SIGSTOP)  # it receives, and answers nobody
                call = asyncio.create_task(till.debit(CARD, 40_00))
                while not trace.open_requests():
                    await asyncio.sleep(0)
                await asyncio.sleep(0.01)
                call.cancel()
                till.cut()
            os.kill(s.switch.process_id, signal.SIGCONT)
            trace.shut()

            trace = FileTrace(path, TILL.terminal_id)
            async with s.client(TILL, trace) as till:
                settled = await till.settle()
                assert [outcome.is_reversed for outcome in settled] == [True]
                assert (await till.balance(CARD)).balance_minor == 100_00
            trace.shut()

    asyncio.run(scenario())


def test_followers_read_the_journal_and_the_counters(tmp_path):
    async def scenario():
        async with shop(tmp_path) as s:
            before = [reply async for reply in s.operator.read_journal()]
            end = before[-1].next_position
            await s.till.debit(CARD, 10_00)
            after = [reply async for reply in s.operator.read_journal(end)]

            assert sum(len(reply.journal_bytes) for reply in before) > 0
            assert after[0].journal_bytes[:4] == b"CSWB"
            assert (await s.operator.follow(after[-1].next_position)).journal_bytes == b""
            statistics = await s.operator.statistics()
            assert statistics
            assert all(isinstance(value, int) for value in statistics.values())
            echo = await s.operator.echo()
            assert echo.business_date == 17_349  # 2017-07-02

    asyncio.run(scenario())


def test_strangers_and_wrong_keys_are_turned_away(tmp_path):
    async def scenario():
        async with shop(tmp_path) as s:
            for credentials in (Credentials(999, b"x" * 32), replace(TILL, key=b"x" * 32)):
                with pytest.raises(SignOnRefusedError) as caught:
                    await Link.connect(*s.switch.address, credentials)
                assert caught.value.code == ResponseCode.SIGN_ON_REFUSED
            assert (await s.till.balance(CARD)).approved

    asyncio.run(scenario())
