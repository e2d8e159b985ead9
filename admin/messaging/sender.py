"""`python -m admin.messaging.sender`: makes messages and hands them over until SIGTERM, in a process of its own.

There is one on a machine: a lock on a file in the service's folder, which the
kernel takes back from the dead, keeps a second one waiting.  So what is being
handed over when it is killed is handed over again by the next one at once.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from pathlib import Path

import structlog

from admin.database import Database
from admin.i18n import locale_now
from admin.members.seals import Vault
from admin.processes import run_process, work_until
from admin.service import Service
from admin.settings import Settings

from .expanding import expand, running_sendings
from .gateway import SilenceError
from .handing import gateway_for, hand_over, queue_due
from .journeying import enter_all, step_all
from .purchases import follow_purchases

LOOK_S = 1.0
PORTIONS_PER_LOOK = 20
"""Of members that sendings are gone through with, before messages are handed over again."""
ENTER_EVERY_MS = 60_000
"""Between two looks who enters a journey."""
STEP_ROUNDS_PER_LOOK = 20
"""As many steps as a journey has at most: who need not wait comes to its end."""
QUIET_S_MAX = 60
"""A gateway that does not answer is left alone for up to so long; then one request finds out whether it does."""
LOCK_FILE = "message-sender.lock"

log = structlog.get_logger("admin.messages")


class Sender:
    """Looks every second what is to be made, queued and handed over."""

    def __init__(self, service: Service) -> None:
        self.is_stopping = threading.Event()
        self._service = service
        self._vault = Vault(service)
        self._quiet_s = 0
        self._quiet_until_ms = 0
        self._entered_ms = 0

    def look(self) -> bool:
        """One round; False: the next one after a pause, so that no more goes out in a second than the gateway takes."""
        service = self._service
        locale_now.set(service.settings.locale)  # amounts and dates in texts are those of the installation
        for sending_id in running_sendings(service):
            for _portion in range(PORTIONS_PER_LOOK):
                if not expand(service, self._vault, sending_id) or self.is_stopping.is_set():
                    break
        follow_purchases(service, self._vault)
        now_ms = service.surroundings.now_ms()
        if now_ms - self._entered_ms >= ENTER_EVERY_MS:
            self._entered_ms = now_ms
            enter_all(service)
        for _round in range(STEP_ROUNDS_PER_LOOK):
            if not step_all(service, self._vault) or self.is_stopping.is_set():
                break
        queue_due(service)
        self._hand_over()
        return False

    def _hand_over(self) -> None:
        now_ms = self._service.surroundings.now_ms()
        found = gateway_for(self._service)
        if found is None or now_ms < self._quiet_until_ms:
            return
        gateway, per_second = found
        try:
            hand_over(self._service, self._vault, gateway, per_second)
            self._quiet_s = 0
        except SilenceError as silence:
            self._quiet_s = min(max(1, self._quiet_s * 2), QUIET_S_MAX)
            self._quiet_until_ms = now_ms + self._quiet_s * 1000
            log.warning("the message gateway does not answer", reason=silence.reason, pause_s=self._quiet_s)


def only_one(folder: Path, is_stopping: threading.Event) -> int:
    """Wait until no other sender runs on this machine; a descriptor that holds the place until the process ends."""
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while not is_stopping.is_set():
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_stopping.wait(LOOK_S)
        else:
            break
    return descriptor


def run_sender(settings: Settings, database: Database, is_stopping: threading.Event) -> None:
    """Make and hand over messages, alone on this machine."""
    held = only_one(Path(settings.data), is_stopping)
    sender = Sender(Service(settings, database))
    sender.is_stopping = is_stopping
    work_until(is_stopping, sender.look, "messages wait for the database", idle_pause_s=LOOK_S)
    os.close(held)


if __name__ == "__main__":
    sys.exit(run_process("messages", run_sender))
