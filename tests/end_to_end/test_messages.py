"""Every request is answered exactly once, under its own sequence, and what was answered stands in the journal."""

import json
from typing import Any

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.limits import FOLLOW_BYTES_MAX, IN_FLIGHT_MAX
from switch.protocol.messages import (
    KEYED_TYPES,
    BillLine,
    FollowReply,
    FollowRequest,
    KeyPurpose,
    MessageType,
    Right,
)
from switch.protocol.records import RecordKind
from tests.fuzz.peer import Answer, message
from tests.fuzz.reader import JournalReader, crc32c
from tests.fuzz.running import BALANCE_MINOR, CARD, EVERY_RIGHT, OTHER_CARD, Watch, running_switch
from tests.support.key_samples import decided_sample


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    with running_switch(tmp_path_factory.mktemp("switch")) as switch:
        yield switch


@pytest.fixture(autouse=True)
def _the_neighbour_keeps_working(switch):
    yield
    switch.neighbour.check()


def ask_follow(peer, position, bytes_max=FOLLOW_BYTES_MAX, partition=0):
    request = FollowRequest(partition=partition, bytes_max=bytes_max, position=position)
    return FollowReply.decode(peer.ask(MessageType.FOLLOW, request).body)


# --------------------------------------------------------------------------- many in flight


def test_as_many_requests_as_may_be_in_flight_are_each_answered_once(switch):
    with switch.signed_on() as peer:
        before = peer.do(MessageType.BALANCE, card_number=OTHER_CARD).balance_minor
        kinds = [MessageType.DEBIT, MessageType.CREDIT, MessageType.BALANCE, MessageType.ECHO]
        asked, frames = {}, []
        for number in range(IN_FLIGHT_MAX):
            kind, sequence = kinds[number % 4], 0xFFFFFFFF - number * 7
            fields: dict[str, Any] = {
                MessageType.DEBIT: {"card_number": OTHER_CARD, "amount_minor": 3},
                MessageType.CREDIT: {"card_number": OTHER_CARD, "amount_minor": 2},
                MessageType.BALANCE: {"card_number": OTHER_CARD},
                MessageType.ECHO: {"stamp_ms": number},
            }[kind]
            asked[sequence] = (kind, request := peer.request(kind, **fields))
            frames.append(peer.seal(message(kind, request.encode(), sequence)))

        peer.send(b"".join(frames))
        answers = {}
        for _ in frames:
            answer = peer.receive()
            assert answer.header.sequence not in answers
            answers[answer.header.sequence] = answer

        after = peer.do(MessageType.BALANCE, card_number=OTHER_CARD).balance_minor

    assert {*answers} == {*asked}
    for sequence, (kind, request) in asked.items():
        answer = answers[sequence]
        assert answer.header.type == kind | 0x80
        if kind == MessageType.ECHO:
            assert answer.body[:8] == request.encode()
        elif kind in KEYED_TYPES:
            assert (answer.code, answer.reply.trace_number) == (ResponseCode.APPROVED, request.trace_number)
    assert after == before - 256 * 3 + 256 * 2


def test_the_same_sequence_may_be_used_again_and_stands_for_nothing(switch):
    with switch.signed_on() as peer:
        bodies = [peer.request(MessageType.DEBIT, card_number=CARD, amount_minor=1).encode() for _ in range(5)]

        peer.send(b"".join(peer.seal(message(MessageType.DEBIT, body, 77)) for body in bodies))
        answers = [peer.receive() for _ in bodies]

    assert {answer.header.sequence for answer in answers} == {77}
    assert len({answer.reply.journal_sequence for answer in answers}) == 5


# --------------------------------------------------------------------------- repeats


