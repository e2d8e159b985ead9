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

Nobody waits for ever: a process that was stopped in the middle of its turn
keeps it.  Such locks cannot be waited for with a limit, so whoever does not get
them at once lets a thread wait for him, one at a time for each process; who
gives up leaves that thread its place, and the next one of the process takes it
over, or, if none has come by then, lets it go by.  The one who writes notes in the file of the turn who he is.

PostgreSQL locks rows and not the database; nothing of this is needed there.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ._clock import SYSTEM
from .errors import WaitedTooLongError

_ = str
GATE_SUFFIX, TURN_SUFFIX = ".gate", ".turn"
FILE_MODE = 0o600
WAIT_MAX_S = 10.0
"""As long as people look at a page that does not come; a turn takes some hundredths of a second, the largest steps of a
rebuild or an import a few seconds."""
HOLDER_BYTES = 128
_THREADS: dict[Path, set[int]] = {}
"""Of this process, by database: those that have a turn. One at a time, unless somebody begins within his own."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a turn to write."""

    pid: int
    name: str
    """What it runs."""
    is_stopped: bool
    """Whether it was stopped by a signal, and does nothing until it gets another."""


class Turnstile:
    """The way to the turns of one database, for one process."""

    def __init__(
        self, database: Path, *, wait_max_s: float = WAIT_MAX_S, now_ms: Callable[[], int] = SYSTEM.now_ms
    ) -> None:
        self._gate = database.with_name(database.name + GATE_SUFFIX)
        self._turn = database.with_name(database.name + TURN_SUFFIX)
        self._threads = _THREADS.setdefault(database.absolute(), set())
        self._wait_max_s, self._now_ms = wait_max_s, now_ms
        self._one_waits = threading.Lock()
        self._asking: _Asking | None = None
        """Left by one who gave up; it may have let its turn go by since."""

    def enter(self) -> Turn:
        """Wait for everybody who came before; `WaitedTooLongError` after `wait_max_s`, which says who it is."""
        thread = threading.get_ident()
        if thread in self._threads:
            raise RuntimeError(
                "write: expected no transaction of this thread that writes, got one: the second would wait for it for"
                " ever; use the session that is there"
            )
        descriptor = self._at_once()
        if descriptor is None:
            descriptor = self._wait()
        return self._taken(thread, descriptor)

    def enter_at_once(self) -> Turn | None:
        """A turn if nobody has one and nobody waits; None otherwise."""
        thread = threading.get_ident()
        descriptor = self._at_once() if thread not in self._threads else None
        return self._taken(thread, descriptor) if descriptor is not None else None

    def is_waited_at(self) -> bool:
        """Whether somebody wants to write; asked by the one who does, who may then keep it short."""
        if (gate := _locked(self._gate, fcntl.LOCK_NB)) is None:
            return True
        os.close(gate)
        return False

    def holder(self) -> Holder | None:
        """Who writes now; None when nobody does."""
        if (turn := _locked(self._turn, fcntl.LOCK_NB)) is not None:
            os.close(turn)
            return None
        number, _space, name = self._turn.read_bytes()[:HOLDER_BYTES].decode("utf-8", "replace").strip().partition(" ")
        pid = int(number) if number.isdecimal() else 0
        return Holder(pid, name, _is_stopped(pid))

    def _taken(self, thread: int, descriptor: int) -> Turn:
        os.pwrite(descriptor, f"{os.getpid()} {_own_name()}".encode()[:HOLDER_BYTES].ljust(HOLDER_BYTES), 0)
        self._threads.add(thread)
        return Turn(self._threads, thread, descriptor)

    def _at_once(self) -> int | None:
        gate = _locked(self._gate, fcntl.LOCK_NB)
        if gate is None:
            return None
        try:
            return _locked(self._turn, fcntl.LOCK_NB)
        finally:
            os.close(gate)

    def _wait(self) -> int:
        deadline_ms = self._now_ms() + self._wait_max_s * 1e3
        if not self._one_waits.acquire(timeout=self._wait_max_s):
            raise self._refusal()
        try:
            asking = self._asking
            if asking is None or not asking.is_wanted_again():
                asking = _Asking(self._gate, self._turn)
            descriptor = asking.answer((deadline_ms - self._now_ms()) / 1e3)
            self._asking = None if descriptor is not None else asking
        finally:
            self._one_waits.release()
        if descriptor is None:
            raise self._refusal()
        return descriptor

    def _refusal(self) -> WaitedTooLongError:
        holder = self.holder()
        if holder is None:
            return WaitedTooLongError(
                _("Nothing was written: others have written for longer than {most} s. Try again."),
                most=round(self._wait_max_s),
            )
        message = (
            _(
                "Nothing was written: process {pid} ({name}) has the turn to write and was stopped. Let it go on"
                " (kill -CONT {pid}) or end it, then try again."
            )
            if holder.is_stopped
            else _(
                "Nothing was written within {most} s: process {pid} ({name}) has the turn to write. Try again; if it"
                " stays so, end that process: it loses nothing that others have seen."
            )
        )
        return WaitedTooLongError(message, most=round(self._wait_max_s), pid=holder.pid, name=holder.name)


class Turn:
    """The right to write, until `end`."""

    def __init__(self, threads: set[int], thread: int, descriptor: int) -> None:
        self._threads, self._thread = threads, thread
        self._descriptor = descriptor

    def end(self) -> None:
        """Let the next one in."""
        self._threads.discard(self._thread)
        os.close(self._descriptor)


class _Asking:
    """A thread that waits for gate and turn; what it gets when nobody wants it any more is free again at once."""

    def __init__(self, gate: Path, turn: Path) -> None:
        self._gate, self._turn = gate, turn
        self._is_there = threading.Event()
        self._descriptor = -1
        self._fault: OSError | None = None
        self._lock = threading.Lock()
        self._is_wanted = True
        threading.Thread(target=self._ask, name="turn", daemon=True).start()

    def is_wanted_again(self) -> bool:
        """Take over the place of one who gave up; False when it has come to nothing."""
        with self._lock:
            self._is_wanted = not self._is_there.is_set()
            return self._is_wanted

    def answer(self, wait_s: float) -> int | None:
        """The locked file of the turn, which is the caller's from now on; None when it takes longer."""
        self._is_there.wait(max(0.0, wait_s))
        with self._lock:
            if not self._is_there.is_set():
                self._is_wanted = False
                return None
        if self._fault is not None:
            raise self._fault
        return self._descriptor

    def _ask(self) -> None:
        turn: int | None = None
        try:
            gate = _locked(self._gate)
            assert gate is not None
            try:
                turn = _locked(self._turn)
            finally:
                os.close(gate)
        except OSError as error:
            self._fault = error
        with self._lock:
            if turn is not None and self._is_wanted:
                self._descriptor = turn
            elif turn is not None:
                os.close(turn)
            self._is_there.set()


def _locked(path: Path, flags: int = 0) -> int | None:
    """The file, locked; None when that would mean to wait, and `flags` forbid it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _own_name() -> str:
    """What this process runs, such as admin.follower."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return str(spec.name) if spec is not None else Path(sys.argv[0] or "python").name


def _is_stopped(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in ("T", "t")
