"""Files that a power cut leaves whole: replaced at once, appended to with a sync, changed by one process at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hsm.keyring_errors import KeyringBusyError

FILE_MODE = 0o600
_SUFFIX_NEW = ".new"
_SUFFIX_LOCK = ".lock"


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that at every moment the old or the new content stands there. Durable when it returns.

    A `.new` beside it is what an earlier crash left; it is written over. The caller is the only writer.
    """
    put_file(path, content)
    sync_folder(path.parent)


def put_file(path: Path, content: bytes) -> None:
    """As `replace_file`, whole, but the name is durable only after `sync_folder`."""
    new = path.with_name(path.name + _SUFFIX_NEW)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    try:
        os.fchmod(descriptor, FILE_MODE)  # an old .new may have had another mode
        write_all(descriptor, content)
        os.fsync(descriptor)  # disk
    finally:
        os.close(descriptor)
    os.replace(new, path)


def append_file(path: Path, content: bytes) -> None:
    """Add to the end of an existing file. Durable when it returns; a crash may leave a part of `content`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)  # disk
    finally:
        os.close(descriptor)


def cut_file(path: Path, length: int) -> None:
    """Shorten a file. Durable when it returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.ftruncate(descriptor, length)
        os.fsync(descriptor)  # disk
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes) -> None:
    """`os.write` until all is written."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: Path) -> None:
    """Make a folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)  # disk
    finally:
        os.close(descriptor)


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Hold the lock beside a file (its own is replaced). `KeyringBusyError` at once if another process has it.

    The system lets go of it when a process dies, however it dies.
    """
    lock = path.with_name(path.name + _SUFFIX_LOCK)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KeyringBusyError(
                f"expected to be alone in changing {path}, got another process: try again"
            ) from error
        yield
    finally:
        os.close(descriptor)
