"""Whoever fills the batch with long answers waits for the next one; nobody else's answer is dropped for it.

In one turn of the switch all sockets are read first and the dispatcher answers then, one session after the other.
"""

from contextlib import ExitStack
from typing import Any

import pytest

from switch.protocol.messages import BillLine, DebitRequest, EchoRequest, FollowRequest, MessageType, PutTerminalRequest
from tests.fuzz.inprocess import CARD, NOW_MS, TODAY, Bench
from tests.fuzz.peer import message

KEY: dict[str, Any] = {"business_date": TODAY, "stamp_ms": NOW_MS}


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def follower(bench):
    """A follower whose journal is as long as the longest answer."""
    with bench.session() as session:
        lines = tuple(BillLine(amount_minor=0) for _ in range(255))
        for number in range(9):
            debit = DebitRequest(**KEY, trace_number=number, card_number=CARD, amount_minor=1, lines=lines)
            session.feed(session.seal(message(MessageType.DEBIT, debit.encode())))
        session.answers()
        yield session


@pytest.fixture
def fill(bench, follower):
    """Other sessions ask in the same turn until not even an echo has room: long answers first, then shorter ones."""
    with ExitStack() as stack:
        greedy = []
        for bytes_max in (65_000, 5_000, 400, 1):
            session = stack.enter_context(bench.session())
            body = FollowRequest(partition=0, bytes_max=bytes_max, position=0).encode()
            asked = b"".join(session.seal(message(MessageType.FOLLOW, body, n)) for n in range(1_000))
            greedy.append((session, session.take(asked)))
        session = stack.enter_context(bench.session())
        asked = b"".join(session.seal(message(MessageType.ECHO, bytes(8), n)) for n in range(100))
        greedy.append((session, session.take(asked)))

        def fill():
            for session, messages in greedy:
                session.dispatch(messages)

        yield fill


def test_an_echo_of_another_terminal_in_the_same_turn_is_answered(bench, fill):
    with bench.session() as other:
        asked = other.take(other.seal(message(MessageType.ECHO, EchoRequest(stamp_ms=1).encode(), 5)))
        fill()

        other.dispatch(asked)

        assert not other.signed_off
        assert [answer.header.sequence for answer in other.answers()] == [5]


def test_a_put_terminal_of_another_terminal_in_the_same_turn_is_answered(bench, fill):
    with bench.session() as other:
        request = PutTerminalRequest(
            **KEY, trace_number=99, terminal_id=50, store_id=1, rights=1, key=bytes(range(1, 33)) + bytes(8)
        )
        asked = other.take(other.seal(message(MessageType.PUT_TERMINAL, request.encode(), 6)))
        fill()

        other.dispatch(asked)

        assert [answer.header.sequence for answer in other.answers()] == [6] or other.signed_off
