import errno
import os
import threading
import time

import pytest

import switch._segments
from switch._segments import SPARE_COUNT, SegmentPreparer, prepare_segment
from switch.journal import LocalJournal, zero_fill
from tests.support.desk import SEGMENT_BYTES

PATIENCE_S = 20


@pytest.fixture
def journal(tmp_path):
    return LocalJournal(str(tmp_path), 0, SEGMENT_BYTES)


@pytest.fixture
def full_disk(monkeypatch):
    """A switch for ENOSPC: while it is set, no file can be filled."""
    full = threading.Event()

    def fill(descriptor, size_bytes):
        if full.is_set():
            os.write(descriptor, b"\0" * 4096)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        zero_fill(descriptor, size_bytes)

    monkeypatch.setattr(switch._segments, "zero_fill", fill)
    monkeypatch.setattr(switch._segments, "RETRY_S", 0.05)
    return full


def wait_until(condition):
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.005)


def test_a_prepared_segment_is_whole_and_zero(journal, tmp_path):
    prepare_segment(journal, 0)

    assert [file.name for file in tmp_path.iterdir()] == ["000000000000.segment"]
    assert (tmp_path / "000000000000.segment").read_bytes() == bytes(SEGMENT_BYTES)


def test_a_preparation_that_fails_leaves_nothing_behind(journal, tmp_path, full_disk):
    full_disk.set()

    with pytest.raises(OSError, match="No space left"):
        prepare_segment(journal, 0)

    assert list(tmp_path.iterdir()) == []


def test_a_start_waits_for_the_first_segment_and_the_spare_ones_follow(journal, tmp_path):
    preparer = SegmentPreparer(journal, print)

    preparer.start()
    first_count = journal.segments_prepared
    wait_until(lambda: journal.spare_count >= SPARE_COUNT)
    preparer.stop()

    assert first_count >= 1
    names = [f"{n:012}.segment" for n in range(journal.segments_prepared)]
    assert sorted(file.name for file in tmp_path.iterdir()) == names


def test_a_full_disk_is_told_only_when_no_spare_segment_is_left(journal, full_disk):
    prepare_segment(journal, 0)
    journal.segment_is_ready(0)
    prepare_segment(journal, 1)
    journal.segment_is_ready(1)
    full_disk.set()
    preparer = SegmentPreparer(journal, print)

    preparer.start()
    time.sleep(0.3)
    preparer.stop()

    assert journal.spare_count == 1
    assert not journal.disk_full


def test_it_goes_on_by_itself_when_space_returns(journal, full_disk):
    prepare_segment(journal, 0)
    journal.segment_is_ready(0)
    full_disk.set()
    preparer = SegmentPreparer(journal, print)
    preparer.start()
    wait_until(lambda: journal.disk_full)

    full_disk.clear()

    wait_until(lambda: journal.spare_count >= SPARE_COUNT)
    assert not journal.disk_full
    preparer.stop()


def test_a_disk_that_is_broken_and_not_full_is_told_at_once(journal, monkeypatch):
    prepare_segment(journal, 0)
    journal.segment_is_ready(0)

    def fail(descriptor, size_bytes):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(switch._segments, "zero_fill", fail)
    told: list[OSError] = []
    preparer = SegmentPreparer(journal, told.append)

    preparer.start()
    wait_until(lambda: told)
    preparer.stop()

    assert [error.errno for error in told] == [errno.EIO]
    assert not journal.disk_full


def test_a_segment_that_is_there_is_never_written_over(journal, tmp_path):
    (tmp_path / "000000000000.segment").write_bytes(b"the journal")

    with pytest.raises(OSError, match="File exists"):
        prepare_segment(journal, 0)

    assert (tmp_path / "000000000000.segment").read_bytes() == b"the journal"
    assert [file.name for file in tmp_path.iterdir()] == ["000000000000.segment"]
