"""A switch of one's own: a process on a temporary data directory, which may be killed and comes back."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

from loadtests.training_keys import with_training_keys

HOST = "127.0.0.1"
COMMAND = (sys.executable, "-m", "cardswitch")
READY = re.compile(rb"ready on (\S+):(\d+)")
START_TIMEOUT_S = 60
"""A start reads the journal's tail; far below a second as a rule."""
STOP_TIMEOUT_S = 30
OUTPUT_LINES_MAX = 200
"""Last lines of its output that are kept for an error message."""
SPARE_DESCRIPTORS = 256


class SwitchProcessError(RuntimeError):
    """The private switch did not start, or ended by itself; the message ends with its last words."""


def raise_descriptor_limit(needed: int) -> None:
    """Allow this process and its children as many open sockets as a replay needs; `OSError` when the system forbids it.

    Shells start with 1,024 as a rule, and a replay has more terminals than that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed += SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise OSError(f"open files: expected a limit of at least {needed}, got {hard}; raise it with ulimit -Hn")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


class PrivateSwitch:
    """The process `cardswitch serve` on one data directory."""

    def __init__(self, folder: Path, timezone: str) -> None:
        self.folder = folder
        self._timezone = timezone
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._output: list[bytes] = []

    @property
    def operator_credentials(self) -> Path:
        """Key file of the operator that `init` has made."""
        return self.folder / "operator.key"

    @property
    def process_id(self) -> int:
        """Number of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; the port stays the same over restarts."""
        return HOST, self._port

    def initialise(self) -> None:
        """Make the data directory; `SwitchProcessError` when that fails."""
        command = [*COMMAND, "init", "--data", str(self.folder), "--timezone", self._timezone, "--mode", "replay"]
        result = subprocess.run(command, capture_output=True, check=False, timeout=START_TIMEOUT_S, env=_environment())
        if result.returncode != 0:
            output = (result.stdout + result.stderr).decode("utf-8", "replace").strip()
            raise SwitchProcessError(f"cardswitch init: expected exit code 0, got {result.returncode}: {output}")

    async def start(self) -> None:
        """Start it and wait until it accepts connections."""
        self._output = []
        command = [*COMMAND, "serve", "--data", str(self.folder), "--listen", f"{HOST}:{self._port}"]
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=_environment()
        )
        self._ready = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read_output(self._process, self._ready))
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await asyncio.shield(self._ready)
        except TimeoutError:
            self.kill()
            raise self._error(f"expected 'ready on HOST:PORT' within {START_TIMEOUT_S} s, got nothing") from None

    def kill(self) -> None:
        """SIGKILL: nothing that was not on disk survives."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def restart(self) -> None:
        """Wait for the killed process to be gone and start it again on the same directory and port."""
        await self._gone()
        await self.start()

    async def abandon(self) -> None:
        """Kill it if it still runs, and wait until it is gone; for ways out that nobody planned."""
        self.kill()
        if self._process is not None:
            await self._gone()

    async def stop(self) -> None:
        """SIGTERM and wait; `SwitchProcessError` when it does not end cleanly."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._gone()
        except TimeoutError:
            self.kill()
            raise self._error(f"expected it to stop within {STOP_TIMEOUT_S} s of SIGTERM, got nothing") from None
        if process.returncode != 0:
            raise self._error(f"expected exit code 0 after SIGTERM, got {process.returncode}")

    def ended_by_itself(self) -> SwitchProcessError | None:
        """An error when the process has ended although nobody asked it to."""
        if self._process is not None and self._process.returncode is not None:
            return self._error(f"expected it to run, got exit code {self._process.returncode}")
        return None

    async def _gone(self) -> None:
        assert self._process is not None
        await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def _read_output(self, process: asyncio.subprocess.Process, ready: asyncio.Future[None]) -> None:
        """Read until the end, so that the process never waits for us; keep the last lines."""
        assert process.stdout is not None
        async for line in process.stdout:
            self._output = [*self._output[-OUTPUT_LINES_MAX:], line]
            if not ready.done() and (found := READY.search(line)):
                self._port = int(found[2])
                ready.set_result(None)
        if not ready.done():
            code = await process.wait()
            ready.set_exception(self._error(f"expected 'ready on HOST:PORT', got exit code {code}"))

    def _error(self, what: str) -> SwitchProcessError:
        words = b"".join(self._output).decode("utf-8", "replace").strip()
        return SwitchProcessError(f"cardswitch serve: {what}; its last words:\n{words or '(none)'}")


def _environment() -> dict[str, str]:
    # Unbuffered, so that the ready line comes when it is true.
    return {**with_training_keys(os.environ), "PYTHONUNBUFFERED": "1"}
