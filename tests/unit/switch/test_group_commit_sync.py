"""The sacred order, seen from outside: a real switch on a disk that takes its time, or fails."""

import time
from contextlib import suppress
from itertools import pairwise

import pytest

from switch.group_commit import EXIT_NOT_DURABLE
from switch.protocol.messages import BalanceRequest, DebitRequest, MessageType
from tests.support.desk import CARD, OPENING_MINOR, TILL_ID, TILL_KEY, Desk, blocks_of, entries_of, make_shop
from tests.support.switch_process import SwitchProcess
from tests.support.sync_shim import SyncShim
from tests.support.till import HungUpError, Till

DELAY_MS = 200
MS = 1_000_000


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    return SyncShim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def switch(tmp_path, shim):
    """A switch on a shop, with the shim under it, at the disk's own pace."""
    for order in ("delay_ms", "fail_sync", "fail_write", "tear_bytes"):
        shim.cancel(order)
    with SwitchProcess(make_shop(tmp_path / "data"), environment=shim.environment, preload=shim.binary) as process:
        yield process


@pytest.fixture
def tills(switch):
    """As many signed-on connections as asked for, each of a terminal with every right."""
    opened: list[Till] = []

    def connect(count=1):
        opened.extend(Till(switch.address, TILL_ID, TILL_KEY) for _ in range(count))
        return opened[-count:]

    yield connect
    for till in opened:
        till.__exit__()


class Traces:
    """Trace numbers that no one has used."""

    number = 500_000


def debit(till, amount_minor=100):
    Traces.number += 1
    return DebitRequest(
        trace_number=Traces.number,
        business_date=till.terms.business_date,
        stamp_ms=0,
        card_number=CARD,
        amount_minor=amount_minor,
    )


def inquiry():
    return BalanceRequest(stamp_ms=0, card_number=CARD)


def wait_for_sync(shim, count):
    """Until the shim has seen so many syncs begin."""
    deadline_s = time.monotonic() + 20
    while len(shim.syncs()) < count:
        assert time.monotonic() < deadline_s, f"expected {count} syncs, got {shim.syncs()}"
        time.sleep(0.002)


# ------------------------------------------------------------------------ order and sharing


def test_a_lone_request_costs_exactly_one_sync_and_is_answered_behind_it(switch, shim, tills):
    (till,) = tills()
    shim.order("delay_ms", DELAY_MS)
    shim.forget()

    answer = till.ask(MessageType.DEBIT, debit(till))

    (sync,) = shim.syncs()
    assert answer.reply.code == 0
    assert sync.ended_ns is not None
    assert sync.ended_ns - sync.began_ns >= DELAY_MS * MS
    assert answer.arrived_ns >= sync.ended_ns


