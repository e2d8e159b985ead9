"""A till in a process of its own, to be killed: it says each step, and goes on when it is told to.

    python -m tests.support.pos_process HOST PORT WORKSTATION FOLDER FIRST_NUMBER

It sells 12.50 once; each notice is a line, and the next line on its input lets it go on.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from switch.protocol.messages import Reply
from terminals.credentials import Credentials
from terminals.pos_bill import SaleBill
from terminals.pos_setup import open_pos
from terminals.pos_words import Notice, Words
from terminals.receipts import Language
from terminals.sale_receipt import ShopFacts
from terminals.workstation import read_workstation
from tests.support.desk import TILL_ID, TILL_KEY

ROOT = Path(__file__).parents[2]
BILL = SaleBill(12_50)


class SteppedCashier:
    """Waits for a word at each step."""

    def show(self, notice: Notice, words: Words) -> None:
        print(notice.name, flush=True)
        sys.stdin.readline()

    async def agree(self, due_minor: int, quote: Reply) -> bool:
        return True

    async def ask_pin(self, words: Words) -> bytes | None:
        return None

    async def printer_stopped(self, words: Words) -> bool:
        return False


def kill_at(notice: Notice, *arguments: str | int | Path) -> None:
    """Start a till with these arguments, and SIGKILL it when it has come to a step."""
    command = [sys.executable, "-m", "tests.support.pos_process", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            for line in process.stdout:
                if line.strip() == notice.name:
                    return
                process.stdin.write("\n")
                process.stdin.flush()
            raise AssertionError(f"the till ended with {process.wait()} before {notice.name}")
        finally:
            process.kill()


async def _sell(host: str, port: str, workstation: str, folder: str, first_number: str) -> None:
    shop = ShopFacts("宏大超市", "7", language=Language.ENGLISH)
    credentials = Credentials(TILL_ID, TILL_KEY)
    async with open_pos(
        (host, int(port)),
        credentials,
        read_workstation(Path(workstation)),
        Path(folder),
        SteppedCashier(),
        shop,
        first_number=int(first_number),
    ) as pos:
        await pos.sale(BILL)


if __name__ == "__main__":
    asyncio.run(_sell(*sys.argv[1:]))
