"""BlockReader on blocks that were made by hand, and what LocalJournal gives back of what was written."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switch._blocks import HEADER_BYTES, BlockReader, crc32c, segment_path
from switch.journal import BLOCKS_PER_SEGMENT_MIN, LocalJournal
from switch.protocol.messages import BillLine, DebitRequest, MessageType, Reply
from switch.protocol.records import (
    HASHED_HEADER_BYTES,
    AccountRecord,
    CardTypeRecord,
    MarkRecord,
    RecordKind,
)
from tests.support.desk import SEGMENT_BYTES, TILL_ID, Desk, blocks_of, entries_of, make_shop, overwrite, reader_of
from tests.vectors.example import DATE, NOW_MS
from tests.vectors.journal import block, entry
from tests.vectors.journal import crc32c as crc32c_by_hand

START_HASH = bytes(32)


def debit(trace_number: int, line_count: int) -> DebitRequest:
    lines = (BillLine(amount_minor=1),) * line_count
    return DebitRequest(
        trace_number=trace_number, business_date=DATE, stamp_ms=NOW_MS, card_number=1, amount_minor=1, lines=lines
    )


def made_blocks(line_counts: list[list[int]]) -> list[bytes]:
    """Chained blocks; one list per block, one number of bill lines per entry."""
    blocks: list[bytes] = []
    sequence, previous_hash = 1, START_HASH
    for number, counts in enumerate(line_counts):
        entries = [
            entry(sequence + n, 5, MessageType.DEBIT, debit(sequence + n, count), Reply(code=14).encode())
            for n, count in enumerate(counts)
        ]
        blocks.append(block(number, sequence, entries, previous_hash))
        sequence += len(counts)
        previous_hash = blocks[-1][HASHED_HEADER_BYTES : HASHED_HEADER_BYTES + 32]
    return blocks


def write_segments(directory: Path, *segments: bytes) -> BlockReader:
    for number, content in enumerate(segments):
        Path(segment_path(str(directory), number)).write_bytes(content.ljust(SEGMENT_BYTES, b"\0"))
    return BlockReader(str(directory), 0, SEGMENT_BYTES)


line_counts = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=6)


@given(line_counts)
@settings(max_examples=60)
def test_it_gives_back_the_blocks_that_lie_there(counts):
    blocks = made_blocks(counts)
    with TemporaryDirectory() as directory:
        reader = write_segments(Path(directory), b"".join(blocks))

        found = list(reader.blocks())

    assert [header + body for _, header, body in found] == blocks
    assert [position for position, _, _ in found] == [sum(map(len, blocks[:n])) for n in range(len(blocks))]
    assert reader.fault is None
    assert reader.next_sequence == sum(map(len, counts)) + 1
    assert reader.chain_hash == blocks[-1][HASHED_HEADER_BYTES : HASHED_HEADER_BYTES + 32]


@given(line_counts, st.data())
@settings(max_examples=60)
def test_it_goes_on_from_where_another_reader_ended(counts, data):
    blocks = made_blocks(counts)
    stop = data.draw(st.integers(0, len(blocks)))
    with TemporaryDirectory() as directory:
        first = write_segments(Path(directory), b"".join(blocks[:stop]))
        list(first.blocks())
        write_segments(Path(directory), b"".join(blocks))

        rest = BlockReader(
            directory, 0, SEGMENT_BYTES, first.position, first.block_number, first.chain_hash, first.next_sequence
        )

        assert [header + body for _, header, body in rest.blocks()] == blocks[stop:]


@given(line_counts, st.data())
@settings(max_examples=150)
def test_it_stops_before_the_block_in_which_any_byte_was_changed(counts, data):
    blocks = made_blocks(counts)
    damaged = data.draw(st.integers(0, len(blocks) - 1))
    at = data.draw(
        st.integers(0, len(blocks[damaged]) - 1).filter(lambda at: not HASHED_HEADER_BYTES + 32 <= at < HEADER_BYTES)
    )
    changed = bytearray(blocks[damaged])
    changed[at] ^= data.draw(st.integers(1, 255))
    with TemporaryDirectory() as directory:
        reader = write_segments(Path(directory), b"".join([*blocks[:damaged], bytes(changed), *blocks[damaged + 1 :]]))

        found = [header + body for _, header, body in reader.blocks()]

        assert found == blocks[:damaged]
        assert reader.fault is not None
        assert reader.fault_position == sum(map(len, blocks[:damaged]))
        followed = reader.block_follows()
    assert (followed is not None) == (damaged + 1 < len(blocks))


@given(line_counts)
@settings(max_examples=30)
def test_a_segment_of_which_the_rest_is_unused_is_left_for_the_next(counts):
    blocks = made_blocks(counts)
    middle = len(blocks) // 2
    with TemporaryDirectory() as directory:
        reader = write_segments(Path(directory), b"".join(blocks[:middle]), b"".join(blocks[middle:]), b"")

        found = list(reader.blocks())

    assert [header + body for _, header, body in found] == blocks
    assert reader.fault is None
    assert found[middle][0] == (SEGMENT_BYTES if middle else 0) or middle == 0


def refused(tmp_path: Path, content: bytes) -> str | None:
    reader = write_segments(tmp_path, content)
    assert list(reader.blocks()) == []
    return reader.fault


def test_a_block_with_wrong_entries_but_a_right_hash_is_refused(tmp_path):
    good = entry(1, 5, MessageType.DEBIT, debit(1, 1), Reply(code=14).encode())
    bad_checksum = good[:4] + bytes(4) + good[8:]
    bad_sequence = entry(2, 5, MessageType.DEBIT, debit(1, 1), Reply(code=14).encode())
    bad_length = (len(good) + 8).to_bytes(4, "little") + good[4:] + bytes(8)

    faults = [
        refused(tmp_path, block(0, 1, [content], START_HASH)) for content in (bad_checksum, bad_sequence, bad_length)
    ]

    assert faults == [
        "entry checksum does not match",
        "entry sequence out of order",
        "entry length does not fit its parts",
    ]


def changed_entry(content: bytes, at: int, byte: int) -> bytes:
    """The entry with another byte, and with the checksum of that."""
    content = content[:at] + bytes([byte]) + content[at + 1 :]
    return content[:4] + crc32c(content[8:]).to_bytes(4, "little") + content[8:]


def test_images_are_as_long_as_their_kinds_say(tmp_path):
    reply = Reply(code=0).encode()
    images = [
        AccountRecord(account_number=1),
        CardTypeRecord(code=1, key=1 << 32),
        MarkRecord(key_a=1, key_b=2, key_c=3),
    ]
    assert [len(image.encode()) for image in images] == [128, 256, 64]
    good = entry(1, 5, MessageType.DEBIT, debit(1, 0), reply, *images)
    reader = write_segments(tmp_path, block(0, 1, [good], START_HASH))
    assert len(list(reader.blocks())) == 1, reader.fault
    images_at = len(good) - 448

    faults = [
        refused(tmp_path, block(0, 1, [content], START_HASH))
        for content in (
            changed_entry(good, images_at, RecordKind.STORE),
            changed_entry(good, images_at, 13),
            changed_entry(good, images_at, 0),
            changed_entry(good, 34, 2),  # image_count
            changed_entry(good, 34, 4),
            changed_entry(good, 35, 1),
            changed_entry(good, 33, 1),
        )
    ]

    assert faults == [
        "entry has an image of an unknown kind of record",  # the store's 64 bytes end in the account's zeros
        "entry has an image of an unknown kind of record",
        "entry has an image of an unknown kind of record",
        "entry length does not fit its parts",
        "entry length does not fit its parts",
        "entry length does not fit its parts",
        "entry of another version of the layout",
    ]


def test_a_block_of_another_partition_is_refused(tmp_path):
    content = made_blocks([[1]])[0]
    write_segments(tmp_path, content)

    reader = BlockReader(str(tmp_path), 1, SEGMENT_BYTES)

    assert list(reader.blocks()) == []
    assert reader.fault == "block of another partition"


def test_an_empty_directory_is_a_clean_end(tmp_path):
    reader = BlockReader(str(tmp_path), 0, SEGMENT_BYTES)

    assert list(reader.blocks()) == []
    assert reader.fault is None
    assert reader.block_follows() is None


@given(st.binary(max_size=400))
def test_crc32c_is_that_of_the_protocol_document(data):
    assert crc32c(data) == crc32c_by_hand(data)


@pytest.mark.parametrize("start", [0, 143, 144, 168, 3071, 3072, 6144, 9000])
def test_crc32c_of_all_lengths_around_those_where_its_parts_change(start):
    """It is summed in three parts side by side, of 6 to 128 words of 8 bytes."""
    data = bytes((i * i >> 3 ^ i) & 0xFF for i in range(start + 30))
    for size in range(start, start + 30):
        assert crc32c(memoryview(data)[:size]) == crc32c_by_hand(data[:size]), size


# ------------------------------------------------------------------------ local files


@pytest.fixture(scope="module")
def long_desk(tmp_path_factory):
    """A journal over more than four segments, and what was asked for each entry."""
    desk = Desk(make_shop(tmp_path_factory.mktemp("long") / "data"))
    while desk.engine.commit.durable_position < 4 * SEGMENT_BYTES + 100_000:
        for n in range(8):
            desk.debit(1 + n, line_count=255 - n)
        desk.commit()
    return desk


def test_no_block_crosses_a_segment_and_none_overlap(long_desk):
    blocks = blocks_of(long_desk.directory.path)

    assert {block.position // SEGMENT_BYTES for block in blocks} == {0, 1, 2, 3, 4}
    assert all(block.offset + block.size <= SEGMENT_BYTES for block in blocks)
    assert all(one.end <= other.position for one, other in pairwise(blocks))


def test_a_new_segment_is_begun_only_when_the_longest_block_has_no_room_any_more(long_desk):
    blocks = blocks_of(long_desk.directory.path)
    block_bytes_max = long_desk.journal.block_bytes_max
    assert block_bytes_max == SEGMENT_BYTES // BLOCKS_PER_SEGMENT_MIN

    left_bytes = [SEGMENT_BYTES - one.end % SEGMENT_BYTES for one, other in pairwise(blocks) if other.offset == 0]

    assert len(left_bytes) == 4
    assert all(left < block_bytes_max for left in left_bytes)


@pytest.mark.parametrize("bytes_max", [65_000, 1 << 20, 1 << 30, 4_097])
def test_reading_on_and_on_gives_every_block_once(long_desk, bytes_max):
    commit, journal = long_desk.engine.commit, long_desk.journal
    read, position = b"", 0

    while True:
        position, content = journal.read(position, bytes_max, commit.durable_position)
        if not content:
            break
        assert len(content) <= bytes_max
        read, position = read + content, position + len(content)

    assert position == commit.durable_position
    expected = b"".join(header + body for _, header, body in reader_of(long_desk.directory.path).blocks())
    assert len(read) == len(expected)
    assert read == expected or pytest.fail("other bytes")


def test_nothing_is_read_beyond_what_is_durable(long_desk):
    durable_position = blocks_of(long_desk.directory.path)[3].end

    position, content = long_desk.journal.read(0, 1 << 30, durable_position)

    assert (position, len(content)) == (0, durable_position)
    with pytest.raises(ValueError, match=f"expected at most {durable_position} .durable., got {durable_position + 1}"):
        long_desk.journal.read(durable_position + 1, 100, durable_position)


def test_an_entry_of_any_segment_is_found_again_to_answer_a_repeat(long_desk):
    debits = [e for e in entries_of(long_desk.directory.path) if e.header.request_type == MessageType.DEBIT]
    by_segment = {e.position // SEGMENT_BYTES: e for e in debits}
    assert set(by_segment) == {0, 1, 2, 3, 4}

    replies = [long_desk.ask(MessageType.DEBIT, e.request, e.header.terminal_id) for e in by_segment.values()]

    assert [reply.encode() for reply in replies] == [e.reply for e in by_segment.values()]
    assert TILL_ID in {e.header.terminal_id for e in debits}


# ------------------------------------------------------------------------ by sequence


def test_every_entry_is_found_by_its_sequence(long_desk):
    positions = {e.header.sequence: e.position for e in entries_of(long_desk.directory.path)}
    assert {position // SEGMENT_BYTES for position in positions.values()} == {0, 1, 2, 3, 4}
    first, last = min(positions), max(positions)
    unknown = [0, last + 1, last + 2, 2**63, 2**64 - 2, 2**64 - 1]

    for order in (sorted(positions), sorted(positions, reverse=True), [last, first, (first + last) // 2]):
        journal = LocalJournal(long_desk.journal.directory, 0, SEGMENT_BYTES)
        for number in range(long_desk.journal.segments_prepared):
            journal.segment_is_ready(number)
        assert {sequence: journal.find_sequence(sequence) for sequence in order} == {
            sequence: positions[sequence] for sequence in order
        }
        assert [journal.find_sequence(sequence) for sequence in unknown] == [None] * len(unknown)
    assert {sequence: long_desk.engine.commit.find_sequence(sequence) for sequence in positions} == positions
    assert [long_desk.engine.commit.find_sequence(sequence) for sequence in unknown] == [None] * len(unknown)


@given(st.lists(st.lists(st.integers(0, 255), min_size=1, max_size=40), min_size=1, max_size=40), st.randoms())
@settings(max_examples=25, deadline=None)
def test_entries_of_long_and_short_blocks_are_found_in_any_order(counts, order):
    """Blocks shorter and longer than the stretches of a segment whose places are remembered, over three segments."""
    blocks = made_blocks(counts)
    third = -(-len(blocks) // 3)
    segments = [b"".join(blocks[n * third : (n + 1) * third]) for n in range(3)]
    with TemporaryDirectory() as directory:
        reader = write_segments(Path(directory), *segments, b"")
        expected = {}
        for position, _, body in reader.blocks():
            at = 0
            while at < len(body):
                expected[int.from_bytes(body[at + 8 : at + 16], "little")] = position + HEADER_BYTES + at
                at += int.from_bytes(body[at : at + 4], "little")
        journal = LocalJournal(directory, 0, SEGMENT_BYTES)
        for number in range(4):
            journal.segment_is_ready(number)
        asked = [*expected, 0, len(expected) + 1]
        order.shuffle(asked)

        assert {n: journal.find_sequence(n) for n in asked} == {n: expected.get(n) for n in asked}


def test_a_journal_without_segments_has_no_entries(tmp_path):
    assert LocalJournal(str(tmp_path), 0, SEGMENT_BYTES).find_sequence(1) is None


def test_an_entry_is_found_before_it_is_in_the_journal(tmp_path):
    """While it is gathered, and in the block that was handed over last, whatever the disk has of it."""
    desk = Desk(make_shop(tmp_path / "data"))
    commit = desk.engine.commit
    gathered = [desk.debit().journal_sequence for _ in range(3)]
    position = {sequence: commit.find_sequence(sequence) for sequence in gathered}
    assert None not in position.values()
    assert [desk.journal.find_sequence(sequence) for sequence in gathered] == [None] * 3
    assert commit.find_sequence(gathered[-1] + 1) is None

    desk.commit()
    behind = desk.debit().journal_sequence
    entries = {e.header.sequence: e.position for e in entries_of(desk.directory.path)}
    assert {sequence: entries[sequence] for sequence in gathered} == position
    last = blocks_of(desk.directory.path)[-1]
    overwrite(last.file, last.offset, bytes(last.size))

    assert {sequence: commit.find_sequence(sequence) for sequence in gathered} == position
    assert desk.journal.find_sequence(gathered[0]) is None
    assert commit.find_sequence(behind) == last.end + HEADER_BYTES
    assert commit.find_sequence(gathered[0] - 1) == entries[gathered[0] - 1]


def test_segments_are_announced_in_order(tmp_path):
    journal = LocalJournal(str(tmp_path), 0, SEGMENT_BYTES)

    with pytest.raises(ValueError, match="expected number 0, got 1; prepare them in order"):
        journal.segment_is_ready(1)

    assert journal.segments_prepared == 0


@pytest.mark.parametrize("segment_bytes", [0, 4096, (1 << 20) - 4096, (1 << 20) + 1])
def test_a_segment_size_that_cannot_be_is_refused(tmp_path, segment_bytes):
    with pytest.raises(ValueError, match=f"expected a multiple of 4096, 1 MiB or more, got {segment_bytes}"):
        LocalJournal(str(tmp_path), 0, segment_bytes)