@pytest.mark.parametrize("type_", sorted(KEYED_TYPES), ids=lambda type_: type_.name)
@pytest.mark.feature("EF-057")
def test_a_repeat_is_answered_byte_for_byte_and_other_content_under_its_trace_number_is_refused(switch, type_):
    credentials = switch.new_terminal()
    with switch.signed_on(credentials) as peer:
        body = decided_sample(peer, type_)
        first = peer.ask(type_, body)
        watch = Watch(switch)

        repeats = [peer.ask(type_, body) for _ in range(3)]
        with switch.signed_on(credentials) as other:
            repeats.append(other.ask(type_, body))
        stamped_otherwise = body[:8] + b"\1" + body[9:]
        confused = peer.ask(type_, stamped_otherwise)

    assert [repeat.body for repeat in repeats] == [first.body] * 4
    assert confused.code == ResponseCode.TRACE_REUSED
    assert watch.entries() == []
    assert watch.moved()["repeats"] == 4


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        (MessageType.PUT_KEY, {"purpose": KeyPurpose.TAG, "key_version": 9, "check_value": bytes(8)}),
        (MessageType.REWRAP_KEY, {"kind": RecordKind.TERMINAL, "storage_version": 9, "key_a": 1}),
    ],
)
def test_a_request_with_a_key_that_cannot_be_had_leaves_no_trace(switch, type_, fields):
    with switch.signed_on() as peer:
        body = peer.request(type_, **fields).encode()
        trace_number = int.from_bytes(body[:4], "little")
        watch = Watch(switch)

        answers = [peer.ask(type_, body), peer.ask(type_, body[:8] + b"\1" + body[9:])]
        after = peer.do(MessageType.DEBIT, trace_number=trace_number, card_number=CARD, amount_minor=1)

    assert {answer.code for answer in answers} == {ResponseCode.KEY_MATERIAL}
    assert after.code == ResponseCode.APPROVED  # the trace number was not used
    assert [entry.request_type for entry in watch.entries()] == [MessageType.DEBIT]


def test_a_repeat_of_a_decline_is_the_same_decline_even_when_there_is_money_now(switch):
    with switch.signed_on() as peer:
        number = 7_700_000_000_000_001
        assert peer.do(MessageType.OPEN_CARD, card_number=number, card_type=1).code == ResponseCode.APPROVED
        body = peer.request(MessageType.DEBIT, card_number=number, amount_minor=100).encode()
        declined = peer.ask(MessageType.DEBIT, body)
        peer.do(MessageType.CREDIT, card_number=number, amount_minor=1_000)

        again = peer.ask(MessageType.DEBIT, body)
        anew = peer.do(MessageType.DEBIT, card_number=number, amount_minor=100)

    assert declined.code == ResponseCode.FUNDS
    assert again.body == declined.body
    assert (anew.code, anew.balance_minor) == (ResponseCode.APPROVED, 900)


# --------------------------------------------------------------------------- follow


def test_the_test_s_own_checksum_is_that_of_the_document():
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("bytes_max", [1, 127, 4_096, FOLLOW_BYTES_MAX, 2**32 - 1])
def test_a_follower_that_begins_at_zero_can_check_the_whole_journal_by_itself(switch, bytes_max):
    reader = JournalReader(partition=0)
    with switch.signed_on(switch.new_terminal(Right.FOLLOW)) as peer:
        durable = ask_follow(peer, 0).durable_position
        stop = durable if bytes_max > 127 else min(durable, 3_000 * bytes_max)
        position = 0
        while position < stop:
            # Others go on meanwhile: the last reply must not reach into a block that came after `durable`.
            wanted = bytes_max if position + FOLLOW_BYTES_MAX < stop else min(bytes_max, stop - position)
            reply = ask_follow(peer, position, wanted)
            assert (reply.code, reply.position) == (ResponseCode.APPROVED, position)
            assert 0 < len(reply.journal_bytes) <= min(bytes_max, FOLLOW_BYTES_MAX)
            assert reply.next_position == position + len(reply.journal_bytes) <= reply.durable_position
            reader.feed(reply.journal_bytes)
            position = reply.next_position
        while reader.unfinished_bytes and bytes_max > 127:  # the neighbour writes on: read to the end of its block
            reply = ask_follow(peer, position, bytes_max)
            reader.feed(reply.journal_bytes)
            position = reply.next_position

    assert [entry.sequence for entry in reader.entries] == list(range(1, len(reader.entries) + 1))
    assert reader.entries[0].request_type == MessageType.PUT_SWITCH


