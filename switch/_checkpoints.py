"""Decides when the balance store is brought up, and talks to the child process that does it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from switch._directory import DataDirectory
from switch.group_commit import GroupCommit

LOOK_S = 1.0
"""How often the journal's growth is looked at."""
QUIET_BYTES_PER_S = 8 << 20
"""Growth below this leaves a core to spare: then the interval counts, else only the bytes."""
AGAIN_S = 10.0
"""Pause before a child that has ended is started again: what ended it (a full disk) may take a while to mend."""
REPORT_BYTES_MAX = 4096


class Checkpoints:
    """Runs `switch._checkpointer` as a child and sends it durable positions.

    A child that ends is started again; until then the switch answers as before, and only a restart would take longer.
    """

    def __init__(self, directory: DataDirectory, commit: GroupCommit, position: int) -> None:
        self._directory, self._commit = directory, commit
        self._asked = self._reached = self._seen = position
        self._quiet_s = 0.0
        self._unread = b""
        """Start of a report whose line is not whole yet: a pipe may deliver it in pieces."""
        self._child: subprocess.Popen[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def reached_position(self) -> int:
        """Position of the balance store, as last reported."""
        return self._reached

    def start(self) -> None:
        """Start the child, and look at the journal every LOOK_S from now on."""
        self._start_child()
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def stop(self) -> None:
        """Bring the store up to the end of the journal and end the child; called when nothing is in flight."""
        if self._timer is not None:
            self._timer.cancel()
        if self._child is None:
            return
        _, from_child = self._pipes()
        asyncio.get_running_loop().remove_reader(from_child)
        position = self._commit.durable_position
        reports, _ = self._child.communicate(b"%d\n" % position if position > self._asked else b"")
        self._take_reports(reports)

    def _command(self) -> list[str]:
        directory = self._directory
        return [
            sys.executable,
            "-m",
            "switch._checkpointer",
            str(directory.ledger.resolve()),
            str(directory.journal.resolve()),
            str(directory.settings.partition),
            str(directory.settings.segment_bytes),
        ]

    def _start_child(self) -> None:
        self._asked = self._reached
        self._unread = b""
        self._child = subprocess.Popen(
            self._command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parent.parent,
            start_new_session=True,  # signals to the switch's process group are the switch's: it asks for a last one
        )
        asyncio.get_running_loop().add_reader(self._pipes()[1], self._read_report)

    def _pipes(self) -> tuple[int, int]:
        assert self._child is not None and self._child.stdin is not None and self._child.stdout is not None
        return self._child.stdin.fileno(), self._child.stdout.fileno()

    def _look(self) -> None:
        position = self._commit.durable_position
        grown, self._seen = position - self._seen, position
        self._quiet_s += LOOK_S
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)
        if self._child is None:
            try:
                self._start_child()
            except OSError as error:  # no memory, no process, no descriptor left just now
                self._go_without(f"cannot be started ({error})")
        elif self._asked == self._reached and position > self._asked:
            settings = self._directory.settings
            quiet = grown < QUIET_BYTES_PER_S * LOOK_S
            overdue = quiet and self._quiet_s >= settings.checkpoint_interval_s
            if position - self._asked >= settings.checkpoint_bytes or overdue:
                self._ask()

    def _ask(self) -> None:
        self._asked = self._commit.durable_position
        self._quiet_s = 0.0
        try:
            os.write(self._pipes()[0], f"{self._asked}\n".encode())
        except BrokenPipeError:
            self._child_has_ended()

    def _read_report(self) -> None:
        reports = os.read(self._pipes()[1], REPORT_BYTES_MAX)
        if reports:
            self._take_reports(reports)
        else:
            self._child_has_ended()

    def _take_reports(self, reports: bytes) -> None:
        *lines, self._unread = (self._unread + reports).split(b"\n")
        if lines:
            self._reached = int(lines[-1])

    def _child_has_ended(self) -> None:
        if self._child is not None:
            asyncio.get_running_loop().remove_reader(self._pipes()[1])
            self._child.communicate()
            status, self._child = self._child.returncode, None
            self._go_without(f"has ended with status {status}")

    def _go_without(self, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(AGAIN_S, self._look)
        print(
            f"cardswitch: the checkpoint process {reason}; "
            f"it is started again in {AGAIN_S:g} s; until then a restart would take longer",
            file=sys.stderr,
            flush=True,
        )
