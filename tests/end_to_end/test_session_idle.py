"""A session that says nothing whole for its idle time is closed, one that echoes is not.

On a clock that the test moves.
"""

import asyncio
import time

import pytest
import uvloop

import switch.accept
from switch.accept import Listener
from switch.protocol.limits import FRAME_TIMEOUT_MS, IDLE_TIMEOUT_MS
from switch.protocol.messages import MessageType
from terminals.credentials import Credentials
from tests.fuzz.inprocess import NOW_MS, TERMINAL_ID, TERMINAL_KEY, Bench
from tests.fuzz.peer import HANG_S, Peer

SWEEP_S = 0.005
CREDENTIALS = Credentials(TERMINAL_ID, TERMINAL_KEY)


class Clock:
    def __init__(self):
        self.ms = 1_000_000

    def __call__(self):
        return self.ms


@pytest.fixture
def on_a_listener(monkeypatch):
    """Runs a test's steps in a thread beside a listener whose clock stands still."""
    monkeypatch.setattr(switch.accept, "SWEEP_S", SWEEP_S)

    def run(steps):
        async def beside():
            bench, clock = Bench(), Clock()
            listener = Listener(bench.dispatcher, 100, lambda: NOW_MS, clock)
            address = await listener.open("127.0.0.1", 0)
            try:
                with Peer(address, CREDENTIALS) as peer:
                    await asyncio.to_thread(signed_on, peer)
                    await asyncio.to_thread(steps, peer, clock, listener)
            finally:
                await listener.drain()
            return listener

        return uvloop.run(beside())

    return run


def signed_on(peer):
    """Signed on, and seen to be read: from here on the clock may move."""
    peer.sign_on()
    echo(peer)


def echo(peer):
    assert peer.ask(MessageType.ECHO, bytes(8)).header.type == 0x82


def send(peer, listener, data):
    """Send, and wait until it has been received."""
    wanted, end_s = listener.intake.receive_count + 1, time.monotonic() + HANG_S
    peer.send(data)
    while listener.intake.receive_count < wanted:
        assert time.monotonic() < end_s, "the listener does not read"
        time.sleep(0.001)


def let_it_sweep(listener):
    """Until silent connections have been looked for, twice to be sure."""

    async def wait():
        await asyncio.sleep(4 * SWEEP_S)

    asyncio.run_coroutine_threadsafe(wait(), listener._loop).result()


def test_a_session_without_a_whole_frame_for_the_idle_time_is_closed_and_counted(on_a_listener):
    def steps(peer, clock, listener):
        clock.ms += IDLE_TIMEOUT_MS
        let_it_sweep(listener)
        assert len(listener.intake) == 1
        clock.ms += 1
        peer.wait_closed()

    listener = on_a_listener(steps)

    assert listener.closed_counts == {"silent for too long": 1}


def test_an_echo_in_time_keeps_a_session_open_for_ever(on_a_listener):
    def steps(peer, clock, listener):
        for _ in range(10):
            clock.ms += IDLE_TIMEOUT_MS - 1
            echo(peer)
            let_it_sweep(listener)

    listener = on_a_listener(steps)

    assert listener.closed_counts == {}


def test_half_a_frame_shortens_the_time_and_more_halves_do_not_prolong_it(on_a_listener):
    def steps(peer, clock, listener):
        frame = peer.seal(bytes(100))
        for at in range(10):
            send(peer, listener, frame[at : at + 1])
            let_it_sweep(listener)
            clock.ms += FRAME_TIMEOUT_MS // 10
        let_it_sweep(listener)
        assert len(listener.intake) == 1
        clock.ms += 1
        peer.wait_closed()

    listener = on_a_listener(steps)

    assert listener.closed_counts == {"silent for too long": 1}


def test_a_frame_that_is_whole_in_time_gives_the_idle_time_back(on_a_listener):
    def steps(peer, clock, listener):
        frame = peer.seal(bytes(100))
        send(peer, listener, frame[:50])
        let_it_sweep(listener)
        clock.ms += FRAME_TIMEOUT_MS - 1
        peer.send(frame[50:])
        assert peer.receive().error.code
        clock.ms += IDLE_TIMEOUT_MS
        let_it_sweep(listener)
        echo(peer)

    listener = on_a_listener(steps)

    assert listener.closed_counts == {}