def test_a_quiet_switch_waits_for_no_timer(switch, shim, tills):
    """With a sync of no time at all an answer takes no time either: nothing collects requests for a while first."""
    (till,) = tills()
    till.ask(MessageType.DEBIT, debit(till))

    took_ns = []
    for _ in range(50):
        shim.forget()
        began_ns = time.monotonic_ns()
        answer = till.ask(MessageType.DEBIT, debit(till))
        (sync,) = shim.syncs()
        took_ns.append(answer.arrived_ns - began_ns - (sync.ended_ns - sync.began_ns))

    assert sorted(took_ns)[len(took_ns) // 4] < 5 * MS


def test_requests_that_arrive_during_a_sync_share_the_next_block(switch, shim, tills):
    connections = tills(8)
    before = connections[0].statistics()
    shim.order("delay_ms", DELAY_MS)
    shim.forget()
    connections[0].send(MessageType.DEBIT, debit(connections[0]))
    wait_for_sync(shim, 1)

    for till in connections[1:]:
        for _ in range(3):
            till.send(MessageType.DEBIT, debit(till))
    answers = [till.receive() for till in connections[1:] for _ in range(3)]
    shim.cancel("delay_ms")
    connections[0].receive()

    first, second = shim.syncs()
    after = connections[0].statistics()
    assert (after["blocks"] - before["blocks"], after["entries"] - before["entries"]) == (2, 22)
    assert all(answer.arrived_ns >= second.ended_ns > first.ended_ns for answer in answers)
    assert [answer.reply.code for answer in answers] == [0] * 21


def test_a_balance_inquiry_waits_until_all_that_it_has_seen_is_durable(switch, shim, tills):
    payer, asker = tills(2)
    shim.order("delay_ms", DELAY_MS)
    shim.forget()
    payer.send(MessageType.DEBIT, debit(payer, 777))
    wait_for_sync(shim, 1)

    seen = asker.ask(MessageType.BALANCE, inquiry())

    (sync,) = shim.syncs()
    assert seen.reply.balance_minor == OPENING_MINOR - 777
    assert seen.arrived_ns >= sync.ended_ns


def test_a_repeat_waits_until_the_first_answer_is_durable(switch, shim, tills):
    first_till, second_till = tills(2)
    request = debit(first_till)
    shim.order("delay_ms", DELAY_MS)
    shim.forget()
    first_till.send(MessageType.DEBIT, request)
    wait_for_sync(shim, 1)

    repeated = second_till.ask(MessageType.DEBIT, request)

    (sync,) = shim.syncs()
    assert repeated.body == first_till.receive().body
    assert repeated.arrived_ns >= sync.ended_ns


def test_a_balance_inquiry_alone_costs_no_sync(switch, shim, tills):
    (till,) = tills()
    shim.forget()

    till.ask(MessageType.BALANCE, inquiry())

    assert shim.syncs() == []


def test_one_thread_syncs_one_block_after_the_other(switch, shim, tills):
    connections = tills(4)
    shim.order("delay_ms", 5)
    shim.forget()

    for _ in range(10):
        for till in connections:
            till.send(MessageType.DEBIT, debit(till))
        for till in connections:
            till.receive()

    syncs = shim.syncs()
    assert len(syncs) >= 10
    assert len({sync.thread for sync in syncs}) == 1
    assert all(one.ended_ns <= other.began_ns for one, other in pairwise(syncs))


def test_answers_of_one_connection_come_in_the_order_of_its_requests(switch, shim, tills):
    (till,) = tills()
    shim.order("delay_ms", 20)

    sent = []
    for n in range(60):
        type_, body = (MessageType.BALANCE, inquiry()) if n % 3 else (MessageType.DEBIT, debit(till))
        sent.append(till.send(type_, body))
        if n % 10 == 0:
            time.sleep(0.01)

    assert [till.receive().sequence for _ in sent] == sent


# ------------------------------------------------------------------------ a disk that fails


@pytest.mark.parametrize("order", ["fail_sync", "fail_write"])
def test_a_block_that_cannot_be_made_durable_ends_the_switch_without_an_answer(switch, shim, tills, order):
    first, *others = tills(4)
    answered = [first.ask(MessageType.DEBIT, debit(first)) for _ in range(5)]
    shim.order(order)

    for till in others:
        with suppress(HungUpError):  # a failed write ends the switch at once
            till.send(MessageType.DEBIT, debit(till))
            till.send(MessageType.BALANCE, inquiry())

    for till in others:
        with pytest.raises(HungUpError):
            till.receive()
    assert switch.wait() == EXIT_NOT_DURABLE == 74
    what = {"fail_sync": "Input/output error", "fail_write": "No space left on device"}[order]
    assert f"expected a durable write, got {what}; nothing of it was answered" in switch.output
    assert "check the disk, then start again" in switch.output
    journaled = {entry.header.sequence: entry.reply for entry in entries_of(switch.data)}
    assert [journaled[answer.reply.journal_sequence] for answer in answered] == [answer.body for answer in answered]


@pytest.mark.parametrize("order", ["fail_sync", "fail_write"])
def test_after_a_failed_block_a_start_has_every_answer_that_was_given_and_applies_the_rest_once(
    switch, shim, tills, order
):
    (till,) = tills()
    known = [debit(till) for _ in range(5)]
    answered = [till.ask(MessageType.DEBIT, request).body for request in known]
    shim.order(order)
    unknown = debit(till, 9_000)
    till.send(MessageType.DEBIT, unknown)
    switch.wait()
    shim.cancel(order)

    switch.start()

    with Till(switch.address, TILL_ID, TILL_KEY) as again:
        assert [again.ask(MessageType.DEBIT, request).body for request in known] == answered
        replies = [again.ask(MessageType.DEBIT, unknown).body for _ in range(2)]
        assert replies[0] == replies[1]
        assert again.balance_minor(CARD) == OPENING_MINOR - 500 - 9_000


@pytest.mark.parametrize("tear_bytes", [0, 1, 100, 128, 200, 320])
def test_a_write_that_the_end_of_the_process_cuts_short_is_erased_and_said_so(switch, shim, tills, tear_bytes):
    (till,) = tills()
    till.ask(MessageType.DEBIT, debit(till))
    blocks = blocks_of(switch.data)
    shim.order("tear_bytes", tear_bytes)
    request = debit(till, 5)
    till.send(MessageType.DEBIT, request)
    switch.wait()
    shim.cancel("tear_bytes")

    switch.start()

    assert blocks_of(switch.data) == blocks
    assert max(0, tear_bytes - 40) <= switch.torn_bytes <= tear_bytes
    assert ("a torn tail of" in switch.output) == (tear_bytes > 0)
    with Till(switch.address, TILL_ID, TILL_KEY) as again:
        assert again.ask(MessageType.DEBIT, request).reply.balance_minor == OPENING_MINOR - 105
    switch.kill()
    assert Desk(switch.data).recovered.torn_bytes == 0
