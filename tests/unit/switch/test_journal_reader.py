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
from switch.protocol.records import HASHED_HEADER_BYTES
from tests.support.desk import SEGMENT_BYTES, TILL_ID, Desk, blocks_of, entries_of, make_shop, reader_of
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


def test_segments_are_announced_in_order(tmp_path):
    journal = LocalJournal(str(tmp_path), 0, SEGMENT_BYTES)

    with pytest.raises(ValueError, match="expected number 0, got 1; prepare them in order"):
        journal.segment_is_ready(1)

    assert journal.segments_prepared == 0


@pytest.mark.parametrize("segment_bytes", [0, 4096, (1 << 20) - 4096, (1 << 20) + 1])
def test_a_segment_size_that_cannot_be_is_refused(tmp_path, segment_bytes):
    with pytest.raises(ValueError, match=f"expected a multiple of 4096, 1 MiB or more, got {segment_bytes}"):
        LocalJournal(str(tmp_path), 0, segment_bytes)
