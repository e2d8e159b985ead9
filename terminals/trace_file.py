"""The trace store of a real till: a small log in a file, synced before anything is sent or told.

Lines `<crc32> <json>`, rewritten when the log has grown.  It holds card numbers
(they are part of the bytes to send again), so it has mode 0600 like the key
file.

| found when it is opened            | meaning                         | what happens                         |
|------------------------------------|---------------------------------|--------------------------------------|
| last line incomplete or wrong      | torn; its sync never returned   | cut: nothing was sent for it         |
| another line wrong                 | the disk has altered it         | refused, with the line's number      |
| head of another terminal           | files were mixed up             | refused                              |
| lock held                          | another process uses it         | refused: two would use one number    |
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Final

import msgspec

from hsm._files import sync_folder

from ._files import take_lock
from .errors import TraceFileError
from .trace import (
    OPEN_REQUESTS_MAX,
    Booked,
    Closed,
    Opened,
    OpenRequest,
    Record,
    Stuck,
    TraceStore,
    Unbooked,
    successor_of,
)

COMPACT_BYTES: Final = 256 * 1024
"""The log is rewritten when it has grown by this much, and by as much as it keeps: some thousand requests."""

FORMAT: Final = "cardswitch trace"
VERSION: Final = 2
VERSIONS_READ: Final = (1, 2)
"""Version 1 had no book: its days close by the switch's rows, or by a person."""


class _Head(msgspec.Struct, tag="head", forbid_unknown_fields=True):
    format: str
    version: int
    terminal_id: int
    next_number: int


class _Kept(msgspec.Struct, tag="kept", forbid_unknown_fields=True):
    """An open request carried over from the log before; says nothing about the next number."""

    request: OpenRequest


_Record = _Head | _Kept | Opened | Closed | Stuck | Booked | Unbooked
_decoder = msgspec.json.Decoder(_Record)


