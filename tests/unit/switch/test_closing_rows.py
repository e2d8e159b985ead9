"""Rows of a terminal's date, read from the journal by the list of its answers, and the inquiries that tell them."""

import hashlib
import random

import pytest

from switch._blocks import segment_path
from switch._closing import day_rows
from switch._projection import load_answers
from switch._segments import prepare_segment
from switch.duplicates import AnswerWindow
from switch.group_commit import GroupCommit
from switch.inquiries import DayBook
from switch.journal import LocalJournal
from switch.protocol.codes import ResponseCode
from switch.protocol.layout import layout_of
from switch.protocol.messages import (
    DayDigest,
    DayDigestsRequest,
    DayListRequest,
    DayRow,
    MessageType,
    Reply,
    decode_rows,
)
from switch.protocol.records import EntryHeader

TODAY, TILL, OTHER_TILL = 20_000, 7, 8
SEGMENT_BYTES = 4 << 20
FIRST_POSITION = 4096
TRACE_MAX = 2**32 - 1


class Shop:
    """Entries in a journal file, and the window that lists them."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.journal = LocalJournal(directory, 0, SEGMENT_BYTES)
        prepare_segment(self.journal, 0)
        self.journal.segment_is_ready(0)
        self.commit = GroupCommit(self.journal, position=20 * SEGMENT_BYTES)
        self.window = AnswerWindow(100_000)
        self.window.start_at(TODAY)
        self._position = FIRST_POSITION
        self._sequence = 0

    def answer(self, terminal: int, date: int, row: DayRow, request_bytes: int = 41, more: bytes = b"") -> DayRow:
        """Journal the answer that a row tells of; the row with its sequence."""
        self._sequence += 1
        reply = Reply(
            code=row.code,
            trace_number=row.trace_number,
            amount_minor=row.amount_minor,
            journal_sequence=self._sequence,
            more=more,
        ).encode()
        request = b"\xee" * request_bytes
        rest = b"".join(part + bytes(-len(part) % 8) for part in (request, reply))
        header = EntryHeader(
            entry_bytes=layout_of(EntryHeader).width_bytes + len(rest),
            sequence=self._sequence,
            time_ms=0,
            terminal_id=terminal,
            business_date=date,
            request_type=row.type,
            request_bytes=request_bytes,
            reply_bytes=len(reply),
        )
        with open(segment_path(self._directory, 0), "r+b") as file:
            file.seek(self._position)
            file.write(header.encode() + rest)
        key = terminal << 32 | row.trace_number
        load_answers(self.window, date, key.to_bytes(8, "little") + self._position.to_bytes(8, "little"))
        self._position += header.entry_bytes
        return DayRow(
            trace_number=row.trace_number,
            type=row.type,
            code=row.code,
            amount_minor=row.amount_minor,
            journal_sequence=self._sequence,
        )

    def rows(self, first: int = 0, last: int = TRACE_MAX, rows_max: int | None = None) -> tuple[list[DayRow], int]:
        found = day_rows(self.window, self.commit, TILL, TODAY, first, last, rows_max)
        assert found is not None
        return list(decode_rows(DayRow, found[0])), found[1]


@pytest.fixture
def shop(tmp_path):
    return Shop(str(tmp_path))


def a_row(trace_number: int, type_: int = MessageType.DEBIT, code: int = 0, amount_minor: int = 100) -> DayRow:
    return DayRow(trace_number=trace_number, type=type_, code=code, amount_minor=amount_minor, journal_sequence=0)


@pytest.fixture
def busy(shop):
    """A shop with 500 rows of the till in random order among others'; the rows by trace number."""
    choice = random.Random(1)
    rows = []
    for trace in choice.sample(range(1, 2000), 500):
        rows.append(
            shop.answer(
                TILL,
                TODAY,
                a_row(trace, choice.choice([0x10, 0x11, 0x13]), choice.choice([0, 10, 51]), choice.randrange(10**12)),
                choice.randrange(16, 400),
                bytes(choice.randrange(0, 5) * 24),
            )
        )
        shop.answer(OTHER_TILL, TODAY, a_row(trace))
        shop.answer(TILL, TODAY - 1, a_row(trace))
    return sorted(rows, key=lambda row: row.trace_number)


def test_all_rows_of_the_terminal_and_date_in_order_of_trace_number(shop, busy):
    assert shop.rows() == (busy, 0)


def test_requests_for_totals_are_left_out(shop, busy):
    shop.answer(TILL, TODAY, a_row(2001, MessageType.DAY_TOTALS))

    assert shop.rows() == (busy, 0)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (1, 700), (700, 700), (1000, TRACE_MAX), (1999, 5000)])
