"""Writers of SQLite take turns, in the order in which they came.

SQLite lets one connection write at a time, and who finds it taken asks again
after a pause.  A process that commits and at once begins again, like the
follower while it catches up, is nearly always back before somebody else has
asked: others wait for seconds.  Therefore every writer first goes through two
locks of files beside the database, which the kernel gives to processes and
threads in the order of their asking, and takes back from those that die:

    gate    held by the one who is next
    turn    held by the one who writes

Who has ended his turn finds the gate held by whoever waits, and comes after
him.  One lock would not do: it is free for a moment before the one who waits
wakes up, and who has just let go of it could take it again.

PostgreSQL locks rows and not the database; nothing of this is needed there.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

GATE_SUFFIX, TURN_SUFFIX = ".gate", ".turn"
FILE_MODE = 0o600
_THREADS: dict[Path, set[int]] = {}
"""Of this process, by database: those that have a turn. One at a time, unless somebody begins within his own."""


class Turnstile:
    """The way to the turns of one database, for one process."""

    def __init__(self, database: Path) -> None:
        self._gate = database.with_name(database.name + GATE_SUFFIX)
        self._turn = database.with_name(database.name + TURN_SUFFIX)
        self._threads = _THREADS.setdefault(database.absolute(), set())

    def enter(self) -> Turn:
        """Wait for everybody who came before, however long each takes."""
        thread = threading.get_ident()
        if thread in self._threads:
            raise RuntimeError(
                "write: expected no transaction of this thread that writes, got one: the second would wait for it for"
                " ever; use the session that is there"
            )
        gate = _locked(self._gate)
        try:
            turn = Turn(self._threads, thread, _locked(self._turn))
        finally:
            os.close(gate)
        self._threads.add(thread)
        return turn

    def is_waited_at(self) -> bool:
        """Whether somebody wants to write; asked by the one who does, who may then keep it short."""
        gate = os.open(self._gate, os.O_RDWR | os.O_CREAT, FILE_MODE)
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(gate)
        return False


class Turn:
    """The right to write, until `end`."""

    def __init__(self, threads: set[int], thread: int, descriptor: int) -> None:
        self._threads, self._thread = threads, thread
        self._descriptor = descriptor

    def end(self) -> None:
        """Let the next one in."""
        self._threads.discard(self._thread)
        os.close(self._descriptor)


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
