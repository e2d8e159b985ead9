import asyncio
import errno
import os
import re
import sys

import pytest

import switch._checkpoints
from switch._checkpoints import Checkpoints
from tests.support.desk import Desk, make_shop

HANG_S = 20
PIECEMEAL = """
import os, sys, time
for line in sys.stdin:
    for piece in (line[:2], line[2:-1], line[-1:]):
        os.write(1, piece.encode())
        time.sleep(0.1)
"""
ENDS_AT_ONCE = "pass"
ENDS_WHEN_ASKED = "import sys; sys.stdin.readline()"


class Talking(Checkpoints):
    """Checkpoints whose child is another program, and is started as often as it says."""

    def __init__(self, program, desk, position=0):
        super().__init__(desk.directory, desk.engine.commit, position)
        self.program, self.started_count = program, 0

    def _command(self):
        self.started_count += 1
        return [sys.executable, "-c", self.program]


@pytest.fixture
def desk(tmp_path):
    return Desk(make_shop(tmp_path / "data", checkpoint_bytes=1))


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(switch._checkpoints, "LOOK_S", 0.01)


async def until(condition):
    async with asyncio.timeout(HANG_S):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_report_that_comes_in_pieces_is_one_report_and_not_the_end_of_the_child(desk, capfd):
    checkpoints = Talking(PIECEMEAL, desk)
    end = desk.engine.commit.durable_position
    seen = set()

    def is_reported():
        seen.add(checkpoints.reached_position)
        return checkpoints.reached_position == end

    async def run():
        checkpoints.start()
        await until(is_reported)
        await asyncio.sleep(0.3)
        desk.debit()
        desk.commit()
        checkpoints.stop()
        seen.add(checkpoints.reached_position)

    asyncio.run(run())

    assert seen == {0, end, desk.engine.commit.durable_position}, "no position that nobody reported"
    assert checkpoints.started_count == 1
    assert "has ended" not in capfd.readouterr().err


@pytest.mark.parametrize("program", [ENDS_AT_ONCE, ENDS_WHEN_ASKED])
def test_a_child_that_has_ended_is_started_again_after_the_pause_that_is_told_and_not_before(
    desk, capfd, monkeypatch, program
):
    monkeypatch.setattr(switch._checkpoints, "AGAIN_S", 3600)
    checkpoints = Talking(program, desk)
    said = []

    def has_been_told():
        said.append(capfd.readouterr().err)
        return "has ended" in "".join(said)

    async def run():
        checkpoints.start()
        await until(has_been_told)
        await asyncio.sleep(0.2)  # many looks
        checkpoints.stop()

    asyncio.run(run())

    assert checkpoints.started_count == 1
    assert re.search("ended with status 0; it is started again in 3600 s", "".join(said))


def test_a_child_that_cannot_be_started_again_just_now_is_tried_again_and_stops_nobody(desk, monkeypatch, capfd):
    monkeypatch.setattr(switch._checkpoints, "AGAIN_S", 0.02)
    checkpoints = Talking(ENDS_AT_ONCE, desk)
    faults = []

    def no_memory():
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
        checkpoints.start()
        with monkeypatch.context() as now:
            now.setattr(checkpoints, "_command", no_memory)
            await until(lambda: "cannot be started ([Errno 12]" in capfd.readouterr().err)
        await until(lambda: checkpoints.started_count >= 2)
        checkpoints.stop()

    asyncio.run(run())

    assert faults == []


def test_a_child_that_has_ended_is_started_again(desk, monkeypatch):
    monkeypatch.setattr(switch._checkpoints, "AGAIN_S", 0.02)
    checkpoints = Talking(ENDS_AT_ONCE, desk)

    async def run():
        checkpoints.start()
        await until(lambda: checkpoints.started_count >= 3)
        checkpoints.stop()

    asyncio.run(run())

    assert checkpoints.reached_position == 0
