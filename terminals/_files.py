"""Files that one program at a time uses: their lock. How they are replaced so that a power cut leaves them whole is
`hsm._files.replace_file`."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .errors import TerminalError


def take_lock(path: Path, error_class: type[TerminalError]) -> int:
    """Descriptor that holds the lock beside a file until it is closed; `error_class` when another process has it.

    The file's own would not do: the file is replaced. The system lets go of the lock when a process dies.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # disk
    except OSError as error:
        raise error_class(f"{lock}: expected to create it, got {error.strerror}; check the folder") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise error_class(
            f"{path}: expected to be its only user, got another process that holds it; stop that one first"
        ) from None
    return descriptor
