"""`python -m admin.members.importer`: takes files of members over until SIGTERM; `cardswitch admin serve` starts it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

import structlog
from sqlalchemy.exc import SQLAlchemyError

from admin.database import Database
from admin.errors import AdminError
from admin.references import References
from admin.service import Service
from admin.settings import settings_of_process

from .taking import Taker

IDLE_PAUSE_S = 0.5
"""Between looks for a file that was begun."""
AGAIN_PAUSE_S = 2.0
"""After a failure, before the next try."""
NICENESS = 10
"""A file may take longer; a sale and a page may not."""

log = structlog.get_logger(__name__)


def main() -> int:
    """Take over until SIGTERM; settings from the file that the environment names."""
    settings = settings_of_process()
    database = Database(settings.url)
    is_stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        is_stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    os.nice(NICENESS)
    try:
        service = Service(settings, database)
        taker = Taker(service, References(service.secret_for("card references")))
        while not is_stopping.is_set():
            try:
                if not taker.work():
                    is_stopping.wait(IDLE_PAUSE_S)
            except SQLAlchemyError as error:
                log.warning("imports wait", reason=str(error).partition("\n")[0])
                is_stopping.wait(AGAIN_PAUSE_S)
    except AdminError as error:
        print(f"admin importer: {error}", file=sys.stderr)
        return 1
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
