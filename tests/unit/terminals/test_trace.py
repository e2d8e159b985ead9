import errno
import os
import stat

import pytest

from switch.protocol.messages import PIN_BYTES, DebitFlag, DebitRequest, Evidence, MediumKind, MessageType
from terminals.errors import TooManyOpenRequestsError, TraceFileError
from terminals.trace import Heard, MemoryTrace
from terminals.trace_file import COMPACT_BYTES, FileTrace

DATE = 20_000


def begin(trace, body=b"body", **options):
    return trace.begin(MessageType.DEBIT, DATE, lambda number: body + bytes([number % 256]), **options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "till.trace"


def test_numbers_go_on_after_a_restart_whether_requests_were_settled_or_not(path):
    trace = FileTrace(path, 7)
    first, second = begin(trace), begin(trace)
    trace.close(first.trace_number)
    trace.shut()

    again = FileTrace(path, 7)

    assert (first.trace_number, second.trace_number, again.next_number) == (1, 2, 3)
    assert again.open_requests() == [second]
    assert again.open_requests()[0].body == b"body\x02"
    again.shut()


def test_a_request_is_on_disk_before_begin_returns(path):
    trace = FileTrace(path, 7)

    request = begin(trace)

    content = path.read_bytes()
    assert b'"trace_number":%d' % request.trace_number in content
    trace.shut()


def test_numbers_survive_rewriting_although_the_open_requests_are_older(path):
    trace = FileTrace(path, 7)
    kept = begin(trace)
    for _ in range(20):
        trace.close(begin(trace).trace_number)
    trace.shut()

    for _ in range(3):  # each opening rewrites the file
        trace = FileTrace(path, 7)
        assert (trace.next_number, trace.open_requests()) == (22, [kept])
        trace.shut()


def test_a_line_torn_at_any_byte_is_cut(path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    trace = FileTrace(path, 7)
    first = begin(trace)
    before = path.read_bytes()
    begin(trace)
    whole = path.read_bytes()
    trace.shut()

    for length in range(len(before), len(whole)):
        path.write_bytes(whole[:length])
        trace = FileTrace(path, 7)
        assert (trace.open_requests(), trace.next_number) == ([first], 2), length
        trace.shut()


def test_a_wrong_byte_before_the_last_line_is_refused_with_its_line(path):
    trace = FileTrace(path, 7)
    begin(trace)
    begin(trace)
    trace.shut()
    lines = path.read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b"trace_number", b"trace_numbre")
    path.write_bytes(b"\n".join(lines))

    with pytest.raises(TraceFileError, match=r"till.trace line 2: expected a line whose checksum fits.*operator"):
        FileTrace(path, 7)


def test_another_terminals_file_is_refused(path):
    FileTrace(path, 7).shut()

    with pytest.raises(TraceFileError, match=r"of terminal 8, got .* of terminal 7; give each terminal its own file"):
        FileTrace(path, 8)


def test_a_second_user_is_refused(path):
    trace = FileTrace(path, 7)

    with pytest.raises(TraceFileError, match="expected to be its only user"):
        FileTrace(path, 7)

    trace.shut()
    FileTrace(path, 7).shut()


def test_an_empty_or_foreign_file_is_refused(path):
    for content in (b"", b"hello\nworld\n", b"\n"):
        path.write_bytes(content)
        with pytest.raises(TraceFileError, match="expected a"):
            FileTrace(path, 7)


def test_only_the_owner_may_read_it(path):
    trace = FileTrace(path, 7)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    trace.shut()


def test_the_file_stays_small(path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    trace = FileTrace(path, 7)
    largest = 0
    for _ in range(1_000):
        trace.close(begin(trace, b"x" * 300).trace_number)
        largest = max(largest, path.stat().st_size)
    trace.shut()

    assert largest < COMPACT_BYTES + 2_000
    assert FileTrace(path, 7).next_number == 1_001


def test_a_full_disk_sends_nothing_and_is_survived(path, monkeypatch):
    trace = FileTrace(path, 7)
    first = begin(trace)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(TraceFileError, match="got No space left on device; nothing was sent, make room"):
            begin(trace)
    assert trace.open_requests() == [first]
    assert begin(trace).trace_number == 2
    trace.shut()
    again = FileTrace(path, 7)
    assert again.next_number == 3
    again.shut()


def test_open_requests_are_bounded_but_reversals_pass(path):
    trace = FileTrace(path, 7, open_requests_max=2)
    begin(trace)
    begin(trace)

    with pytest.raises(TooManyOpenRequestsError, match=r"expected less than 2, got 2; call settle\(\)"):
        begin(trace)
    begin(trace, urgent=True)
    trace.shut()


def test_a_stuck_request_stays_until_it_is_closed(path):
    trace = FileTrace(path, 7)
    request = begin(trace)
    trace.mark_stuck(request.trace_number, 103)
    trace.shut()

    again = FileTrace(path, 7)

    assert [(r.trace_number, r.stuck_code) for r in again.open_requests()] == [(1, 103)]
    again.close(1)
    again.close(1)
    assert again.open_requests() == []
    again.shut()


def test_numbers_begin_again_after_the_last_one():
    trace = MemoryTrace("a test", next_number=2**32 - 1)

    assert (begin(trace).trace_number, begin(trace).trace_number) == (2**32 - 1, 1)


def test_forgetting_needs_a_reason():
    with pytest.raises(ValueError, match="expected why nothing has to be remembered"):
        MemoryTrace("")


def test_requests_hide_their_bytes_from_logs():
    assert "body" not in repr(begin(MemoryTrace("a test")))


def test_the_book_keeps_no_pin_of_a_debit_with_evidence_and_all_the_rest_of_it():
    evidence = Evidence(medium=MediumKind.CHIP, counter=42, proof=b"p" * 16)
    debit = DebitRequest(
        trace_number=1,
        business_date=DATE,
        stamp_ms=5,
        card_number=6221_2600_1234_5674,
        amount_minor=100,
        flags=DebitFlag.PIN,
        pin=b"1234".ljust(PIN_BYTES, b"\0"),
        evidence=evidence,
    )
    trace = MemoryTrace("a test", keeps_book=True)
    request = trace.begin(MessageType.DEBIT, DATE, lambda number: debit.encode())
    trace.close(request.trace_number, Heard(code=0, amount_minor=100, journal_sequence=7))

    (entry,) = trace.book()
    kept = DebitRequest.decode(entry.request.body)
    assert (kept.pin, kept.evidence, kept.amount_minor) == (bytes(PIN_BYTES), evidence, 100)
