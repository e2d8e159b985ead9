"""A till from a workstation's file: client, readers, printer and the two files that it must not lose, opened together.

| file in the till's folder | what is in it |
|---|---|
| till.trace | requests that are not settled, and the day's answers (`trace_file.py`) |
| till.sales | how far each sale is (`sale_journal.py`) |
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from ._clock import SYSTEM, Surroundings
from .card_input import CardInput
from .client import Client
from .credentials import Credentials
from .device_test import open_printer
from .face_design import FaceBook
from .face_printing import face_printer
from .policy import DEFAULT_POLICY, Policy
from .pos import Pos
from .pos_cashier import Cashier
from .pos_selling import CARD_WAIT_MS
from .printing import ReceiptPrinter
from .sale_journal import SaleJournal
from .sale_receipt import ShopFacts
from .trace_file import FileTrace
from .workstation import Workstation

TRACE_FILE, SALES_FILE = "till.trace", "till.sales"


@asynccontextmanager
async def open_pos(
    address: tuple[str, int],
    credentials: Credentials,
    workstation: Workstation,
    folder: Path,
    cashier: Cashier,
    shop: ShopFacts,
    *,
    policy: Policy = DEFAULT_POLICY,
    surroundings: Surroundings = SYSTEM,
    card_wait_ms: int = CARD_WAIT_MS,
    first_number: int = 1,
    faces: FaceBook | None = None,
) -> AsyncIterator[Pos]:
    """The till, until the end of the block. `TraceFileError`, `SaleJournalError` for files that are in use or damaged.

    `address` is host and port of the switch; nothing is sent before the till is asked for something. `first_number`
    is for a terminal that has used trace numbers today which the folder does not know of. With `faces` and a writer of
    visual cards in the workstation, each sale prints the card's face anew.
    """
    printer, visual = workstation.of_kind("printer"), workstation.of_kind("visual")
    open_paper: Callable[[], ReceiptPrinter] | None = None if printer is None else lambda: open_printer(printer)
    with ExitStack() as stack:
        trace = FileTrace(folder / TRACE_FILE, credentials.terminal_id, first_number=first_number)
        stack.callback(trace.shut)
        journal = SaleJournal(folder / SALES_FILE)
        stack.callback(journal.shut)
        client = Client(*address, credentials, trace, policy=policy, surroundings=surroundings)
        async with client, CardInput(workstation, surroundings=surroundings) as card_input:
            yield Pos(
                client,
                trace,
                card_input,
                open_paper,
                journal,
                cashier,
                shop,
                credentials.terminal_id,
                workstation.currency,
                surroundings=surroundings,
                card_wait_ms=card_wait_ms,
                write_face=None if faces is None or visual is None else face_printer(faces, visual),
            )
