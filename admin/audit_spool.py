"""Looks and refusals on their way into the audit log, where the log has one writer and he is busy (SQLite).

A row that tells of nothing but itself need not wait for a turn to write: it is
first put behind the others in a file beside the database, each line with the
hash of the one before, and is on the disk when `add` comes back.  From there it
goes into the log, in one transaction with how far the file was taken over: a
process that is killed anywhere, or two that do it, take each line over once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".looks"
BROKEN_SUFFIX = ".broken"
FILE_MODE = 0o600
NAME_CHARACTERS = 16
TAIL_BYTES = 128 * 1024
"""The last line, whatever its detail: an address or a filter has at most some kilobytes."""
RENEW_BYTES = 64 * 1024
"""A file beyond this is begun anew once all of it is in the log: some 200 lines."""


class BrokenSpoolError(Exception):
    """A line was changed or removed after it had been written."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was taken over."""

    name: str = ""
    end_bytes: int = 0
    digest: str = ""
    """Of the last line before."""


class Spool:
    """The file of one database."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + SUFFIX)

    def add(self, content: bytes) -> None:
        """Put a line behind the others; it is on the disk when this comes back. `content` has no line feed."""
        with self._open(os.O_CREAT, fcntl.LOCK_EX) as file:
            assert file is not None
            size = os.fstat(file).st_size
            start = max(0, size - TAIL_BYTES)
            tail = os.pread(file, TAIL_BYTES, start)
            whole, _feed, torn = tail.rpartition(b"\n")
            if torn:  # a process or the machine ended in the middle of a line, whose answer never went out
                size -= len(torn)
                os.ftruncate(file, size)
            before = whole.rpartition(b"\n")[2].partition(b" ")[0].decode()
            text = b""
            if not size:
                about = os.fstat(file)  # no two files of this place have the same
                told = f"{about.st_ino} {about.st_ctime_ns} ".encode() + content
                name = hashlib.sha256(told).hexdigest()[:NAME_CHARACTERS]
                before = hashlib.sha256(name.encode()).hexdigest()
                text = f"{before} {name}\n".encode()
            text += f"{_digest(before, content)} ".encode() + content + b"\n"
            os.pwrite(file, text, size)
            os.fdatasync(file)
            if not size:
                _sync_folder(self.path.parent)

    def is_beyond(self, place: Place | None) -> bool:
        """Whether there may be lines behind a place; cheap, and True when it is not known."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return False
        return place is None or size != place.end_bytes

    def read(self, place: Place) -> tuple[Place, list[bytes]]:
        """Lines behind a place, and where they end; nothing while somebody adds one, who will ask himself."""
        with self._open(0, fcntl.LOCK_EX | fcntl.LOCK_NB) as file:
            if file is None:
                return place, []
            size = os.fstat(file).st_size
            first = os.pread(file, TAIL_BYTES, 0).partition(b"\n")[0]
            digest, _space, name = first.decode("ascii", "replace").partition(" ")
            if not size or digest != hashlib.sha256(name.encode()).hexdigest():
                raise BrokenSpoolError
            if place.name != name:
                place = Place(name, len(first) + 1, digest)
            if size < place.end_bytes:
                raise BrokenSpoolError
            return _taken(place, os.pread(file, size - place.end_bytes, place.end_bytes))

    def renew(self, place: Place) -> None:
        """Begin anew behind a place that the database holds durably, if nothing has come since."""
        if place.end_bytes < RENEW_BYTES:
            return
        with self._open(0, fcntl.LOCK_EX | fcntl.LOCK_NB) as file:
            if file is not None and os.fstat(file).st_size == place.end_bytes:
                self.path.unlink()

    def put_aside(self) -> str:
        """Let a broken file be, for somebody to look at; its new name."""
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}{BROKEN_SUFFIX}{number}")).exists():
            number += 1
        self.path.rename(aside)
        return aside.name

    @contextmanager
    def _open(self, flags: int, lock: int) -> Iterator[int | None]:
        """The file, locked; None when there is none, or when that would mean to wait."""
        while True:
            try:
                file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | flags, FILE_MODE)
            except FileNotFoundError:
                yield None
                return
            try:
                try:
                    fcntl.flock(file, lock)
                except BlockingIOError:
                    yield None
                    return
                if os.fstat(file).st_nlink == 0:  # begun anew meanwhile
                    continue
                yield file
                return
            finally:
                os.close(file)


def _taken(place: Place, content: bytes) -> tuple[Place, list[bytes]]:
    whole, feed, _torn = content.rpartition(b"\n")
    digest, lines = place.digest, []
    for line in whole.split(b"\n") if feed else ():
        told, _space, text = line.partition(b" ")
        digest = _digest(digest, text)
        if told.decode("ascii", "replace") != digest:
            raise BrokenSpoolError
        lines.append(text)
    return Place(place.name, place.end_bytes + len(whole) + len(feed), digest), lines


def _digest(before: str, content: bytes) -> str:
    return hashlib.sha256(before.encode() + content).hexdigest()


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