def test_a_range_of_trace_numbers_includes_both_ends(shop, busy, first, last):
    assert shop.rows(first, last)[0] == [row for row in busy if first <= row.trace_number <= last]


def test_what_does_not_fit_is_named_by_its_first_trace_number(shop, busy):
    rows, next_trace = shop.rows(rows_max=100)
    assert (rows, next_trace) == (busy[:100], busy[100].trace_number)

    assert shop.rows(next_trace, rows_max=400) == (busy[100:], 0)


def test_another_date_or_terminal_has_no_rows(shop, busy):
    assert day_rows(shop.window, shop.commit, 9, TODAY, 0, TRACE_MAX) == (b"", 0)
    assert day_rows(shop.window, shop.commit, TILL, TODAY - 2, 0, TRACE_MAX) == (b"", 0)


def make_unreadable(shop: Shop) -> None:
    """One more answer, in a segment that is not there."""
    beyond = (TILL << 32 | 5000).to_bytes(8, "little") + (9 * SEGMENT_BYTES).to_bytes(8, "little")
    load_answers(shop.window, TODAY, beyond)


def test_a_journal_that_cannot_be_read_gives_no_rows_at_all(shop, busy):
    make_unreadable(shop)

    assert day_rows(shop.window, shop.commit, TILL, TODAY, 0, TRACE_MAX) is None


# ------------------------------------------------------------------------ the dispatcher's answers


def digests_request(first: int, last: int, part_count: int, date: int = TODAY) -> DayDigestsRequest:
    return DayDigestsRequest(stamp_ms=0, closed_date=date, first_trace=first, last_trace=last, part_count=part_count)


def list_request(first: int, last: int, date: int = TODAY) -> DayListRequest:
    return DayListRequest(stamp_ms=0, closed_date=date, first_trace=first, last_trace=last)


@pytest.fixture
def book(shop):
    return DayBook(shop.window, shop.commit)


@pytest.mark.parametrize(
    ("first", "last", "part_count"),
    [
        (0, TRACE_MAX, 1),
        (0, TRACE_MAX, 256),
        (1, 2000, 256),
        (1, 1999, 7),
        (5, 9, 256),
        (300, 300, 1),
        (0, TRACE_MAX, 3),
    ],
)
def test_digests_of_equal_parts(shop, busy, book, first, last, part_count):
    reply = book.digests(TILL, digests_request(first, last, part_count), TODAY)

    length = (last - first + part_count) // part_count
    expected = []
    for part in range(part_count):
        start = first + part * length
        rows = [row.encode() for row in busy if start <= row.trace_number < start + length and row.trace_number <= last]
        expected.append(DayDigest(row_count=len(rows), digest=hashlib.sha256(b"".join(rows)).digest()[:16]))
    assert (reply.code, reply.row_count) == (0, part_count)
    assert list(decode_rows(DayDigest, reply.more)) == expected


def test_a_list_has_at_most_1024_rows_and_says_where_to_go_on(shop, book):
    rows = [shop.answer(TILL, TODAY, a_row(trace)) for trace in range(10, 1510)]

    first = book.rows(TILL, list_request(0, TRACE_MAX), TODAY)
    assert (first.code, first.row_count, first.next_trace) == (0, 1024, 1034)
    assert list(decode_rows(DayRow, first.more)) == rows[:1024]

    rest = book.rows(TILL, list_request(first.next_trace, TRACE_MAX), TODAY)
    assert (rest.row_count, rest.next_trace, list(decode_rows(DayRow, rest.more))) == (476, 0, rows[1024:])


@pytest.mark.parametrize(("days", "code"), [(-2, 202), (-1, 0), (0, 0), (1, 202)])
def test_the_date_must_be_today_or_the_day_before(book, days, code):
    assert book.digests(TILL, digests_request(0, 9, 1, TODAY + days), TODAY).code == code
    assert book.rows(TILL, list_request(0, 9, TODAY + days), TODAY).code == code


@pytest.mark.parametrize(("first", "last", "part_count"), [(9, 8, 1), (0, 9, 0), (0, 9, 257)])
def test_a_range_that_ends_before_it_begins_or_too_many_parts(book, first, last, part_count):
    assert book.digests(TILL, digests_request(first, last, part_count), TODAY).code == ResponseCode.FIELD_INVALID


def test_a_journal_that_cannot_be_read_is_told_as_busy(shop, book):
    make_unreadable(shop)

    assert book.digests(TILL, digests_request(0, TRACE_MAX, 1), TODAY).code == ResponseCode.BUSY
    assert book.rows(TILL, list_request(0, TRACE_MAX), TODAY).code == ResponseCode.BUSY