class FileTrace(TraceStore):
    """A store in a file, synced before each answer of `begin`, `close` and `mark_stuck`.

    A sync blocks the event loop for as long as the disk needs: a till has one
    customer at a time, and an order that cannot be got wrong is worth more
    here than a thousand requests per second.
    """

    def __init__(
        self, path: Path, terminal_id: int, open_requests_max: int = OPEN_REQUESTS_MAX, *, first_number: int = 1
    ) -> None:
        """Open or create; `TraceFileError` when it is damaged, another terminal's, or in use by another process.

        `first_number` is for a new file only: of a terminal that may have used numbers today that no file knows of.
        """
        super().__init__(first_number, open_requests_max)
        self._path, self._terminal_id = path, terminal_id
        self._descriptor = -1
        self._appended_bytes = 0
        self._size_bytes = 0
        self._kept_bytes = 0
        self._lock = take_lock(path, TraceFileError)
        try:
            if path.exists():
                self._load()
            self._rewrite()
        except BaseException:
            self.shut()
            raise

    def compact(self) -> None:
        """Write the file anew, with what it must not forget and nothing else."""
        self._rewrite()

    def shut(self) -> None:
        """Close the file and let another process have it."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1

    # ------------------------------------------------------------------- the log

    def _persist(self, record: Record) -> None:
        if self._descriptor < 0:
            raise TraceFileError(
                f"{self._path}: expected an open trace file, got a closed or broken one; open it again"
            )
        if self._appended_bytes > max(COMPACT_BYTES, self._kept_bytes):
            self._rewrite()
        line = _line(record)
        try:
            written_bytes = os.write(self._descriptor, line)  # disk
            if written_bytes != len(line):
                raise OSError(0, f"only {written_bytes} of {len(line)} bytes were written")
            os.fsync(self._descriptor)  # disk
        except OSError as error:
            self._cut_back()
            raise TraceFileError(
                f"{self._path}: expected to store a request, got {error.strerror}; nothing was sent, make room, repeat"
            ) from error
        self._appended_bytes += len(line)
        self._size_bytes += len(line)

    def _cut_back(self) -> None:
        """Remove half a line; if even that fails the file can be trusted no more in this process."""
        try:
            os.ftruncate(self._descriptor, self._size_bytes)  # disk
            os.lseek(self._descriptor, self._size_bytes, os.SEEK_SET)
        except OSError:
            os.close(self._descriptor)
            self._descriptor = -1

    def _load(self) -> None:
        content = self._path.read_bytes()  # disk
        lines = content.split(b"\n")
        whole_lines, tail = lines[:-1], lines[-1]
        for number, line in enumerate(whole_lines, 1):
            record = _parse(line)
            if record is None:
                if number == len(whole_lines) and not tail:
                    break  # torn while it was written: its sync never returned, so nothing was sent
                raise self._damaged(number, "a line whose checksum fits")
            if (number == 1) != isinstance(record, _Head):
                raise self._damaged(number, "a head in the first line and nowhere else")
            self._apply(record, number)
        # A tail without line end was torn as well.  The head never is: a new file takes its name when it is whole.
        if not whole_lines or _parse(whole_lines[0]) is None:
            raise self._damaged(1, "a head")

    def _apply(self, record: _Record, line_number: int) -> None:
        if isinstance(record, _Head):
            got = (record.format, record.version, record.terminal_id)
            if got not in [(FORMAT, version, self._terminal_id) for version in VERSIONS_READ]:
                raise TraceFileError(
                    f"{self._path}: expected {FORMAT!r} version {VERSION} of terminal {self._terminal_id},"
                    f" got {got[0]!r} version {got[1]} of terminal {got[2]}; give each terminal its own file"
                )
            self._next_number = record.next_number
        elif isinstance(record, Opened | _Kept):
            self._open[record.request.trace_number] = record.request
            self._note_date(record.request.business_date)
            if isinstance(record, Opened):
                self._next_number = successor_of(record.request.trace_number)
        elif isinstance(record, Booked):
            self._book[record.entry.key] = record.entry
            self._note_date(record.entry.request.business_date)
        elif isinstance(record, Unbooked):
            self._book.pop((record.business_date, record.trace_number), None)
        elif record.trace_number not in self._open:
            raise self._damaged(line_number, f"an open request with trace number {record.trace_number}")
        elif isinstance(record, Closed):
            self._take_out(record)
        else:
            request = self._open[record.trace_number]
            self._open[record.trace_number] = msgspec.structs.replace(request, stuck_code=record.code)

    def _rewrite(self) -> None:
        """Replace the log by what still matters: the next number, the open requests and the book."""
        head = _Head(FORMAT, VERSION, self._terminal_id, self._next_number)
        kept: list[_Record] = [_Kept(request) for request in self._open.values()]
        lines = b"".join(_line(record) for record in [head, *kept, *map(Booked, self._book.values())])
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)  # disk
            try:
                view = memoryview(lines)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)  # disk
                os.rename(temporary, self._path)
                sync_folder(self._path.parent)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise TraceFileError(
                f"{self._path}: expected to rewrite the file, got {error.strerror}; make room and repeat"
            ) from error
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._appended_bytes, self._size_bytes, self._kept_bytes = 0, len(lines), len(lines)

    def _damaged(self, line_number: int, expected: str) -> TraceFileError:
        return TraceFileError(
            f"{self._path} line {line_number}: expected {expected}, got something else; the file is damaged:"
            " ask the operator which requests of this terminal are open, then move the file away"
        )


def _line(record: _Record) -> bytes:
    text = msgspec.json.encode(record)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parse(line: bytes) -> _Record | None:
    checksum, _, text = line.partition(b" ")
    try:
        if len(checksum) != 8 or int(checksum, 16) != zlib.crc32(text):
            return None
        record: _Record = _decoder.decode(text)
    except (ValueError, msgspec.DecodeError):
        return None
    return record
