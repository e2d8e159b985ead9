"""The last block is faulty and nothing whole lies behind it: a write was cut short, and nobody was answered from it."""

from pathlib import Path

import pytest

from switch.protocol.layout import layout_of
from switch.protocol.records import HASHED_HEADER_BYTES, BlockHeader
from tests.support.desk import Desk, blocks_of, make_shop, overwrite, reader_of, scramble

HEADER_BYTES = BlockHeader.width_bytes()
HEADER_FIELDS = {field.name: field.offset for field in layout_of(BlockHeader).fields}


@pytest.fixture
def before(tmp_path):
    """A journal of some blocks, with its state; the test adds one more block and damages it."""
    desk = Desk(make_shop(tmp_path / "data"))
    for amount_minor in (100, 200, 300):
        desk.debit(amount_minor, line_count=3)
        desk.commit()
    return desk


def add_last_block(desk: Desk, entry_count: int = 4) -> None:
    for _ in range(entry_count):
        desk.debit(7, line_count=2)
    desk.commit()


def zero(file: Path, offset: int, size: int) -> None:
    overwrite(file, offset, bytes(size))


@pytest.mark.parametrize("field", HEADER_FIELDS)
def test_a_last_block_with_another_byte_in_its_header_is_erased(before, field):
    path, state = before.directory.path, before.state()
    add_last_block(before)
    last = blocks_of(path)[-1]
    scramble(last.file, last.offset + HEADER_FIELDS[field])

    desk = Desk(path)

    assert desk.state() == state
    assert 0 < desk.recovered.torn_bytes <= last.size


@pytest.mark.parametrize("where", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_a_last_block_with_another_byte_in_its_body_is_erased(before, where):
    path, state = before.directory.path, before.state()
    add_last_block(before)
    last = blocks_of(path)[-1]
    scramble(last.file, last.offset + HEADER_BYTES + int(where * (last.size - HEADER_BYTES - 1)))

    desk = Desk(path)

    assert desk.state() == state
    assert last.size - 8 < desk.recovered.torn_bytes <= last.size, "but for zeros at its end"


@pytest.mark.parametrize(
    ("first", "kept"),
    [
        ("whole block", lambda size: 0),
        ("inside the magic", lambda size: 2),
        ("inside the header", lambda size: 60),
        ("behind the hashed part", lambda size: HASHED_HEADER_BYTES),
        ("behind the header", lambda size: HEADER_BYTES),
        ("inside the first entry", lambda size: HEADER_BYTES + 20),
        ("in the middle", lambda size: size // 2),
        ("inside the last image", lambda size: size - 30),
    ],
)
def test_a_last_block_of_which_only_the_beginning_was_written_is_erased(before, first, kept):
    path, state = before.directory.path, before.state()
    add_last_block(before)
    last = blocks_of(path)[-1]
    kept_bytes = kept(last.size)
    zero(last.file, last.offset + kept_bytes, last.size - kept_bytes)

    desk = Desk(path)

    assert desk.state() == state
    assert desk.recovered.torn_bytes <= kept_bytes
    assert (desk.recovered.torn_bytes > 0) == (kept_bytes > 0)


def test_a_last_block_of_which_only_the_end_was_written_is_erased(before):
    path, state = before.directory.path, before.state()
    add_last_block(before, entry_count=40)
    last = blocks_of(path)[-1]
    zero(last.file, last.offset, 4096)

    desk = Desk(path)

    assert desk.state() == state
    assert desk.recovered.torn_bytes > 4096


def test_what_is_erased_is_zero_afterwards_so_that_the_next_start_has_nothing_to_erase(before):
    path, state = before.directory.path, before.state()
    add_last_block(before)
    last = blocks_of(path)[-1]
    scramble(last.file, last.offset + HEADER_BYTES)

    Desk(path)
    again = Desk(path)

    assert again.state() == state
    assert again.recovered.torn_bytes == 0
    assert not any(last.file.read_bytes()[last.offset :])


def test_the_erased_block_is_written_again_and_the_chain_goes_on(before):
    path = before.directory.path
    add_last_block(before)
    last = blocks_of(path)[-1]
    scramble(last.file, last.offset + HEADER_BYTES)
    desk = Desk(path)

    add_last_block(desk)

    reader = reader_of(path)
    assert len(list(reader.blocks())) == last.number + 1
    assert reader.fault is None
    assert Desk(path).state() == desk.state()


def test_a_first_block_of_a_segment_that_was_cut_short_is_erased(tmp_path):
    desk = Desk(make_shop(tmp_path / "data"))
    path, segment_bytes = desk.directory.path, desk.directory.settings.segment_bytes
    while desk.engine.commit.durable_position < segment_bytes:
        state = desk.state()
        desk.debit(1, line_count=255)
        desk.commit()
    last = blocks_of(path)[-1]
    assert last.offset == 0, "the block is the first of the second segment"
    scramble(last.file, 500)

    recovered = Desk(path)

    assert recovered.state() == state
    assert last.size - 8 < recovered.recovered.torn_bytes <= last.size, "but for zeros at its end"


def test_a_clean_end_has_nothing_to_erase(before):
    desk = Desk(before.directory.path)

    assert desk.state() == before.state()
    assert desk.recovered.torn_bytes == 0
