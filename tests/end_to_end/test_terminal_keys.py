"""Terminals' keys over their life: changed under load, told to change, lost; and a switch that dies meanwhile."""

import asyncio
import shutil
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import TerminalStatus
from switch.protocol.records import RecordKind, TerminalRecord
from terminals.client import Client
from terminals.credentials import Credentials, read_credentials, write_credentials
from terminals.errors import SignOnRefusedError
from terminals.link import Link
from terminals.outcome import Verdict
from terminals.policy import Policy
from terminals.terminal_key import TerminalKey
from terminals.trace import MemoryTrace
from terminals.trace_file import FileTrace
from tests.support.operator import Operator
from tests.support.switch_process import SwitchProcess, run_cardswitch

CARD = 6_200_000_000_000_001
TILLS = range(101, 121)
PATIENT = Policy(request_timeout_ms=10_000, settle_deadline_ms=40_000, renew_quiet_ms=5, renew_latest_ms=50)


@pytest.fixture
def switch(tmp_path):
    data = tmp_path / "data"
    done = run_cardswitch("init", "--data", data, "--segment-bytes", str(16 << 20), "--cards-max", "100000")
    assert done.returncode == 0, done.stdout + done.stderr
    with SwitchProcess(data) as switch:
        asyncio.run(open_business(switch, tmp_path))
        yield switch


@asynccontextmanager
async def desk_of(switch: SwitchProcess, first_trace):
    trace = MemoryTrace("a test", next_number=first_trace)
    async with Client(*switch.address, read_credentials(switch.data / "operator.key"), trace) as desk:
        yield desk


async def open_business(switch: SwitchProcess, folder):
    async with desk_of(switch, 1) as desk:
        outcomes = [
            await desk.put_store(1),
            await desk.put_card_type(1),
            await desk.open_card(CARD, 1),
            await desk.credit(CARD, 10**9, channel=0),
        ]
        for number in TILLS:
            credentials = Credentials(number, number.to_bytes(4, "big") * 8)
            write_credentials(folder / f"{number}.key", credentials)
            outcomes.append(await desk.put_terminal(number, credentials.key, store_id=1))
        assert {outcome.code for outcome in outcomes} == {0}


async def records_of(switch: SwitchProcess, first_trace=900_000):
    async with desk_of(switch, first_trace) as desk:
        records = [record async for record in desk.records(RecordKind.TERMINAL)]
    assert all(isinstance(record, TerminalRecord) for record in records)
    return {record.terminal_id: record for record in records if record.terminal_id in TILLS}


def till_of(switch: SwitchProcess, folder, number):
    """A till with its key file; its trace is a memory's, since it is never started again here."""
    return Client(*switch.address, TerminalKey(folder / f"{number}.key"), MemoryTrace("a test"), policy=PATIENT)


# --------------------------------------------------------------------------- under load


def test_the_keys_of_twenty_busy_terminals_are_changed_and_no_request_is_refused(switch: SwitchProcess, tmp_path):
    async def scenario():
        async with AsyncExitStack() as stack:
            tills = [await stack.enter_async_context(till_of(switch, tmp_path, number)) for number in TILLS]
            is_over = False
            ends = []

            async def pay(till):
                while not is_over:
                    ends.append(await till.debit(CARD, 1))

            workers = [asyncio.create_task(pay(till)) for till in tills for _ in range(2)]
            while len(ends) < 100:
                await asyncio.sleep(0.005)
            changes = await asyncio.gather(*(till.change_key() for till in tills))
            count = len(ends)
            while len(ends) < count + 100:
                await asyncio.sleep(0.005)
            is_over = True
            await asyncio.gather(*workers)
            connects = [till._kept.connect_count for till in tills]
        return changes, ends, connects

    changes, ends, connects = asyncio.run(scenario())
    records = asyncio.run(records_of(switch))

    assert {change.verdict for change in changes} == {Verdict.APPROVED}
    assert {(end.verdict, end.code) for end in ends} == {(Verdict.APPROVED, 0)}
    assert connects == [2] * len(TILLS), "each made one session more and lost none"
    assert {(record.key_version, any(record.wrapped_next)) for record in records.values()} == {(2, False)}
    for number in TILLS:
        fresh = read_credentials(tmp_path / f"{number}.key")
        assert fresh.key != number.to_bytes(4, "big") * 8


def test_terminals_that_are_told_to_renew_their_keys_do_so_by_themselves(switch: SwitchProcess, tmp_path):
    shop = Operator(switch, tmp_path)
    shop("terminal", "key", "renew", "101", "102", "103")

    async def scenario():
        async with AsyncExitStack() as stack:
            tills = [await stack.enter_async_context(till_of(switch, tmp_path, number)) for number in TILLS[:4]]
            for till in tills:
                assert (await till.debit(CARD, 1)).verdict is Verdict.APPROVED
            async with asyncio.timeout(20):
                while sum(till.keys_changed for till in tills) < 3:
                    assert {(await till.debit(CARD, 1)).verdict for till in tills} == {Verdict.APPROVED}
            return [till.keys_changed for till in tills]

    told = [row["terminals"] for row in shop.json("terminal", "keys") if row["flags"]]
    assert told == [3]
    assert asyncio.run(scenario()) == [1, 1, 1, 0]
    records = asyncio.run(records_of(switch))
    assert {number: (records[number].key_version, records[number].flags) for number in TILLS[:4]} == {
        101: (2, 0),
        102: (2, 0),
        103: (2, 0),
        104: (1, 0),
    }


