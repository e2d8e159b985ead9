"""The twin alone: promises that hold after every message, whatever the traffic.

Its single rules are held against the tables of tests/scenarios.
"""

import random
import struct
from collections import Counter
from itertools import islice

import pytest

from switch.protocol.codes import PRECEDENCE, CodeClass, ResponseCode, code_class
from switch.protocol.messages import KEYED_TYPES, REPLY_BIT, ErrorReply, MessageType, Reply
from switch.protocol.records import EntryHeader, RecordKind

from .traffic import Traffic
from .wire import HEADER_BYTES, crc32c
from .world import EVERY_RIGHT, world_of

MESSAGES = 6000
SEEDS = (1, 2, 6)
NOT_OF_THE_DECISION = {
    # Answered elsewhere: sign-on, follow, and what depends on queues and disks.
    ResponseCode.SIGN_ON_REFUSED,
    ResponseCode.POSITION_UNKNOWN,
    ResponseCode.BUSY,
    ResponseCode.DISK_FULL,
}


@pytest.fixture(params=SEEDS)
def world(request):
    return world_of(request.param)


def code_of(reply):
    return ResponseCode(struct.unpack_from("<H", reply, HEADER_BYTES)[0])


def is_keyed(reply):
    return reply[1] & ~REPLY_BIT in KEYED_TYPES


def images_of(entry):
    """The images of an entry, or nothing when there is no entry."""
    if entry is None:
        return []
    head = EntryHeader.decode(entry[: EntryHeader.width_bytes()])
    return [entry[at : at + 64] for at in range(len(entry) - 64 * head.image_count, len(entry), 64)]


def played(world, count=MESSAGES, twin=None):
    """A twin and what was decided so far, message by message."""
    twin = twin or world.twin()
    traffic = Traffic(world, twin)
    for terminal_id, message, now_ms in islice(traffic.messages(), count):
        outcome = twin.decide(terminal_id, world.rights[terminal_id], message, now_ms)
        yield twin, (terminal_id, message, now_ms), outcome


def test_crc32c_gives_its_published_check_value():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"") == 0


@pytest.mark.parametrize("message", [b"", b"\x02", b"\x01\x10", b"\x01\x10\x05\x00\x07", bytes(7)])
def test_a_message_shorter_than_its_header_is_a_length_error_before_all_else(message):
    # The fast path never sees such a message: its link answers the same.
    twin = world_of(1).twin()

    reply, entry = twin.decide(1, EVERY_RIGHT, message, 0)

    whole = message.ljust(HEADER_BYTES, b"\0")
    error = ErrorReply(code=ResponseCode.LENGTH, type=whole[1], offset=0, expected=HEADER_BYTES, got=len(message))
    assert reply == b"\x01\xff\x00\x00" + whole[4:] + error.encode()
    assert entry is None


def test_money_and_points_are_conserved_after_every_message(world):
    for twin, _, _ in played(world):
        twin.check()


def test_a_message_sent_again_at_once_hears_the_same_and_changes_nothing(world):
    for step, (twin, (terminal_id, message, now_ms), first) in enumerate(played(world)):
        if step % 23:
            continue
        before = twin.state_records(), twin.next_sequence

        again = twin.decide(terminal_id, world.rights[terminal_id], message, now_ms)

        assert again.reply == first.reply
        assert again.entry is None or code_class(code_of(first.reply)) == CodeClass.RETRY
        assert (twin.state_records(), twin.next_sequence) == before


def test_what_was_journaled_stays_the_answer_while_its_date_is_in_the_window(world):
    rng = random.Random(world.seed)
    answered = []
    for twin, (terminal_id, message, now_ms), outcome in played(world):
        if outcome.entry is not None:
            date = struct.unpack_from("<I", message, HEADER_BYTES + 4)[0]
            answered.append((terminal_id, date, message, outcome.reply))
        if not answered:
            continue
        terminal_id, date, message, reply = rng.choice(answered[-500:])

        repeated = twin.decide(terminal_id, world.rights[terminal_id], message, now_ms)

        is_open = date in (twin.today, twin.today - 1)
        assert repeated.entry is None
        assert (repeated.reply == reply) == is_open
        assert is_open or code_of(repeated.reply) == ResponseCode.BUSINESS_DATE


def test_the_last_image_of_each_record_is_the_record(world):
    images: dict[int, dict[int, bytes]] = {kind: {} for kind in RecordKind}
    twin = world.twin()
    for _, _, outcome in played(world, twin=twin):
        for image in images_of(outcome.entry):
            images[image[0]][int.from_bytes(image[8:16], "little")] = image
    records = twin.state_records()

    assert images == records | {RecordKind.SWITCH: {}}


def test_entries_are_numbered_without_gaps_and_sealed(world):
    expected = 1
    for _, (terminal_id, _, _), outcome in played(world):
        if outcome.entry is None:
            continue
        head = EntryHeader.decode(outcome.entry[: EntryHeader.width_bytes()])

        assert head.sequence == expected
        assert head.entry_bytes == len(outcome.entry)
        assert head.entry_bytes % 8 == 0
        assert head.crc32c == crc32c(outcome.entry[8:])
        assert head.terminal_id == terminal_id
        expected += 1
    assert expected > MESSAGES / 2


def test_an_entry_is_written_exactly_for_codes_that_are_journaled(world):
    for _, (_, message, _), outcome in played(world):
        if not is_keyed(outcome.reply):
            assert outcome.entry is None
        elif outcome.entry is not None:
            reply = Reply.decode(outcome.reply[HEADER_BYTES:])
            assert code_class(reply.code) in (CodeClass.APPROVED, CodeClass.FINAL)
            assert outcome.reply[4:8] == message[4:8]


def test_the_same_seed_is_the_same_stream():
    first = [(asked, outcome) for _, asked, outcome in played(world_of(4), 1500)]

    second = [(asked, outcome) for _, asked, outcome in played(world_of(4), 1500)]

    assert first == second


def test_traffic_reaches_every_code_of_the_decision():
    codes: Counter[tuple[int, ResponseCode]] = Counter()
    for seed in range(1, 9):
        codes.update((outcome.reply[1], code_of(outcome.reply)) for _, _, outcome in played(world_of(seed), 5000))
    reached = {code for _, code in codes}
    debits = {code for reply_type, code in codes if reply_type == MessageType.DEBIT | REPLY_BIT}

    assert set(ResponseCode) - NOT_OF_THE_DECISION - reached == set()
    assert set(PRECEDENCE[4:]) - NOT_OF_THE_DECISION - debits == set()


def test_a_follower_who_may_do_nothing_else_is_refused_everything(world):
    twin = world.twin()
    traffic = Traffic(world, twin)

    for terminal_id, message, now_ms in islice(traffic.messages(), 1000):
        outcome = twin.decide(terminal_id, 8, message, now_ms)

        assert outcome.entry is None
        assert outcome.reply[1] == 0xFF or code_of(outcome.reply) == ResponseCode.NOT_PERMITTED

    assert EVERY_RIGHT & 8
    assert not any(twin.state_records().values())
