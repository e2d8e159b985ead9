"""`python -m admin.members.importer`: takes files of members over until SIGTERM; `cardswitch admin serve` starts it."""

from __future__ import annotations

import os
import sys
import threading

from admin.database import Database
from admin.processes import run_process, work_until
from admin.references import References
from admin.service import Service
from admin.settings import Settings

from .taking import Taker

IDLE_PAUSE_S = 0.5
"""Between looks for a file that was begun."""
NICENESS = 10
"""A file may take longer; a sale and a page may not."""


def run(settings: Settings, database: Database, is_stopping: threading.Event) -> None:
    """Take over what was begun."""
    os.nice(NICENESS)
    service = Service(settings, database)
    taker = Taker(service, References(service.secret_for("card references")))
    work_until(is_stopping, taker.work, "imports wait", idle_pause_s=IDLE_PAUSE_S)


if __name__ == "__main__":
    sys.exit(run_process("importer", run))
