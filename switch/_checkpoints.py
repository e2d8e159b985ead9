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


class Checkpoints:
    """Runs `switch._checkpointer` as a child and sends it durable positions."""

    def __init__(self, directory: DataDirectory, commit: GroupCommit, position: int) -> None:
        self._commit = commit
        self._bytes_max = directory.settings.checkpoint_bytes
        self._interval_s = directory.settings.checkpoint_interval_s
        self._asked = self._reached = self._seen = position
        self._quiet_s = 0.0
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "switch._checkpointer",
                str(directory.ledger.resolve()),
                str(directory.journal.resolve()),
                str(directory.settings.partition),
                str(directory.settings.segment_bytes),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parent.parent,
            start_new_session=True,  # signals to the process group are the switch's: it asks for a last checkpoint
        )
        assert self._child.stdin is not None and self._child.stdout is not None
        self._to_child, self._from_child = self._child.stdin, self._child.stdout
        self._timer: asyncio.TimerHandle | None = None

    @property
    def reached_position(self) -> int:
        """Position of the balance store, as last reported."""
        return self._reached

    def start(self) -> None:
        """Look at the journal every LOOK_S from now on."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._from_child.fileno(), self._read_report)
        self._timer = loop.call_later(LOOK_S, self._look)

    def stop(self) -> None:
        """Bring the store up to the end of the journal and end the child; called when nothing is in flight."""
        asyncio.get_running_loop().remove_reader(self._from_child.fileno())
        if self._timer is not None:
            self._timer.cancel()
        if self._child.poll() is None and self._commit.durable_position > self._asked:
            self._ask()
        self._to_child.close()
        self._from_child.read()
        self._child.wait()

    def _look(self) -> None:
        position = self._commit.durable_position
        grown, self._seen = position - self._seen, position
        self._quiet_s += LOOK_S
        if self._child.poll() is not None:
            # Without its store the switch still answers rightly; a restart takes longer. Say so and go on.
            print("cardswitch: the checkpoint process has ended; restart the switch", file=sys.stderr, flush=True)
            return
        if self._asked == self._reached and position > self._asked:
            quiet = grown < QUIET_BYTES_PER_S * LOOK_S
            if position - self._asked >= self._bytes_max or (quiet and self._quiet_s >= self._interval_s):
                self._ask()
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _ask(self) -> None:
        self._asked = self._commit.durable_position
        self._quiet_s = 0.0
        self._to_child.write(f"{self._asked}\n".encode())
        self._to_child.flush()

    def _read_report(self) -> None:
        lines = os.read(self._from_child.fileno(), 4096).split()
        if lines:
            self._reached = self._asked
        else:
            asyncio.get_running_loop().remove_reader(self._from_child.fileno())