# --------------------------------------------------------------------------- the switch dies


def killed_behind(switch: SwitchProcess, owner, name):
    """The switch is killed as soon as this step of the terminal has been done."""
    done = getattr(owner, name)

    async def then_killed(*args):
        result = await done(*args)
        switch.kill()
        return result

    setattr(owner, name, then_killed)


def killed_before(switch: SwitchProcess, owner, name):
    """The switch is killed when this step of the terminal is about to be done."""
    done = getattr(owner, name)

    def killed(*args):
        switch.kill()
        return done(*args)

    setattr(owner, name, killed)


STEPS = {
    "before the first request": lambda switch, till: killed_before(switch, till._changer._key, "begin"),
    "before the second session": lambda switch, till: killed_before(switch, till._kept, "go_over"),
    "behind the second session": lambda switch, till: killed_behind(switch, till._kept, "go_over"),
    "behind the confirmation": lambda switch, till: killed_before(switch, till._changer._key, "finish"),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_switch_that_dies_between_two_steps_finds_the_change_again(switch: SwitchProcess, tmp_path, step):
    number, path = TILLS[0], tmp_path / f"{TILLS[0]}.key"
    impatient = Policy(request_timeout_ms=500, settle_deadline_ms=1_000, backoff_max_ms=100, connect_timeout_ms=500)

    async def change(policy, before=None):
        trace = FileTrace(tmp_path / "till.trace", number)
        try:
            async with Client(*switch.address, TerminalKey(path), trace, policy=policy) as till:
                await till.echo()
                if before is not None:
                    before(switch, till)
                outcome = await till.change_key()
                if before is None:
                    await till.settle()
                    assert (await till.debit(CARD, 1)).verdict is Verdict.APPROVED
                    assert till.unsettled == []
                return outcome.verdict
        finally:
            trace.shut()

    asyncio.run(change(impatient, step))
    switch.kill()
    switch.start()

    assert asyncio.run(change(PATIENT)) is Verdict.APPROVED
    record = asyncio.run(records_of(switch))[number]
    assert not any(record.wrapped_next)
    assert record.key_version in (2, 3), "changed once, or a change that had ended was followed by another"
    assert TerminalKey(path).next is None
    assert switch.stop() == 0
    done = run_cardswitch("verify", "--data", switch.data)
    assert done.returncode == 0, done.stdout + done.stderr


# --------------------------------------------------------------------------- lost


def test_a_lost_terminal_is_cut_off_by_one_command_and_a_copy_of_its_old_key_is_of_no_use(
    switch: SwitchProcess, tmp_path
):
    shop = Operator(switch, tmp_path)
    stolen = tmp_path / "stolen.key"
    shutil.copy(tmp_path / "101.key", stolen)

    async def lost():
        link = await Link.connect(*switch.address, read_credentials(stolen))
        await asyncio.to_thread(shop, "terminal", "block", "101")
        with pytest.raises(Exception, match="ended"):
            await link.request(0x01, b"", 5_000)
        with pytest.raises(SignOnRefusedError) as caught:
            await Link.connect(*switch.address, read_credentials(stolen))
        assert caught.value.code == ResponseCode.SIGN_ON_REFUSED

    asyncio.run(lost())
    assert asyncio.run(records_of(switch))[101].status == TerminalStatus.BLOCKED

    shop("terminal", "put", "101", "--store", "1", "--key-file", "found.key")

    async def found():
        with pytest.raises(SignOnRefusedError):
            await Link.connect(*switch.address, read_credentials(stolen))
        async with till_of_key(switch, tmp_path / "found.key") as till:
            assert (await till.debit(CARD, 1)).verdict is Verdict.APPROVED

    asyncio.run(found())


def till_of_key(switch: SwitchProcess, path):
    return Client(*switch.address, TerminalKey(path), MemoryTrace("a test"), policy=PATIENT)


# --------------------------------------------------------------------------- at the command line


def test_the_command_line_shows_where_the_keys_stand_and_changes_its_own(switch: SwitchProcess, tmp_path):
    shop = Operator(switch, tmp_path)
    before = read_credentials(switch.data / "operator.key")

    assert "renew" not in shop("terminal", "keys").lower()
    assert "2 terminals" in shop("terminal", "key", "renew", "102", "103")
    assert "0 terminals" in shop("terminal", "key", "renew", "103")
    shown = shop("terminal", "keys")
    words = shop("terminal", "key", "change")
    after = read_credentials(switch.data / "operator.key")

    assert "renew" in shown.lower()
    assert before.key != after.key
    assert after.key.hex() not in words and before.key.hex() not in words
    assert shop("terminal", "list")
    assert asyncio.run(refused(switch, before)) == ResponseCode.SIGN_ON_REFUSED
    unknown = shop.run("terminal", "key", "renew", "999")
    assert unknown.returncode == 1 and "expected one that exists" in unknown.stderr


async def refused(switch: SwitchProcess, credentials):
    with pytest.raises(SignOnRefusedError) as caught:
        await Link.connect(*switch.address, credentials)
    return caught.value.code
