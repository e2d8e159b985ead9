"""A paused link is not read and loses nothing: what waits in socket and backlog comes when the batch is through.

The shared receive buffer has room for what one pause keeps and one receive, not for more.
"""

import socket

import pytest

from switch._link import RECEIVE_BYTES
from switch.protocol.messages import BalanceRequest, MessageType
from tests.fuzz.inprocess import CARD, NOW_MS, Bench
from tests.fuzz.peer import message

INQUIRY = message(MessageType.BALANCE, BalanceRequest(stamp_ms=0, card_number=CARD).encode())


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def slow(bench):
    """A terminal that does not read: its socket takes little, in the other direction much fits."""
    with bench.session() as session:
        session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        session._theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        bench.intake.add(session.link, 0)
        yield session
        bench.intake.remove(session.link)


@pytest.fixture
def flood(bench):
    """Others ask so much that the batch is full."""
    with bench.session() as others:

        def flood():
            others.feed(b"".join(others.seal(INQUIRY) for _ in range(4_000)))
            while not others.link.paused:
                others.feed(b"".join(others.seal(INQUIRY) for _ in range(4_000)))

        yield flood


def send(session, count):
    return session.sock.send(b"".join(session.seal(INQUIRY) for _ in range(count)))


def paused_with_a_backlog(bench, slow, flood):
    """The link's socket is full of answers, more wait, and the batch has no room for its next questions."""
    send(slow, 1_000)
    bench.intake.run(NOW_MS, 0)
    bench.commit.commit_now()
    flood()
    kept = send(slow, 5_000)
    [(link, cold, fault)] = bench.intake.run(NOW_MS, 0)
    assert (link, cold, fault) == (slow.link, None, None)
    assert link.paused and link.waiting_bytes == kept
    return kept


def test_a_paused_link_keeps_what_came_and_reads_no_more(bench, slow, flood):
    kept = paused_with_a_backlog(bench, slow, flood)
    send(slow, 4_000)

    outcomes = bench.intake.run(NOW_MS, 0)

    assert outcomes == []
    assert slow.link.waiting_bytes == kept <= RECEIVE_BYTES


def test_a_paused_link_is_not_read_when_its_backlog_is_waited_for(bench, slow, flood):
    kept = paused_with_a_backlog(bench, slow, flood)
    send(slow, 4_000)

    bench.intake.wait_for_sockets()
    bench.intake.run(NOW_MS, 0)

    # Once more and the shared buffer would be written beyond its end.
    assert slow.link.waiting_bytes == kept <= RECEIVE_BYTES


def test_a_backlog_is_sent_to_its_end_after_a_pause(bench, slow, flood):
    paused_with_a_backlog(bench, slow, flood)
    send(slow, 100)
    bench.intake.wait_for_sockets()
    bench.intake.run(NOW_MS, 0)
    bench.commit.commit_now()
    bench.intake.resume(slow.link, NOW_MS, 0)

    # From here on the peer reads and says no more: every answer must come, however slowly.
    answers, idle_turns = [], 0
    while idle_turns < 3:
        bench.intake.run(NOW_MS, 0)
        more = slow.answers()
        bench.intake.wait_for_sockets()
        answers += more
        idle_turns = 0 if more else idle_turns + 1

    assert len(answers) == 1_000 + 5_000 + 100
