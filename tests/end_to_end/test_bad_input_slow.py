"""Whoever keeps the switch waiting, or does not read, or is suddenly gone, loses its own connection and nothing else.

The clocks of ten seconds run once, for all kinds of slowness side by side and for as many half-open connections as this
machine allows, up to ten thousand.
"""

import resource
import select
import socket
import time
from contextlib import ExitStack

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.limits import FRAME_TIMEOUT_MS, SIGN_ON_TIMEOUT_MS
from switch.protocol.messages import BillLine, MessageType
from tests.fuzz.peer import HANG_S, message
from tests.fuzz.running import CARD, Watch, running_switch

HALF_OPEN_WANTED = 10_000
CROWD = [f"127.0.0.{host}" for host in range(2, 7)]
"""One address may hold a quarter of the connections before sign-on (12,000 by default): the crowd comes from five."""
FILES_FOR_OTHERS = 500
LAST_S = 15.0
MIB = 1 << 20


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    with running_switch(tmp_path_factory.mktemp("switch")) as switch:
        yield switch


@pytest.fixture(autouse=True)
def _the_neighbour_keeps_working(switch):
    yield
    switch.neighbour.check()


@pytest.fixture(scope="module")
def many_files():
    """As many open files as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def has_ended(sock):
    """Whether the switch has closed; what it may have sent before is read away."""
    try:
        while data := sock.recv(1 << 16, socket.MSG_DONTWAIT):
            assert data
        return True
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


def connect_from(address, switch):
    """A TCP connection from another address of this machine."""
    sock = socket.socket()
    sock.settimeout(HANG_S)
    sock.bind((address, 0))
    sock.connect(switch.address)
    return sock


def wait_for(condition, what, hang_s=HANG_S):
    end_s = time.monotonic() + hang_s
    while not condition():
        assert time.monotonic() < end_s, f"waited in vain: {what}"
        time.sleep(0.01)


def debit_frame(peer, sequence=0, **fields):
    request = peer.request(MessageType.DEBIT, **({"card_number": CARD, "amount_minor": 1} | fields))
    return peer.seal(message(MessageType.DEBIT, request.encode(), sequence))


# --------------------------------------------------------------------------- too slow


class Slow:
    """Peers that keep the switch waiting, each in its way, from one moment on; and when each was closed."""

    def __init__(self, switch, stack, half_open_count):
        self.watch = Watch(switch)
        self.memory_before = switch.resident_bytes()
        self.ended_after_s = {}
        credentials = switch.new_terminal()
        self.silent = stack.enter_context(switch.connect())
        self.half_sign_on = stack.enter_context(switch.connect(credentials))
        self.half_sign_on.send(self.half_sign_on.sign_on_frame()[:31])
        self.dripping_sign_on = stack.enter_context(switch.connect(credentials))
        self.drips_of_sign_on = iter(self.dripping_sign_on.sign_on_frame())
        self.half_frame = stack.enter_context(switch.signed_on(credentials))
        self.half_frame.send(debit_frame(self.half_frame)[:40])
        self.half_length = stack.enter_context(switch.signed_on(credentials))
        self.half_length.send(b"\0")
        self.dripping_frame = stack.enter_context(switch.signed_on(credentials))
        lines = tuple(BillLine(amount_minor=0) for _ in range(20))
        self.drips_of_frame = iter(debit_frame(self.dripping_frame, lines=lines))
        self.frame_and_a_half = stack.enter_context(switch.signed_on(credentials))
        self.frame_and_a_half.send(debit_frame(self.frame_and_a_half) + debit_frame(self.frame_and_a_half)[:9])
        self.idle = stack.enter_context(switch.signed_on(credentials))
        self.began_s = time.monotonic()
        self.half_open = []
        for number in range(half_open_count):
            sock = stack.enter_context(connect_from(CROWD[number % len(CROWD)], switch))
            if number % 3:
                sock.sendall(b"\0\x3cCSWP"[: number % 7])
            self.half_open.append(sock)
        self.complete_s = time.monotonic()

    def wait(self, switch):
        """Let the clocks run; every third of a second the drips go on."""
        poller = select.poll()
        waiting: dict[int, tuple[str | int, socket.socket]] = {}
        named = {name: peer for name, peer in vars(self).items() if hasattr(peer, "sock")}
        for name, peer in named.items():
            waiting[peer.sock.fileno()] = (name, peer.sock)
        for number, sock in enumerate(self.half_open):
            waiting[sock.fileno()] = (number, sock)
        for descriptor in waiting:
            poller.register(descriptor, select.POLLIN)
        next_drip_s = 0.0
        while waiting.keys() != {self.idle.sock.fileno()} and time.monotonic() - self.complete_s < LAST_S:
            elapsed_s = time.monotonic() - self.began_s
            if elapsed_s >= next_drip_s:
                next_drip_s = elapsed_s + 0.33
                for peer, drips in (
                    (self.dripping_sign_on, self.drips_of_sign_on),
                    (self.dripping_frame, self.drips_of_frame),
                ):
                    peer.send(bytes([next(drips)]))
                switch.neighbour.check(1)
            for descriptor, _ in poller.poll(100):
                who, sock = waiting[descriptor]
                if has_ended(sock):
                    self.ended_after_s[who] = time.monotonic() - self.began_s
                    poller.unregister(descriptor)
                    del waiting[descriptor]
        self.moved = self.watch.moved()
        self.entries = self.watch.entries()
        self.memory_after = switch.resident_bytes()


@pytest.fixture(scope="module")
def slow(switch, many_files):
    with ExitStack() as stack:
        slow = Slow(switch, stack, min(HALF_OPEN_WANTED, many_files - FILES_FOR_OTHERS))
        wait_for(lambda: switch.figures()["connections_open"] >= len(slow.half_open), "all to be accepted")
        slow.wait(switch)
        yield slow


@pytest.mark.parametrize("name", ["silent", "half_sign_on", "dripping_sign_on"])
def test_a_connection_without_a_whole_sign_on_is_closed_after_its_time(slow, name):
    assert slow.ended_after_s[name] > SIGN_ON_TIMEOUT_MS / 1000 - 1.0


@pytest.mark.parametrize("name", ["half_frame", "half_length", "dripping_frame", "frame_and_a_half"])
def test_a_session_whose_frame_does_not_come_to_its_end_is_closed_after_its_time(slow, name):
    assert slow.ended_after_s[name] > FRAME_TIMEOUT_MS / 1000 - 1.0
    assert slow.moved["closed: silent for too long"] == 4


def test_a_frame_that_was_whole_before_the_slow_one_stays_applied_and_the_slow_ones_are_not(slow):
    assert [entry.request_type for entry in slow.entries if entry.request_type == MessageType.DEBIT] == [
        MessageType.DEBIT
    ]


def test_a_session_that_is_merely_quiet_is_not_closed_so_soon(slow):
    assert "idle" not in slow.ended_after_s
    assert slow.idle.do(MessageType.BALANCE, card_number=CARD).code == ResponseCode.APPROVED


def test_thousands_of_half_open_connections_are_held_and_then_all_closed_and_counted(slow, switch, record_property):
    record_property("half_open", len(slow.half_open))

    assert len(slow.ended_after_s) == len(slow.half_open) + 7
    assert slow.moved["closed: no sign-on in time"] == len(slow.half_open) + 3
    assert min(slow.ended_after_s.values()) > SIGN_ON_TIMEOUT_MS / 1000 - 1.0
    assert switch.figures()["connections_open"] < 20
    assert slow.memory_after - slow.memory_before < 200 * MIB


# --------------------------------------------------------------------------- not reading


@pytest.mark.parametrize("asked", [MessageType.BALANCE, MessageType.ECHO], ids=lambda type_: type_.name)
def test_a_peer_that_never_reads_is_cut_off_at_the_bound_and_memory_stays_bounded(switch, asked):
    credentials = switch.new_terminal()
    memory_before = switch.resident_bytes()
    watch = Watch(switch)

    with switch.signed_on(credentials, receive_bytes=4_096) as peer:
        body = peer.request(asked, card_number=CARD).encode() if asked == MessageType.BALANCE else bytes(8)
        sent = 0
        peer.sock.settimeout(0.2)
        end_s = time.monotonic() + HANG_S
        while watch.moved().get("connections_open"):
            assert time.monotonic() < end_s, f"not cut off after {sent} inquiries"
            try:
                peer.sock.sendall(b"".join(peer.seal(message(asked, body, sent + n)) for n in range(2_000)))
            except (ConnectionResetError, BrokenPipeError, TimeoutError):
                # What the dispatcher answers is held back, not kept, and the peer has the time of a frame to read.
                hang_s = FRAME_TIMEOUT_MS / 1000 + HANG_S
                wait_for(lambda: not watch.moved().get("connections_open"), "the switch to close", hang_s=hang_s)
            sent += 2_000

    assert watch.moved()["closed: peer does not read its answers"] == 1
    assert switch.resident_bytes() - memory_before < 64 * MIB
    assert watch.entries() == []


def test_a_peer_that_reads_late_gets_every_answer_in_order(switch):
    with switch.signed_on(receive_bytes=4_096) as peer:
        body = peer.request(MessageType.BALANCE, card_number=CARD).encode()
        count = 8_000

        peer.send(b"".join(peer.seal(message(MessageType.BALANCE, body, n)) for n in range(count)))
        time.sleep(0.3)  # the answers fill the sockets and wait in the switch
        answers = [peer.receive() for _ in range(count)]

        assert [answer.header.sequence for answer in answers] == list(range(count))


# --------------------------------------------------------------------------- half-closed, gone


@pytest.mark.parametrize("count", [1, 40, 1_000])
def test_a_peer_that_has_said_its_last_word_still_gets_its_answers(switch, count):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    with switch.signed_on(credentials) as peer:
        peer.send(b"".join(debit_frame(peer, n) for n in range(count)))
        peer.shut_writing()
        answers = list(peer.answers_until_closed())

    assert [(answer.header.sequence, answer.code) for answer in answers] == [(n, 0) for n in range(count)]
    assert len(watch.entries()) == count


def gone_after_connecting(switch, credentials):
    return switch.connect()


def gone_in_its_sign_on(switch, credentials):
    peer = switch.connect(credentials)
    peer.send(peer.sign_on_frame()[:20])
    return peer


def gone_before_its_terms(switch, credentials):
    peer = switch.connect(credentials)
    peer.send(peer.sign_on_frame())
    return peer


def gone_when_refused(switch, credentials):
    peer = switch.connect(credentials)
    peer.send(peer.sign_on_frame(key=b"w" * 32))
    return peer


def gone_after_sign_on(switch, credentials):
    return switch.signed_on(credentials)


def gone_in_a_frame(switch, credentials):
    peer = switch.signed_on(credentials)
    peer.send(debit_frame(peer)[:30])
    return peer


def gone_before_its_answer(switch, credentials):
    peer = switch.signed_on(credentials)
    peer.send(debit_frame(peer))
    return peer


def gone_with_many_in_flight(switch, credentials):
    peer = switch.signed_on(credentials, receive_bytes=4_096)
    body = peer.request(MessageType.BALANCE, card_number=CARD).encode()
    peer.send(b"".join(peer.seal(message(MessageType.BALANCE, body)) for _ in range(3_000)))
    return peer


def gone_in_its_sign_off(switch, credentials):
    peer = switch.signed_on(credentials)
    peer.send_message(MessageType.SIGN_OFF)
    return peer


@pytest.mark.parametrize(
    "gone",
    [
        gone_after_connecting,
        gone_in_its_sign_on,
        gone_before_its_terms,
        gone_when_refused,
        gone_after_sign_on,
        gone_in_a_frame,
        gone_before_its_answer,
        gone_with_many_in_flight,
        gone_in_its_sign_off,
    ],
)
@pytest.mark.parametrize("way", ["reset", "close"])
def test_a_peer_that_is_suddenly_gone_leaves_nothing_behind(switch, gone, way):
    credentials = switch.new_terminal()
    watch = Watch(switch)

    for _ in range(10):
        peer = gone(switch, credentials)
        getattr(peer, way)()

    wait_for(lambda: not watch.moved().get("connections_open"), "all to be forgotten")
    assert {entry.request_type for entry in watch.entries()} <= {MessageType.DEBIT}
    assert gone is gone_before_its_answer or watch.entries() == []


# --------------------------------------------------------------------------- too many


def test_connections_beyond_the_bound_are_turned_away_and_counted(tmp_path):
    with running_switch(tmp_path, settings={"connections_max": 12}) as switch, ExitStack() as stack:
        switch.neighbour.check()
        assert switch.figures()["connections_open"] == 2  # the operator and the neighbour
        inside = [stack.enter_context(switch.connect()) for _ in range(10)]
        wait_for(lambda: switch.figures()["connections_open"] == 12, "ten more connections")
        watch = Watch(switch)

        outside = [stack.enter_context(switch.connect()) for _ in range(25)]
        for peer in outside:
            peer.wait_closed()
        moved = watch.moved()
        for peer in inside:
            peer.close()
        wait_for(lambda: switch.figures()["connections_open"] == 2, "room again")
        with switch.signed_on() as late:
            reply = late.do(MessageType.BALANCE, card_number=CARD)

    assert (moved["connections_turned_away"], moved.get("connections_accepted")) == (25, None)
    assert reply.code == ResponseCode.APPROVED


def test_strangers_who_take_every_file_descriptor_do_not_stop_the_journal(tmp_path):
    with running_switch(tmp_path, files_max=100) as switch, ExitStack() as stack:
        peer = stack.enter_context(switch.signed_on())
        strangers = [stack.enter_context(switch.connect()) for _ in range(200)]
        lines = tuple(BillLine(amount_minor=0) for _ in range(255))

        for _ in range(50):  # 60 MB of entries: more segments than are kept ready
            frames = [debit_frame(peer, lines=lines) for _ in range(150)]
            peer.send(b"".join(frames))
            codes = {peer.receive().code for _ in frames}
            switch.neighbour.check()
            wait_for(lambda: switch.figures()["segments_spare"] > 1, "a segment to be prepared", hang_s=2.0)
        for stranger in strangers:
            stranger.close()

    assert codes == {ResponseCode.APPROVED}
