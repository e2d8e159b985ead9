"""Runs the service: the web server in this process; follower, senders, exporter, importer, watcher beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from granian import Granian
from granian.constants import Interfaces, Loops

from ._clock import SYSTEM, Surroundings
from .database import Database
from .errors import SettingsError
from .migrating import is_current, migrate
from .processes import PARENT_VARIABLE, end_with_parent
from .settings import SETTINGS_FILE_VARIABLE, Settings, read_settings

STOP_TIMEOUT_S = 20
LOOK_S = 0.2


def serve(settings_path: Path) -> int:
    """Serve pages until SIGTERM.  The tables must be those of this version: `migrate` makes them so."""
    end_with_parent()
    settings = read_settings(settings_path)
    database = Database(settings.url)
    try:
        if not is_current(database):
            raise SettingsError("the database is not of this version of the program; run cardswitch admin migrate")
    finally:
        database.close()
    os.environ |= {SETTINGS_FILE_VARIABLE: str(settings_path), PARENT_VARIABLE: str(os.getpid())}
    server = Granian(
        "admin.app:create_app",
        address=settings.listen_host,
        port=settings.listen_port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        factory=True,
        websockets=False,
        workers=1,  # rate limits and caches live in the process, and one is many times enough for a back office
    )
    server.serve()
    return 0


def prepare(settings: Settings) -> None:
    """Bring the tables up to this version."""
    database = Database(settings.url)
    try:
        migrate(database)
    finally:
        database.close()


def run_together(
    commands: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    environments: Mapping[str, Mapping[str, str]] | None = None,
    surroundings: Surroundings = SYSTEM,
) -> int:
    """Run processes until SIGTERM, or until one of them ends; then end the others.  Exit code of the first to end.

    `environments`: of those that get another one than the rest.
    """
    children: dict[str, subprocess.Popen[bytes]] = {}
    is_stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_stopping
        is_stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    code = 0
    try:
        for name, command in commands.items():
            its_own = (environments or {}).get(name, environment)
            children[name] = subprocess.Popen(command, env={**its_own, PARENT_VARIABLE: str(os.getpid())})
        while not is_stopping:
            ended = [(name, child.returncode) for name, child in children.items() if child.poll() is not None]
            if ended:
                name, code = ended[0]
                print(f"cardswitch: {name} has ended with {code}; ending the others", file=sys.stderr)
                code = code or 1
                break
            surroundings.pause_s(LOOK_S)
    finally:
        for child in reversed(children.values()):  # what depends on others first
            if child.poll() is None:
                child.terminate()
        for child in children.values():
            with suppress(subprocess.TimeoutExpired):
                child.wait(STOP_TIMEOUT_S)
            if child.poll() is None:
                child.kill()
                child.wait()
    return code


def commands_of(settings_path: Path) -> dict[str, list[str]]:
    """Follower, senders, exporter, importer, watcher and web server as commands, for `run_together`."""
    return {
        "follower": [sys.executable, "-m", "admin.follower"],
        "sender": [sys.executable, "-m", "admin.documents.sender"],
        "webhook sender": [sys.executable, "-m", "admin.webhooks.sender"],
        "message sender": [sys.executable, "-m", "admin.messaging.sender"],
        "exporter": [sys.executable, "-m", "admin.exports.exporter"],
        "importer": [sys.executable, "-m", "admin.members.importer"],
        "watcher": [sys.executable, "-m", "admin.abnormal.watcher"],
        "web server": [sys.executable, "-m", "admin.serving", str(settings_path)],
    }


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1])))
