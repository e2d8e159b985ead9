"""The twin alone: promises that hold after every message, whatever the traffic.

Its single rules are held against the tables of tests/scenarios.
"""

import random
import struct
from collections import Counter
from itertools import islice

import pytest

from switch.protocol.codes import PRECEDENCE, CodeClass, ResponseCode, code_class
from switch.protocol.messages import KEYED_TYPES, REPLY_BIT, ErrorReply, MessageType, Reply, TerminalStatus
from switch.protocol.records import GONE, EntryHeader, RecordKind, images_of, record_key

from .traffic import Traffic
from .wire import HEADER_BYTES, crc32c
from .world import EVERY_RIGHT, world_of

MESSAGES = 3000
CHECK_EVERY = 20
SEEDS = (1, 2, 6)
NOT_OF_THE_DECISION = {
    # Answered elsewhere: sign-on, follow, and what depends on queues and disks.
    ResponseCode.SIGN_ON_REFUSED,
    ResponseCode.POSITION_UNKNOWN,
    ResponseCode.BUSY,
    ResponseCode.DISK_FULL,
    # A range whose entry has 600 images already: too long for traffic.
    ResponseCode.RANGE_CUT,
    # What cannot be loaded or opened is refused before the decision.
    ResponseCode.KEY_MATERIAL,
}


@pytest.fixture(params=SEEDS)
def world(request):
    return world_of(request.param)


def code_of(reply):
    return ResponseCode(struct.unpack_from("<H", reply, HEADER_BYTES)[0])


def is_keyed(reply):
    return reply[1] & ~REPLY_BIT in KEYED_TYPES


def is_stopped(twin, terminal_id):
    """Whether a terminal is in quarantine, where it hears no answers, not even old ones."""
    terminal = twin.tables.find(RecordKind.TERMINAL, terminal_id)
    return terminal is not None and terminal.status == TerminalStatus.QUARANTINED


def entries_of(outcome):
    """The entries of one message: a cut-over's, its own."""
    return [*outcome.before, *([outcome.entry] if outcome.entry else [])]


def images_in(entry):
    """The images of an entry."""
    head = EntryHeader.decode(entry[: EntryHeader.width_bytes()])
    request_end = EntryHeader.width_bytes() + -(-head.request_bytes // 8) * 8
    images = images_of(entry[request_end + -(-head.reply_bytes // 8) * 8 :])
    assert len(images) == head.image_count
    return images


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

    reply, entry, _ = twin.decide(1, EVERY_RIGHT, message, 0)

    whole = message.ljust(HEADER_BYTES, b"\0")
    error = ErrorReply(code=ResponseCode.LENGTH, type=whole[1], offset=0, expected=HEADER_BYTES, got=len(message))
    assert reply == b"\x01\xff\x00\x00" + whole[4:] + error.encode()
    assert entry is None


def test_money_and_points_are_conserved(world):
    for step, (twin, _, _) in enumerate(played(world)):
        if step % CHECK_EVERY == 0:
            twin.check()
    twin.check()


def test_a_message_sent_again_at_once_hears_the_same_and_changes_nothing(world):
    for step, (twin, (terminal_id, message, now_ms), first) in enumerate(played(world)):
        if step % 23:
            continue
        before = twin.state_records(), twin.next_sequence

        again = twin.decide(terminal_id, world.rights[terminal_id], message, now_ms)

        if not is_stopped(twin, terminal_id):
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
        if is_stopped(twin, terminal_id):
            continue

        repeated = twin.decide(terminal_id, world.rights[terminal_id], message, now_ms)

        is_open = date in (twin.today, twin.today - 1)
        assert repeated.entry is None
        assert (repeated.reply == reply) == is_open
        assert is_open or code_of(repeated.reply) == ResponseCode.BUSINESS_DATE


def test_the_last_image_of_each_record_is_the_record(world):
    images: dict[int, dict[tuple[int, ...], bytes]] = {kind: {} for kind in RecordKind}
    twin = world.twin()
    for _, _, outcome in played(world, twin=twin):
        for image in (image for entry in entries_of(outcome) for image in images_in(entry)):
            images[image[0]][record_key(image)] = image
            if image[0] >= 16 and image[2] == GONE:
                del images[image[0]][record_key(image)]

    assert images == twin.state_records()


def test_entries_are_numbered_without_gaps_and_sealed(world):
    expected = 1
    for _, (terminal_id, _, _), outcome in played(world):
        for entry in entries_of(outcome):
            head = EntryHeader.decode(entry[: EntryHeader.width_bytes()])

            assert head.sequence == expected
            assert head.entry_bytes == len(entry)
            assert head.entry_bytes % 8 == 0
            assert head.crc32c == crc32c(entry[8:])
            assert head.terminal_id == (terminal_id if entry is outcome.entry else 0)
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
    missing, missing_of_debits = set(ResponseCode), set(PRECEDENCE[4:])
    for seed in range(1, 17):  # as a rule eight will do
        codes.update((outcome.reply[1], code_of(outcome.reply)) for _, _, outcome in played(world_of(seed), 5000))
        debits = {code for reply_type, code in codes if reply_type == MessageType.DEBIT | REPLY_BIT}
        missing = missing - NOT_OF_THE_DECISION - {code for _, code in codes}
        missing_of_debits = missing_of_debits - NOT_OF_THE_DECISION - debits
        if not missing | missing_of_debits:
            break

    assert missing == set()
    assert missing_of_debits == set()


def test_a_follower_who_may_do_nothing_else_is_refused_everything(world):
    twin = world.twin()
    traffic = Traffic(world, twin)

    for terminal_id, message, now_ms in islice(traffic.messages(), 1000):
        if message[1:2] == bytes([MessageType.CHANGE_KEY]):
            continue  # needs no right
        outcome = twin.decide(terminal_id, 8, message, now_ms)

        assert outcome.entry is None
        assert outcome.reply[1] == 0xFF or code_of(outcome.reply) == ResponseCode.NOT_PERMITTED

    assert EVERY_RIGHT & 8
    assert not any(twin.state_records().values())
