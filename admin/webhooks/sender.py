"""`python -m admin.webhooks.sender`: feeds and delivers until SIGTERM, in a process of its own.

A receiver that is slow holds up a thread here, and neither the follower nor a page.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import structlog
from sqlalchemy.exc import SQLAlchemyError

from admin.database import Database
from admin.errors import WaitedTooLongError
from admin.processes import run_process
from admin.references import References
from admin.service import Service
from admin.settings import Settings

from .delivering import Post, deliver_due, due_subscriptions, post
from .feeding import feed, purge

LOOK_S = 1.0
PURGE_EVERY_LOOKS = 600
SENDERS = 8
"""Receivers that are talked to at a time; each has at most one of these threads."""

log = structlog.get_logger("admin.webhooks")


class Sender:
    """Looks for events every second, and keeps one thread for each receiver that something waits for."""

    def __init__(self, service: Service, send: Post = post) -> None:
        self.is_stopping = threading.Event()
        self._service, self._send = service, send
        self._references = References(service.secret_for("card references"))
        self._running: dict[int, Future[int]] = {}

    def run(self) -> None:
        """Look and deliver until `is_stopping`."""
        looks = 0
        with ThreadPoolExecutor(SENDERS, "webhooks") as pool:
            while not self.is_stopping.is_set():
                try:
                    self._look(pool)
                    if looks % PURGE_EVERY_LOOKS == 0:
                        purge(self._service)
                except (SQLAlchemyError, WaitedTooLongError) as error:
                    log.warning("webhooks wait for the database", reason=str(error).partition("\n")[0])
                looks += 1
                self.is_stopping.wait(LOOK_S)

    def _look(self, pool: ThreadPoolExecutor) -> None:
        feed(self._service, self._references)
        for number, future in list(self._running.items()):
            if future.done():
                del self._running[number]
                if (error := future.exception()) is not None:
                    log.warning("a webhook could not be delivered", subscription=number, reason=repr(error))
        for number in due_subscriptions(self._service):
            if number not in self._running and len(self._running) < SENDERS:
                self._running[number] = pool.submit(deliver_due, self._service, number, self._send)


def run_sender(settings: Settings, database: Database, is_stopping: threading.Event) -> None:
    """Feed and deliver."""
    sender = Sender(Service(settings, database))
    sender.is_stopping = is_stopping
    sender.run()


if __name__ == "__main__":
    sys.exit(run_process("webhooks", run_sender))
