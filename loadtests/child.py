"""Processes that the bench starts: the switch and the echo peer. It ends these, by their own handle, and no others."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from loadtests.training_keys import with_training_keys

READY_PREFIX = "ready on "
LOG_TAIL_BYTES = 4096
CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ChildError(RuntimeError):
    """A child that did not start or did not end as it should; its last log lines are in the message."""


class Child:
    """`python -m …` as a child that says `ready on HOST:PORT`; standard error goes to `log`."""

    def __init__(self, arguments: list[str], log: Path, ready_timeout_s: float = 60) -> None:
        self._log = log
        with log.open("ab") as log_file:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_file,
                env=with_training_keys(os.environ),
            )
        self.pid = self._process.pid
        try:
            self.address = self._wait_until_ready(time.monotonic() + ready_timeout_s)
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout_s: float = 60) -> None:
        """Ask it to end (SIGTERM, closed standard input) and wait; ChildError when it ends badly."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=timeout_s)  # also hears its last words
        except subprocess.TimeoutExpired:
            self.kill()
            raise ChildError(f"{self._process.args!r} did not end within {timeout_s} s{self._log_tail()}") from None
        code = self._process.returncode
        if code not in (0, -signal.SIGTERM):
            raise ChildError(f"{self._process.args!r} ended with {code}{self._log_tail()}")

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def rss_bytes(self) -> int:
        """Resident memory of the process now."""
        return rss_bytes(self.pid)

    def rss_children_bytes(self) -> int:
        """Resident memory of its own children (the checkpointer; pages still shared since the fork count in both)."""
        return sum(rss_bytes(pid) for pid in _children(self.pid))

    def cpu_s(self) -> float:
        """CPU seconds that it has used so far, in all threads, without its children."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S

    def __enter__(self) -> Self:
        """The child itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running, whatever went wrong."""
        if self._process.poll() is None:
            self.kill()

    def _wait_until_ready(self, deadline_s: float) -> tuple[str, int]:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        said = b""
        while (waiting_s := deadline_s - time.monotonic()) > 0:
            if not select.select([descriptor], [], [], waiting_s)[0]:
                continue
            chunk = os.read(descriptor, 4096)
            if not chunk:
                break
            said += chunk
            for line in said.decode(errors="replace").splitlines(keepends=True):
                if READY_PREFIX in line and line.endswith("\n"):
                    host, _, port = line.partition(READY_PREFIX)[2].split()[0].rpartition(":")
                    return host, int(port)
        raise ChildError(f"{self._process.args!r} was not ready: it said {said!r}{self._log_tail()}")

    def _log_tail(self) -> str:
        tail = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        return f"\n{tail}" if tail else ""


def rss_bytes(pid: int) -> int:
    """Resident memory of a process, 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:")), 0)


def _children(pid: int) -> set[int]:
    found: set[int] = set()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found |= {int(word) for word in children.read_text().split()}
        except OSError:
            continue  # that thread has ended meanwhile
    return found
