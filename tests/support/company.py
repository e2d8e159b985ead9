"""A company that begins with nothing: `cardswitch init`, `cardswitch up`, as its operator would type them.

Real processes in production mode: switch, follower, sender and web server.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Self

ROOT = Path(__file__).parents[2]
PASSPHRASE = "working day of the tests"
START_TIMEOUT_S = 180
STOP_TIMEOUT_S = 60
LOOK_S = 0.05


class Company:
    """An installation in a folder; `with Company(folder) as company` starts it and leaves no process behind."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "up.log"
        self.web = f"127.0.0.1:{free_port()}"
        self.switch = f"127.0.0.1:{free_port()}"
        self.environment = {
            **os.environ,
            "CARDSWITCH_PASSPHRASE": PASSPHRASE,
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(folder / "state"),
            "CARDSWITCH_CONNECT": self.switch,
            "CARDSWITCH_OPERATOR_KEY": str(self.data / "operator.key"),
        }
        self.looked_at: set[str] = set()
        """Kinds of pages that somebody has looked at closely: once will do, test_first_day looks in both languages."""
        self.shown: set[str] = set()
        """Pictures of docs/operating.md that were taken."""
        self._up: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where browsers come to."""
        return f"http://{self.web}"

    @property
    def switch_address(self) -> tuple[str, int]:
        """Where tills come to."""
        host, _, port = self.switch.rpartition(":")
        return host, int(port)

    @property
    def setup_token(self) -> str:
        """As `up` has printed it."""
        found = re.search(r"^token: (\S+)$", self.log.read_text(), re.MULTILINE)
        assert found is not None, self.log.read_text()
        return found[1]

    def command(self, *words: str | int | Path) -> str:
        """Output of a command that must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "cardswitch", *map(str, words)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def begin(self, *words: str | int | Path) -> subprocess.Popen[bytes]:
        """Start a command that goes on; whoever starts it ends it."""
        with self.log.open("ab") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "cardswitch", *map(str, words)], env=self.environment, stdout=file, stderr=file
            )

    def __enter__(self) -> Self:
        self.command("init", "--data", self.data, "--timezone", "Asia/Shanghai", "--officers", "赵敏", "钱进")
        self._up = self.begin("up", "--data", self.data, "--listen", self.switch, "--web", self.web)
        deadline = monotonic() + START_TIMEOUT_S
        while monotonic() < deadline and self._up.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.address}/health", timeout=5):
                return self
            sleep(LOOK_S)
        self.__exit__()
        raise AssertionError(self.log.read_text())

    def __exit__(self, *_: object) -> None:
        if self._up is not None:
            self._up.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._up.wait(STOP_TIMEOUT_S)
            self._up.kill()
            self._up.wait()


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
