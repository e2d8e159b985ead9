"""`python -m admin.documents.sender`: sends documents until SIGTERM; `cardswitch admin serve` starts it."""

from __future__ import annotations

import sys
import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from admin._clock import SYSTEM, Surroundings
from admin.database import Database
from admin.errors import AdminError, WaitedTooLongError
from admin.processes import alone, run_process
from admin.service import Service
from admin.settings import Settings

from .sending import Sender
from .terminals import link_of

IDLE_PAUSE_S = 0.05
"""Between looks for something to send: a person who has just pressed a button does not notice it."""
AGAIN_PAUSE_S = 1.0
"""After a failure, before the next try."""

log = structlog.get_logger(__name__)


def run(sender: Sender, is_stopping: threading.Event) -> None:
    """Send until told to stop; what goes wrong is told on the pages and tried again."""
    problem = ""
    while not is_stopping.is_set():
        try:
            has_more = sender.work()
            if problem:
                problem = ""
                sender.tell(problem)
            if not has_more:
                is_stopping.wait(IDLE_PAUSE_S)
        except (AdminError, SQLAlchemyError) as error:
            text = str(error).partition("\n")[0]
            if text != problem:
                problem = text
                log.warning("documents wait", reason=text)
                try:
                    sender.tell(text)
                except (SQLAlchemyError, WaitedTooLongError):
                    problem = ""  # the database is what is wrong; tell it once it is back
            is_stopping.wait(AGAIN_PAUSE_S)


def sender_of(settings: Settings, database: Database, surroundings: Surroundings = SYSTEM) -> Sender:
    """The sender that settings describe."""
    service = Service(settings, database, surroundings)
    return Sender(service, lambda store_id: link_of(settings, store_id, surroundings.random_bytes))


def run_sender(settings: Settings, database: Database, is_stopping: threading.Event) -> None:
    """Send what was asked for, alone."""
    # Two would give the same number to two requests.
    with alone(settings, "sender"):
        sender = sender_of(settings, database)
        try:
            run(sender, is_stopping)
        finally:
            sender.close()


if __name__ == "__main__":
    sys.exit(run_process("sender", run_sender))
