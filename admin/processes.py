"""What the processes beside the web server have in common: settings, a database, work until SIGTERM."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import structlog
from sqlalchemy.exc import SQLAlchemyError

from .database import Database
from .errors import AdminError, SettingsError, WaitedTooLongError
from .settings import Settings, settings_of_process

LOCK_MODE = 0o600
PARENT_VARIABLE = "CARDSWITCH_ADMIN_PARENT"
"""Environment variable with the number of the process that the service's processes live for; none: they stand alone."""
PR_SET_PDEATHSIG = 1
"""prctl(2)"""
AGAIN_PAUSE_S = 2.0
"""After a failure, before the next try."""

log = structlog.get_logger(__name__)


def end_with_parent() -> None:
    """Have this process told to end (SIGTERM) when the one that started it does, however that ends.

    `SystemExit` when that has happened already: nobody would be left to end this one.
    """
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        raise SystemExit(0)


def run_process(
    name: str, run: Callable[[Settings, Database, threading.Event], None], *, is_follower: bool = False
) -> int:
    """Run with the settings of the file that the environment names, until SIGTERM sets the event; the exit code."""
    settings = settings_of_process()
    database = Database(settings.url, is_follower=is_follower)
    is_stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        is_stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    end_with_parent()
    try:
        run(settings, database, is_stopping)
    except AdminError as error:
        print(f"admin {name}: {error}", file=sys.stderr)
        return 1
    finally:
        is_stopping.set()  # also for threads beside it
        database.close()
    return 0


@contextmanager
def alone(settings: Settings, name: str) -> Iterator[None]:
    """The only process of this name of an installation; `SettingsError` when there is another one."""
    path = Path(settings.data) / f"{name}.lock"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, LOCK_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"{path}: expected to be the only {name}, got another one; end it first") from None
        yield
    finally:
        os.close(descriptor)


def work_until(
    is_stopping: threading.Event,
    work: Callable[[], bool],
    waiting: str,
    *,
    idle_pause_s: float,
    again_pause_s: float = AGAIN_PAUSE_S,
) -> None:
    """Do a piece of work after the other; while `work` says that there is none, look again after a pause.

    What goes wrong with the database is logged (`waiting`: what stands still) and tried again.
    """
    while not is_stopping.is_set():
        try:
            if not work():
                is_stopping.wait(idle_pause_s)
        except (SQLAlchemyError, WaitedTooLongError) as error:
            log.warning(waiting, reason=str(error).partition("\n")[0])
            is_stopping.wait(again_pause_s)
