"""`python -m admin.messaging.sender`: makes messages and hands them over until SIGTERM, in a process of its own.

There is one on a machine: a lock on a file in the service's folder, which the
kernel takes back from the dead, keeps a second one waiting.  So what is being
handed over when it is killed is handed over again by the next one at once.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import structlog
from sqlalchemy.exc import SQLAlchemyError

from admin._clock import SYSTEM, Surroundings
from admin.database import Database
from admin.errors import AdminError
from admin.i18n import locale_now
from admin.members.seals import Vault
from admin.service import Service
from admin.settings import settings_of_process

from .expanding import expand, running_sendings
from .gateway import SilenceError
from .handing import gateway_for, hand_over, queue_due
from .purchases import follow_purchases

LOOK_S = 1.0
PORTIONS_PER_LOOK = 20
"""Of members that sendings are gone through with, before messages are handed over again."""
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

    def run(self) -> None:
        """Look until `is_stopping`."""
        while not self.is_stopping.is_set():
            try:
                self.look()
            except SQLAlchemyError as error:
                log.warning("messages wait for the database", reason=str(error).partition("\n")[0])
            self.is_stopping.wait(LOOK_S)

    def look(self) -> None:
        """One round."""
        service = self._service
        locale_now.set(service.settings.locale)  # amounts and dates in texts are those of the installation
        for sending_id in running_sendings(service):
            for _portion in range(PORTIONS_PER_LOOK):
                if not expand(service, self._vault, sending_id) or self.is_stopping.is_set():
                    break
        follow_purchases(service, self._vault)
        queue_due(service)
        self._hand_over()

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


def main(surroundings: Surroundings = SYSTEM) -> int:
    """Run with the settings of the file that the environment names."""
    settings = settings_of_process()
    database = Database(settings.url)
    try:
        sender = Sender(Service(settings, database, surroundings))

        def stop(_signal: int, _frame: FrameType | None) -> None:
            sender.is_stopping.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        held = only_one(Path(settings.data), sender.is_stopping)
        sender.run()
        os.close(held)
    except AdminError as error:
        print(f"admin messages: {error}", file=sys.stderr)
        return 1
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
