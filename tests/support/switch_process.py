"""A real switch: `cardswitch serve` as a child process that can be killed at any moment and started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
READY = re.compile(r"ready on (\S+):(\d+) .*?([\d,]+) entries replayed(?:, a torn tail of ([\d,]+) bytes erased)?")
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
LOOK_S = 0.002


def run_cardswitch(*arguments: str | int | Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as a person would; both outputs are kept."""
    return subprocess.run(
        [sys.executable, "-m", "cardswitch", *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


class SwitchProcess:
    """One data directory's switch; `with SwitchProcess(data) as switch` starts it and leaves no process behind."""

    def __init__(
        self,
        data: Path,
        *,
        environment: Mapping[str, str] | None = None,
        preload: Path | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self.data = data
        serve = ["cardswitch", "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
        self._command = serve if command is None else command
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        if preload is not None:
            already = self._environment.get("LD_PRELOAD")  # a sanitizer's runtime has to come first
            self._environment["LD_PRELOAD"] = f"{already} {preload}" if already else str(preload)
        self._log = data.parent / f"{data.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ("127.0.0.1", 0)
        self.replayed_count = self.torn_bytes = 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it has said since its last start."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def use_environment(self, **environment: str) -> None:
        """Other variables from the next start on."""
        self._environment |= environment

    def spawn(self) -> None:
        """Start the process and do not wait for it."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start(self) -> Self:
        """Start it and wait until it takes connections; RuntimeError with its words when it ends instead."""
        self.spawn()
        assert self._process is not None
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not (found := READY.search(self.output)):
            if self._process.poll() is not None:
                raise RuntimeError(f"the switch ended with {self._process.returncode}: {self.output}")
            if time.monotonic() > deadline_s:
                self.kill()
                raise RuntimeError(f"the switch was not ready within {START_TIMEOUT_S} s: {self.output}")
            time.sleep(LOOK_S)
        self.address = (found[1], int(found[2]))
        self.replayed_count = int(found[3].replace(",", ""))
        self.torn_bytes = int((found[4] or "0").replace(",", ""))
        return self

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """SIGTERM."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Exit status, once it has ended."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.terminate()
        return self.wait()

    def children(self) -> list[int]:
        """Its child processes: the one that brings the balance store up, and the notary if it has one."""
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == self.pid:
                found.append(int(status.parent.name))
        return found
