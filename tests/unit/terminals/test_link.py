import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from switch.protocol.codes import ResponseCode
from switch.protocol.layout import layout_of
from switch.protocol.messages import BalanceRequest, Header, MessageType, Reply
from terminals.credentials import Credentials
from terminals.errors import LinkLostError, RequestTimeoutError, SignOnRefusedError
from terminals.link import Link
from tests.unit.terminals.peer import CARD, TERMINAL_ID, TERMINAL_KEY, Fault, Peer

TILL = Credentials(TERMINAL_ID, TERMINAL_KEY)
BALANCE = BalanceRequest(stamp_ms=1_000 * 86_400_000, card_number=CARD).encode()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on each event loop that a terminal may use."""

    def on_loop(coroutine: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(coroutine)

    return on_loop


class Listener:
    """An asker that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[int | LinkLostError] = []

    def answered(self, header: Header, body: bytes) -> None:
        self.heard.append(header.sequence)

    def lost(self, error: LinkLostError) -> None:
        self.heard.append(error)


@asynccontextmanager
async def stranger(words: bytes) -> AsyncIterator[tuple[str, int]]:
    """Something that listens, says these words and is no switch."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        while await reader.read(1_000):
            pass
        writer.close()
        ended.set()

    ended = asyncio.Event()
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()
        await ended.wait()


def balance_in(body: bytes) -> int:
    return Reply.decode(body).balance_minor


def test_sign_on_tells_the_terms_and_proves_the_key(run):
    async def scenario():
        async with Peer() as peer:
            link = await Link.connect(*peer.address, TILL)

            assert link.alive
            assert link.terms.in_flight_max == peer.in_flight_max
            await link.close()

    run(scenario())


def test_a_wrong_key_is_refused_and_nothing_was_sent(run):
    async def scenario():
        async with Peer() as peer:
            with pytest.raises(
                SignOnRefusedError, match="231 SIGN_ON_REFUSED; check terminal number and key"
            ) as caught:
                await Link.connect(*peer.address, Credentials(TERMINAL_ID, b"x" * 32))

            assert caught.value.code == ResponseCode.SIGN_ON_REFUSED
            assert not caught.value.sent

    run(scenario())


def test_a_busy_switch_says_how_long_to_wait(run):
    async def scenario():
        async with Peer() as peer:
            peer.refuse_with = ResponseCode.BUSY, 250

            with pytest.raises(SignOnRefusedError) as caught:
                await Link.connect(*peer.address, TILL)

            assert (caught.value.code, caught.value.retry_after_ms) == (ResponseCode.BUSY, 250)

    run(scenario())


def test_nobody_listening_is_said_with_the_address(run):
    async def scenario():
        peer = Peer()
        async with peer:
            host, port = peer.address
        with pytest.raises(
            LinkLostError, match=f"expected a switch at {host}:{port}, got .*; check the address"
        ) as caught:
            await Link.connect(host, port, TILL)
        assert not caught.value.sent

    run(scenario())


def test_a_switch_that_says_nothing_ends_the_attempt(run):
    async def scenario():
        async with stranger(b"") as address:
            with pytest.raises(LinkLostError, match="to answer the sign-on within 50 ms, got nothing"):
                await Link.connect(*address, TILL, timeout_ms=50)

    run(scenario())


def test_a_peer_that_speaks_something_else_is_cut(run):
    async def scenario():
        async with stranger(b"\x00\x08HTTP/1.1") as address:
            with pytest.raises(LinkLostError, match="broke the protocol"):
                await Link.connect(*address, TILL)

    run(scenario())


def test_replies_find_their_requests_whatever_their_order(run):
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            link = await Link.connect(*peer.address, TILL)
            peer.faults = [Fault.HOLD, Fault.NONE]
            unknown_card = BalanceRequest(stamp_ms=0, card_number=12345678).encode()

            first, second = await asyncio.gather(
                link.request(MessageType.BALANCE, unknown_card, 1_000),
                link.request(MessageType.BALANCE, BALANCE, 1_000),
            )

            assert (balance_in(first[1]), balance_in(second[1])) == (0, 100_00)
            await link.close()

    run(scenario())


def test_the_window_of_the_switch_is_kept(run):
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            peer.in_flight_max = 3
            link = await Link.connect(*peer.address, TILL)
            askers = [Listener() for _ in range(20)]

            for asker in askers:
                link.submit(MessageType.BALANCE, BALANCE, asker)
            assert link.in_flight_count == 3
            while not all(asker.heard for asker in askers):
                await asyncio.sleep(0.001)

            assert len(peer.messages) == 20
            await link.close()

    run(scenario())


def test_a_request_without_answer_times_out_and_its_late_answer_disturbs_nobody(run):
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            link = await Link.connect(*peer.address, TILL)
            peer.faults = [Fault.HOLD, Fault.NONE]

            with pytest.raises(RequestTimeoutError, match="expected a reply to BALANCE within 50 ms") as caught:
                await link.request(MessageType.BALANCE, BALANCE, 50)
            _, body = await link.request(MessageType.BALANCE, BALANCE, 1_000)
            while not link.late_count:
                await asyncio.sleep(0.001)

            assert caught.value.sent
            assert balance_in(body) == 100_00
            await link.close()

    run(scenario())


def test_when_the_connection_ends_all_hear_whether_they_were_sent(run):
    async def scenario():
        async with Peer() as peer:
            peer.in_flight_max = 2
            peer.judge = lambda message: Fault.LOSE_REQUEST
            link = await Link.connect(*peer.address, TILL)
            askers = [Listener() for _ in range(4)]
            for asker in askers:
                link.submit(MessageType.BALANCE, BALANCE, asker)

            await peer.shut()
            while not all(asker.heard for asker in askers):
                await asyncio.sleep(0.001)

            errors = [asker.heard[0] for asker in askers]
            assert [isinstance(error, LinkLostError) and error.sent for error in errors] == [True, True, False, False]
            assert all(len(asker.heard) == 1 for asker in askers)
            with pytest.raises(LinkLostError):
                link.submit(MessageType.BALANCE, BALANCE, Listener())

    run(scenario())


def test_an_idle_link_echoes_and_lives(run):
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            peer.idle_timeout_ms = 60
            link = await Link.connect(*peer.address, TILL)

            while peer.echo_count < 3:
                await asyncio.sleep(0.005)

            assert link.alive
            assert link.business_date == peer.twin.today
            await link.close()
            assert peer.signed_off_count == 1

    run(scenario())


def test_an_echo_without_answer_ends_the_link(run):
    async def scenario():
        async with Peer() as peer:
            peer.idle_timeout_ms = 60
            peer.echoes = False
            link = await Link.connect(*peer.address, TILL)
            asker = Listener()
            peer.judge = lambda message: Fault.LOSE_REQUEST
            link.submit(MessageType.BALANCE, BALANCE, asker)

            while not asker.heard:
                await asyncio.sleep(0.005)

            assert "expected an answer to an echo within 20 ms, got none" in str(asker.heard[0])
            assert not link.alive

    run(scenario())


def test_bytes_from_the_switch_may_come_in_any_pieces(run):
    async def scenario():
        async with Peer() as peer:
            peer.prepare()
            link = await Link.connect(*peer.address, TILL)
            whole = link.data_received

            def byte_by_byte(data: bytes) -> None:
                for index in range(len(data)):
                    whole(data[index : index + 1])

            link.data_received = byte_by_byte  # type: ignore[method-assign]

            _, body = await link.request(MessageType.BALANCE, BALANCE, 1_000)

            assert len(body) == layout_of(Reply).width_bytes
            await link.close()

    run(scenario())