def test_what_a_follower_reads_adds_up_to_the_balances_that_are_told(switch):
    number = 7_700_000_000_000_002
    with switch.signed_on() as peer:
        peer.do(MessageType.OPEN_CARD, card_number=number, card_type=1)
        peer.do(MessageType.CREDIT, card_number=number, amount_minor=10_000)
        for amount in range(1, 60):
            assert peer.do(MessageType.DEBIT, card_number=number, amount_minor=amount).code == ResponseCode.APPROVED
        told = peer.do(MessageType.BALANCE, card_number=number)

        reader, position = JournalReader(0, checking=False), 0
        while (reply := ask_follow(peer, position)).journal_bytes:
            reader.feed(reply.journal_bytes)
            position = reply.next_position

    accounts = {
        int.from_bytes(image[8:16], "little"): int.from_bytes(image[16:24], "little", signed=True)
        for entry in reader.entries
        for image in entry.images
        if image[0] == 1
    }
    assert accounts[number] == told.balance_minor == 10_000 - sum(range(1, 60))
    assert accounts[OTHER_CARD] <= BALANCE_MINOR


def test_keys_of_terminals_do_not_stand_in_the_journal(switch):
    credentials = switch.new_terminal()
    with switch.signed_on(credentials) as peer:
        held, position = b"", 0
        while (reply := ask_follow(peer, position)).journal_bytes:
            held += reply.journal_bytes
            position = reply.next_position

    assert credentials.key not in held and switch.operator.key not in held
    assert credentials.terminal_id.to_bytes(4, "little") in held


def test_a_follower_that_has_everything_gets_nothing_and_then_what_comes(switch):
    with switch.signed_on() as peer:
        end = ask_follow(peer, 0).durable_position
        while (reply := ask_follow(peer, end)).journal_bytes:
            end = reply.next_position
        assert (reply.code, reply.position, reply.next_position) == (ResponseCode.APPROVED, end, end)

        done = peer.do(MessageType.DEBIT, card_number=CARD, amount_minor=1)

        reader = JournalReader(0, midway=True)
        while (reply := ask_follow(peer, end)).journal_bytes:
            reader.feed(reply.journal_bytes)
            end = reply.next_position
        assert done.journal_sequence in {entry.sequence for entry in reader.entries}


@pytest.mark.parametrize(("beyond", "partition"), [(1_000_000, 0), (2**64 - 1, 0), (0, 1), (0, 2**32 - 1)])
def test_a_position_or_partition_that_is_not_there_is_unknown(switch, beyond, partition):
    with switch.signed_on() as peer:
        durable = ask_follow(peer, 0).durable_position
        position = min(2**64 - 1, durable + beyond)

        reply = ask_follow(peer, position, partition=partition)

        assert reply.code == ResponseCode.POSITION_UNKNOWN
        assert (reply.partition, reply.position, reply.next_position) == (partition, position, position)
        assert reply.durable_position >= durable
        assert reply.journal_bytes == b""


def test_as_many_follow_requests_as_may_be_in_flight_are_all_answered(switch):
    with switch.signed_on() as peer:
        fill_journal(peer)
        body = FollowRequest(partition=0, bytes_max=FOLLOW_BYTES_MAX, position=0).encode()

        peer.send(b"".join(peer.seal(message(MessageType.FOLLOW, body, n)) for n in range(IN_FLIGHT_MAX)))
        answers: list[Answer] = []
        while len(answers) < IN_FLIGHT_MAX and (answer := peer.next_answer()) is not None:
            answers.append(answer)

    assert len(answers) == IN_FLIGHT_MAX


def fill_journal(peer):
    """At least one longest follow reply of it."""
    lines = tuple(BillLine(amount_minor=0) for _ in range(255))
    for _ in range(10):
        assert peer.do(MessageType.DEBIT, card_number=CARD, amount_minor=1, lines=lines).code == ResponseCode.APPROVED


# --------------------------------------------------------------------------- statistics


def test_statistics_are_one_flat_json_object_of_named_integers_that_count_what_happens(switch):
    credentials = switch.new_terminal(EVERY_RIGHT)
    with switch.signed_on(credentials) as peer:
        watch = Watch(switch)
        for amount in (1, 2, 0):
            peer.do(MessageType.CREDIT, card_number=CARD, amount_minor=amount)
        peer.do(MessageType.BALANCE, card_number=7)

        figures = json.loads(peer.ask(MessageType.STATISTICS).body)
        moved = watch.moved()

    assert all(type(name) is str and type(value) is int for name, value in figures.items())
    assert (moved["type_credit"], moved["code_amount"]) == (3, 1)
    assert (moved["type_balance"], moved["code_card_unknown"]) == (1, 1)
    assert figures["connections_open"] >= 3
